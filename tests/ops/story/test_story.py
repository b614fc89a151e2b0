"""The golden examples are what the ledger does: the story is played again and every file compared."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from ops.story.__main__ import main
from ops.story.examples import BY_HAND, files_of, out_of_date, owned, the_story, write_examples
from ops.story.play import Played, play
from ops.story.steps import EXAMPLES, Step, StoryError, read_story, reference_records
from schemas.commands import OPERATIONS

OPEN = {"operation": "open_wallet", "idempotency_key": "o", "wallet_id": "w-1", "owner_ref": "x", "assets": ["EUR"]}


def played(lines: Iterable[dict[str, object]]) -> list[Played]:
    return play([Step(where=f"line {n}", **line) for n, line in enumerate(lines, 1)], reference_records())  # type: ignore[arg-type]


def test_the_examples_are_byte_for_byte_what_the_story_gives() -> None:
    assert out_of_date() == [], "run `make examples` and check the files in"


def test_a_story_played_twice_is_the_same() -> None:
    assert files_of(play(read_story(), reference_records())) == files_of(the_story())


def test_every_operation_is_asked_for_and_accepted_under_its_own_name() -> None:
    shown = {
        one.step.example
        for one in the_story()
        if one.operation == one.step.example and one.answer is not None and one.answer["status"] == "accepted"
    }
    assert shown == set(OPERATIONS)


def test_every_example_of_a_command_says_what_it_shows() -> None:
    silent = [one.step.where for one in the_story() if one.step.example and one.operation and not one.step.say]
    foreign = [
        one.step.where
        for one in the_story()
        if one.step.example and one.operation and one.step.example.split(".")[0] != one.operation
    ]
    assert (silent, foreign) == ([], [])


def test_what_is_written_by_hand_is_there_and_not_the_storys() -> None:
    assert all((EXAMPLES / name).is_file() for name in BY_HAND)
    assert BY_HAND & files_of(the_story()).keys() == set()


def test_no_step_is_rejected_by_accident() -> None:
    """A step without a name prepares what follows: it is accepted."""
    codes = {one.step.where: one.answer["code"] for one in the_story() if one.answer and not one.step.example}
    assert {where: code for where, code in codes.items() if code != "ok"} == {}


def test_several_records_of_one_topic_are_numbered() -> None:
    transfer = {"operation": "transfer", "idempotency_key": "t", "wallet_id": "w-1", "amount_minor": 1, "asset": "EUR"}
    story = played(
        [
            {"ask": OPEN},
            {"ask": {**transfer, "operation": "credit", "idempotency_key": "c"}},
            {"example": "gift", "ask": {**transfer, "to_wallet_id": "w-3"}},
        ]
    )
    names = sorted(name for name in files_of(story) if "gift" in name)
    assert names == [
        *("internal-commands.v1/gift.2.json", "internal-commands.v1/gift.json"),
        *("ledger-events.v1/gift.2.json", "ledger-events.v1/gift.3.json", "ledger-events.v1/gift.json"),
        *("transaction-outcomes.v1/gift.2.json", "transaction-outcomes.v1/gift.json"),
        "transaction-requests.v1/gift.json",
    ]


def test_a_command_has_one_file_however_often_it_is_sent() -> None:
    files = files_of(played([{"example": "first", "ask": OPEN}, {"example": "again", "ask": OPEN}]))
    assert "transaction-requests.v1/first.json" in files
    assert "transaction-requests.v1/again.json" not in files
    assert orjson.loads(files["ledger-events.v1/again.json"])["type"] == "request.replayed"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"ask": {**OPEN, "transaction_id": "$x"}}, "nothing was begun under the key 'x'"),
        ({"ask": {**OPEN, "operation": "steal"}}, "no operation is called 'steal'"),
        ({"tick": "w-1"}, "nothing is due in partition"),
    ],
)
def test_a_step_that_cannot_be_played_is_named(line: dict[str, object], message: str) -> None:
    with pytest.raises(StoryError, match=rf"line 1: {message}"):
        played([line])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('{"asks": {}}', "a.jsonl:1: .*unknown field"),
        ('\n{"example": "x"}\n{"example": "x"}', "a.jsonl:3: a.jsonl:2 has an example 'x' too"),
    ],
)
def test_a_line_that_is_none_is_named(tmp_path: Path, lines: str, message: str) -> None:
    (tmp_path / "a.jsonl").write_text(lines)
    with pytest.raises(StoryError, match=message):
        read_story(tmp_path)


def test_missing_changed_and_foreign_files_are_stale(tmp_path: Path) -> None:
    written = write_examples(tmp_path)
    assert set(written) == files_of(the_story()).keys()
    assert out_of_date(tmp_path) == []
    (tmp_path / "ledger-events.v1/credit.json").unlink()
    (tmp_path / "transaction-requests.v1/credit.json").write_text("{}")
    (tmp_path / "transaction-outcomes.v1/nobodys.json").write_text("{}")
    stale = [
        "ledger-events.v1/credit.json",
        "transaction-outcomes.v1/nobodys.json",
        "transaction-requests.v1/credit.json",
    ]
    assert out_of_date(tmp_path) == stale
    assert write_examples(tmp_path) == stale
    assert out_of_date(tmp_path) == []
    assert owned(tmp_path) == files_of(the_story()).keys()


def test_check_writes_nothing_and_says_what_is_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.story.__main__.out_of_date", lambda: ["a.json"])
    monkeypatch.setattr("ops.story.__main__.write_examples", lambda: pytest.fail("it wrote"))
    done = CliRunner().invoke(main, ["--check"])
    assert done.exit_code == 1
    assert "stale: schemas/examples/a.json" in done.output
