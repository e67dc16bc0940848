"""A request to the API as the kubectl command that sends the same, for the Commands-run screen."""

from __future__ import annotations

import shlex

from targets.api_errors import parse_path
from targets.kubeconfig import IN_CLUSTER, Chosen

_LONGEST_BODY = 4000
_SECRET_RESOURCES = {"secrets", "tokenreviews", "certificatesigningrequests"}
_PATCH_TYPES = {
    "application/strategic-merge-patch+json": "strategic",
    "application/merge-patch+json": "merge",
    "application/json-patch+json": "json",
}


def kubectl_line(
    chosen: Chosen, method: str, path: str, body: bytes | None = None, content_type: str = ""
) -> str:
    """A line that can be pasted. A body that may hold a secret, or is long, is not shown (`-f FILE`)."""
    flags = () if chosen.context == IN_CLUSTER else chosen.kubectl_flags
    start = " ".join(["kubectl", *(shlex.quote(flag) for flag in flags)])
    raw = shlex.quote(path)
    if method == "GET":
        return f"{start} get --raw {_quoted(path)}"
    if method == "PATCH":
        return _patch(start, path, body or b"", content_type)
    word = {"POST": "create", "PUT": "replace", "DELETE": "delete"}[method]
    if not body:
        return f"{start} {word} --raw {raw}"
    shown = _shown(path, body)
    if shown is None:
        return f"{start} {word} --raw {raw} -f FILE"
    return f"{start} {word} --raw {raw} -f - <<'EOF'\n{shown}\nEOF"


def _patch(start: str, path: str, body: bytes, content_type: str) -> str:
    parts = parse_path(path)
    if parts is None or not parts.name:
        return f"# no kubectl command sends PATCH {path}"
    resource = f"{parts.resource}.{parts.version}.{parts.group}" if parts.group else parts.resource
    scope = f" -n {shlex.quote(parts.namespace)}" if parts.namespace else ""
    sub = f" --subresource {parts.subresource}" if parts.subresource else ""
    shown = _shown(path, body)
    if content_type == "application/apply-patch+yaml":
        end = "-f FILE" if shown is None else f"-f - <<'EOF'\n{shown}\nEOF"
        return f"{start}{scope} apply --server-side{sub} {end}"
    kind = _PATCH_TYPES.get(content_type, "merge")
    what = "--patch-file FILE" if shown is None else f"-p {_quoted(shown)}"
    return f"{start}{scope} patch {resource} {shlex.quote(parts.name)}{sub} --type {kind} {what}"


def _shown(path: str, body: bytes) -> str | None:
    parts = parse_path(path)
    secret = parts is not None and (parts.resource in _SECRET_RESOURCES or parts.subresource == "token")
    if secret or len(body) > _LONGEST_BODY:
        return None
    return body.decode("utf-8", "replace")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\"'\"'") + "'"
