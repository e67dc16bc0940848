"""Image references taken apart."""

from __future__ import annotations

import msgspec

DOCKER_HUB = "docker.io"


class Reference(msgspec.Struct, frozen=True):
    """registry.k8s.io/pause:3.10 → host registry.k8s.io, path pause, tag 3.10.

    What is left out is filled in by Docker's rules.
    """

    host: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def repository(self) -> str:
        return f"{self.host}/{self.path}"

    def __str__(self) -> str:
        return (
            self.repository
            + (f":{self.tag}" if self.tag else "")
            + (f"@{self.digest}" if self.digest else "")
        )


def parse(reference: str) -> Reference:
    rest, _, digest = reference.partition("@")
    first, slash, tail = rest.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        first, tail = DOCKER_HUB, rest
    path, colon, tag = tail.rpartition(":")
    if not colon:
        path, tag = tail, ""
    if first == DOCKER_HUB and "/" not in path:
        path = f"library/{path}"
    return Reference(first, path, tag, digest)


def same(one: str, other: str) -> bool:
    """Whether two references name one image, short forms of Docker Hub included. A digest decides where both have
    one: runtimes drop the tag of NAME:TAG@DIGEST. No tag and no digest means latest.
    """
    a, b = parse(one), parse(other)
    if a.repository != b.repository:
        return False
    if a.digest and b.digest:
        return a.digest == b.digest
    return not (a.digest or b.digest) and (a.tag or "latest") == (b.tag or "latest")
