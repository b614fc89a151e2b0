"""The auditor must not share a mistake with what it audits: of the ledger it knows the contracts only."""

from __future__ import annotations

import ast
from pathlib import Path

import ops.verify

FOLDER = Path(ops.verify.__file__).parent


def _imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return found


def test_it_imports_neither_the_ledger_nor_its_runtime() -> None:
    modules = sorted(FOLDER.glob("*.py"))
    assert len(modules) > 10
    for path in modules:
        rooms = {name.partition(".")[0] for name in _imported(path)}
        assert not rooms & {"agents", "streams"}, path


def test_its_fold_reads_and_waits_for_nothing() -> None:
    """What judges is apart from what reads, so that it can be given any log."""
    reading = {"run.py", "idle.py", "stores.py"}
    for path in FOLDER.glob("*.py"):
        if path.name not in reading:
            rooms = {name.partition(".")[0] for name in _imported(path)}
            assert not rooms & {"aiokafka", "asyncio", "rocksdict", "time", "random"}, path
