"""The same on a real PostgreSQL, where the machine has the server; SQLite is tested without it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event

from agents.views.chunk import LogGap
from agents.views.database import NoViews, Unavailable, snapshot
from agents.views.queries.owners import owner_balance
from agents.views.queries.pending import pending_of, ready_to_settle
from agents.views.queries.statements import balances_at, statement_of
from agents.views.queries.wallets import balances_of, wallet_of
from agents.views.rates import Rates
from agents.views.store import ViewStore, open_store
from streams.settings import Settings
from tests.views.logs import Log, applied, in_chunks, life, log_of, random_world, rows_of, whole
from tests.views.postgres import postgres_server, programs
from tests.views.test_queries import names

PROGRAMS = programs()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAMS is None, reason="no PostgreSQL server on this machine"),
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    assert PROGRAMS is not None
    with postgres_server(PROGRAMS) as found:
        yield found


@pytest.fixture
def store(url: str) -> Iterator[ViewStore]:
    found = opened(url)
    found.reset()
    yield found
    found.close()


def opened(url: str) -> ViewStore:
    return open_store(Settings(views_url=url))


def logs() -> list[Log]:
    return [log_of(random_world(2), partition) for partition in (0, 1)]


def test_it_holds_what_sqlite_holds(store: ViewStore, tmp_path: Path) -> None:
    for partition, log in enumerate(logs()):
        for chunk in in_chunks(log, range(1, 1_000, 7), partition):
            store.apply(chunk)
    assert rows_of(store) == rows_of(applied(tmp_path, *logs()))


def test_it_answers_what_sqlite_answers(store: ViewStore, tmp_path: Path) -> None:
    other = applied(tmp_path, *logs(), life().log)
    for partition, log in enumerate([*logs(), life().log]):
        store.apply(whole(log, partition))
    with snapshot(store.engine) as here, snapshot(other.engine) as there:
        for name in [*names(), "w", "system"]:
            for asked in (wallet_of, balances_of, pending_of):
                assert asked(here, name) == asked(there, name)
            for from_ms in (0, random_world(2).now_ms // 2):
                assert statement_of(here, name, from_ms, 2**62) == statement_of(there, name, from_ms, 2**62)
            assert balances_at(here, name, 2**62) == balances_at(there, name, 2**62)
        assert ready_to_settle(here) == ready_to_settle(there) != []
        mine, its = (owner_balance(c, "o-1", "EUR", Rates()) for c in (here, there))
        assert mine is not None
        assert its is not None
        assert [one._replace(applied_at_ms=0) for one in mine.reflects] == [
            one._replace(applied_at_ms=0) for one in its.reflects
        ]
        assert mine._replace(reflects=()) == its._replace(reflects=())


def test_a_crash_in_the_middle_leaves_nothing(store: ViewStore, tmp_path: Path) -> None:
    log = logs()[0]
    first, second = in_chunks(log, [40])
    store.apply(first)
    before = rows_of(store)

    def crash(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO transactions"):
            raise KeyboardInterrupt

    event.listen(store.engine, "before_cursor_execute", crash)
    with pytest.raises(KeyboardInterrupt):
        store.apply(second)
    event.remove(store.engine, "before_cursor_execute", crash)
    assert rows_of(store) == before
    store.apply(second)
    assert rows_of(store) == rows_of(applied(tmp_path, log))


def test_many_writers_of_one_partition_apply_each_record_once(store: ViewStore, url: str, tmp_path: Path) -> None:
    log = logs()[0]
    chunks = in_chunks(log, range(1, 1_000, 5))
    applied_records, races = [], []

    def write() -> None:
        mine = opened(url)
        for chunk in chunks:
            done = mine.apply(chunk)
            applied_records.append(done.records)
            races.append(done.races)
        mine.close()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(applied_records) == len(log)
    assert sum(races) > 0
    assert rows_of(store) == rows_of(applied(tmp_path, log))


def test_rebuilds_under_a_writer(store: ViewStore, url: str, tmp_path: Path) -> None:
    """Whoever is thrown out goes on from where the store says; in the end all is there once."""
    log = logs()[0]
    chunks = in_chunks(log, range(1, 1_000, 5))
    resets = threading.Event()

    def write() -> None:
        mine = opened(url)
        while True:
            try:
                at = mine.position(0).next_offset
                waiting = [chunk for chunk in chunks if chunk.end > at]
                for chunk in waiting:
                    mine.apply(chunk)
                if resets.is_set():
                    break
            except (LogGap, NoViews, Unavailable):
                continue
        mine.close()

    thread = threading.Thread(target=write)
    thread.start()
    operator = opened(url)
    for _ in range(8):
        try:
            operator.reset()
        except Unavailable:  # the one of two who is chosen where both wait for each other
            continue
    resets.set()
    thread.join(60)
    assert not thread.is_alive()
    assert rows_of(store) == rows_of(applied(tmp_path, log))
    operator.close()


def test_workers_that_start_at_once_make_the_tables_once(store: ViewStore, url: str) -> None:
    with store.engine.begin() as connection:
        for table in ("positions", "views_schema", "wallets", "sub_wallets", "balances", "entries", "transactions"):
            connection.exec_driver_sql(f"DROP TABLE {table}")
    errors: list[Exception] = []

    def start() -> None:
        mine = opened(url)
        try:
            mine.prepare()
            mine.position(0)
        except Exception as error:
            errors.append(error)
        mine.close()

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_server_that_is_away() -> None:
    away = open_store(Settings(views_url="postgresql://views:secret@127.0.0.1:1/none"))
    with pytest.raises(Unavailable, match="cannot be used") as told:
        away.prepare()
    assert "secret" not in str(told.value)
