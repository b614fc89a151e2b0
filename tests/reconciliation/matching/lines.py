"""Lines and rules as tests write them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from agents.reconciliation.matching.lines import OWN_ID, Line, LineKind, Matching
from schemas.matching_rules import Rules


def rules(*passes: dict[str, Any], **others: Any) -> Rules:
    """Passes without a name are called by their number."""
    named = [{"name": f"p{number}", **each} for number, each in enumerate(passes)]
    return Rules.model_validate_json(json.dumps({"passes": named, **others}))


def line(
    line_id: str,
    amount: int,
    day: int = 10,
    asset: str = "EUR",
    *,
    fee: int = 0,
    kind: LineKind = "payment",
    statement: str = "",
    own_id: str = "",
    **references: str,
) -> Line:
    if own_id:
        references[OWN_ID] = own_id
    return Line(line_id, amount, asset, day, references, fee, kind, statement)


def matched(found: Matching) -> list[tuple[str, str, str]]:
    """Pass, left ids and right ids of each match, in order."""
    return sorted(
        (each.pass_name, "+".join(sorted(each.left_ids)), "+".join(sorted(each.right_ids))) for each in found.matches
    )


def reasons(found: Matching) -> dict[str, str]:
    """`left 1` -> reason."""
    return {f"{each.side} {each.line_id}": each.reason for each in (*found.exceptions, *found.expected)}


def candidates(found: Matching) -> dict[str, tuple[str, ...]]:
    return {f"{each.side} {each.line_id}": each.candidates for each in found.exceptions}


def check_accounts(found: Matching, left: Sequence[Line], right: Sequence[Line]) -> None:
    """Each line is in exactly one place; by count and by amount."""
    for side, lines in (("left", left), ("right", right)):
        ids = [i for each in found.matches for i in (each.left_ids if side == "left" else each.right_ids)]
        ids += [each.line_id for each in (*found.exceptions, *found.expected) if each.side == side]
        assert Counter(ids) == Counter(each.line_id for each in lines)
        amounts = {each.line_id: each.amount_minor for each in lines}
        assert sum(amounts[i] for i in ids) == sum(each.amount_minor for each in lines)
