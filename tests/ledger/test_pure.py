"""What decides and folds knows no clock, no chance, no host: read off the imports and calls in its source."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Modules whose import alone is chance, a clock, I/O or a host.
IMPURE = frozenset(
    {
        "aiohttp",
        "aiokafka",
        "asyncio",
        "faust",
        "mode",
        "multiprocessing",
        "os",
        "platform",
        "random",
        "rocksdict",
        "secrets",
        "select",
        "shutil",
        "signal",
        "socket",
        "ssl",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
        "time",
        "urllib",
        "uuid",
    }
)
#: `datetime.now()` and its like; a `datetime` made from a number is pure.
CLOCKS = frozenset({"now", "utcnow", "today"})
CALLS = frozenset({"open", "input", "print", "__import__", "exec", "eval"})


def pure_modules() -> list[str]:
    """Modules of the ledger but its agent, and those that the import contract calls pure."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (contract,) = [one for one in contracts if one["name"].startswith("Pure modules")]
    named = {name for name in contract["source_modules"] if name.startswith("streams.")}
    ledger = (ROOT / "agents" / "ledger").rglob("*.py")
    found = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in ledger}
    return sorted(named | found - {"agents.ledger.agent"})


def impurities(source: str) -> list[str]:
    """What in a module's source is impure, by line."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Attribute) and node.attr in CLOCKS:
            names = [f"datetime.{node.attr}"]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            names = [node.func.id]
        else:
            continue
        found += [
            f"{node.lineno}: {name}"
            for name in names
            if name.partition(".")[0] in IMPURE or name in CALLS or name.removeprefix("datetime.") in CLOCKS
        ]
    return found


@pytest.mark.parametrize("module", pure_modules())
def test_pure_modules_know_no_clock_no_chance_and_no_host(module: str) -> None:
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    assert impurities(path.read_text()) == []


def test_the_modules_are_found() -> None:
    modules = pure_modules()
    assert len(modules) > 20
    assert {"agents.ledger.machine", "agents.ledger.apply", "streams.batch", "streams.overlay"} <= set(modules)


@pytest.mark.parametrize(
    "source",
    [
        "import os.path",
        "from uuid import uuid4",
        "import secrets",
        "from threading import Lock",
        "def f():\n    import socket",
        "from datetime import datetime\nnow = datetime.now()",
        "import datetime\nnow = datetime.datetime.utcnow()",
        "text = open('x').read()",
    ],
)
def test_what_is_impure_is_seen(source: str) -> None:
    assert impurities(source)
