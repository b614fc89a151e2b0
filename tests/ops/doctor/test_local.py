"""What the doctor finds without a broker."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ops.broker import BrokerError
from ops.doctor import Finding, Level, local
from ops.doctor.local import check_disk, check_java, check_settings, lock_holder
from streams.settings import Settings

HOLD = """
import fcntl, sys, time
file = open(sys.argv[1], "r+b")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


def only(found: list[Finding], level: Level) -> list[Finding]:
    return [finding for finding in found if finding.level is level]


def test_settings_that_fit_each_other() -> None:
    (found,) = check_settings(Settings(worker_id="w"), {"WALLETSTREAM_JAVA": "/java", "PATH": "/bin"})
    assert found.level is Level.OK
    assert "worker w" in found.what


def test_a_variable_that_is_no_setting() -> None:
    environ = {"WALLETSTREAM_BOOTSTRAP_SERVER": "x", "WALLETSTREAM_XYZZY": "y", "WALLETSTREAM_PARTITIONS": "8"}
    near, far = check_settings(Settings(), environ)
    assert (near.level, near.mend) == (Level.PROBLEM, "rename it to WALLETSTREAM_BOOTSTRAP_SERVERS")
    assert far.what == "WALLETSTREAM_XYZZY is no setting and has no effect"
    assert far.mend is not None
    assert far.mend.startswith("remove it")


def test_every_variable_of_the_reference_is_known() -> None:
    page = (Path(__file__).parents[3] / "docs/reference/settings.md").read_text()
    environ = dict.fromkeys(re.findall(r"^\| `(WALLETSTREAM_\w+)` \|", page, re.MULTILINE), "x")
    assert "WALLETSTREAM_SEED" in environ
    (found,) = check_settings(Settings(), environ)
    assert found.level is Level.OK, found.what


def test_settings_that_contradict_each_other() -> None:
    settings = Settings(box_max_records=10, batch_max_records=20)
    box, *_ = check_settings(settings, {})
    assert box.level == Level.WARNING
    assert box.mend == "set WALLETSTREAM_BOX_MAX_RECORDS to several times WALLETSTREAM_BATCH_MAX_RECORDS"


@pytest.mark.parametrize(("needed", "level"), [(True, Level.PROBLEM), (False, Level.NOTE)])
def test_no_java_matters_only_where_it_is_needed(needed: bool, level: Level, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise BrokerError("no Java 17 or newer")

    monkeypatch.setattr(local, "find_java", none)
    (found,) = check_java(needed)
    assert (found.level, found.what) == (level, "no Java 17 or newer")


def test_a_disk_with_room(tmp_path: Path) -> None:
    (found,) = check_disk(Settings(data_dir=tmp_path / "not" / "made", worker_id="w"))
    assert found.area == "disk"
    assert not (tmp_path / "not").exists()


@pytest.mark.parametrize(("free_gib", "level"), [(0.5, Level.PROBLEM), (5, Level.WARNING), (50, Level.OK)])
def test_how_much_room_is_enough(
    tmp_path: Path, free_gib: float, level: Level, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = int(free_gib * (1 << 30))

    monkeypatch.setattr("shutil.disk_usage", lambda _path: Usage)
    (found,) = check_disk(Settings(data_dir=tmp_path, worker_id="w"))
    assert found.level is level
    assert f"{free_gib:.1f} GiB free" in found.what


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    (found,) = check_disk(Settings(data_dir=tmp_path / "data", worker_id="w"))
    assert found.level is Level.PROBLEM
    assert found.what.endswith("is no folder")


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda _path, _mode: False)
    (found,) = check_disk(Settings(data_dir=tmp_path, worker_id="w"))
    assert found.level is Level.PROBLEM
    assert found.what == f"{tmp_path} cannot be written"


def test_who_holds_a_state(tmp_path: Path) -> None:
    for partition in ("0", "3", "5"):
        (tmp_path / "w" / partition).mkdir(parents=True)
        (tmp_path / "w" / partition / "LOCK").write_bytes(b"")
    holders = [
        subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path / "w" / partition / "LOCK")], stdout=subprocess.PIPE, text=True
        )
        for partition in ("0", "3")
    ]
    try:
        for holder in holders:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
        assert lock_holder(tmp_path / "w" / "0" / "LOCK") == holders[0].pid
        assert lock_holder(tmp_path / "w" / "5" / "LOCK") is None
        assert lock_holder(tmp_path / "none") is None
        notes = only(list(check_disk(Settings(data_dir=tmp_path, worker_id="w"))), Level.NOTE)
        assert [note.what.split()[1] for note in notes] == [str(holder.pid) for holder in holders]
        assert "partition 3" in notes[1].what
    finally:
        for holder in holders:
            holder.kill()
            holder.communicate()
    assert os.path.exists(tmp_path / "w" / "0" / "LOCK")
    assert lock_holder(tmp_path / "w" / "0" / "LOCK") is None
