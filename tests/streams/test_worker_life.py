"""How a worker begins, what ends it with which exit code, and in which order it stops."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
from aiokafka.errors import GroupAuthorizationFailedError, KafkaConnectionError, TopicAuthorizationFailedError

from streams.errors import Refused, StoreError
from streams.settings import Settings
from tests.streams.lives import STOPPED, Beside, Life, live
from tests.streams.toy import COMMANDS, EVENTS, REQUESTS, TOPICS


def test_a_worker_knows_its_reference_data_before_it_joins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def check(life: Life) -> None:
        await life.until_running()
        status = life.worker.status
        assert life.journal == [
            "reference data loaded",
            "app made",
            "processors start",
            "collect_rarely",
            "group joined",
        ]
        assert status.waiting_for == ""
        assert status.supervisor is cast(object, life.app.processors)
        assert status.silence_s() == 7.0
        assert status.reference_age_s() == 3.0
        assert status.held_up() == {("toy-requests", 1): 5}

    live(monkeypatch, tmp_path, check)


def test_it_has_the_cluster_checked_for_all_that_its_role_needs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Logs of other roles are kept for ever and stamped by workers: they are not checked as inputs of requests are."""
    asked: list[tuple[object, ...]] = []

    async def check_cluster(_settings: Settings, *needs: object) -> list[object]:
        asked.append(needs)
        return []

    async def check(life: Life) -> None:
        monkeypatch.setattr("streams.foreground.check_cluster", check_cluster)
        await life.until_running()
        assert asked == [(TOPICS, [REQUESTS], EVENTS)]

    live(monkeypatch, tmp_path, check, logs=frozenset({COMMANDS}))


def test_it_says_that_it_loads_reference_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def check(life: Life) -> None:
        life.follower.may_load.clear()
        life.begin()
        async with asyncio.timeout(5):
            while "connecting" in (said := life.worker.status.waiting_for) or said == "starting":  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        assert life.worker.status.reasons() == ["loading reference data"]
        assert life.journal == []
        life.follower.may_load.set()
        await life.until_running()

    live(monkeypatch, tmp_path, check)


@pytest.mark.parametrize(("keeps_much", "collects"), [(True, "collect_once"), (False, "collect_rarely")])
def test_the_collector_is_as_the_role_needs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, keeps_much: bool, collects: str
) -> None:
    """After all is loaded that stays, and once."""

    async def check(life: Life) -> None:
        await life.until_running()
        assert [line for line in life.journal if line.startswith("collect_")] == [collects]
        assert life.journal.index(collects) > life.journal.index("app made")

    live(monkeypatch, tmp_path, check, keeps_much=keeps_much)


@pytest.fixture
def terminal() -> Iterator[None]:
    """As of a process in a terminal; afterwards that of the test run is put back."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    "numbers", [(signal.SIGTERM,), (signal.SIGINT,), (signal.SIGHUP,), (signal.SIGTERM, signal.SIGTERM)]
)
def test_a_signal_stops_it_in_order(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, numbers: tuple[signal.Signals, ...]
) -> None:
    """Companions, then processors while the group still knows us, then Faust, and what decisions ask last."""
    beside = Beside()

    async def check(life: Life) -> None:
        beside.journal = life.journal
        await life.until_running()
        del life.journal[:]
        for number in numbers:
            os.kill(os.getpid(), number)
            await asyncio.sleep(0)
        assert await life.code() == 0
        assert life.journal == ["companion ends", *STOPPED]
        assert life.worker.status.reasons() == ["stopping"]

    live(monkeypatch, tmp_path, check, companions=[beside])


@pytest.mark.usefixtures("terminal")
def test_what_runs_by_nohup_outlives_its_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def check(life: Life) -> None:
        await life.until_running()
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.01)
        assert not life.worker.status.is_stopping
        life.worker.stop()
        assert await life.code() == 0

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    live(monkeypatch, tmp_path, check)


def faust_ends(life: Life, error: BaseException | None) -> None:
    life.app.fails_with = error
    life.app.ended.set()


def faust_crashes(life: Life, error: BaseException) -> None:
    life.app.crash_reason = error
    life.app.ended.set()


ENDS: dict[str, tuple[Callable[[Life], object], int, str]] = {
    "a processor fails": (
        lambda life: life.app.processors.failure.set_exception(OSError("the eighth")),
        1,
        "OSError: the eighth",
    ),
    "a processor refuses": (
        lambda life: life.app.processors.failure.set_exception(Refused("the log is cut")),
        2,
        "Refused: the log is cut",
    ),
    "a processor may not write": (
        lambda life: life.app.processors.failure.set_exception(TopicAuthorizationFailedError("w.events")),
        2,
        "may not use topic w.events",
    ),
    "Faust ends": (lambda life: faust_ends(life, None), 1, "the Faust app has ended unasked"),
    "Faust fails": (lambda life: faust_ends(life, OSError("of Faust")), 1, "OSError: of Faust"),
    "Faust crashes": (lambda life: faust_crashes(life, OSError("crashed")), 1, "OSError: crashed"),
    "the group refuses": (
        lambda life: life.app.refused.set_exception(GroupAuthorizationFailedError("w.toy")),
        2,
        "may not use consumer group w.toy",
    ),
    "the group takes no such session": (
        lambda life: life.app.refused.set_exception(Refused("a session of 9 s")),
        2,
        "Refused: a session of 9 s",
    ),
    "reference data ends": (
        lambda life: life.follower.ends_with.set_result(None),
        1,
        "reading reference data has ended unasked",
    ),
    "reference data fails": (lambda life: life.follower.ends_with.set_exception(OSError("read")), 1, "OSError: read"),
    "reference data is forbidden": (
        lambda life: life.follower.ends_with.set_exception(TopicAuthorizationFailedError("w.settings")),
        2,
        "may not use topic w.settings",
    ),
}


@pytest.mark.parametrize(("end", "code", "says"), ENDS.values(), ids=ENDS)
def test_what_ends_of_itself_ends_the_process(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    end: Callable[[Life], object],
    code: int,
    says: str,
) -> None:
    """1 where a restart may mend it, 2 where somebody has to act first; the reason is the last line."""

    async def check(life: Life) -> None:
        await life.until_running()
        end(life)
        assert await life.code() == code
        assert set(life.journal[-4:]) == set(STOPPED)
        assert life.journal.index("processors end") < life.journal.index("group left")

    live(monkeypatch, tmp_path, check)
    assert says in capsys.readouterr().err.splitlines()[-1]


def test_what_does_not_stop_is_left_in_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def check(life: Life) -> None:
        await life.until_running()
        life.app.processors.never_end = True
        life.worker.stop()
        assert await life.code() == 0
        assert life.journal[-3:] == ["processors end", *STOPPED[-2:]]

    monkeypatch.setattr("streams.worker._STOP_S", 0.05)
    live(monkeypatch, tmp_path, check)
    assert "the worker did not stop within 0.05 s and is left as it is" in caplog.text


@pytest.mark.parametrize(
    ("error", "code"), [(TopicAuthorizationFailedError("w.settings"), 2), (KafkaConnectionError("away"), 1)]
)
def test_reference_data_that_cannot_be_read_at_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception, code: int
) -> None:
    async def check(life: Life) -> None:
        life.follower.cannot_load = error
        assert await life.code() == code
        assert life.journal == ["reference data closed"]

    live(monkeypatch, tmp_path, check)


def test_a_data_directory_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def no_app(*_arguments: object) -> None:
        raise StoreError("/data cannot be used")

    async def check(life: Life) -> None:
        monkeypatch.setattr("streams.worker.create_app", no_app)
        assert await life.code() == 2
        assert life.journal == ["reference data loaded", "reference data closed"]

    live(monkeypatch, tmp_path, check)
