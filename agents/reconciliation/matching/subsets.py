"""Which lines of several come to a sum: every answer up to a number of them, in bounded time.

The lines are halved; the sums of one half are looked up among those of the other. Of 2k lines that is 2 * 2^k sums
instead of 4^k. Lines that stand for each other are chosen by number and not one by one.

Source: Horowitz and Sahni, Computing Partitions with Applications to the Knapsack Problem, J. ACM 21 (1974).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Class(NamedTuple):
    """Lines of one amount that stand for each other."""

    amount: int
    size: int


#: How many lines are taken of each class.
Counts = tuple[int, ...]


def halves(classes: Sequence[Class]) -> tuple[list[int], list[int]]:
    """Indexes of the classes in two halves with about as many sums each."""
    some, others, of_some, of_others = [], [], 1, 1
    for index in sorted(range(len(classes)), key=lambda each: (-classes[each].size, each)):
        if of_some <= of_others:
            some.append(index)
            of_some *= classes[index].size + 1
        else:
            others.append(index)
            of_others *= classes[index].size + 1
    return some, others


def steps(classes: Sequence[Class]) -> int:
    """How many sums are formed to look through all choices."""
    total = 0
    for half in halves(classes):
        sums = 1
        for index in half:
            sums *= classes[index].size + 1
        total += sums
    return total


def choices(
    classes: Sequence[Class],
    low: int,
    high: int,
    most: int,
    *,
    least_lines: int = 1,
    accepts: Callable[[int], bool] = lambda _sum: True,
) -> list[Counts]:
    """Choices of lines whose sum is from `low` to `high` and is accepted.

    Args:
        classes: what is chosen from.
        low: least sum.
        high: largest sum.
        most: how many choices are looked for.
        least_lines: how many lines a choice has at least.
        accepts: whether a sum is one that is looked for.
    """
    some, others = halves(classes)
    right = sorted(_sums(classes, others))
    amounts = [amount for amount, _ in right]
    found: list[Counts] = []
    for amount, code in _sums(classes, some):
        index = bisect_left(amounts, low - amount)
        while index < len(right) and amounts[index] + amount <= high:
            other = right[index][1]
            if (code or other) and accepts(amounts[index] + amount):
                counts = _decoded(classes, some, code, others, other)
                if sum(counts) >= least_lines:
                    found.append(counts)
                    if len(found) == most:
                        return found
            index += 1
    return found


def _sums(classes: Sequence[Class], half: Sequence[int]) -> list[tuple[int, int]]:
    """All sums of a half, each with its numbers of lines as one number."""
    found, radix = [(0, 0)], 1
    for index in half:
        amount, size = classes[index]
        found = [(total + amount * count, code + radix * count) for count in range(size + 1) for total, code in found]
        radix *= size + 1
    return found


def _decoded(classes: Sequence[Class], some: Sequence[int], code: int, others: Sequence[int], other: int) -> Counts:
    counts = [0] * len(classes)
    for half, rest in ((some, code), (others, other)):
        left = rest
        for index in half:
            left, counts[index] = divmod(left, classes[index].size + 1)
    return tuple(counts)
