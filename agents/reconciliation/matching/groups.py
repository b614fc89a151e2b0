"""Lines by what they have in common."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence

from agents.reconciliation.matching.lines import Line

#: Asset, then the values of the key; a key of one name has one value.
Key = tuple[str, ...]


def values_of(line: Line, keys: Sequence[str]) -> Key | None:
    """The values of a key; None where the line lacks one of them."""
    references = line.references
    found = tuple([references.get(name, "") for name in keys])
    return found if all(found) else None


def spread(values: Sequence[str]) -> int:
    """A number of 32 bits for a key, the same on every machine: by it keys are put in order, and parted."""
    return zlib.crc32("\0".join(values).encode())


def by_key(lines: Iterable[Line], keys: Sequence[str]) -> tuple[dict[Key, list[Line]], list[Line]]:
    """Lines by asset and key, and those that lack a value of the key."""
    groups: dict[Key, list[Line]] = {}
    without: list[Line] = []
    if len(keys) == 1:
        name = keys[0]
        for line in lines:
            value = line.references.get(name)
            if value:
                key = (line.asset, value)
                if key in groups:
                    groups[key].append(line)
                else:
                    groups[key] = [line]
            else:
                without.append(line)
        return groups, without
    for line in lines:
        values = values_of(line, keys)
        if values is None:
            without.append(line)
        else:
            groups.setdefault((line.asset, *values), []).append(line)
    return groups, without
