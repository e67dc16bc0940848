"""The least that a test reads of an API object."""

from __future__ import annotations

import msgspec


class Meta(msgspec.Struct):
    name: str
    namespace: str = ""
    uid: str = ""


class Thing(msgspec.Struct):
    metadata: Meta


class Version(msgspec.Struct, rename="camel"):
    git_version: str
