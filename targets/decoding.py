"""The one door to msgspec's decoding for everything that runs in threads.

msgspec works out a struct's layout when the type is first used, and two threads that do so for the same struct at
the same moment crash the interpreter (seen with 0.22, about one run in ten). So the first use of each type happens
here, under a lock; after that decoding is free of locks.
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
_lock = threading.Lock()
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def decoder(as_type: type[T]) -> msgspec.json.Decoder[T]:
    """The JSON decoder of a type, made once."""
    found = _decoders.get(as_type)
    if found is None:
        with _lock:
            found = _decoders.get(as_type)
            if found is None:
                found = _decoders[as_type] = msgspec.json.Decoder(as_type)
    return found


def decoded(data: bytes | str | msgspec.Raw, as_type: type[T]) -> T:
    """JSON as `as_type`; msgspec.DecodeError (ValidationError names the field)."""
    return decoder(as_type).decode(data)


def converted(value: object, as_type: type[T]) -> T:
    """Builtins as `as_type`; msgspec.ValidationError names the field."""
    decoder(as_type)
    return msgspec.convert(value, as_type)
