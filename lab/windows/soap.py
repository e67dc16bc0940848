"""WS-Management envelopes of the Windows shell (MS-WSMV): requests taken apart, answers put together.

Shapes: https://learn.microsoft.com/openspecs/windows_protocols/ms-wsmv
"""

from __future__ import annotations

import base64
import re
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

NS = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "rsp": "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
    "x": "http://schemas.xmlsoap.org/ws/2004/09/transfer",
}
CMD_SHELL = NS["rsp"] + "/cmd"
SHELL = NS["rsp"]
TRANSFER = NS["x"]
ANONYMOUS = NS["a"] + "/role/anonymous"
FAULT_ACTION = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$")


class BadEnvelope(ValueError):
    """The request is not a WS-Management envelope."""


@dataclass(frozen=True)
class Fault(Exception):
    """A SOAP fault: the code of the WSManFault, the SOAP code and subcode, and Windows' sentence."""

    code: int
    message: str
    sender: bool = True
    subcode: str = "w:InternalError"
    http: int = 500


@dataclass(frozen=True)
class Request:
    """What a request asks for. `timeout` in seconds; `body` is the first element of the SOAP body."""

    action: str
    message_id: str
    resource_uri: str
    timeout: float
    envelope_limit: int
    shell_id: str | None
    options: dict[str, str]
    body: ET.Element | None


@dataclass
class Answer:
    """The body of an answer and the action that names it."""

    action: str
    body: str


@dataclass(frozen=True)
class Output:
    """Output of a command for one Receive: (stream, bytes) in order of arrival."""

    chunks: list[tuple[str, bytes]] = field(default_factory=list)
    exit_code: int | None = None


def seconds(duration: str) -> float:
    """An xs:duration as seconds; BadEnvelope if it is none."""
    match = _DURATION.match(duration.strip())
    if match is None:
        raise BadEnvelope(f"not a duration: {duration}")
    days, hours, minutes, rest = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest


def read(envelope: bytes) -> Request:
    """Takes an envelope apart; BadEnvelope if it is none."""
    try:
        root = ET.fromstring(envelope)
    except ET.ParseError as error:
        raise BadEnvelope(str(error)) from error

    def text(path: str, default: str = "") -> str:
        return (root.findtext(f"s:Header/{path}", default, NS) or default).strip()

    action = text("a:Action")
    if not action:
        raise BadEnvelope("no Action")
    selectors = root.findall("s:Header/w:SelectorSet/w:Selector", NS)
    body = root.find("s:Body", NS)
    return Request(
        action=action,
        message_id=text("a:MessageID"),
        resource_uri=text("w:ResourceURI"),
        timeout=seconds(text("w:OperationTimeout", "PT60S")),
        envelope_limit=int(text("w:MaxEnvelopeSize", "153600")),
        shell_id=next((s.text for s in selectors if s.get("Name") == "ShellId" and s.text), None),
        options={
            str(option.get("Name")): (option.text or "")
            for option in root.findall("s:Header/w:OptionSet/w:Option", NS)
        },
        body=body[0] if body is not None and len(body) else None,
    )


def _envelope(action: str, relates_to: str, body: str) -> bytes:
    names = " ".join(f"xmlns:{prefix}={quoteattr(uri)}" for prefix, uri in NS.items())
    return (
        f'<s:Envelope xml:lang="en-US" {names}><s:Header><a:Action>{escape(action)}</a:Action>'
        f"<a:MessageID>uuid:{str(uuid.uuid4()).upper()}</a:MessageID><a:To>{ANONYMOUS}</a:To>"
        f"<a:RelatesTo>{escape(relates_to)}</a:RelatesTo></s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def answer(answered: Answer, request: Request) -> bytes:
    """The envelope of an answer."""
    return _envelope(answered.action, request.message_id, answered.body)


def fault(failed: Fault, message_id: str, machine: str) -> bytes:
    """The envelope of a fault."""
    sentence = escape(failed.message)
    return _envelope(
        FAULT_ACTION,
        message_id,
        f"<s:Fault><s:Code><s:Value>s:{'Sender' if failed.sender else 'Receiver'}</s:Value>"
        f"<s:Subcode><s:Value>{failed.subcode}</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="en-US">{sentence}</s:Text></s:Reason><s:Detail>'
        '<f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" '
        f'Code="{failed.code}" Machine={quoteattr(machine)}><f:Message>{sentence}</f:Message>'
        "</f:WSManFault></s:Detail></s:Fault>",
    )


def created(shell_id: str, address: str, fields: Iterable[tuple[str, str]]) -> Answer:
    """The answer to Create."""
    inner = "".join(f"<rsp:{name}>{escape(value)}</rsp:{name}>" for name, value in fields)
    return Answer(
        TRANSFER + "/CreateResponse",
        f"<x:ResourceCreated><a:Address>{escape(address)}</a:Address><a:ReferenceParameters>"
        f"<w:ResourceURI>{CMD_SHELL}</w:ResourceURI><w:SelectorSet>"
        f'<w:Selector Name="ShellId">{shell_id}</w:Selector></w:SelectorSet></a:ReferenceParameters>'
        f"</x:ResourceCreated><rsp:Shell><rsp:ShellId>{shell_id}</rsp:ShellId>"
        f"<rsp:ResourceUri>{CMD_SHELL}</rsp:ResourceUri>{inner}</rsp:Shell>",
    )


def command_started(command_id: str) -> Answer:
    """The answer to Command."""
    return Answer(
        SHELL + "/CommandResponse",
        f"<rsp:CommandResponse><rsp:CommandId>{command_id}</rsp:CommandId></rsp:CommandResponse>",
    )


def received(command_id: str, output: Output) -> Answer:
    """The answer to Receive."""
    parts = [
        f'<rsp:Stream Name="{stream}" CommandId="{command_id}">'
        f"{base64.b64encode(data).decode('ascii')}</rsp:Stream>"
        for stream, data in output.chunks
    ]
    state = SHELL + "/CommandState/"
    if output.exit_code is None:
        parts.append(f'<rsp:CommandState CommandId="{command_id}" State="{state}Running"/>')
    else:
        parts += [
            f'<rsp:Stream Name="{stream}" CommandId="{command_id}" End="true"></rsp:Stream>'
            for stream in ("stdout", "stderr")
        ]
        parts.append(
            f'<rsp:CommandState CommandId="{command_id}" State="{state}Done">'
            f"<rsp:ExitCode>{output.exit_code}</rsp:ExitCode></rsp:CommandState>"
        )
    body = f"<rsp:ReceiveResponse>{''.join(parts)}</rsp:ReceiveResponse>"
    return Answer(SHELL + "/ReceiveResponse", body)
