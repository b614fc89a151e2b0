"""Whether every line of a state is in one place only, and matches and exceptions say the same of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from agents.reconciliation.state import ReconciliationState
from schemas.reconciliation_lines import sides_of


def wrong_fates(state: ReconciliationState) -> Iterator[str]:
    """Lines that are in something that does not name them, named by something they are not in, or named twice."""
    for name, held in state.lines.scan():
        book = name.partition(" ")[0]
        for relation, fate in held.fates.items():
            match, exception = state.matches.get(f"{book} {fate[1:]}"), state.open.get(f"{book} {fate[1:]}")
            if held.line.side not in sides_of(relation):
                yield f"{name} is in {relation}"
            elif fate[0] == "M" and (match is None or held.line.line_id not in (*match.left_ids, *match.right_ids)):
                yield f"{name} is in match {fate[1:]}, which has not got it"
            elif fate[0] == "E" and (exception is None or held.line not in exception.lines):
                yield f"{name} is in exception {fate[1:]}, which has not got it"
    named = Counter(
        (each.book, each.relation, line.side, line.line_id) for _, each in state.open.scan() for line in each.lines
    )
    matched = Counter(
        (match.book, match.relation, line_id)
        for _, match in state.matches.scan()
        for line_id in (*match.left_ids, *match.right_ids)
    )
    for _, match in state.matches.scan():
        left, right = sides_of(match.relation)
        for side, line_ids in ((left, match.left_ids), (right, match.right_ids)):
            for line_id in line_ids:
                held_now = state.lines.get(f"{match.book} {side} {line_id}")
                if held_now is not None and held_now.fates.get(match.relation) != f"M{match.match_id}":
                    yield f"match {match.match_id} has {line_id}, which is not in it"
    yield from (f"{name} is in {count} exceptions" for name, count in named.items() if count > 1)
    yield from (f"{name} is in {count} matches" for name, count in matched.items() if count > 1)
    for _, each in state.open.scan():
        for line in each.lines:
            found = state.find_line(each.book, line.line_id)
            if found is None or found.fates.get(each.relation) != f"E{each.exception_id}":
                yield f"exception {each.exception_id} has {line.line_id}, which is not in it"
