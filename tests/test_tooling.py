"""What pyproject.toml says of coverage and mutation is said of the modules that are there, and of all of them."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TOOLS: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
PURE: list[str] = next(
    contract["source_modules"] for contract in TOOLS["importlinter"]["contracts"] if contract["name"].startswith("Pure")
)


def as_pattern(module: str) -> str:
    path = module.replace(".", "/")
    return f"{path}/*" if (ROOT / path).is_dir() else f"{path}.py"


def test_coverage_is_of_the_pure_modules() -> None:
    assert TOOLS["coverage"]["run"]["include"] == [as_pattern(module) for module in PURE]
    assert TOOLS["coverage"]["run"]["branch"] is True
    assert TOOLS["coverage"]["report"]["fail_under"] == 95


def test_mutants_are_made_of_all_that_decides_and_applies() -> None:
    taken, left = TOOLS["mutmut"]["only_mutate"], TOOLS["mutmut"]["do_not_mutate"]
    names = [
        str(path.relative_to(ROOT)) for room in ("agents/ledger", "streams") for path in ROOT.glob(f"{room}/**/*.py")
    ]
    mutated = {n for n in names if any(fnmatch(n, p) for p in taken) and not any(fnmatch(n, p) for p in left)}
    pure = {n for n in names if any(fnmatch(n, as_pattern(module)) for module in PURE if module.startswith("agents."))}
    kept = {
        f"streams/{name}.py"
        for name in ("batch", "bucketed_view", "overlay", "table_views", "tables", "seal", "persist")
    }
    assert mutated == {n for n in pure | kept if not n.endswith("__init__.py")}


def test_the_tests_that_mutants_run_are_there() -> None:
    chosen = [name.removeprefix("--ignore=") for name in TOOLS["mutmut"]["pytest_add_cli_args_test_selection"]]
    assert [name for name in chosen if not (ROOT / name).exists()] == []


def test_make_lists_every_target_that_is_not_a_file() -> None:
    makefile = (ROOT / "Makefile").read_text()
    declared = {name for line in re.findall(r"^\.PHONY:(.*)$", makefile, re.M) for name in line.split()}
    explained = set(re.findall(r"^([a-z]+):.*## ", makefile, re.M))
    assert declared == explained
