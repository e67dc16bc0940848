"""The one door to msgspec's decoding for the lab, whose nodes answer in threads.

msgspec works out a struct's layout when the type is first used, and two threads that do so for the same struct at
the same moment crash the interpreter. So the first use of each type happens here, under a lock. (The product has a
door of its own: the lab shares no code with it.)
"""

from __future__ import annotations

import threading
from typing import Any

import msgspec

_lock = threading.Lock()
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def decoder(as_type: Any) -> msgspec.json.Decoder[Any]:
    """The JSON decoder of a type, made once. Modules ask for theirs when they are imported."""
    with _lock:
        found = _decoders.get(as_type)
        if found is None:
            found = _decoders[as_type] = msgspec.json.Decoder(as_type)
        return found


def converted(value: object, as_type: Any) -> Any:
    """Builtins as `as_type`; msgspec.ValidationError names the field."""
    decoder(as_type)
    return msgspec.convert(value, as_type)
