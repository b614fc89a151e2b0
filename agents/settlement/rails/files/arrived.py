"""A file that has arrived from a rail. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arrived:
    """A file that is to be read: its name, its bytes and their SHA-256, when it was last changed, in Unix ms."""

    name: str
    content: bytes
    sha256: str
    changed_ms: int
