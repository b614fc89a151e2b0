"""Why a line of a reconciliation has no match: one list for the role, for files, for reports and for people."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, Literal, get_args

Reason = Literal[
    "missing_left",
    "missing_right",
    "amount_over",
    "amount_under",
    "fee_variance",
    "currency",
    "date",
    "duplicate",
    "reference",
    "split_incomplete",
    "unlinked_reversal",
    "unlinked_chargeback",
    "ambiguous",
    "statement_unbalanced",
    "expected",
]
Side = Literal["left", "right"]

#: All of them, in the order of reports.
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)
SIDES: Final[tuple[Side, ...]] = get_args(Side)

#: What each says, for people. Left is what we have written, right is what somebody else says.
MEANINGS: Final = MappingProxyType(
    {
        "missing_left": "On the right only: nothing on the left can be its counterpart.",
        "missing_right": "On the left only: nothing on the right can be its counterpart.",
        "amount_over": "Both sides have the reference; the right has more than the left.",
        "amount_under": "Both sides have the reference; the right has less than the left.",
        "fee_variance": "Both sides have the reference; they differ by no more than fees may be.",
        "currency": "Both sides have the reference, in different assets.",
        "date": "Reference and amount agree; the days are further apart than the rules allow.",
        "duplicate": "Its own side has its reference and amount once more; the other side has them less often.",
        "reference": "Amount, asset and day agree with one open line of the other side; the references do not.",
        "split_incomplete": "The parts that share its reference come to less than the whole.",
        "unlinked_reversal": "It takes back something that neither side has.",
        "unlinked_chargeback": "It charges back something that neither side has.",
        "ambiguous": "Several lines are equally good counterparts, or nearly: a person chooses.",
        "statement_unbalanced": "Its statement does not add up: opening + lines is not closing. None of it is matched.",
        "expected": "Not there yet, and not late yet: within the days that the other side may take.",
    }
)
