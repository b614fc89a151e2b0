"""Which exceptions are asked for, what may be done with them, and what rules would match of them."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple, get_args

import click
import msgspec
import pytest
from click.testing import CliRunner

from agents.reconciliation.workflow import Refused, check_state
from ops.cli import main
from ops.cli.reconcile_exceptions import due_of
from ops.cli.reconcile_orders import check_options
from ops.errors import OperationError
from ops.reconcile.deciding import can_be_done, check_allowed, decision_of
from ops.reconcile.dry_run import open_lines, read_line_file, try_rules
from ops.reconcile.live_books import Books, checked, read_book_file, value_of
from ops.reconcile.live_exceptions import Standing, Wanted, exception_of, sorted_by_urgency
from ops.reconcile.standing import standing_of
from schemas.reconciliation_books import DEFAULT_BOOK, Book
from schemas.reconciliation_decisions import Unmatch, read_decision
from schemas.reconciliation_exceptions import ExceptionState
from schemas.reconciliation_results import UnmatchRecord
from tests.ops.reconcile.exceptions import AT, LEDGER, PARTNER, a_match, a_proposal, a_summary, an_exception

ID = "b7c1f0e2d3a4958677f6e5d4c3b2a190"
DAY = date(2026, 11, 24).toordinal()


@pytest.mark.parametrize(
    ("wanted", "takes"),
    [
        (Wanted(), True),
        (Wanted(account="cards"), True),
        (Wanted(account="system/rail:cards"), True),
        (Wanted(account="sepa"), False),
        (Wanted(reason="date"), False),
        (Wanted(severity="high"), False),
        (Wanted(assignee="op:ines"), False),
        (Wanted(state="open"), True),
        (Wanted(state="resolved"), False),
        (Wanted(overdue=True), False),
    ],
)
def test_which_are_asked_for(wanted: Wanted, takes: bool) -> None:
    assert wanted.takes(an_exception(ID)) is takes


def test_those_that_ended_are_shown_to_who_asks_for_them() -> None:
    ended = an_exception(ID, state="resolved")
    assert [w.takes(ended) for w in (Wanted(), Wanted(ended=True), Wanted(state="resolved"))] == [False, True, True]


def test_the_most_severe_come_first_then_those_due_first() -> None:
    given = [
        an_exception("a"),
        an_exception("b", due_date="2026-11-25"),
        an_exception("c", severity="critical", due_date="2026-12-31"),
    ]
    assert [one.exception_id for one in sorted_by_urgency(given)] == ["c", "b", "a"]


def test_a_hold_that_is_over_does_not_hide_that_it_is_overdue() -> None:
    held = {"held_until": "2026-12-01", "due_date": "2026-12-01"}
    assert due_of(an_exception("a", **held)) == "held until 2026-12-01"
    assert due_of(an_exception("a", **held, overdue=True)) == "due 2026-12-01 OVERDUE"
    assert due_of(an_exception("a")) == "due 2026-11-27"


def test_the_beginning_of_an_id_names_it() -> None:
    known = {name: an_exception(name) for name in ("abc", "abcd", "abx")}
    assert exception_of(known, "abx").exception_id == "abx"
    assert exception_of(known, "abc").exception_id == "abc"
    with pytest.raises(OperationError, match=r"3 exceptions whose id begins with 'ab'.*give more of it"):
        exception_of(known, "ab")
    with pytest.raises(OperationError, match=r"no exception.*'zz'.*`walletstream reconcile exceptions --all`"):
        exception_of(known, "zz")
    with pytest.raises(OperationError, match="no exception"):
        exception_of(known, "")


DECISIONS: dict[str, dict[str, Any]] = {
    "assign": {"to": "op:jan"},
    "comment": {"text": "asked"},
    "hold": {"until": "2026-12-01", "reason": "asked"},
    "propose": {"resolution": {"kind": "write_off"}, "reason_code": "r"},
    "approve": {"number": 1},
    "reject": {"number": 1, "reason": "no"},
}


@pytest.mark.parametrize("state", get_args(ExceptionState))
@pytest.mark.parametrize("command", DECISIONS)
def test_what_can_be_done_is_what_the_role_takes(state: Any, command: str) -> None:
    one = an_exception(ID, state=state, proposal=a_proposal(), proposals=1)
    decision = read_decision(decision_of("cards", "op:jan", "d1", kind=command, exception_id=ID, **DECISIONS[command]))
    assert not isinstance(decision, Unmatch)
    try:
        check_state(one, decision)
    except Refused:
        assert command not in can_be_done(one)
        with pytest.raises(OperationError, match=f"is {state}"):
            check_allowed(one, command, "op:jan")
    else:
        check_allowed(one, command, "op:jan")


@pytest.mark.parametrize("by", ["op:ines", "OP:Ines", " op:ines ", "ｏｐ:ines"])
def test_who_has_proposed_is_told_before_anything_is_sent(by: str) -> None:
    one = an_exception(ID, state="proposed", proposal=a_proposal("op:ines"))
    with pytest.raises(OperationError, match=r"op:ines has proposed it.*Nothing was sent"):
        check_allowed(one, "approve", by)
    check_allowed(one, "reject", by)


def test_a_decision_that_does_not_fit_names_the_field() -> None:
    with pytest.raises(OperationError, match="until"):
        decision_of("cards", "op:ines", "d1", kind="hold", exception_id=ID, until="soon", reason="r")


NOTHING: dict[str, Any] = {
    "lines": (),
    "groups": (),
    "from_account": None,
    "to_account": None,
    "amount": None,
    "asset": None,
    "wallet_id": None,
}


@pytest.mark.parametrize(
    ("kind", "given", "says"),
    [
        ("accept", {}, "--evidence"),
        ("write-off", {"amount": "1"}, "write-off does not take --amount"),
        ("correct", {"amount": "1"}, "correct needs --from, --to"),
        ("split", {}, "split needs --group"),
        ("split", {"groups": ("a,b",)}, "at least twice"),
        ("force-match", {"groups": ("a,b",)}, "does not take --group"),
    ],
)
def test_options_that_do_not_fit_the_kind(kind: str, given: dict[str, Any], says: str) -> None:
    with pytest.raises(click.UsageError, match=says):
        check_options(kind, None, {**NOTHING, **given})


def test_a_match_is_found_until_it_is_undone() -> None:
    standing = Standing()
    standing.take(a_match("m1"))
    standing.take(a_match("m2"))
    assert standing.match_of("m1").match_id == "m1"
    with pytest.raises(OperationError, match="2 matches"):
        standing.match_of("m")
    standing.take(UnmatchRecord(match_id="m1", book="cards", relation="ledger-partner", why="late", recorded_at=AT))
    with pytest.raises(OperationError, match="no match that counts"):
        standing.match_of("m1")


def test_where_a_book_stands() -> None:
    standing = Standing()
    standing.take(a_summary())
    given = [
        an_exception("a"),
        an_exception("b", overdue=True),
        an_exception("c", severity="high", amount_minor=300),
        an_exception("d", state="resolved"),
        an_exception("e", book="sepa", asset="USD"),
    ]
    cards, sepa = standing_of(standing, given)
    assert [(one.severity, one.count, one.overdue, one.amount_minor) for one in cards.open] == [
        ("high", 1, 0, 300),
        ("low", 2, 1, 50),
    ]
    assert (cards.at_risk_minor, sepa.at_risk_minor, sepa.summary) == ({"EUR": 350}, {"USD": 25}, None)


def a_book(version: int = 1, tolerance_minor: int = 0, **fields: Any) -> dict[str, Any]:
    passes = [{"name": "ref", "keys": ["provider_reference"], "amount_tolerance_minor": tolerance_minor}]
    relations = [{"relation": "ledger-partner", "rules": {"passes": passes}}]
    return {"name": "cards", "version": version, "relations": relations, **fields}


def book(**fields: Any) -> Book:
    return Book.model_validate_json(json.dumps(a_book(**fields)))


class Published(NamedTuple):
    key: bytes
    value: bytes | None
    topic: str = "matching-rules"
    partition: int = 0
    offset: int = 0
    timestamp: int = 1_764_000_000_000
    timestamp_type: int = 1
    headers: tuple[tuple[str, bytes], ...] = ()


def record(key: str, value: bytes | None) -> Published:
    return Published(key.encode(), value)


def test_a_change_needs_a_higher_version_and_what_is_another_books_is_refused() -> None:
    books = Books()
    books.take(record("cards", value_of(book(rails=["visa"]))))
    with pytest.raises(OperationError, match="a change needs a higher one than 1\nnothing was published"):
        checked(books, [book(rails=["visa"], tolerance_minor=5)])
    other = book(rails=["visa"]).model_copy(update={"name": "other"})
    with pytest.raises(OperationError, match="'visa' belongs to the book cards already"):
        checked(books, [other])
    assert checked(books, [book(rails=["visa"], version=2)])


def test_books_that_are_listed() -> None:
    books = Books()
    assert [(one.name, one.book, one.published_at) for one in books.listed()] == [("default", DEFAULT_BOOK, None)]
    books.take(record("cards", value_of(book())))
    books.take(record("bad", b"{}"))
    told = {one.name: one.problem for one in books.listed()}
    assert told["cards"] is None
    assert "version" in (told["bad"] or "")
    books.take(record("cards", None))
    assert "cards" not in {one.name for one in books.listed()}


def test_a_file_of_books(tmp_path: Path) -> None:
    file = tmp_path / "books.json"
    file.write_text(json.dumps({"books": [a_book(), a_book()]}))
    with pytest.raises(OperationError, match="cards is there twice"):
        read_book_file(file)
    file.write_text(json.dumps(a_book(version=0)))
    with pytest.raises(OperationError, match=r"book 1 \(cards\): version"):
        read_book_file(file)
    file.write_text("[]")
    with pytest.raises(OperationError, match="has no books"):
        read_book_file(file)


def test_rules_are_tried_on_lines_that_the_matcher_may_have() -> None:
    given = [
        an_exception("a"),
        an_exception("b", pinned=True),
        an_exception("c", state="approved"),
        an_exception("d", state="resolved"),
        an_exception("e", book="sepa"),
    ]
    lines = open_lines(given, "cards")
    assert lines == {"ledger-partner": [LEDGER, PARTNER]}
    (strict,) = try_rules(book(), lines, DAY, Books().followed)
    assert (strict.matches, strict.by_reason()) == ((), {"amount_under": 2})
    (tolerant,) = try_rules(book(tolerance_minor=25), lines, DAY, Books().followed)
    assert (tolerant.by_pass(), tolerant.by_reason()) == ({"ref": 1}, {})
    # Lines that are in two files count once.
    (doubled,) = try_rules(book(), {"ledger-partner": [LEDGER, PARTNER] * 2}, DAY, Books().followed)
    assert (doubled.left, doubled.right) == (1, 1)


def test_a_dry_run_on_files_needs_no_broker(tmp_path: Path) -> None:
    rules, lines = tmp_path / "rules.json", tmp_path / "lines.json"
    rules.write_text(json.dumps(a_book(tolerance_minor=25)))
    lines.write_text(json.dumps([msgspec.to_builtins(an_exception(ID))]))
    arguments = ["reconcile", "rules", "dry-run", str(rules), "--lines", str(lines), "--as-of", "2026-11-24"]
    shown = CliRunner().invoke(main, arguments)
    assert (shown.exit_code, "1 matches by ref" in shown.stdout) == (0, True), shown.output
    (told,) = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).stdout)
    assert (told["by_pass"], told["matches"][0]["left_ids"]) == ({"ref": 1}, ["l1"])
    assert CliRunner().invoke(main, [*arguments[:-1], "soon"]).exit_code == 2


@pytest.mark.parametrize("text", ['[{"line_id": "x"}]', "[1]", '[{"lines": 3}]', "{"])
def test_what_is_no_line_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "lines.json"
    file.write_text(text)
    with pytest.raises(OperationError, match=r"lines\.json"):
        read_line_file(file)


def test_a_line_of_no_day_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "lines.json"
    file.write_text(json.dumps([{**msgspec.to_builtins(LEDGER), "date": "2026-02-30"}]))
    with pytest.raises(OperationError, match="1 is no line"):
        read_line_file(file)
