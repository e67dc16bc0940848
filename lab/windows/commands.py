"""Command lines as WinRS hands them to cmd.exe: which PowerShell text they mean, or what cmd itself says."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from lab.windows.runs import Run, Said
from lab.world.machine import Machine

_FROM_INPUT = 'Invoke-Expression (@($input) -join "`n")'
_POWERSHELL = ("powershell", "powershell.exe", "pwsh", "pwsh.exe")
_WITH_VALUE = (
    "executionpolicy",
    "inputformat",
    "outputformat",
    "version",
    "windowstyle",
    "psconsolefile",
    "configurationname",
)


@dataclass(frozen=True)
class PowerShell:
    """PowerShell text to run."""

    text: str


def split(line: str) -> list[str]:
    """Words of a command line by the rules of the Microsoft C runtime, as far as quotes go."""
    words: list[str] = []
    current: list[str] = []
    quoted = started = False
    index = 0
    while index < len(line):
        char = line[index]
        if char == "\\":
            end = index
            while end < len(line) and line[end] == "\\":
                end += 1
            count = end - index
            if end < len(line) and line[end] == '"':
                current.append("\\" * (count // 2))
                if count % 2:
                    current.append('"')
                    end += 1
            else:
                current.append("\\" * count)
            started, index = True, end
            continue
        if char == '"':
            quoted, started = not quoted, True
        elif char.isspace() and not quoted:
            if started:
                words.append("".join(current))
            current, started = [], False
        else:
            current.append(char)
            started = True
        index += 1
    if started:
        words.append("".join(current))
    return words


def parse(words: Sequence[str]) -> PowerShell | None:
    """The PowerShell text that a command line asks for; None if it starts another program.

    A blank or damaged -EncodedCommand means text that fails with a syntax error, as powershell.exe does.
    """
    words = list(words)
    if (
        words
        and words[0].lower().removesuffix(".exe").rpartition("\\")[2] == "cmd"
        and "/c" in [w.lower() for w in words]
    ):
        after = [w.lower() for w in words].index("/c") + 1
        words = words[after:]
    if not words or words[0].lower().rpartition("\\")[2] not in _POWERSHELL:
        return None
    index = 1
    while index < len(words):
        word = words[index]
        name = word[1:].lower()
        if not word.startswith(("-", "/")):
            return PowerShell(" ".join(words[index:]))
        if name and ("encodedcommand".startswith(name) or name == "ec"):
            try:
                return PowerShell(base64.b64decode(words[index + 1]).decode("utf-16-le"))
            except (IndexError, binascii.Error, UnicodeDecodeError):
                return PowerShell("throw 'The value specified with -EncodedCommand is not properly encoded.'")
        if name and "command".startswith(name):
            text = " ".join(words[index + 1 :])
            return PowerShell(_FROM_INPUT if text == "-" else text)
        takes = name and any(option.startswith(name) for option in _WITH_VALUE)
        index += 2 if takes else 1
    return PowerShell(_FROM_INPUT)


def other(machine: Machine, words: Sequence[str]) -> Run:
    """What cmd.exe makes of a line that starts no PowerShell."""
    name = words[0] if words else ""
    short = name.lower().rpartition("\\")[2].removesuffix(".exe")
    if short == "hostname":
        return Said(machine.os.hostname.encode() + b"\r\n")
    if short == "echo":
        return Said((" ".join(words[1:]) + "\r\n").encode("utf-8"))
    for path, answers in machine.natives.items():
        if name.lower() in {
            path.lower(),
            path.lower().rpartition("\\")[2],
        } or short == path.lower().rpartition("\\")[2].removesuffix(".exe"):
            said = answers.get(" ".join(words[1:]))
            if said is not None:
                return Said(said.stdout.encode(), said.stderr.encode(), said.exit_code)
    sentences = {
        "de-DE": f'Der Befehl "{name}" ist entweder falsch geschrieben oder\r\nkonnte nicht gefunden werden.\r\n',
        "zh-CN": f"'{name}' 不是内部或外部命令，也不是可运行的程序\r\n或批处理文件。\r\n",
    }
    english = f"'{name}' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n"
    return Said(b"", sentences.get(machine.os.ui_culture, english).encode("utf-8"), 1)
