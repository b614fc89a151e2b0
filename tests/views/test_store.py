"""The store of the views: whatever is repeated, broken off or raced for, the tables are those of the log."""

from __future__ import annotations

import json
import re
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import URL, event, make_url, select, update

from agents.views.chunk import Chunk, LogGap, Position
from agents.views.database import BUSY_S, Damaged, NoViews, Unavailable, ViewsError, WrongSchema, connect, snapshot
from agents.views.queries.statements import statement_of
from agents.views.reading import open_views
from agents.views.store import ViewStore, open_store
from agents.views.tables import BALANCES, ENTRIES, METADATA, SCHEMA, SCHEMA_VERSION
from schemas.reference import Reference
from schemas.topics import FEE_SCHEDULES, RAILS
from streams.settings import Settings
from tests.ledger.commands import Json, credit, open_wallet
from tests.ledger.profiles import runs
from tests.ledger.world import World
from tests.views.logs import (
    Log,
    applied,
    in_chunks,
    life,
    log_of,
    logs_of,
    random_world,
    rows_of,
    store_at,
    story,
    whole,
)


class Crash(Exception):
    """The process ends here."""


@contextmanager
def crashing_at(store: ViewStore, words: str) -> Iterator[None]:
    """A store that ends at the first statement that begins so; `COMMIT` ends it before it commits."""

    def crash(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith(words):
            raise Crash

    def crash_at_commit(_connection: object) -> None:
        raise Crash

    name, listener = ("commit", crash_at_commit) if words == "COMMIT" else ("before_cursor_execute", crash)
    event.listen(store.engine, name, listener)
    try:
        yield
    finally:
        event.remove(store.engine, name, listener)


BROKEN_OFF = ("UPDATE positions", "INSERT INTO entries", "INSERT INTO balances", "INSERT INTO transactions", "COMMIT")


@given(
    log=st.sampled_from([life().log, *(log_of(random_world(seed)) for seed in (1, 2, 3))]),
    cuts=st.lists(st.integers(1, 700), max_size=12),
    fates=st.lists(
        st.sampled_from(["ok", "ok", "crashed after", "again", "an old one again", *BROKEN_OFF]), max_size=40
    ),
)
@runs(40, 1_000)
def test_any_cuts_crashes_and_repeats_give_the_same_tables(log: Log, cuts: list[int], fates: list[str]) -> None:
    chunks, waiting = in_chunks(log, cuts), iter(fates)
    with tempfile.TemporaryDirectory() as folder:
        store, number = store_at(Path(folder, "live")), 0
        while number < len(chunks):
            fate = next(waiting, "ok")
            if fate == "an old one again":
                before = rows_of(store)
                store.apply(chunks[max(0, number - 2)]) if number else None
                assert rows_of(store) == before
                continue
            try:
                if fate in BROKEN_OFF:
                    with crashing_at(store, fate):
                        store.apply(chunks[number])
                else:
                    store.apply(chunks[number])
            except Crash:
                store.close()
                store = store_at(Path(folder, "live"))
                continue
            if fate == "crashed after":
                store.close()
                store = store_at(Path(folder, "live"))
            number += fate not in ("again", "crashed after")
        assert store.position(0).next_offset == len(log)
        assert rows_of(store) == rows_of(applied(Path(folder, "at-once"), log))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_balances_are_the_ledgers_own(seed: int, tmp_path: Path) -> None:
    world = random_world(seed)
    store = applied(tmp_path, log_of(world, 0), log_of(world, 1))
    with store.engine.connect() as connection:
        rows = connection.execute(select(*BALANCES.c["account", "asset", "partition", "balance_minor"])).all()
        entries = connection.execute(select(ENTRIES).order_by(ENTRIES.c.partition, ENTRIES.c.sequence, ENTRIES.c.entry))
        running: dict[tuple[str, str, int], int] = {}
        for entry in entries:
            key = entry.account, entry.asset, entry.partition
            running[key] = running.get(key, 0) + entry.credit_minor - entry.debit_minor
            assert entry.balance_after_minor == running[key]
    found = {(account, asset, partition): minor for account, asset, partition, minor in rows}
    held = {
        (one["account"], one["asset"], partition): one["balance_minor"]
        for (partition, _), holding in world.holdings.items()
        for one in holding["accounts"]
    }
    assert found == held == running
    assert len(found) > 10


def test_two_partitions_with_gaps_in_their_offsets(tmp_path: Path) -> None:
    logs = logs_of(story())
    store = applied(tmp_path, *logs)
    assert [store.position(p).next_offset for p in (0, 1)] == [log[-1][0] + 1 for log in logs]
    assert rows_of(store) == rows_of(store_with_small_chunks(tmp_path / "other"))


def store_with_small_chunks(folder: Path) -> ViewStore:
    store = store_at(folder)
    for partition, log in enumerate(logs_of(story())):
        for chunk in in_chunks(log, range(1, 100), partition):
            store.apply(chunk)
    return store


# ---- two who write ------------------------------------------------------------------------------------


def test_who_is_overtaken_reads_the_position_anew_and_passes_over(tmp_path: Path) -> None:
    log = log_of(random_world(1))
    first, second, third = in_chunks(log, [20, 60])
    one, other = store_at(tmp_path), store_at(tmp_path)
    one.apply(first)
    done = other.apply(first)
    assert (done.races, done.records) == (0, 0), "it had not believed in another position"
    one.apply(second)
    done = other.apply(whole(log[:60]))
    assert (done.races, done.records) == (1, 0)
    assert other.apply(third).records == len(log) - 60
    assert rows_of(one) == rows_of(applied(tmp_path / "alone", log))


def test_a_rebuild_under_a_writer_sends_him_back_to_the_start(tmp_path: Path) -> None:
    log = log_of(random_world(1))
    first, second = in_chunks(log, [20])
    writer, operator = store_at(tmp_path), store_at(tmp_path)
    writer.apply(first)
    operator.reset()
    with pytest.raises(LogGap, match="stand at 0, not 20"):
        writer.apply(second)
    assert writer.position(0) == Position()
    operator.apply(first)
    # The same position, but of other views than the writer has begun with.
    assert writer.apply(first).records == 0
    writer.apply(second)
    assert rows_of(writer) == rows_of(applied(tmp_path / "alone", log))


def test_the_same_offset_after_a_rebuild_is_noticed(tmp_path: Path) -> None:
    log = log_of(random_world(1))
    first, second = in_chunks(log, [20])
    writer, operator = store_at(tmp_path), store_at(tmp_path)
    writer.apply(first)
    operator.reset()
    operator.apply(first)
    assert writer.apply(second).races == 1
    assert rows_of(writer) == rows_of(applied(tmp_path / "alone", log))


def test_a_position_alone_moves_only_from_where_it_was_seen(tmp_path: Path) -> None:
    log = log_of(random_world(1))
    store = applied(tmp_path, log)
    assert store.apply(Chunk(0, len(log), len(log) + 3, [])).position.next_offset == len(log) + 3
    with pytest.raises(LogGap):
        store.apply(Chunk(0, len(log) + 4, len(log) + 9, []))
    assert store.position(0).next_offset == len(log) + 3


# ---- whose store it is ---------------------------------------------------------------------------------


def test_another_version_is_told_to_rebuild(tmp_path: Path) -> None:
    store = applied(tmp_path, log_of(random_world(1)))
    with store.engine.begin() as connection:
        connection.execute(update(SCHEMA).values(version=SCHEMA_VERSION + 1))
    with pytest.raises(WrongSchema, match=r"are of version 2, this program is of 1: run `walletstream views rebuild`"):
        store_at(tmp_path)
    with pytest.raises(WrongSchema):
        store.position(0)
    store.reset()
    assert store_at(tmp_path).position(0) == Position()


def test_a_reset_drops_the_tables_of_another_version(tmp_path: Path) -> None:
    store = applied(tmp_path, log_of(random_world(1)))
    with store.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE formerly (x INTEGER)")
        connection.exec_driver_sql("CREATE TABLE of_others (x INTEGER)")
        connection.execute(update(SCHEMA).values(version=0, tables=["formerly", "views_schema", "positions", "gone"]))
        connection.exec_driver_sql("DROP TABLE balances")
        for name in ("wallets", "sub_wallets", "entries", "transactions"):
            connection.exec_driver_sql(f"DROP TABLE {name}")
    store.reset()
    with store.engine.connect() as connection:
        names = {row[0] for row in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert "formerly" not in names
    assert "of_others" in names
    assert "balances" in names


def test_another_namespaces_views_are_left_alone(tmp_path: Path) -> None:
    from agents.views.store import open_store

    applied(tmp_path, log_of(random_world(1)))
    stranger = open_store(Settings(data_dir=tmp_path, namespace="acme."))
    for touch in (stranger.prepare, stranger.reset):
        with pytest.raises(WrongSchema, match=r"of the namespace 'wallet\.', not 'acme\.'"):
            touch()


def test_a_store_that_is_gone_or_none(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE views_schema")
    with pytest.raises(NoViews, match="run `walletstream views rebuild`"):
        store.position(0)
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="cannot be made"):
        store_at(tmp_path / "file" / "below")
    (tmp_path / "views.sqlite").write_bytes(b"this is no database" * 100)
    for name in ("views.sqlite-wal", "views.sqlite-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    with pytest.raises(Damaged, match="file is not a database"):
        store_at(tmp_path)


def test_a_damaged_file_says_what_to_do(tmp_path: Path) -> None:
    """Trying again mends nothing: a worker that did would be started anew for ever."""
    path = tmp_path / "views.sqlite"
    applied(tmp_path, log_of(random_world(1))).close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (path.stat().st_size - 4096))
    store = open_store(Settings(data_dir=tmp_path, namespace="wallet."))
    remove = re.escape(f"remove {path}, {path}-wal and {path}-shm, then run `walletstream views rebuild`")
    for touch in (store.prepare, store.reset):
        with pytest.raises(Damaged, match=f"malformed.*{remove}"):
            touch()
    with pytest.raises(Damaged, match=remove), open_views(Settings(data_dir=tmp_path)):
        pass
    assert not issubclass(Damaged, Unavailable)


def test_tables_that_nobody_says_are_ours_are_left_alone(tmp_path: Path) -> None:
    """Another program's in the same database, or ours without what says so: neither is to be dropped, or written to."""
    store = store_at(tmp_path)
    with store.engine.begin() as connection:
        for table in METADATA.sorted_tables:
            if table.name != "wallets":
                table.drop(connection)
    for touch in (store.prepare, store.reset):
        with pytest.raises(WrongSchema, match=r"has tables named wallets, but no views_schema.*drop them, or"):
            touch()
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE wallets")
    store.prepare()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_views_in_memory_are_nobodys(url: str) -> None:
    with pytest.raises(ViewsError, match="names no file"):
        open_store(Settings(views_url=url))


def test_a_new_file_that_another_process_holds_is_waited_for(tmp_path: Path) -> None:
    """Two workers make the file at once: SQLite waits for no lock where it changes to a write-ahead log."""
    path = tmp_path / "views.sqlite"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE t (n)")
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.3, other.execute, ["COMMIT"])
    release.start()
    try:
        with connect(URL.create("sqlite", database=str(path))).connect() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    finally:
        release.join()
        other.close()


def test_tables_that_another_worker_makes_at_the_same_time_are_waited_for(tmp_path: Path) -> None:
    """Who has looked for them cannot wait in SQLite for who is making them: it looks again until they are there."""
    path = tmp_path / "views.sqlite"
    first, second = (open_store(Settings(data_dir=tmp_path, namespace="wallet.")) for _ in range(2))
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("PRAGMA journal_mode=WAL")
    other.execute("BEGIN IMMEDIATE")

    def make() -> None:
        other.execute("COMMIT")
        first.prepare()

    maker = threading.Timer(0.3, make)
    maker.start()
    try:
        second.prepare()
        maker.join()
        assert second.position(0) == first.position(0) == Position()
    finally:
        maker.join()
        other.close()
        first.close()
        second.close()


def test_a_file_that_may_not_be_written_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "views.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE x (y INTEGER)")
    engine = connect(make_url(f"sqlite:///file:{path}?mode=ro&uri=true"))
    began = time.monotonic()
    with pytest.raises(Unavailable, match="readonly"), snapshot(engine):
        pass
    assert time.monotonic() - began < BUSY_S / 2


def test_a_credit_that_fits_only_less_its_fee_is_applied(tmp_path: Path) -> None:
    fee: Json = {"name": "c", "version": 1, "operation": "credit", "asset": "EUR", "refundable": False}
    fee["tiers"] = [{"flat_minor": 15, "basis_points": 0}]
    reference = Reference().with_record(FEE_SCHEDULES, "c", json.dumps(fee).encode())
    reference = reference.with_record(RAILS, "card", b'{"name":"card","settlement":"instant"}')
    world = World(1, reference=reference)
    for command in (open_wallet("anna", "EUR"), credit("anna", 2**63 - 1), credit("anna", 20, rail="card")):
        world.put(command)
    world.settle()
    with snapshot(applied(tmp_path, log_of(world)).engine) as connection:
        (statement,) = statement_of(connection, "anna", 0, 2**62)
    assert [line.balance_after_minor for line in statement.lines] == [
        2**63 - 1,
        2**63 - 16,
        2**63 - 1,  # 4 more, which is nobody's balance
        2**63 - 11,
    ]
    assert statement.closing_minor == 2**63 - 11
