"""A WinRM service for tests: answers by script, over TLS or plain HTTP, and misbehaves on request."""

from __future__ import annotations

import base64
import contextlib
import re
import socket
import ssl
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

SHELL_ID = "11111111-2222-3333-4444-555555555555"
COMMAND_ID = "66666666-7777-8888-9999-AAAAAAAAAAAA"
_SOAP = "http://www.w3.org/2003/05/soap-envelope"
_RSP = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"


@dataclass
class Ask:
    """One request as it came."""

    action: str  # the last word of the action's URI: Create, Command, Send, Receive, Delete
    message_id: str
    headers: dict[str, str]
    body: str

    @property
    def stdin(self) -> bytes:
        found = re.search(r"<rsp:Stream[^>]*>([^<]*)<", self.body)
        return base64.b64decode(found[1]) if found else b""


@dataclass
class Reply:
    """An answer; `cut`: so many bytes of the body, then the connection ends. `wait`: hold it back till
    then.
    """

    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/soap+xml;charset=UTF-8"),)
    cut: int | None = None
    wait: threading.Event | None = None
    raw: bytes | None = None  # instead of all that


def envelope(body: str, relates_to: str) -> bytes:
    return (
        f'<s:Envelope xmlns:s="{_SOAP}" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
        f'xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:rsp="{_RSP}"><s:Header>'
        f"<a:RelatesTo>{relates_to}</a:RelatesTo></s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def output(ask: Ask, *chunks: tuple[str, bytes], exit_code: int | None = None) -> Reply:
    """The answer to a Receive."""
    parts = [
        f'<rsp:Stream Name="{name}" CommandId="{COMMAND_ID}">{base64.b64encode(data).decode()}</rsp:Stream>'
        for name, data in chunks
    ]
    state = "Running" if exit_code is None else "Done"
    end = "" if exit_code is None else f"<rsp:ExitCode>{exit_code}</rsp:ExitCode>"
    parts.append(
        f'<rsp:CommandState CommandId="{COMMAND_ID}" State="{_RSP}/CommandState/{state}">'
        f"{end}</rsp:CommandState>"
    )
    return Reply(envelope(f"<rsp:ReceiveResponse>{''.join(parts)}</rsp:ReceiveResponse>", ask.message_id))


def fault(ask: Ask, code: int | None, sentence: str, wmi: int | None = None) -> Reply:
    detail = (
        f'<f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="{code}"/>'
        if code
        else ""
    )
    if wmi is not None:
        name = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/MSFT_WmiError"
        detail += f'<p:MSFT_WmiError xmlns:p="{name}"><p:error_Code>{wmi}</p:error_Code></p:MSFT_WmiError>'
    body = (
        "<s:Fault><s:Code><s:Value>s:Receiver</s:Value></s:Code>"
        f"<s:Reason><s:Text>{sentence}</s:Text></s:Reason><s:Detail>{detail}</s:Detail></s:Fault>"
    )
    return Reply(envelope(body, ask.message_id), 500)


def plain(ask: Ask) -> Reply:
    """What a healthy node answers; a Receive ends a command that has written “out”."""
    if ask.action == "Create":
        body = f'<w:SelectorSet><w:Selector Name="ShellId">{SHELL_ID}</w:Selector></w:SelectorSet>'
    elif ask.action == "Command":
        body = f"<rsp:CommandResponse><rsp:CommandId>{COMMAND_ID}</rsp:CommandId></rsp:CommandResponse>"
    elif ask.action == "Receive":
        return output(ask, ("stdout", b"out"), exit_code=0)
    else:
        body = f"<rsp:{ask.action}Response/>" if ask.action in ("Send", "Signal") else ""
    return Reply(envelope(body, ask.message_id))


@dataclass
class Peer:
    """A listening service. `asks` holds the requests in order; `deleted` is set by the first Delete."""

    port: int
    asks: list[Ask] = field(default_factory=list)
    deleted: threading.Event = field(default_factory=threading.Event)
    asked: dict[str, threading.Event] = field(default_factory=dict)

    @property
    def actions(self) -> list[str]:
        return [ask.action for ask in self.asks]

    def seen(self, action: str) -> threading.Event:
        return self.asked.setdefault(action, threading.Event())


@contextlib.contextmanager
def serving(
    answer: Callable[[Ask], Reply] = plain, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> Iterator[Peer]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = socket.socket(family, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((host, 0))
    server.listen(32)
    peer = Peer(server.getsockname()[1])
    open_ones: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            open_ones.append(connection)
            threading.Thread(target=_serve, args=(connection, tls, answer, peer), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield peer
    finally:
        for one in [server, *open_ones]:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(one, socket.SHUT_RDWR)
            one.close()


def _serve(
    connection: socket.socket, tls: ssl.SSLContext | None, answer: Callable[[Ask], Reply], peer: Peer
) -> None:
    with contextlib.suppress(OSError, ValueError):
        if tls is not None:
            connection = tls.wrap_socket(connection, server_side=True)
        with connection, connection.makefile("rb") as reader:
            while (ask := _read(reader)) is not None:
                peer.asks.append(ask)
                peer.seen(ask.action).set()
                reply = answer(ask)
                if reply.wait is not None:
                    reply.wait.wait(60)
                if ask.action == "Delete":
                    peer.deleted.set()
                if not _write(connection, reply):
                    return


def _read(reader: BinaryIO) -> Ask | None:
    line = reader.readline()
    if not line:
        return None
    headers: dict[str, str] = {}
    while (line := reader.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    body = reader.read(int(headers.get("content-length", "0"))).decode("utf-8", "replace")
    action = re.search(r"Action[^>]*>([^<]*)<", body)
    message = re.search(r"MessageID[^>]*>([^<]*)<", body)
    return Ask(
        action[1].rsplit("/", 1)[-1] if action else "",
        message[1] if message else f"uuid:{uuid.uuid4()}",
        headers,
        body,
    )


def _write(connection: socket.socket, reply: Reply) -> bool:
    if reply.raw is not None:
        connection.sendall(reply.raw)
        return False
    lines = [f"HTTP/1.1 {reply.status} X", *(f"{name}: {value}" for name, value in reply.headers)]
    lines.append(f"Content-Length: {len(reply.body)}")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode()
    if reply.cut is not None:
        connection.sendall(head + reply.body[: reply.cut])
        return False
    connection.sendall(head + reply.body)
    return True
