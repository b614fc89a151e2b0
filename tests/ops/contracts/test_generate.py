from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from ops.contracts import generate as module
from ops.contracts.generate import generate, main, out_of_date

pytestmark = pytest.mark.slow


def test_it_writes_every_file_once(tmp_path: Path) -> None:
    assert generate(tmp_path) == sorted(path.name for path in tmp_path.iterdir())
    assert "transaction-requests.v1.json" in {path.name for path in tmp_path.iterdir()}
    assert generate(tmp_path) == []


def test_it_finds_what_is_changed_missing_and_left_over(tmp_path: Path) -> None:
    generate(tmp_path)
    (tmp_path / "rails.v1.json").write_text("{}")
    (tmp_path / "assets.v1.json").unlink()
    (tmp_path / "of-yesterday.v1.json").write_text("{}")
    assert out_of_date(tmp_path) == ["assets.v1.json", "of-yesterday.v1.json", "rails.v1.json"]
    generate(tmp_path)
    assert out_of_date(tmp_path) == []


def test_the_documents_are_the_same_every_time(tmp_path: Path) -> None:
    generate(tmp_path)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for path in tmp_path.iterdir():
        path.unlink()
    generate(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first
    assert all(orjson.loads(document) for document in first.values())


def test_check_exits_1_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.out_of_date, "__defaults__", (tmp_path,))
    ran = CliRunner().invoke(main, ["--check"])
    assert ran.exit_code == 1
    assert "out of date: schemas/generated/rails.v1.json" in ran.output
    assert list(tmp_path.iterdir()) == []
