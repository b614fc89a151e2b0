"""Which files the story gives: golden examples by topic, and the whole log of every partition.

`<topic>.v1/<example>.json` is what the step of that name asked on the topic or led to there; where that were several
records, the second one is `<example>.2.json`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import orjson

from ops.story.play import Played, play
from ops.story.steps import EXAMPLES, read_story, reference_records
from schemas.events import BATCH_SEALED
from schemas.topics import (
    DEAD_LETTERS,
    INTERNAL_COMMANDS,
    LEDGER_EVENTS,
    TRANSACTION_OUTCOMES,
    VERSION,
    WALLET_BALANCES,
)
from streams.machine import Message

#: Below `schemas/examples`: every event of a partition, byte for byte, a line each.
LOGS: Final = "story/log"

#: Topics whose examples are the story's, beside those of commands.
_WRITTEN: Final = (INTERNAL_COMMANDS, LEDGER_EVENTS, TRANSACTION_OUTCOMES, WALLET_BALANCES, DEAD_LETTERS)

#: Examples of what the story does not come to, written by hand.
BY_HAND: Final = frozenset(
    {
        # More parked records than one transaction executes.
        "ledger-events.v1/wallet.releasing.json",
        "internal-commands.v1/release_portion.json",
        # A record that no topic takes.
        "dead-letters.v1/oversized.json",
    }
)


@lru_cache(maxsize=1)
def the_story() -> tuple[Played, ...]:
    """The story as it is checked in, played once."""
    return tuple(play(read_story(), reference_records()))


@lru_cache(maxsize=1)
def its_files() -> Mapping[str, bytes]:
    """Path below `schemas/examples` -> content, of all files of the story as it is checked in."""
    return files_of(the_story())


def files_of(story: Iterable[Played]) -> dict[str, bytes]:
    """Path below `schemas/examples` -> content, of all files that the story gives."""
    files: dict[str, bytes] = {}
    asked: set[tuple[str, bytes]] = set()
    logs: dict[int, list[bytes]] = {}
    for played in story:
        for message in played.written:
            if message.topic == LEDGER_EVENTS:
                logs.setdefault(message.partition, []).append(message.value or b"")
        if played.step.example is not None:
            files.update(_examples(played, asked))
    logged = {f"{LOGS}/{partition}.jsonl": b"".join(line + b"\n" for line in log) for partition, log in logs.items()}
    return files | logged


def _examples(played: Played, asked: set[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    counts: dict[str, int] = {}
    for topic, value in _records(played, asked):
        count = counts[topic] = counts.get(topic, 0) + 1
        numbered = "" if count == 1 else f".{count}"
        yield f"{topic}.{VERSION}/{played.step.example}{numbered}.json", document(value)


def _records(played: Played, asked: set[tuple[str, bytes]]) -> Iterator[tuple[str, Any]]:
    """What is worth an example: the command, unless it is none or was one before, and what was written."""
    answer = played.answer
    if played.asked is not None and played.asked not in asked and (answer is None or answer["code"] != "malformed"):
        asked.add(played.asked)
        yield played.asked[0], orjson.loads(played.asked[1])
    also = played.step.also
    for message in played.written:
        value = _readable(message)
        if message.topic == WALLET_BALANCES and WALLET_BALANCES not in also:
            continue
        if value.get("type") == BATCH_SEALED and BATCH_SEALED not in also:
            continue
        yield message.topic, value


def _readable(message: Message) -> Any:
    """The value of a record; of a dead letter, whose value is somebody else's, the headers that are ours."""
    if message.topic != DEAD_LETTERS:
        return orjson.loads(message.value or b"")
    return {name: (text or b"").decode() for name, text in message.headers if name.startswith("dlq.")}


def document(value: Any) -> bytes:
    """An example as it stands in its file."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def owned(folder: Path = EXAMPLES) -> set[str]:
    """Files that are the story's: all in the folders of topics that it writes to and of commands, but those by hand."""
    topics = {*_WRITTEN, *(played.asked[0] for played in the_story() if played.asked is not None)}
    found = {path.relative_to(folder).as_posix() for topic in topics for path in folder.glob(f"{topic}.{VERSION}/*")}
    found |= {path.relative_to(folder).as_posix() for path in folder.glob(f"{LOGS}/*")}
    return found - BY_HAND


def out_of_date(folder: Path = EXAMPLES) -> list[str]:
    """Files that are missing, differ from what the story gives, or that nothing gives."""
    expected = its_files()
    found = {name: (folder / name).read_bytes() for name in owned(folder)}
    return sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))


def write_examples(folder: Path = EXAMPLES) -> list[str]:
    """Bring the examples up to date; returns the names of the files that changed."""
    changed, expected = out_of_date(folder), its_files()
    for name in changed:
        if name in expected:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(expected[name])
        else:
            (folder / name).unlink()
    return changed
