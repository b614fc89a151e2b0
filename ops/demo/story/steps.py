"""What a story is made of: steps, in each of them things that are asked for and things that come by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Of(NamedTuple):
    """In a command: the id of the transaction that an earlier `Ask` of this name began."""

    name: str


class In(NamedTuple):
    """In a command: a time so many seconds from now."""

    seconds: float


class Ask(NamedTuple):
    """Somebody asks for something.

    `says` tells it in a sentence, with `{amount}` for the amount in whole units. `ends` is the state that its
    transaction must reach, or the code of the answer where it reaches none.
    """

    says: str
    wallet_id: str
    operation: str
    fields: Mapping[str, object]
    ends: str
    name: str = ""


class Await(NamedTuple):
    """A transaction moves on by itself: its time has come. `ends` is the state that it must then have."""

    says: str
    name: str
    ends: str


class Step(NamedTuple):
    """A few acts, and the wallets whose balances are shown after them."""

    acts: tuple[Ask | Await, ...]
    shows: tuple[str, ...]
