"""One exchange with the API server: log in, send, renew a login once, ask again when the server is busy."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from targets.api_errors import read_status, refused
from targets.credentials import Credentials, Login
from targets.deadline import Deadline
from targets.errors import TargetError, Unreachable
from targets.http_wire import CONNECT_SECONDS, Answer, Hold, Wire
from targets.kubeconfig import Chosen
from targets.kubectl_line import kubectl_line
from targets.target import CommandLog, Sent

T = TypeVar("T")

_ERROR_BODY = 1 << 16
_BUSY_TRIES = {
    429: 6,
    502: 4,
    503: 4,
    504: 4,
    500: 2,
}  # how often such an answer to a GET is asked for in all
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0  # seconds, where the server names none


@dataclass(frozen=True)
class Request:
    """What to send. `path` holds the query."""

    method: str
    path: str
    body: bytes | None = None
    content_type: str = ""
    accept: str = "application/json"
    gzip: bool = True

    def headers(self) -> dict[str, str]:
        headers = {"Accept": self.accept, "Accept-Encoding": "gzip" if self.gzip else "identity"}
        return headers | ({"Content-Type": self.content_type} if self.content_type else {})


class ApiClient:
    """Sends requests and turns all that can go wrong into TargetErrors. Safe for use by many threads."""

    def __init__(
        self,
        chosen: Chosen,
        log: CommandLog,
        environ: Mapping[str, str] = os.environ,
        connect_seconds: float = CONNECT_SECONDS,
        reread: Callable[[], Chosen] | None = None,
    ) -> None:
        self.chosen = chosen
        self.log = log
        self.credentials = Credentials(chosen, reread)
        self._environ = environ
        self._connect_seconds = connect_seconds
        self._lock = threading.Lock()
        self._wire: Wire | None = None
        self._wire_certificate: tuple[bytes, bytes] | None = None

    def exchange(
        self,
        request: Request,
        deadline: Deadline,
        at_most: float,
        use: Callable[[Answer], T],
        hold: Hold | None = None,
    ) -> T:
        """Send `request`; hand the 2xx answer to `use` and return what that returns.

        `at_most` bounds each single wait for bytes, `deadline` the whole with all its repetitions.
        """
        hold = hold or Hold()
        renewed = False
        tries = 0
        while True:
            tries += 1
            login = self.credentials.login(deadline)
            sent = self._note(request)
            began = time.monotonic()
            try:
                answer = self._wire_for(login).send(
                    request.method,
                    request.path,
                    login=login,
                    deadline=deadline,
                    hold=hold,
                    at_most=at_most,
                    body=request.body,
                    headers=request.headers(),
                )
                if 200 <= answer.code < 300:
                    result = use(answer)
                    sent.outcome = "ok"
                    return result
                body = answer.body(deadline, at_most, _ERROR_BODY, cut=True)
                error = refused(self.chosen, request.method, request.path, answer.code, body)
                if answer.code == 401:
                    error = self.credentials.rejected()
                sent.outcome, sent.detail = error.kind, error.what
            except TargetError as failed:
                sent.outcome, sent.detail = failed.kind, failed.what
                raise
            finally:
                sent.ms = (time.monotonic() - began) * 1000
            if answer.code == 401 and not renewed and self.credentials.renew(login, deadline):
                renewed = True
                continue
            pause = _pause_before_again(request.method, answer, body, tries)
            if pause is None or pause >= deadline.left():
                raise error
            if hold.pause(pause):
                raise Unreachable(f"The request to {self.chosen.cluster.server} was stopped.")

    def _wire_for(self, login: Login) -> Wire:
        with self._lock:
            if self._wire is None or self._wire_certificate != login.certificate:
                self._wire = Wire(self.chosen, login.certificate, self._environ, self._connect_seconds)
                self._wire_certificate = login.certificate
            return self._wire

    def _note(self, request: Request) -> Sent:
        line = kubectl_line(self.chosen, request.method, request.path, request.body, request.content_type)
        sent = Sent(at=time.time(), target=self.chosen.context, text=line)
        self.log.add(sent)
        return sent

    def close(self) -> None:
        with self._lock:
            if self._wire is not None:
                self._wire.close()


def _pause_before_again(method: str, answer: Answer, body: bytes, tries: int) -> float | None:
    """Seconds to wait before the same request is sent again; None if it should not be."""
    named = answer.headers.get("Retry-After", "")
    asked = float(named) if named.isdigit() else None
    if asked is None and answer.code == 429:
        details = read_status(body).details
        asked = float(details.retry_after_seconds) if details and details.retry_after_seconds else None
    most = _BUSY_TRIES.get(answer.code, 0)
    if method != "GET" and answer.code != 429 and asked is None:
        return None  # it may have been done; only the server can say that it was not
    if tries >= most:
        return None
    if asked is not None:
        return max(asked, 0.05)
    backoff = min(_LONGEST_PAUSE, _FIRST_PAUSE * float(2 ** (tries - 1)))
    return backoff * random.uniform(0.8, 1.2)
