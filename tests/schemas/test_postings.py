"""The table of postings is what the ledger posts: every journal of the story is a case of it, every case is shown."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from ops.story.examples import the_story
from schemas.commands import OPERATIONS
from schemas.lifecycle import State
from schemas.postings import ANY_ACCOUNT, OTHERS_AVAILABLE, POSTINGS, Posting

Json = dict[str, Any]

#: Every event of the story that posts something, once.
JOURNALS = [event for played in the_story() for event in played.events if event.get("entries")]
BUCKETS = {"available", "held", "incoming", "outgoing", "disputed"}
SYSTEM = {"rail", "rail-pending", "transit", "suspense", "chargebacks", "adjustments", "fees"}
SYSTEM |= {"fx", "rewards"}


def operation_of(event: Json) -> str:
    """The operation whose posting it is: where its time is up or has come, that of the transaction itself."""
    command = event.get("command")
    return str(event["operation"] if command in (None, "expire", "execute") else command)


def kind_of(account: str, asset: str, event: Json) -> frozenset[str]:
    """The names by which the table may call an account; `(B)` in the asset that is got in an exchange."""
    is_exchanged = any(entry["account"] == "system/fx" for entry in event["entries"])
    if is_exchanged and asset == event["exchange"]["to_asset"]:
        return frozenset(f"{name}(B)" for name in _named(account, event))
    return _named(account, event)


def _named(account: str, event: Json) -> frozenset[str]:
    if account.startswith("system/"):
        return frozenset({account.removeprefix("system/").partition(":")[0]})
    wallet_id, sub_wallet, bucket = account.split("/")
    is_own = (wallet_id, sub_wallet) == (event["wallet_id"], event.get("sub_wallet", sub_wallet))
    return frozenset({bucket}) if is_own else OTHERS_AVAILABLE


def effect(case: Posting) -> dict[str, int]:
    """Account -> what a case adds to it for each minor unit that it moves; all its moves are of one amount."""
    found: dict[str, int] = {}
    for move in case.moves:
        found[move.debit] = found.get(move.debit, 0) - 1
        found[move.credit] = found.get(move.credit, 0) + 1
    return found


def explains(cases: tuple[Posting, ...], event: Json) -> bool:
    """True where the event has posted each of these cases, with some amount, as one journal."""
    if State(event["to_state"]) not in cases[0].states:
        return False
    effects = [effect(case) for case in cases]
    if ANY_ACCOUNT in effects[0]:
        return len(event["entries"]) == 2
    left: dict[str, int] = {}
    for entry in event["entries"]:
        kinds = kind_of(entry["account"], entry.get("asset", ""), event)
        names = [name for name in kinds if any(name in one for one in effects)]
        if len(names) != 1:
            return False
        minor = entry.get("credit_minor", 0) - entry.get("debit_minor", 0)
        left[names[0]] = left.get(names[0], 0) + minor
    while effects:
        # An account that a single case touches says its amount.
        alone = ((one, name) for one in effects for name in one if sum(name in other for other in effects) == 1)
        one, name = next(alone, (None, ""))
        if one is None:
            return False
        amount_minor = left.get(name, 0) * one[name]
        if amount_minor <= 0:
            return False
        for account, sign in one.items():
            left[account] = left.get(account, 0) - sign * amount_minor
        effects.remove(one)
    return not any(left.values())


def explanations(event: Json) -> list[tuple[Posting, ...]]:
    """The cases of its operation that give its journal, with as little within them as can be."""
    cases = POSTINGS.get(operation_of(event), ())
    within = [case for case in cases if case.within]
    for count in range(len(within) + 1):
        found = [
            (case, *more)
            for case in cases
            if not case.within and (event.get("command") == "capture") is case.when.startswith("`final`")
            for more in combinations(within, count)
            if explains((case, *more), event)
        ]
        if found:
            return found
    return []


@pytest.mark.parametrize("event", JOURNALS, ids=lambda event: f"{event['type']}-{event['sequence']}")
def test_a_journal_of_the_story_is_one_case_of_its_operation(event: Json) -> None:
    assert len(explanations(event)) == 1, f"{operation_of(event)} posts {event['entries']}, {event['to_state']}"


def test_every_case_is_shown_by_the_story() -> None:
    shown = {(operation_of(e), case.when) for e in JOURNALS for cases in explanations(e) for case in cases}
    assert {(name, case.when) for name, cases in POSTINGS.items() for case in cases} - shown == set()


def test_every_operation_whose_events_post_is_there_and_no_other() -> None:
    assert set(POSTINGS) <= set(OPERATIONS)
    assert set(POSTINGS) == {operation_of(event) for event in JOURNALS}


def test_accounts_have_names_that_there_are() -> None:
    named = {name.removesuffix("(B)") for cases in POSTINGS.values() for case in cases for name in effect(case)}
    assert named <= BUCKETS | SYSTEM | OTHERS_AVAILABLE | {ANY_ACCOUNT}
    assert named >= BUCKETS | SYSTEM


def test_a_journal_that_the_table_does_not_know_is_not_explained() -> None:
    event = {
        "wallet_id": "w-1",
        "operation": "credit",
        "to_state": "settled",
        "entries": [
            {"account": "w-1/main/available", "debit_minor": 1},
            {"account": "system/rail:instant", "credit_minor": 1},
        ],
    }
    assert explanations(event) == []
    assert explanations({**event, "operation": "debit"}) != []
    assert explanations({**event, "operation": "debit", "to_state": "processed"}) == []
