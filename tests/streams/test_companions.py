"""What runs beside the processors of a worker: what ends it ends the process, and the process ends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.errors import Refused
from tests.streams.lives import STOPPED, Beside, Life, live


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (None, 1, "a companion has ended unasked"),
        (OSError("of a companion"), 1, "OSError: of a companion"),
        (Refused("that is no rail"), 2, "Refused: that is no rail"),
    ],
)
def test_a_companion_that_ends_ends_the_process(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    error: Exception | None,
    code: int,
    says: str,
) -> None:
    beside = Beside(error)

    async def check(life: Life) -> None:
        await life.until_running()
        beside.ends.set()
        assert await life.code() == code
        assert life.journal[-4:] == STOPPED

    live(monkeypatch, tmp_path, check, companions=[Beside(), beside])
    assert says in capsys.readouterr().err.splitlines()[-1]


def test_a_companion_that_fails_as_it_is_asked_to_end_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def check(life: Life) -> None:
        await life.until_running()
        life.worker.stop()
        assert await life.code() == 0
        assert life.journal[-4:] == STOPPED

    live(monkeypatch, tmp_path, check, companions=[Beside(OSError("too late"))])


def test_a_companion_that_does_not_end_is_cancelled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Before the processors: it would go on for partitions that are another worker's by then."""
    beside = Beside(ignores_the_end=True)

    async def check(life: Life) -> None:
        beside.journal = life.journal
        await life.until_running()
        life.worker.stop()
        assert await life.code() == 0
        assert life.journal[-5:] == ["companion ends", *STOPPED]

    monkeypatch.setattr("streams.worker._COMPANION_S", 0.05)
    live(monkeypatch, tmp_path, check, companions=[beside])
