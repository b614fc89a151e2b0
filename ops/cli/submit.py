"""`walletstream submit`: requests from a file."""

from __future__ import annotations

import shutil
import tempfile
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from shlex import quote
from typing import BinaryIO, Final, cast

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from ops.amlsim import Funding, generate, phases
from ops.amlsim_files import read_dataset
from ops.cli import EXIT_INTERRUPTED
from ops.cli.numbers import Finite
from ops.cli.running import print_json, read_settings, run
from ops.cli.texts import counted
from ops.errors import OperationError
from ops.requests import Phase, Request, read_lines, read_unchecked
from ops.submit import Submitted, submit
from ops.tracker import Tracker
from schemas.commands import CONTRACTS
from schemas.topics import TRANSACTION_REQUESTS

_STDIN: Final = Path("-")
_GZIP: Final = b"\x1f\x8b"


@click.command("submit")
@click.argument("files", nargs=-1, type=click.Path(exists=True, allow_dash=True, path_type=Path), metavar="[FILE]...")
@click.option(
    "--format", "format_", type=click.Choice(["jsonl", "amlsim"]), default="jsonl", show_default=True, help="Of FILE."
)
@click.option(
    "--generate", "generated", type=click.IntRange(min=1), help="Make N transfers of AMLSim's shape; no FILE then."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of --generate: the same seed, the same requests.")
@click.option(
    "--fund",
    type=click.Choice(["opening-balance", "sum-of-outgoing"]),
    default="opening-balance",
    show_default=True,
    help="AMLSim: fund each account with its opening balance, or with exactly what it pays out.",
)
@click.option("--prefix", default="amlsim", show_default=True, help="AMLSim: prefix of wallet ids and keys.")
@click.option(
    "--topic",
    type=click.Choice(sorted(CONTRACTS)),
    default=TRANSACTION_REQUESTS,
    show_default=True,
    help="Where JSON lines are sent to; their commands are that topic's.",
)
@click.option("--unchecked", is_flag=True, help="Send every line as it is, broken ones too.")
@click.option("--rate", type=Finite(min=0, min_open=True), help="Requests a second; default: at once.")
@click.option("--wait", is_flag=True, help="Wait for the outcomes and count them by code.")
@click.option(
    "--timeout",
    type=Finite(min=1),
    default=60.0,
    show_default=True,
    help="Seconds without any answer after which waiting ends.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def submit_command(
    files: tuple[Path, ...],
    format_: str,
    generated: int | None,
    seed: int,
    fund: str,
    prefix: str,
    topic: str,
    unchecked: bool,
    rate: float | None,
    wait: bool,
    timeout: float,
    as_json: bool,
) -> None:
    """Send requests from FILE: a JSON object in each line, or AMLSim's folder or two files; `-` is standard input.

    Records are keyed by wallet and placed as Kafka's Java client places them. Every line is checked before the
    first is sent. AMLSim's wallets are opened and funded, and that is waited for, before its transfers are sent;
    its idempotency keys are deterministic: sending it again moves nothing twice.
    """
    settings = read_settings()
    if (generated is None) == (not files):
        raise click.UsageError("give one or more FILEs, or --generate N")
    is_amlsim = generated is not None or format_ == "amlsim"
    if is_amlsim and topic != TRANSACTION_REQUESTS:
        raise click.UsageError(f"AMLSim's requests are commands of {TRANSACTION_REQUESTS}, not of {topic}: omit it")
    try:
        if is_amlsim:
            data = generate(generated, seed) if generated is not None else read_dataset(files)
            todo = phases(data, cast(Funding, fund), prefix)
        else:
            todo = [_lines_phase(files, topic, unchecked)]
    except OperationError as error:
        raise click.ClickException(str(error)) from error
    shown, tracker = _Shown(todo), Tracker(topic)
    try:
        with shown.progress:
            done = run(
                submit(
                    settings,
                    settings.namespace,
                    todo,
                    topic=topic,
                    rate=rate,
                    wait=wait,
                    timeout_s=timeout,
                    tracker=tracker,
                    on_progress=shown.update,
                )
            )
            shown.finish()
    except KeyboardInterrupt:
        raise _interrupted(tracker, sum(phase.count for phase in todo)) from None
    print_json(done.as_json()) if as_json else _print(done)


def _interrupted(tracker: Tracker, total: int) -> click.ClickException:
    """How far it came. What was under way may have arrived too."""
    answered = f", {tracker.answered} of them are answered" if tracker.answered else ""
    error = click.ClickException(
        f"interrupted: the broker holds {tracker.sent} of {counted(total, 'request')}{answered}; to go on send all of "
        "them again: what was sent is answered again and moves nothing twice"
    )
    error.exit_code = EXIT_INTERRUPTED
    return error


def _lines_phase(files: tuple[Path, ...], topic: str, unchecked: bool) -> Phase:
    """All lines of all files; read twice, so that nothing is sent where the last line is wrong."""
    count, again = 0, []
    for file in files:
        try:
            opens = _twice(file)
            with opens() as lines:
                checked = _Checked(lines if unchecked else _text_of(file, lines))
                count += sum(1 for _ in (read_unchecked(checked) if unchecked else read_lines(checked, topic)))
            again.append((file, opens, checked.size))
        except OperationError as error:
            raise OperationError(_each_line(file, str(error))) from error
        except OSError as error:
            raise OperationError(f"cannot read {file}: {error.strerror or error}") from error

    def requests() -> Iterator[Request]:
        for file, opens, size in again:
            try:
                with opens() as lines:
                    as_checked = _first_bytes(lines, size)
                    yield from read_unchecked(as_checked) if unchecked else read_lines(as_checked, topic)
            except OperationError as error:
                raise OperationError(
                    f"{file} has changed since it was checked, and lines of it may have been sent: send it again when "
                    "nobody writes to it any more; what was sent is answered again and moves nothing twice"
                ) from error

    return Phase("requests", count, requests())


class _Checked:
    """The lines of a file, and how many bytes they are."""

    def __init__(self, lines: Iterable[bytes]):
        self.size = 0
        self._lines = lines

    def __iter__(self) -> Iterator[bytes]:
        for line in self._lines:
            self.size += len(line)
            yield line


def _first_bytes(lines: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The lines of the first `size` bytes: what somebody has added since has not been checked.

    Raises:
        OperationError: so many are not there any more.
    """
    for line in lines:
        if not size:
            return
        yield line[:size]
        size -= len(line[:size])
    if size:
        raise OperationError("it is shorter than it was")


def _text_of(file: Path, lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a file that is text in UTF-8, as far as its first bytes say.

    Raises:
        OperationError: it is something else; the message says how to make text of it.
    """
    for number, line in enumerate(lines):
        if not number and line.startswith(_GZIP):
            raise OperationError(f"{file} is compressed: send it by `zcat {quote(str(file))} | walletstream submit -`")
        if not number and line.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
            raise OperationError(f"{file} is text in UTF-16: save it in UTF-8 (`iconv -f utf-16 -t utf-8`)")
        yield line


def _twice(file: Path) -> Callable[[], AbstractContextManager[BinaryIO]]:
    """Opens a file from its start, as often as it is asked; a pipe, which gives its bytes once, is copied first.

    Raises:
        OSError: it cannot be read, or there is no room for the copy.
    """
    if file.is_file() or file.is_dir():
        return lambda: file.open("rb")
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - it is gone when nobody opens it any more
    with nullcontext(click.get_binary_stream("stdin")) if file == _STDIN else file.open("rb") as once:
        shutil.copyfileobj(once, copy)

    def opens() -> AbstractContextManager[BinaryIO]:
        copy.seek(0)
        return nullcontext(cast(BinaryIO, copy))

    return opens


def _each_line(file: Path, said: str) -> str:
    """What is wrong, with the file before each line of it that is."""
    return "\n".join(f"{file}, {line}" if line.startswith("line ") else line for line in said.splitlines())


class _Shown:
    """Progress on standard error, if that is a terminal: one bar for each phase."""

    def __init__(self, todo: list[Phase]) -> None:
        console = Console(stderr=True)
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {p.name: self.progress.add_task(p.name, total=p.count) for p in todo}
        self._todo = todo

    def update(self, phase: Phase, done: int, _tracker: Tracker) -> None:
        self.progress.update(self._tasks[phase.name], completed=done)

    def finish(self) -> None:
        for phase in self._todo:
            self.progress.update(self._tasks[phase.name], completed=phase.count)


def _print(done: Submitted) -> None:
    click.echo(f"{counted(done.sent, 'request')} sent in {done.seconds:.1f} s")
    tracker = done.tracker
    if tracker is None:
        return
    click.echo(f"{tracker.answered} answered, {tracker.replayed} of them replayed; answered twice: {tracker.doubled}")
    for code, count in tracker.codes.most_common():
        click.echo(f"{count:>10}  {code}")
    if tracker.updates:
        click.echo(counted(sum(tracker.updates.values()), "update"))
        for code, count in tracker.updates.most_common():
            click.echo(f"{count:>10}  {code}")
