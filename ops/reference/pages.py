"""Which reference pages there are, and whether the files say what the code says."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from ops.reference.access import access_page
from ops.reference.cli import cli_page
from ops.reference.codes import codes_page
from ops.reference.commands import commands_page
from ops.reference.events import events_page
from ops.reference.findings import findings_page
from ops.reference.fraud import fraud_page
from ops.reference.fraud_rules import fraud_rules_page
from ops.reference.lifecycle import lifecycle_page
from ops.reference.metrics import metrics_page
from ops.reference.operations import operation_page, operations_index
from ops.reference.outcomes import outcomes_page
from ops.reference.settings import settings_page
from ops.reference.settlement import settlement_page
from ops.reference.statements import statements_page
from ops.reference.topics import topics_page
from schemas.commands import OPERATIONS

FOLDER: Final = Path(__file__).resolve().parents[2] / "docs" / "reference"

#: Path below the folder -> what writes it.
PAGES: Final[dict[str, Callable[[], str]]] = {
    "access.md": access_page,
    "cli.md": cli_page,
    "codes.md": codes_page,
    "commands.md": commands_page,
    "events.md": events_page,
    "findings.md": findings_page,
    "fraud-rules.md": fraud_rules_page,
    "fraud.md": fraud_page,
    "lifecycle.md": lifecycle_page,
    "metrics.md": metrics_page,
    "outcomes.md": outcomes_page,
    "settings.md": settings_page,
    "settlement.md": settlement_page,
    "statements.md": statements_page,
    "topics.md": topics_page,
    "operations/README.md": operations_index,
    **{f"operations/{operation}.md": partial(operation_page, operation) for operation in OPERATIONS},
}


def out_of_date(folder: Path = FOLDER) -> list[str]:
    """Names of the pages in `folder` that are missing, differ from the code, or are nobody's."""
    found = {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in folder.rglob("*.md")}
    expected = {name: write() for name, write in PAGES.items()}
    return sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))


def write_pages(folder: Path = FOLDER) -> list[str]:
    """Bring `folder` up to date; returns the names of the pages that changed."""
    changed = out_of_date(folder)
    for name in changed:
        if name in PAGES:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(PAGES[name](), encoding="utf-8")
        else:
            (folder / name).unlink()
    return changed
