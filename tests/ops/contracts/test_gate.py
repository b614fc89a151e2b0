from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from ops.contracts.gate import BaseNotFound, main, read_base, verdicts
from ops.contracts.generate import GENERATED, RELEASED
from tests.contracts.codecs import SCHEMAS

pytestmark = pytest.mark.slow


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A copy of the schemas as they are."""
    return Path(shutil.copytree(GENERATED, tmp_path / "base"))


def edit(path: Path, **changes: object) -> None:
    path.write_bytes(orjson.dumps(orjson.loads(path.read_bytes()) | changes))


def test_no_change_is_allowed(base: Path) -> None:
    ran = CliRunner().invoke(main, ["--base", str(base)])
    assert ran.exit_code == 0
    assert ran.output.count("unchanged") == len(SCHEMAS)


def test_the_default_base_is_the_release() -> None:
    assert set(read_base(str(RELEASED))) <= set(SCHEMAS)
    assert CliRunner().invoke(main, []).exit_code == 0


def test_an_incompatible_change_exits_1_and_says_where(base: Path) -> None:
    rails = orjson.loads((base / "rails.v1.json").read_bytes())
    rails["properties"]["colour"] = {"type": "string"}
    (base / "rails.v1.json").write_bytes(orjson.dumps(rails))
    ran = CliRunner().invoke(main, ["--base", str(base)])
    assert ran.exit_code == 1
    assert "rails                 incompatible" in ran.output
    assert "new readers of old records: $.colour: is not allowed any more" in ran.output
    assert "(decided by jsonsubschema)" in ran.output


def test_json_for_scripts(base: Path) -> None:
    edit(base / "assets.v1.json", required=["code"])
    ran = CliRunner().invoke(main, ["--base", str(base), "--json"])
    answers = {answer["topic"]: answer for answer in json.loads(ran.output)}
    assert ran.exit_code == 1
    assert answers["assets"]["allowed"] is False
    assert answers["rails"]["allowed"] is True


def test_new_and_removed_topics(base: Path) -> None:
    (base / "rails.v1.json").rename(base / "of-yesterday.v1.json")
    answers = {answer.topic: answer for answer in verdicts(read_base(str(base)), SCHEMAS)}
    assert answers["rails"].status == "new"
    assert (answers["of-yesterday"].status, answers["of-yesterday"].allowed) == ("removed", False)


def test_a_git_revision_as_base(tmp_path: Path) -> None:
    shutil.copytree(GENERATED, tmp_path / "schemas" / "generated")
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "first"],
    ):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    shutil.rmtree(tmp_path / "schemas")
    assert read_base("HEAD", tmp_path) == orjson.loads(orjson.dumps(SCHEMAS))


@pytest.mark.parametrize("base", ["no-such-revision", "--output=x", "/"])
def test_a_base_that_is_none(base: str) -> None:
    with pytest.raises(BaseNotFound):
        read_base(base)
    ran = CliRunner().invoke(main, [f"--base={base}"])
    assert ran.exit_code == 1
    assert "Error:" in ran.output
