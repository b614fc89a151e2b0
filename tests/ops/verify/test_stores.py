"""Workers' local states: compared at the seal where they stand, also while a worker has them open."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from rocksdict import Options, Rdict

from ops.verify.report import Report
from ops.verify.stores import find_copies
from streams.ports import Mark
from streams.rocks import RocksStore
from streams.rocks_memory import StoreMemory
from tests.ops.verify.honest import DictStore, Ledger
from tests.ops.verify.story import HERE, PARTITIONS, audit, codes, living, story
from tests.ops.verify.tamper import EVENTS, find

MEMORY = StoreMemory(8, 4)


def keep(ledger: Ledger, folder: Path, partition: int = 0, worker: str = "worker-1") -> RocksStore:
    """The partition's state as a worker keeps it, at the partition's last seal; still open."""
    seal = ledger.seals[partition]
    (offset,) = [record.offset for record in ledger.topics[EVENTS][partition] if record.value == seal]
    store = RocksStore(folder / worker / str(partition), MEMORY)
    store.write({table: dict(rows) for table, rows in ledger.stores[partition].data.items()}, Mark(offset, seal))
    store.flush()
    return store


def _audit(ledger: Ledger, folder: Path) -> tuple[Report, list[str]]:
    copies, notes = find_copies(folder, PARTITIONS)
    try:
        return audit(ledger, copies=copies), notes
    finally:
        for copy in (copy for found in copies.values() for copy in found):
            copy.close()


def _with_balance(ledger: Ledger, key: str, minor: int | None) -> Ledger:
    """The same ledger, whose first partition keeps another balance."""
    store = DictStore()
    store.data = {table: dict(rows) for table, rows in ledger.stores[0].data.items()}
    if minor is None:
        del store.data["balances"][key]
    else:
        store.data["balances"][key] = msgspec.msgpack.encode(minor)
    ledger.stores = [store, *ledger.stores[1:]]
    return ledger


@pytest.mark.slow
@pytest.mark.parametrize("is_open", [True, False])
def test_states_that_equal_the_log(tmp_path: Path, is_open: bool) -> None:
    ledger = story()
    stores = [keep(ledger, tmp_path, 0), keep(ledger, tmp_path, 1), keep(ledger, tmp_path, 0, "worker-2")]
    if not is_open:
        for store in stores:
            store.close()
    report, notes = _audit(ledger, tmp_path)
    assert (report.counts, notes) == ({}, [])
    assert report.stores == 3


def test_a_state_that_is_behind_is_compared_where_it_stands(tmp_path: Path) -> None:
    ledger = living()
    keep(ledger, tmp_path).close()
    ledger.send(operation="debit", wallet_id=HERE[0], amount_minor=3, asset="EUR")
    ledger.run()
    report, notes = _audit(ledger, tmp_path)
    assert (report.counts, notes) == ({}, [])
    assert report.stores == 1


@pytest.mark.parametrize("minor", [5, None])
def test_a_wrong_balance_is_found(tmp_path: Path, minor: int | None) -> None:
    ledger = _with_balance(story(), f"{HERE[0]}/main/available EUR", minor)
    keep(ledger, tmp_path).close()
    report, _ = _audit(ledger, tmp_path)
    assert codes(report) == {"store_differs"}
    assert str(tmp_path / "worker-1" / "0") in report.findings[0].sentence


def test_an_account_too_many_is_found(tmp_path: Path) -> None:
    ledger = _with_balance(story(), "w-none/main/available EUR", 1)
    keep(ledger, tmp_path).close()
    assert codes(_audit(ledger, tmp_path)[0]) == {"store_differs"}


def test_a_state_newer_than_the_log_is_found(tmp_path: Path) -> None:
    ledger = story()
    keep(ledger, tmp_path).close()
    last = find(ledger.topics[EVENTS][0][::-1][1:], type="batch.sealed")
    del ledger.topics[EVENTS][0][len(ledger.topics[EVENTS][0]) - 1 - last :]
    assert "store_differs" in codes(_audit(ledger, tmp_path)[0])


def test_a_state_of_another_log_is_found(tmp_path: Path) -> None:
    ledger = story()
    ledger.seals[0] = ledger.seals[0].replace(b'"partition":0', b'"partition":0 ')
    records = ledger.topics[EVENTS][0]
    honest = records[-1]
    records[-1] = honest._replace(value=ledger.seals[0])
    keep(ledger, tmp_path).close()
    records[-1] = honest
    assert codes(_audit(ledger, tmp_path)[0]) == {"store_differs"}


def _tear(path: Path) -> None:
    options = Options(raw_mode=True)
    families = {name: Options(raw_mode=True) for name in Rdict.list_cf(str(path), options)}
    db = Rdict(str(path), options, column_families=families)
    family = db.get_column_family("balances")
    family[b"\xff"] = bytes(8)
    family.close()
    db.close()


def test_a_torn_state_is_noted(tmp_path: Path) -> None:
    keep(story(), tmp_path).close()
    _tear(tmp_path / "worker-1" / "0")
    report, notes = _audit(story(), tmp_path)
    assert (report.counts, report.stores) == ({}, 0)
    assert len(notes) == 1
    assert "is torn (balances)" in notes[0]


def test_what_is_no_state_is_noted_or_passed_over(tmp_path: Path) -> None:
    RocksStore(tmp_path / "worker-1" / "0", MEMORY).close()
    keep(story(), tmp_path, 1, "worker-2").close()
    (tmp_path / "worker-2" / "1").rename(tmp_path / "worker-2" / "7~ab")
    (tmp_path / "worker-3" / "1").mkdir(parents=True)
    (tmp_path / "worker-3" / "1" / "CURRENT").write_text("nothing")
    (tmp_path / "worker-3" / "notes").mkdir()
    report, notes = _audit(story(), tmp_path)
    assert (report.counts, report.stores) == ({}, 0)
    assert [note.partition(str(tmp_path))[2].split(" ", 1)[0] for note in notes] == [
        "/worker-2/7~ab",
        "/worker-3/1",
        "",
    ]
    assert notes[-1].startswith("not compared: 1 local states under ")


def test_no_folder_is_no_state(tmp_path: Path) -> None:
    assert find_copies(tmp_path / "none", PARTITIONS) == ({}, [])
