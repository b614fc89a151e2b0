"""The benchmark of the ledger alone decides what it says it decides."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from click.testing import CliRunner

from ops.bench.core import Core, main, measure
from ops.load import RequestMaker, Shape
from schemas.events import decode_event
from schemas.outcomes import decode_outcome
from streams.rocks import RocksStore
from streams.rocks_memory import StoreMemory
from streams.seal import is_seal

SHAPE = Shape(wallets=20, mix={"credit": 1, "debit": 1, "transfer": 1}, duplicates=0.1)


def test_every_request_is_decided_and_answered() -> None:
    core, maker = Core(), RequestMaker(SHAPE, 1)
    opened = core.feed(list(maker.openings()))
    assert opened.count == 42
    batches = [core.feed([maker.make() for _ in range(50)]) for _ in range(4)]
    sequence = opened.after.sequence
    for batch in batches:
        answers = [decode_outcome(m.value or b"") for m in batch.messages if m.topic == "transaction-outcomes"]
        assert len(answers) == 50
        assert {answer.code for answer in answers} == {"ok"}
        log = [m.value or b"" for m in batch.messages if m.topic == "ledger-events"]
        assert [decode_event(value).sequence for value in log if not is_seal(value)] == list(
            range(sequence + 1, sequence + 51)
        )
        sequence += 51
    assert sum(
        decode_outcome(m.value or b"").replayed for b in batches for m in b.messages if m.topic.endswith("outcomes")
    )


def test_the_cost_is_measured_without_the_openings() -> None:
    cost = measure(200, 50, SHAPE)
    assert cost.requests == 200
    assert cost.decide_us > 0
    assert set(cost.bytes_by_topic) == {"ledger-events", "transaction-outcomes", "wallet-balances"}
    assert cost.bytes_by_topic["transaction-outcomes"] > 100
    assert cost.as_json()["requests"] == 200
    assert cost.as_json()["persist_us"] is None


def test_a_disk_holds_what_was_decided(tmp_path: Path) -> None:
    disk = RocksStore(tmp_path / "0", StoreMemory(8, 4))
    cost = measure(200, 50, SHAPE, disk=disk)
    assert cost.persist_us is not None
    assert cost.persist_us > cost.encode_us
    keys = [key for table in disk.tables() if table.startswith("first-events-") for key, _ in disk.scan(table)]
    assert len(keys) > 150
    assert (mark := disk.mark()) is not None
    assert mark.seal_offset == 242
    disk.close()


def test_the_mixed_load_is_measured_with_what_rails_say() -> None:
    cost = measure(200, 50, SHAPE, mixed=True)
    assert cost.requests == 200 + 2 * 2
    assert cost.decide_us > 0


def test_it_prints_and_profiles() -> None:
    arguments = ["--requests", "60", "--batch", "25", "--wallets", "10", "--disk", "--profile"]
    ran = CliRunner().invoke(main, arguments)
    assert ran.exit_code == 0, ran.output
    assert "us a request" in ran.output
    assert "persist" in ran.output
    mixed = CliRunner().invoke(main, ["--requests", "60", "--wallets", "10", "--mixed"])
    assert mixed.exit_code == 0, mixed.output
    assert list(islice((line for line in ran.output.splitlines() if "ncalls" in line), 1))
