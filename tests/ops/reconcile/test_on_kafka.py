"""`walletstream reconcile gl` and `prove` on a real broker, after a ledger's small life."""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner, Result

from agents.reconciliation.own_lines import read_ledger_event
from ops.cli import main
from ops.errors import OperationError
from ops.reading import open_reader
from ops.reconcile import prove as proving
from schemas.clock import rfc3339
from schemas.events import decode_event
from schemas.external_statements import ExternalLine, ExternalStatement, StatementSource, encode_external
from schemas.reconciliation_exceptions import ReconciliationException, encode_exception
from schemas.reconciliation_lines import BookLine
from schemas.reconciliation_proofs import BalanceProof, Proof, decode_proof
from schemas.reconciliation_results import MatchRecord, encode_result
from schemas.topics import (
    EXTERNAL_STATEMENTS,
    LEDGER_EVENTS,
    RECONCILIATION_EXCEPTIONS,
    RECONCILIATION_PROOFS,
    RECONCILIATION_RESULTS,
    full_name,
)
from streams.seal import is_seal
from tests.broker import Kafka, delete_topics, new_namespace
from tests.ops.verify.honest import START_MS, Ledger
from tests.ops.verify.on_kafka import create_topics, write
from tests.ops.verify.story import PARTITIONS, living

pytestmark = pytest.mark.kafka

DAY = rfc3339(START_MS)[:10]


class Written:
    """A ledger on the broker, and the command line on it."""

    def __init__(self, kafka: Kafka, namespace: str):
        self.kafka, self.namespace = kafka, namespace
        self.ledger: Ledger = living()
        asyncio.run(create_topics(kafka.bootstrap_servers, namespace, PARTITIONS))
        asyncio.run(write(self.ledger, kafka.bootstrap_servers, namespace))

    def run(self, *arguments: str) -> Result:
        environ = {
            "WALLETSTREAM_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "WALLETSTREAM_NAMESPACE": self.namespace,
            "WALLETSTREAM_PARTITIONS": str(PARTITIONS),
        }
        return CliRunner().invoke(main, ["reconcile", *arguments], env=environ)

    def json(self, *arguments: str, exit_code: int = 0) -> Any:
        result = self.run(*arguments, "--json")
        assert result.exit_code == exit_code, result.output
        return json.loads(result.stdout)

    def entries(self) -> Iterator[tuple[str, str | None, str, int, int, str]]:
        """Every entry of the log, in order."""
        for partition, records in enumerate(self.ledger.topics[LEDGER_EVENTS]):
            for record in records:
                if record.value is None or is_seal(record.value):
                    continue
                event = decode_event(record.value)
                for entry in event.entries:
                    place = f"{partition}:{event.sequence}"
                    yield place, event.transaction_id, entry.account, entry.debit_minor, entry.credit_minor, entry.asset

    async def send(self, name: str, key: str, value: bytes) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka.bootstrap_servers)
        await producer.start()
        try:
            await producer.send_and_wait(full_name(self.namespace, name), value, key=key.encode())
        finally:
            await producer.stop()

    def published(self) -> list[Proof]:
        result = CliRunner().invoke(
            main,
            ["tail", RECONCILIATION_PROOFS, "--from-start", "--no-follow", "--json"],
            env={
                "WALLETSTREAM_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
                "WALLETSTREAM_NAMESPACE": self.namespace,
                "WALLETSTREAM_PARTITIONS": str(PARTITIONS),
            },
        )
        assert result.exit_code == 0, result.output
        return [decode_proof(json.dumps(json.loads(line)["value"]).encode()) for line in result.stdout.splitlines()]


@pytest.fixture(scope="module")
def written(kafka: Kafka) -> Iterator[Written]:
    namespace = new_namespace()
    yield Written(kafka, namespace)
    asyncio.run(delete_topics(kafka, namespace))


def test_the_trial_balance_is_that_of_the_log(written: Written) -> None:
    shown = written.json("gl", "--day", DAY)
    assert (shown["is_balanced"], shown["is_over"], shown["problems"]) == (True, True, [])
    sums: dict[tuple[str, str], list[int]] = {}
    for _, _, account, debit, credit, asset in written.entries():
        name = account if account.startswith("system/") else f"wallets/{account.rpartition('/')[2]}"
        total = sums.setdefault((asset, name), [0, 0])
        total[0] += debit
        total[1] += credit
    assert {
        (one["asset"], one["account"]): [one["debit_minor"], one["credit_minor"]] for one in shown["accounts"]
    } == sums
    assert [cut["partition"] for cut in shown["cuts"]] == list(range(PARTITIONS))


def test_days_before_and_after_open_and_close(written: Written) -> None:
    before, after = written.json("gl", "--day", "2026-01-01"), written.json("gl", "--day", "2026-11-27")
    assert before["accounts"] == []
    closing = {
        (one["asset"], one["account"]): one["closing_minor"] for one in written.json("gl", "--day", DAY)["accounts"]
    }
    assert {(one["asset"], one["account"]): one["opening_minor"] for one in after["accounts"]} == closing
    assert all(one["debit_minor"] == one["credit_minor"] == 0 for one in after["accounts"])


def test_the_journal_has_every_entry(written: Written, tmp_path: Path) -> None:
    result = written.run("gl", "--day", DAY, "--out", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert "debits equal credits in EUR" in result.output
    with (tmp_path / f"journal-{DAY}.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    lines = [json.loads(line) for line in (tmp_path / f"journal-{DAY}.jsonl").read_text().splitlines()]
    expected = list(written.entries())
    fields = ("journal_id", "transaction_id", "account", "debit_minor", "credit_minor", "asset")
    assert [tuple(line[name] for name in fields) for line in lines] == expected
    assert [tuple(row[name] for name in fields) for row in table] == [tuple(map(str, one)) for one in expected]
    assert {line["date"] for line in lines} == {DAY}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"journal-{DAY}.csv",
        f"journal-{DAY}.jsonl",
        f"trial-balance-{DAY}.csv",
        f"trial-balance-{DAY}.json",
    ]


def test_one_asset_balances_on_its_own(written: Written, tmp_path: Path) -> None:
    shown = written.json("gl", "--day", DAY, "--asset", "EUR", "--out", str(tmp_path))
    assert {one["asset"] for one in shown["accounts"]} == {"EUR"}
    lines = [json.loads(line) for line in (tmp_path / f"journal-{DAY}.jsonl").read_text().splitlines()]
    assert {line["asset"] for line in lines} == {"EUR"}
    assert sum(line["debit_minor"] - line["credit_minor"] for line in lines) == 0


def test_a_core_banking_file_that_agrees_and_one_that_does_not(written: Written, tmp_path: Path) -> None:
    shown = written.json("gl", "--day", DAY)
    mapping, file = tmp_path / "m.json", tmp_path / "core.csv"
    mapping.write_text(
        json.dumps({"account": "acc", "asset": "cur", "debit": "dr", "credit": "cr", "amount_unit": "minor"})
    )
    rows = [[one["account"], one["asset"], one["debit_minor"], one["credit_minor"]] for one in shown["accounts"]]

    def compare(exit_code: int) -> Any:
        with file.open("w", newline="") as opened:
            csv.writer(opened).writerows([["acc", "cur", "dr", "cr"], *rows])
        return written.json("gl", "--day", DAY, "--core", str(file), "--mapping", str(mapping), exit_code=exit_code)[
            "core"
        ]

    assert compare(0) == []
    rows[0][2] += 5
    (found,) = compare(1)
    assert (found["kind"], found["account"], found["figure"]) == ("differs", rows[0][0], "debit")
    assert found["sentence"].endswith(": +5")
    missing = tmp_path / "none.csv"
    missing.write_text("acc,cur\n")
    result = written.run("gl", "--day", DAY, "--core", str(missing), "--mapping", str(mapping))
    assert result.exit_code == 2
    assert "has no column 'dr', 'cr'" in result.output


def test_today_is_not_over(written: Written) -> None:
    shown = written.json("gl", "--from", DAY, "--to", "2199-12-31")
    assert not shown["is_over"]
    assert "not over for 20 minutes" in shown["cuts"][0]["reason"]
    refused = written.run("prove", "--day", "2199-12-31", "--publish")
    assert refused.exit_code == 2
    assert "is not over, nothing was published" in refused.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gl"], "say which days"),
        (["gl", "--day", "23.11.2026"], "is no day"),
        (["gl", "--day", DAY, "--core", "x.csv"], "--core and --mapping belong together"),
        (["prove", "--day", DAY, "--pair", "fees=x"], "is no pair"),
        (["prove", "--day", "tomorrow"], "is no day"),
    ],
)
def test_what_is_asked_wrongly(written: Written, arguments: list[str], message: str) -> None:
    result = written.run(*arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_of_two_who_publish_at_once_nothing_is_there_twice(written: Written) -> None:
    """The later one fences the earlier, or sees what it has written."""
    day = "2026-11-24"

    async def publish() -> int:
        async with open_reader(written.kafka.bootstrap_servers, written.namespace) as reader:
            return len((await proving.publish(reader, await proving.prove(reader, day))).written)

    async def all_at_once() -> list[int | BaseException]:
        return list(await asyncio.gather(publish(), publish(), publish(), return_exceptions=True))

    for result in asyncio.run(all_at_once()):
        assert isinstance(result, int | OperationError)
    assert asyncio.run(publish()) in (0, 4)
    of_day = [(one.proof_id, one.revision) for one in written.published() if one.day == day]
    # Of each asset the identity, and the rail's position.
    assert len(of_day) == len(set(of_day)) == 4


def test_proofs_are_published_once_and_revised_when_a_statement_comes(written: Written, tmp_path: Path) -> None:
    proven = written.json("prove", "--day", DAY, "--out", str(tmp_path))
    assert proven["is_over"]
    first = written.run("prove", "--day", DAY, "--publish")
    assert first.exit_code == (0 if proven["holds"] else 1), first.output
    count = len(proven["proofs"])
    assert f"{count} written, 0 unchanged" in first.output
    assert [one.revision for one in written.published() if one.day == DAY] == [1] * count
    assert f"0 written, {count} unchanged" in written.run("prove", "--day", DAY, "--publish").output
    assert json.loads((tmp_path / f"proofs-{DAY}.json").read_text())["proofs"] == proven["proofs"]

    rail = next(one for one in proven["proofs"] if one["asset"] == "EUR")["cash"][0]
    assert rail["account"] == "system/rail:instant"
    asyncio.run(_state(written, rail["amount_minor"]))
    after = written.run("prove", "--day", DAY, "--publish")
    assert f"1 written, {count - 1} unchanged" in after.output
    asyncio.run(_state(written, rail["amount_minor"] + 3))
    assert "1 written" in written.run("prove", "--day", DAY, "--publish").output
    of_day = [one for one in written.published() if one.day == DAY and one.asset == "EUR"]
    balances = [one for one in of_day if isinstance(one, BalanceProof)]
    assert [(one.revision, one.verdict, one.unexplained_minor) for one in balances] == [
        (1, "no_statement", None),
        (2, "agrees", 0),
        (3, "unexplained", 3),
    ]
    assert written.json("prove", "--day", DAY, exit_code=1)["holds"] is False


def test_what_is_open_explains_a_position_and_the_report_says_so(written: Written, tmp_path: Path) -> None:
    """A bank states one line of the ledger's short by 7, has one of its own, and does not have the others."""
    day, account = DAY, "instant"
    lines = [
        line
        for partition, records in enumerate(written.ledger.topics[LEDGER_EVENTS])
        for record in records
        if record.value is not None and not is_seal(record.value)
        for line in _own_lines(record.value, partition)
        if (line.account, line.asset) == ("system/rail:instant", "EUR")
    ]
    held_minor = sum(line.amount_minor for line in lines)
    first, rest = lines[0], lines[1:]
    short = _external_line("short", first.amount_minor - 7)
    strange = _external_line("strange", 11)
    closing_minor = short.amount_minor + strange.amount_minor
    match = MatchRecord(
        match_id="m1",
        book=account,
        relation="ledger-bank",
        pass_name="by reference",
        left_ids=(first.line_id,),
        right_ids=(short.line_id,),
        asset="EUR",
        amount_minor=first.amount_minor,
        difference_minor=-7,
        confidence=90,
        rules_version=1,
        date=day,
        recorded_at=f"{day}T20:00:00.000Z",
    )
    case = ReconciliationException(
        exception_id="x1",
        book=account,
        relation="ledger-bank",
        reason="missing_left",
        state="open",
        severity="low",
        amount_minor=11,
        asset="EUR",
        difference_minor=11,
        lines=(BookLine(line_id="strange", side="bank", amount_minor=11, asset="EUR", date=day, remittance="<b>"),),
        sentence="The partner has 11 EUR that we have not.",
        due_date=day,
        rules_version=1,
        opened_at=f"{day}T20:00:00.000Z",
        recorded_at=f"{day}T20:00:00.000Z",
    )

    async def tell() -> None:
        for one in (short, strange, _statement("later", "EUR", closing_minor)):
            await written.send(EXTERNAL_STATEMENTS, account, encode_external(one))
        await written.send(RECONCILIATION_RESULTS, account, encode_result(match))
        await written.send(RECONCILIATION_EXCEPTIONS, account, encode_exception(case))

    asyncio.run(tell())
    proofs = written.json("prove", "--day", day)["proofs"]
    (proof,) = (one for one in proofs if one["kind"] == "balance" and one["asset"] == "EUR")
    assert proof["verdict"] == "explained"
    assert proof["difference_minor"] == closing_minor - held_minor
    assert proof["expected_with_us"] == {"count": len(rest), "amount_minor": sum(one.amount_minor for one in rest)}
    assert proof["excepted_in_file"] == {"count": 1, "amount_minor": 11}
    assert proof["tolerated"] == {"count": 1, "amount_minor": -7}

    report = written.json("report", "--day", day)
    assert [(one["matched"], one["not_matched"]) for one in report["match_rate"]["assets"]] == [(2, 1)]
    assert [line["line_id"] for line in report["in_file_not_with_us"]] == ["strange"]
    assert {one["proof_id"] for one in report["proofs"]} >= {f"safeguarding/EUR/{day}"}
    assert written.run("report").exit_code == 0
    assert written.run("report", "--out", str(tmp_path)).exit_code == 0
    assert "&lt;b&gt;" in (tmp_path / "report.html").read_text()


def _own_lines(value: bytes, partition: int) -> list[BookLine]:
    facts = read_ledger_event(value, partition)
    return [] if facts is None else [line for of in facts.lines.values() for line in of if line.side == "ledger"]


def _external_line(line_id: str, minor: int) -> ExternalLine:
    return ExternalLine(
        line_id=line_id,
        statement_id="later",
        account="instant",
        side="bank",
        number=1,
        amount_minor=minor,
        asset="EUR",
        value_date=DAY,
        booking_date=DAY,
        fingerprint=line_id,
        source=StatementSource("s.csv", "00", 1),
        line_number=2,
        statement_index=0,
    )


async def _state(written: Written, closing_minor: int) -> None:
    statement = _statement(f"{closing_minor:032x}", "EUR", closing_minor)
    await written.send(EXTERNAL_STATEMENTS, "instant", encode_external(statement))


def _statement(statement_id: str, asset: str, closing_minor: int) -> ExternalStatement:
    return ExternalStatement(
        statement_id=statement_id,
        account="instant",
        side="bank",
        asset=asset,
        opening_minor=0,
        closing_minor=closing_minor,
        opening_date=DAY,
        closing_date=DAY,
        proof="balances",
        line_count=0,
        credit_minor=closing_minor,
        debit_minor=0,
        lines_hash="",
        content_hash=statement_id,
        source=StatementSource("s.xml", "00", 1),
        line_number=1,
        statement_index=0,
        statement_count=1,
    )
