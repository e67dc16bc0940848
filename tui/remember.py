"""What the console takes up again when it is opened the next time: the theme. A file that cannot be read is none."""

from __future__ import annotations

import msgspec

from targets.decoding import decoded
from tui.places import state_folder

FILE = "console.json"


class Remembered(msgspec.Struct, omit_defaults=True):
    theme: str = ""


def recall() -> Remembered:
    """What was kept; the defaults where nothing was, or where the file is damaged."""
    try:
        return decoded((state_folder() / FILE).read_bytes(), Remembered)
    except (OSError, msgspec.DecodeError):
        return Remembered()


def keep(remembered: Remembered) -> None:
    """Keep it. Without a writable place it is forgotten, which harms nobody."""
    folder = state_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / FILE).write_bytes(msgspec.json.encode(remembered))
    except OSError:
        return
