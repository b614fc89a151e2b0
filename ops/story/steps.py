"""The lines of the story, as `schemas/examples/story/*.jsonl` has them, and the reference data it is played with."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import orjson

from ops.story.ledger import ReferenceRecord
from schemas.reference import KEY_FIELDS
from schemas.topics import REFERENCE_DATA, VERSION

EXAMPLES: Final = Path(__file__).resolve().parents[2] / "schemas" / "examples"
FOLDER: Final = EXAMPLES / "story"


class StoryError(ValueError):
    """A line of the story cannot be played; the message names it."""


class Raw(msgspec.Struct, forbid_unknown_fields=True):
    """A record that is no command: what a broken producer wrote."""

    topic: str
    key: str
    value: str


class Step(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One line: what is asked, or what happens."""

    #: Where it stands, for messages: set by `read_story`.
    where: str = ""
    #: Name of the examples that are written of it; without one nothing is.
    example: str | None = None
    #: What it shows, in a sentence for the page of its operation.
    say: str | None = None
    #: A command. `$key` as `transaction_id` is the transaction begun under that idempotency key.
    ask: dict[str, Any] | None = None
    raw: Raw | None = None
    #: Partition that it arrives in; that of its wallet where none is given.
    arrives_in: int | None = None
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    #: Milliseconds that pass before it.
    wait_ms: int = 10
    #: The partition of this wallet is told that something is due.
    tick: str | None = None
    #: From here on the ledger has a bug that shows in the records of this wallet; an empty text is none.
    fails_on: str | None = None
    #: What is written as examples beside the request, its answers, its events and what they are caused by.
    also: list[Literal["wallet-balances", "batch.sealed"]] = []


_decode: Final = msgspec.json.Decoder(Step).decode


def read_story(folder: Path = FOLDER) -> list[Step]:
    """All steps, chapter by chapter in the order of their file names.

    Raises:
        StoryError: a line is not what this module describes, or an example's name is used twice.
    """
    steps = [step for path in sorted(folder.glob("*.jsonl")) for step in _read_chapter(path)]
    named: dict[str, str] = {}
    for step in steps:
        if step.example is not None and named.setdefault(step.example, step.where) != step.where:
            raise StoryError(f"{step.where}: {named[step.example]} has an example {step.example!r} too")
    return steps


def _read_chapter(path: Path) -> list[Step]:
    steps = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{path.name}:{number}"
        try:
            step = _decode(line)
        except msgspec.MsgspecError as error:
            raise StoryError(f"{where}: {error}") from error
        step.where = where
        steps.append(step)
    return steps


def reference_records() -> list[ReferenceRecord]:
    """The reference data of the story: the golden examples of its topics."""
    found = []
    for topic in REFERENCE_DATA:
        for path in sorted((EXAMPLES / f"{topic}.{VERSION}").glob("*.json")):
            value = path.read_bytes()
            found.append(ReferenceRecord(topic, orjson.loads(value)[KEY_FIELDS[topic]], value))
    return found
