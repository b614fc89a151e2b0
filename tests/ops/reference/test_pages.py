"""The reference pages that are checked in say what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from ops.reference import pages
from ops.reference.__main__ import main
from ops.reference.pages import FOLDER, PAGES, out_of_date, write_pages


def test_no_page_is_stale() -> None:
    assert out_of_date(FOLDER) == [], "run `make docs` and check the pages in"


def test_every_page_has_a_title_and_says_that_it_is_generated() -> None:
    for write in PAGES.values():
        lines = write().splitlines()
        assert lines[0].startswith("# ")
        assert lines[2].startswith("<!-- Generated from ")


def test_missing_changed_and_foreign_pages_are_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGES", {"a.md": lambda: "a\n", "b.md": lambda: "b\n"})
    assert write_pages(tmp_path) == ["a.md", "b.md"]
    assert out_of_date(tmp_path) == []
    (tmp_path / "a.md").unlink()
    (tmp_path / "b.md").write_text("changed by hand\n")
    (tmp_path / "c.md").write_text("nobody's\n")
    assert out_of_date(tmp_path) == ["a.md", "b.md", "c.md"]
    assert write_pages(tmp_path) == ["a.md", "b.md", "c.md"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.md", "b.md"]
    assert (tmp_path / "b.md").read_text() == "b\n"


def test_check_writes_nothing_and_says_what_is_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.reference.__main__.out_of_date", lambda: ["codes.md"])
    monkeypatch.setattr("ops.reference.__main__.write_pages", lambda: pytest.fail("it wrote"))
    done = CliRunner().invoke(main, ["--check"])
    assert done.exit_code == 1
    assert "stale: docs/reference/codes.md" in done.output
