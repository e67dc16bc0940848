"""Status objects: how the API server says no."""

from __future__ import annotations

from typing import Any

REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    410: "Expired",
    415: "UnsupportedMediaType",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
}


class ApiError(Exception):
    """Answered as a Status object with the HTTP code."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        reason: str = "",
        details: dict[str, Any] | None = None,
        retry_after: int = 0,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason or REASONS.get(code, "")
        self.details = details
        self.retry_after = retry_after

    def status(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        details = dict(self.details or {})
        if self.retry_after:
            details["retryAfterSeconds"] = self.retry_after
        if details or self.details is not None:
            body["details"] = details
        body["code"] = self.code
        return body


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized")


def forbidden(user: str, verb: str, group: str, resource: str, name: str, namespace: str) -> ApiError:
    """The sentence of the RBAC authoriser."""
    kind = resource.partition("/")[0]  # of a subresource the sentence and the details name the resource alone
    target = f"{kind}.{group}" if group else kind
    target += f' "{name}"' if name else ""
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    text = f'{target} is forbidden: User "{user}" cannot {verb} resource "{resource}" in API group "{group}" {where}'
    details = {"kind": kind} | ({"name": name} if name else {}) | ({"group": group} if group else {})
    return ApiError(403, text, details=details)


def not_found(group: str, resource: str, name: str) -> ApiError:
    full = f"{resource}.{group}" if group else resource
    details = {"name": name, "kind": resource} | ({"group": group} if group else {})
    return ApiError(404, f'{full} "{name}" not found', details=details)


def no_such_path() -> ApiError:
    return ApiError(404, "the server could not find the requested resource", details={})


def bad_number(value: str) -> ApiError:
    """A number in the query that is none."""
    return ApiError(400, f'strconv.ParseInt: parsing "{value}": invalid syntax')


def already_exists(group: str, resource: str, name: str) -> ApiError:
    full = f"{resource}.{group}" if group else resource
    details = {"name": name, "kind": resource} | ({"group": group} if group else {})
    return ApiError(409, f'{full} "{name}" already exists', reason="AlreadyExists", details=details)


def conflict(group: str, resource: str, name: str) -> ApiError:
    full = f"{resource}.{group}" if group else resource
    text = (
        f'Operation cannot be fulfilled on {full} "{name}": the object has been modified; please apply your changes '
        "to the latest version and try again"
    )
    details = {"name": name, "kind": resource} | ({"group": group} if group else {})
    return ApiError(409, text, details=details)


def version_needed(group: str, resource: str, name: str) -> ApiError:
    """An update without a resourceVersion, of a kind that must not be overwritten blindly."""
    field = "metadata.resourceVersion"
    what = "Invalid value: 0: must be specified for an update"
    text = f'{resource}.{group} "{name}" is invalid: {field}: {what}'
    cause = {"reason": "FieldValueInvalid", "message": what, "field": field}
    details = {"name": name, "group": group, "kind": resource, "causes": [cause]}
    return ApiError(422, text, reason="Invalid", details=details)


def invalid(
    kind: str, group: str, name: str, field: str, what: str, *, reason: str = "FieldValueInvalid"
) -> ApiError:
    """One field of an object is refused. `what` as the server words it: `Invalid value: …: why`."""
    full = f"{kind}.{group}" if group else kind
    cause = {"reason": reason, "message": what, "field": field}
    named = {"name": name} if name else {}
    details = named | ({"group": group} if group else {}) | {"kind": kind, "causes": [cause]}
    return ApiError(422, f'{full} "{name}" is invalid: {field}: {what}', reason="Invalid", details=details)


def required(kind: str, group: str, name: str, field: str, why: str) -> ApiError:
    """A field is missing."""
    what = f"Required value: {why}" if why else "Required value"
    return invalid(kind, group, name, field, what, reason="FieldValueRequired")


def unsupported(accepted: tuple[str, ...]) -> ApiError:
    """A body of a media type that is not read here."""
    what = "the body of the request was in an unknown format - accepted media types include: "
    return ApiError(415, what + ", ".join(accepted))


def no_patch() -> ApiError:
    """A patch of a form that is not known here."""
    return ApiError(415, "415: Unsupported Media Type", details={})


def cannot_follow(why: str) -> ApiError:
    """Valid for a real server, perhaps, but nothing that this lab's models understand."""
    return ApiError(
        422, f"this practice cluster cannot follow what that would lead to: {why}", reason="Invalid"
    )


def not_allowed() -> ApiError:
    return ApiError(405, "the server does not allow this method on the requested resource", details={})


def expired(version: int, oldest: int) -> ApiError:
    return ApiError(410, f"too old resource version: {version} ({oldest})")


def too_new(asked: int, current: int) -> ApiError:
    """A resource version that this server has not reached."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    text = f"Timeout: Too large resource version: {asked}, current: {current}"
    return ApiError(504, text, reason="Timeout", details={"causes": [cause], "retryAfterSeconds": 1})


def too_many() -> ApiError:
    return ApiError(
        429, "The request rate limiter has rejected this request. Please try again later.", retry_after=1
    )
