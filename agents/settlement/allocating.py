"""How what was settled or returned of a netted instruction is shared among its transactions. Pure.

In the order in which they came to the batch: the first ones are settled in full, one perhaps in part, the last ones not
at all. What comes back is taken from the last ones first.
"""

from __future__ import annotations

from collections.abc import Sequence


def allocate(amounts_minor: Sequence[int], minor: int) -> list[int]:
    """The share of each, in order; together they are `minor`, or all there is if it is more.

    Args:
        amounts_minor: of the transactions, in order.
        minor: what is to be shared, not negative.
    """
    shares, left_minor = [], minor
    for amount_minor in amounts_minor:
        share_minor = min(amount_minor, left_minor)
        shares.append(share_minor)
        left_minor -= share_minor
    return shares


def allocate_again(amounts_minor: Sequence[int], settled_minor: int, minor: int) -> list[int]:
    """The share of each in a settlement that follows another one: first what that had left, then all of it once more.

    What is more than that, too, falls on the first.

    Args:
        amounts_minor: of the transactions, in order.
        settled_minor: what of them was settled before.
        minor: what is settled now, not negative.
    """
    before = allocate(amounts_minor, settled_minor)
    left = allocate([amount - gone for amount, gone in zip(amounts_minor, before, strict=True)], minor)
    again = allocate(amounts_minor, minor - sum(left))
    shares = [one + other for one, other in zip(left, again, strict=True)]
    return [shares[0] + minor - sum(shares), *shares[1:]]


def allocate_return(settled_minor: Sequence[int], returned_before_minor: int, minor: int) -> list[int]:
    """What of a return is each one's, the last ones first; what is more than is left falls on the first.

    Args:
        settled_minor: of the transactions, in order.
        returned_before_minor: what had come back of them before.
        minor: what comes back now.
    """
    before = allocate(settled_minor[::-1], returned_before_minor)[::-1]
    left = [settled - gone for settled, gone in zip(settled_minor, before, strict=True)]
    shares = allocate(left[::-1], minor)[::-1]
    excess_minor = minor - sum(shares)
    return [shares[0] + excess_minor, *shares[1:]]
