"""Small text helpers of the world: times, stable ids, and Windows' own sentences in three languages."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime

_NAMESPACE = uuid.UUID("6f1d2a3e-5b0c-4f57-9d35-2f6c1f1a7b10")


def rfc3339(at: float) -> str:
    """Seconds since the epoch as metav1.Time: 2026-01-02T03:04:05Z."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_micro(at: float) -> str:
    """Seconds since the epoch as metav1.MicroTime, six digits."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def rfc3339_nano(at: float) -> str:
    """As containerd and the kubelet stamp log lines: nine digits."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"


def klog_time(at: float) -> str:
    """The time part of a klog header: `0102 03:04:05.678901`."""
    return datetime.fromtimestamp(at, UTC).strftime("%m%d %H:%M:%S.%f")


def stable_uid(*parts: str) -> str:
    """A UUID that is the same for the same parts in every run."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(parts)))


def stable_hex(length: int, *parts: str) -> str:
    """`length` hex digits that are the same for the same parts in every run (container ids, digests)."""
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:length]


_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"  # the alphabet of Kubernetes' generated names


def name_suffix(length: int, *parts: str) -> str:
    """A suffix as generateName makes it, stable for the same parts."""
    digest = hashlib.sha256("/".join(parts).encode()).digest()
    return "".join(_SUFFIX[b % len(_SUFFIX)] for b in digest[:length])


# Sentences of FormatMessage by code and language. Only the code is the same everywhere; that is the point.
_SENTENCES: dict[int, tuple[str, str, str]] = {
    0x2: (
        "The system cannot find the file specified.",
        "Das System kann die angegebene Datei nicht finden.",
        "系统找不到指定的文件。",
    ),
    0x3: (
        "The system cannot find the path specified.",
        "Das System kann den angegebenen Pfad nicht finden.",
        "系统找不到指定的路径。",
    ),
    0x57: ("The parameter is incorrect.", "Falscher Parameter.", "参数错误。"),
    0x6BA: ("The RPC server is unavailable.", "Der RPC-Server ist nicht verfügbar.", "RPC 服务器不可用。"),
    10060: (
        "A connection attempt failed because the connected party did not properly respond after a period of time, "
        "or established connection failed because connected host has failed to respond.",
        "Ein Verbindungsversuch ist fehlgeschlagen, da die Gegenstelle nach einer bestimmten Zeitspanne nicht "
        "richtig reagiert hat, oder die hergestellte Verbindung war fehlerhaft, da der verbundene Host nicht "
        "reagiert hat.",
        "由于连接方在一段时间后没有正确答复或连接的主机没有反应，连接尝试失败。",
    ),
    10061: (
        "No connection could be made because the target machine actively refused it.",
        "Es konnte keine Verbindung hergestellt werden, da der Zielcomputer die Verbindung verweigerte.",
        "由于目标计算机积极拒绝，无法连接。",
    ),
    0x803B0001: ("The network was not found.", "Das Netzwerk wurde nicht gefunden.", "找不到网络。"),
    0x803B0005: ("The subnet was not found.", "Das Subnetz wurde nicht gefunden.", "找不到子网。"),
    0x803B0006: ("The adapter was not found.", "Der Adapter wurde nicht gefunden.", "找不到适配器。"),
    0x803B0008: (
        "An expected policy was not found.",
        "Eine erwartete Richtlinie wurde nicht gefunden.",
        "找不到所需的策略。",
    ),
    0x803B0009: (  # worded after the constant's name, HCN_E_VFP_PORTSETTING_NOT_FOUND
        "The VFP port setting was not found.",
        "Die VFP-Porteinstellung wurde nicht gefunden.",
        "找不到 VFP 端口设置。",
    ),
    0x803B0013: (
        "The specified port already exists.",
        "Der angegebene Port ist bereits vorhanden.",
        "指定的端口已存在。",
    ),
    0xC0370101: (
        "The container operating system does not match the host operating system.",
        "Das Containerbetriebssystem stimmt nicht mit dem Hostbetriebssystem überein.",
        "容器操作系统与主机操作系统不匹配。",
    ),
    0xC037010E: (
        "A virtual machine or container with the specified identifier does not exist.",
        "Ein virtueller Computer oder Container mit dem angegebenen Bezeichner ist nicht vorhanden.",
        "具有指定标识符的虚拟机或容器不存在。",
    ),
}
_LANGUAGES = {"en": 0, "de": 1, "zh": 2}


def sentence(code: int, culture: str) -> str:
    """What Windows says for `code` in the UI language of `culture` (en-US, de-DE, zh-CN; English otherwise)."""
    return _SENTENCES[code][_LANGUAGES.get(culture[:2].lower(), 0)]


def win32(call: str, code: int, culture: str) -> str:
    """An error as hcsshim words it: `hcnCreateEndpoint failed in Win32: The network was not found. (0x803b0001)`."""
    return f"{call} failed in Win32: {sentence(code, culture)} ({code:#x})"
