"""`walletstream dlq`: dead letters, and what to do about them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any, NamedTuple

import click

from ops.cli.progress import progress_bar
from ops.cli.running import print_json, print_line, read_settings, run, warn_held_up
from ops.cli.signing import signed_by
from ops.cli.texts import counted
from ops.dead_letter_box import discard, read_dead_letters, replay
from ops.dead_letters import OPEN, DeadLetter
from ops.reading import OnProgress, TopicReader, open_reader
from ops.records import printable, text
from schemas.clock import rfc3339
from schemas.topics import DEAD_LETTERS
from streams.settings import Settings

_SHOWN_BYTES = 4_096

Resolve = Callable[[TopicReader, Collection[str], str, str, OnProgress], Coroutine[Any, Any, list[str]]]

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
_ids = click.argument("ids", nargs=-1, metavar="[ID]...")
_reason = click.option("--reason", help="All open dead letters of this reason, such as internal_error.")
_yes = click.option("--yes", is_flag=True, help="Do not ask.")
_by = signed_by("decides it")
_note = click.option("--note", default="", help="Why, for the record.")


@click.group()
def dlq() -> None:
    """List, show, replay and discard dead letters: records that could not be handled.

    Nothing is ever deleted: a decision is one more record in the topic, behind the dead letter, that names it, who
    decided and when. Deciding a second time changes nothing. An id is PARTITION/OFFSET, as `ls` prints it.
    """


@dlq.command("ls")
@click.option("--all", "everything", is_flag=True, help="Also those that were replayed or discarded.")
@click.option("--reason", help="Only those of this reason.")
@_json
def list_command(everything: bool, reason: str | None, as_json: bool) -> None:
    """List open dead letters: reason, time and source."""
    letters = _read(read_settings())
    shown = [x for x in letters if (everything or x.state == OPEN) and reason in (None, x.why.reason)]
    if as_json:
        print_json([letter.as_json() for letter in shown])
        return
    for letter in shown:
        why = letter.why
        print_line(
            f"{letter.id:<12} {rfc3339(letter.timestamp_ms)} {letter.state:<9} {why.reason:<16} {why.stage:<7} "
            f"{f'{why.original_topic}/{why.original_partition} {why.original_offset}':<34} "
            f"{len(letter.value or b''):>8} B  {text(letter.key) or '-'}"
        )
    hidden = len(letters) - len(shown)
    others = f", {counted(hidden, 'other')} not shown" if hidden else ""
    click.echo(counted(len(shown), "dead letter") + others, err=True)


@dlq.command("show")
@click.argument("letter_id", metavar="ID")
@_json
def show_command(letter_id: str, as_json: bool) -> None:
    """Show one dead letter with all its bytes."""
    (letter,) = _select(_read(read_settings()), (letter_id,), None)
    if as_json:
        print_json(letter.as_json())
        return
    for name, value in letter.as_json().items():
        if name not in ("value", "value_hex", "headers", "resolution"):
            print_line(f"{name:<24} {value}")
    for header, content in letter.headers:
        click.echo(f"header {printable(header):<17} {text(content)}")
    if letter.resolution is not None:
        done = letter.resolution
        print_line(f"{done.what} {rfc3339(done.timestamp_ms)} by {done.by}: {done.note or 'no note'}")
    if letter.reference is not None:
        click.echo("the record was too large; this is the reference to it that was kept:")
    click.echo(_hexdump(letter.value))


@dlq.command("replay")
@_ids
@_reason
@_by
@_note
@_yes
@_json
def replay_command(ids: tuple[str, ...], reason: str | None, by: str, note: str, yes: bool, as_json: bool) -> None:
    """Send dead letters to their topics again: key, value and headers as they first arrived.

    They are decided like new records: their idempotency keys still count. All are sent, and marked `replayed`, in one
    transaction. Those already resolved are left alone. A value of which only a reference was kept cannot be sent.
    """
    _resolve(ids, reason, _Decision("replay", replay, by, note), yes, as_json)


@dlq.command("discard")
@_ids
@_reason
@_by
@_note
@_yes
@_json
def discard_command(ids: tuple[str, ...], reason: str | None, by: str, note: str, yes: bool, as_json: bool) -> None:
    """Mark dead letters as `discarded`: looked at, and nothing more to be done.

    They stay in the topic as long as it keeps them, with who discarded them, when and why. Those already resolved are
    left alone. Refused where the ledger still owes the record something: a leg of a transfer, or one parked for a
    wallet under quarantine.
    """
    _resolve(ids, reason, _Decision("discard", discard, by, note), yes, as_json)


class _Decision(NamedTuple):
    """What is to be done about dead letters, who decided it and why."""

    verb: str
    resolve: Resolve
    by: str
    note: str


def _read(settings: Settings) -> list[DeadLetter]:
    async def read(on_progress: OnProgress) -> list[DeadLetter]:
        async with open_reader(settings, settings.namespace, warn_held_up) as reader:
            return await read_dead_letters(reader, on_progress)

    with progress_bar(f"reading {DEAD_LETTERS}") as on_progress:
        return run(read(on_progress))


def _select(letters: Sequence[DeadLetter], ids: Sequence[str], reason: str | None) -> list[DeadLetter]:
    """The dead letters of these ids, and the open ones of the reason.

    Raises:
        click.ClickException: an id is unknown.
    """
    by_id = {letter.id: letter for letter in letters}
    unknown = [name for name in ids if name not in by_id]
    if unknown:
        raise click.ClickException(
            f"no dead letter {', '.join(unknown)}: ids are PARTITION/OFFSET as `walletstream dlq ls --all` prints "
            "them, and dead letters are kept 30 days"
        )
    chosen = {name: by_id[name] for name in ids}
    if reason is not None:
        chosen |= {letter.id: letter for letter in letters if letter.state == OPEN and letter.why.reason == reason}
    return list(chosen.values())


def _resolve(ids: tuple[str, ...], reason: str | None, decision: _Decision, yes: bool, as_json: bool) -> None:
    """Show what is chosen, ask, and do it. With JSON, people are told on standard error."""
    if not ids and reason is None:
        raise click.UsageError(f"name what to {decision.verb}: ids, or --reason")
    settings = read_settings()
    chosen = _select(_read(settings), ids, reason)
    before = {letter.id: letter.state for letter in chosen if letter.state != OPEN}
    for letter_id, state in before.items():
        print_line(f"{letter_id} was {state} already; left alone", err=as_json)
    todo = [letter for letter in chosen if letter.state == OPEN]
    for letter in todo:
        line = f"{letter.id} {letter.why.reason} from {letter.source.topic}, key {text(letter.key) or '-'}"
        print_line(line, err=as_json)
    if todo and not yes:
        _confirm(f"{decision.verb} {counted(len(todo), 'dead letter')}?", err=as_json)
    done = _do(settings, decision, {letter.id for letter in todo}) if todo else []
    if as_json:
        print_json({f"{decision.verb}ed": done, "left_alone": before})
    elif todo or not chosen:
        click.echo(f"{counted(len(done), 'dead letter')} {decision.verb}ed")


def _confirm(question: str, *, err: bool) -> None:
    """
    Raises:
        click.ClickException: the answer is no, or nobody is there to give one.
        click.Abort: Ctrl-C.
    """
    try:
        is_sure = click.confirm(question, err=err)
    except click.Abort as abort:
        if not isinstance(abort.__context__, EOFError):
            raise
        is_sure = False
    if not is_sure:
        raise click.ClickException("nobody has confirmed it, nothing was done; with --yes nobody is asked")


def _do(settings: Settings, decision: _Decision, ids: Collection[str]) -> list[str]:
    async def resolve(on_progress: OnProgress) -> list[str]:
        async with open_reader(settings, settings.namespace) as reader:
            return await decision.resolve(reader, ids, decision.by, decision.note, on_progress)

    with progress_bar("reading") as on_progress:
        return run(resolve(on_progress))


def _hexdump(value: bytes | None) -> str:
    """The bytes, 16 a line, in hexadecimal and as text."""
    if value is None:
        return "value: null"
    lines = [f"value, {len(value)} bytes:"]
    for at in range(0, min(len(value), _SHOWN_BYTES), 16):
        row = value[at : at + 16]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"  {at:08x}  {row.hex(' '):<47}  {shown}")
    if len(value) > _SHOWN_BYTES:
        lines.append(f"  … {len(value) - _SHOWN_BYTES} more bytes; --json has them all")
    return "\n".join(lines)
