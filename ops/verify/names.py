"""Names in a record that nobody here reads, and names that stand there twice: others may read something else there."""

from __future__ import annotations

import json
from typing import Any, Final

_MOST_NAMES: Final = 5
_MOST_CHARACTERS: Final = 200


class _Twice(list[str]):
    """Names that one object has more than once, collected while it is parsed."""

    def hook(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """An object of these names and values."""
        fields = dict(pairs)
        if len(fields) != len(pairs):
            names = [name for name, _ in pairs]
            self.extend(sorted({name for name in names if names.count(name) > 1}))
        return fields


def why_not_read_alike(value: bytes, read: bytes) -> str:
    """What `value` says beside `read`, which is all that was read of it, in the form in which it is written.

    What says nothing, such as null, is passed over; so are another order and other spaces.
    """
    twice = _Twice()
    try:
        beside = sorted(_beside(json.loads(value, object_pairs_hook=twice.hook), json.loads(read), ""))
    except (ValueError, RecursionError) as error:
        return f"it cannot be read as others may: {type(error).__name__}"
    if twice:
        return f"it has {_listed(twice)} twice"
    if beside:
        return f"this version does not know {_listed(beside)}: run `walletstream verify` of the one that has written it"
    return ""


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_MOST_NAMES])[:_MOST_CHARACTERS]


def _beside(said: Any, read: Any, at: str) -> set[str]:
    if isinstance(said, dict) and isinstance(read, dict):
        found = {f"{at}{name}" for name in said.keys() - read.keys() if said[name]}
        return found.union(*(_beside(said[name], read[name], f"{at}{name}.") for name in said.keys() & read.keys()))
    if isinstance(said, list) and isinstance(read, list):
        return set[str]().union(*(_beside(one, other, at) for one, other in zip(said, read, strict=False)))
    return set()
