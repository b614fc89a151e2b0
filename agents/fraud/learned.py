"""A score that is learned: how unlike a payment is all that its wallet has paid lately. Pure; all of it in integers.

Each wallet has a forest of its own of streaming half-space trees: S. C. Tan, K. M. Ting, T. F. Liu, "Fast anomaly
detection for streaming data", IJCAI 2011. A tree halves the space of the features again and again, whatever the data
is; its nodes count how many payments fell into their part, in the window before (`reference`) and in the one that is
under way (`latest`). Of that paper differ:

- work ranges are half as wide, so that each cut can part something;
- the score is the mean over trees of window / (window + mass * 2^depth), not the sum of mass * 2^depth: a tree that
  finds a payment usual does not outweigh those that do not.

A model is a function of the payments that it was shown, in their order: the same wherever they are shown again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple
from zlib import crc32

import msgspec

from schemas.facts import MOST_ANOMALOUS, FactValue

#: Payments of a window: one that has gone by has to be known before anything is said.
WINDOW: Final = 32
_TREES: Final = 12
_HEIGHT: Final = 6
#: A node of which the window before has no more is looked into no further: a tenth of the window.
_FEW: Final = WINDOW // 10
#: Nodes of a tree, numbered from 1: those of node n are 2n and 2n + 1.
_NODES: Final = 1 << (_HEIGHT + 1)
_INNER: Final = 1 << _HEIGHT
#: Depth and mass of the node at which a tree stops -> what it says: 500 where all is spread evenly.
_UNLIKE: Final = tuple(
    tuple(MOST_ANOMALOUS * WINDOW // (WINDOW + (mass << depth)) for mass in range(WINDOW + 1))
    for depth in range(_HEIGHT + 1)
)
#: Features lie in [0, 1024).
_SPAN: Final = 1_024
_FEATURES: Final = 4
#: Different forests; a wallet has one of them by its id.
_FORESTS: Final = 64
_PAYEES: Final = 32
_HASH_BYTES: Final = 4
_DAY_MS: Final = 86_400_000
#: The usual amount moves by one in so many towards the last one; it is kept in 16ths of what amounts are measured in.
_SLOWLY: Final = 8
_FINE: Final = 16


class Model(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a wallet's payments have left: bounded, whatever they are.

    Attributes:
        seen: how many they were.
        usual: the usual amount, in 512ths of an octave.
        last_ms: time of the last one.
        payees: hashes of the last 32 payees, the last one at the end.
        reference, latest: masses of all nodes of all trees, in the window before and in this one.
    """

    seen: int = 0
    usual: int = 0
    last_ms: int = 0
    payees: bytes = b""
    reference: bytes = b""
    latest: bytes = bytes(_TREES * _NODES)


#: A wallet that has paid nothing yet.
NEW: Final = Model()


class Learned(NamedTuple):
    """What a payment says: its score, None until the model is warm; and the model with it."""

    score: int | None
    model: Model


def is_learned(fact: Mapping[str, FactValue]) -> bool:
    """Whether a fact is one that models learn from: money that is to leave a wallet."""
    return fact.get("direction") == "out" and fact.get("amount_minor").__class__ is int and "wallet_id" in fact


def learn(model: Model, fact: Mapping[str, FactValue], t_ms: int) -> Learned:
    """Score a payment by those before it, and take it in."""
    amount = fact["amount_minor"]
    assert isinstance(amount, int)
    size = _octaves(amount) * _FINE
    usual = model.usual + (size - model.usual) // _SLOWLY if model.seen else size
    payees, is_new = _with_payee(model.payees, fact)
    features = (
        min(max(_SPAN // 2 + (size - model.usual) * 2 // _FINE, 0), _SPAN - 1) if model.seen else _SPAN // 2,
        t_ms % _DAY_MS * _SPAN // _DAY_MS,
        min(_octaves(t_ms - model.last_ms), _SPAN - 1) if model.seen else 0,
        _SPAN - 1 if is_new else 0,
    )
    forest = _forest(crc32(str(fact["wallet_id"]).encode(errors="surrogatepass")) % _FORESTS)
    latest = bytearray(model.latest)
    leaves = _count(forest, features, latest)
    score = _score(leaves, model.reference) if model.reference else None
    seen, last_ms = model.seen + 1, max(model.last_ms, t_ms) if model.seen else t_ms
    if seen % WINDOW:
        return Learned(score, Model(seen, usual, last_ms, payees, model.reference, bytes(latest)))
    return Learned(score, Model(seen, usual, last_ms, payees, bytes(latest), NEW.latest))


def _octaves(number: int) -> int:
    """Binary logarithm of a number in 32nds, straight between powers of two; 0 of what is below 1."""
    if number < 1:
        return 0
    power = number.bit_length() - 1
    return 32 * power + ((number << 5 >> power) & 31)


def _with_payee(payees: bytes, fact: Mapping[str, FactValue]) -> tuple[bytes, bool]:
    """The payees with that of a fact at the end, and whether it is a new one; a fact without one has none that is."""
    payee = fact.get("to_wallet_id") or fact.get("merchant")
    if payee is None:
        return payees, False
    name = crc32(str(payee).encode(errors="surrogatepass")).to_bytes(_HASH_BYTES, "big")
    held = [payees[at : at + _HASH_BYTES] for at in range(0, len(payees), _HASH_BYTES)]
    is_new = name not in held
    if not is_new:
        held.remove(name)
    return b"".join([*held, name][-_PAYEES:]), is_new


class _Tree(NamedTuple):
    """Of each inner node, by its number: which feature is looked at, and from which value on it goes right."""

    features: tuple[int, ...]
    cuts: tuple[int, ...]


@lru_cache(maxsize=_FORESTS)
def _forest(seed: int) -> tuple[_Tree, ...]:
    """The trees of a forest: the same for the same seed, everywhere."""
    names = (f"half-space trees {seed} {number}" for number in range(_TREES))
    return tuple(_tree(hashlib.sha256(name.encode()).digest()) for name in names)


def _tree(digest: bytes) -> _Tree:
    starts = [int.from_bytes(digest[2 * each : 2 * each + 2], "big") % _SPAN for each in range(_FEATURES)]
    # A work range goes as far to both sides of its first cut as to the farther end of the feature.
    reach = [max(start, _SPAN - start) for start in starts]
    spans = {1: [(start - far, start + far) for start, far in zip(starts, reach, strict=True)]}
    chosen = [each % _FEATURES for each in hashlib.shake_256(digest).digest(_INNER)]
    cuts = [0] * _INNER
    for node in range(1, _INNER):
        ranges, feature = spans.pop(node), chosen[node]
        low, high = ranges[feature]
        cut = cuts[node] = (low + high) // 2
        for child, half in ((2 * node, (low, cut)), (2 * node + 1, (cut, high))):
            spans[child] = [*ranges[:feature], half, *ranges[feature + 1 :]]
    return _Tree(tuple(chosen), tuple(cuts))


def _count(forest: tuple[_Tree, ...], features: tuple[int, ...], latest: bytearray) -> list[int]:
    """Count a payment in each node that it falls into; its leaf in each tree."""
    leaves, base = [], 0
    for chosen, cuts in forest:
        node = 1
        latest[base + 1] += 1
        while node < _INNER:
            node += node + (features[chosen[node]] >= cuts[node])
            latest[base + node] += 1
        leaves.append(node)
        base += _NODES
    return leaves


def _score(leaves: list[int], reference: bytes) -> int:
    """How unlike the window before a payment is that falls into these leaves."""
    total, base = 0, 0
    for leaf in leaves:
        node, depth = leaf, _HEIGHT
        # Up to the first node of the way that has few: no node has more than the one above it.
        while node > 1 and reference[base + (node >> 1)] <= _FEW:
            node >>= 1
            depth -= 1
        total += _UNLIKE[depth][reference[base + node]]
        base += _NODES
    return total // _TREES
