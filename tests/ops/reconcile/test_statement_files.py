"""Files of statements on disk, and the command without a broker."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agents.statements.reading import ReadFile, Reading
from ops.cli import main as walletstream
from ops.errors import OperationError
from ops.reconcile.statement_files import keep, kept_path, read_file
from schemas.external_statements import RefusedFile, encode_external
from tests.statements.files import CSV, SOUND, mt940

READING = Reading("acquirer")
GOOD = SOUND["MT940"][0]


def run(*arguments: str | Path) -> Result:
    words = ["reconcile", "import", "--account", "acquirer", "--dry-run", "--offline", *map(str, arguments)]
    return CliRunner().invoke(walletstream, words)


def test_a_file_is_read_with_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.sta"
    path.write_bytes(GOOD)
    found, data = read_file(path, READING)
    assert isinstance(found, ReadFile)
    assert (data, found.source.file, found.source.sha256) == (GOOD, "a.sta", sha256(GOOD).hexdigest())


def test_a_file_whose_name_is_no_text_can_be_written_on_the_topic(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"M\xfcller.sta")
    path.write_bytes(GOOD)
    found, _ = read_file(path, READING)
    assert isinstance(found, ReadFile)
    assert found.source.file == "M\\xfcller.sta"
    assert encode_external(found.statements[0].statement)


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path, Path("/dev/zero")):
        with pytest.raises(OperationError, match="is no regular file"):
            read_file(path, READING)
    with pytest.raises(OperationError, match="cannot be read"):
        read_file(tmp_path / "missing", READING)


@pytest.mark.slow
def test_a_sparse_file_of_a_gibibyte_is_hashed_and_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    found, data = read_file(path, READING)
    assert data is None
    assert isinstance(found, RefusedFile)
    assert (found.reason, found.kept, found.source.size_bytes) == ("too_large", False, 1 << 30)
    assert found.source.sha256 == "49bc20df15e412a64472421e13fe86ff1c5165e18b2afccf160d4dc19fe68a14"


def test_a_file_that_nobody_would_hash(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(9 << 30)
    with pytest.raises(OperationError, match="no statement has so many"):
        read_file(path, READING)


def test_a_file_is_kept_once_under_its_hash(tmp_path: Path) -> None:
    name = sha256(GOOD).hexdigest()
    path = keep(tmp_path, name, GOOD)
    assert path == kept_path(tmp_path, name)
    before = path.stat().st_mtime_ns
    assert keep(tmp_path, name, GOOD) == path
    assert path.stat().st_mtime_ns == before
    path.write_bytes(b"half")
    assert keep(tmp_path, name, GOOD).read_bytes() == GOOD, "what a crash of the disk left is written anew"
    assert [one.name for one in path.parent.iterdir()] == [name]


def test_a_disk_that_takes_nothing_imports_nothing(tmp_path: Path) -> None:
    (tmp_path / "statements").write_text("in the way")
    with pytest.raises(OperationError, match="so that nothing was imported"):
        keep(tmp_path, "ab" * 32, GOOD)


def test_the_command_without_a_broker(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.sta", tmp_path / "bad.sta"
    good.write_bytes(GOOD)
    bad.write_text(mt940(closing="62F:C261127EUR1,"))
    assert run(good).exit_code == 0
    found = run("--json", good, bad)
    assert found.exit_code == 3
    told = json.loads(found.output)
    assert [(one["outcome"], one["kept"]) for one in told] == [("imported", None), ("refused", None)]
    assert (told[1]["reason"], told[1]["line_number"]) == ("unbalanced", 5)


def test_the_command_with_a_mapping(tmp_path: Path) -> None:
    table, mapping = tmp_path / "a.csv", tmp_path / "m.json"
    table.write_text(CSV)
    mapping.write_text('{"amount": "amount", "asset": "currency", "date": "date"}')
    found = run("--side", "partner", "--mapping", mapping, table)
    assert found.exit_code == 0
    assert "2 lines, in 10.50 EUR, out 3.25 EUR; NOT proven: no balances" in found.output
    mapping.write_text('{"amount": "amount", "asset": "currency"}')
    assert "date: Field required" in run("--mapping", mapping, table).output
    assert "cannot be read" in run("--mapping", tmp_path / "none", table).output


@pytest.mark.parametrize(
    ("said", "options", "is_read"),
    [
        ("", ("--encoding", "latin-1"), True),
        (', "encoding": "utf-8"', ("--encoding", "latin-1"), True),
        (', "encoding": "latin-1"', (), True),
        ("", (), False),
    ],
)
def test_the_encoding_of_a_table_is_the_one_that_is_named(
    said: str, options: tuple[str, ...], is_read: bool, tmp_path: Path
) -> None:
    """What the command says counts before what the mapping does."""
    table, mapping = tmp_path / "a.csv", tmp_path / "m.json"
    table.write_bytes(CSV.replace(",a\n", ",Müller\n").encode("latin-1"))
    mapping.write_text(f'{{"amount": "amount", "asset": "currency", "date": "date"{said}}}')
    found = run("--mapping", mapping, *options, table)
    assert (found.exit_code, ": encoding: " in found.output) == ((0, False) if is_read else (3, True))


def test_names_of_accounts_and_options_that_make_no_sense(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(GOOD)
    words = ["reconcile", "import", str(path), "--account"]
    assert CliRunner().invoke(walletstream, [*words, "No Such/Name"]).exit_code == 2
    found = CliRunner().invoke(walletstream, [*words, "acquirer", "--offline"])
    assert "--offline needs --dry-run" in found.output
