"""The command line `walletstream`.

Every command is one module in this folder. Modules are imported when their command is called, so that
`walletstream --help` and small commands start without loading Faust, Kafka or RocksDB.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import click

from ops.cli.lazy import LazyGroup

#: Command name -> (module, attribute, one line of help).
COMMANDS: dict[str, tuple[str, str, str]] = {
    "demo": ("ops.cli.demo", "demo", "Run the whole pipeline here, with a worker killed in the middle."),
    "broker": ("ops.cli.broker", "broker", "Run the embedded Kafka broker in the foreground."),
    "up": ("ops.cli.up", "up", "Run a broker and workers in the foreground."),
    "topics": ("ops.cli.topics", "topics", "Plan, apply or check the topics."),
    "worker": ("ops.cli.worker", "worker", "Run one worker of a role in the foreground."),
    "submit": ("ops.cli.submit", "submit_command", "Send requests from a file, and wait for their outcomes."),
    "load": ("ops.cli.load", "load", "Send generated requests at a steady rate and measure their latency."),
    "tail": ("ops.cli.tail", "tail", "Show the records of a topic as they are committed."),
    "wallet": ("ops.cli.wallet", "wallet", "Look at wallets: facts, balances, movements, statements, what is pending."),
    "owner": ("ops.cli.owner", "owner", "Look at owners: all that they have, in one asset."),
    "tx": ("ops.cli.tx", "tx", "Look at transactions: all events, both sides of a transfer."),
    "views": ("ops.cli.views", "views", "Look after the views that statements and balances are asked from."),
    "verify": ("ops.cli.verify", "verify", "Prove the ledger from its event log."),
    "reference": ("ops.cli.reference", "reference", "List, put and remove assets, rails, tiers, fees, rates."),
    "dlq": ("ops.cli.dlq", "dlq", "List, show, replay and discard dead letters."),
    "fraud": ("ops.cli.fraud", "fraud", "Publish fraud rules, try them on history, look at alerts, label them."),
    "settlement": ("ops.cli.settlement", "settlement", "Look at batches and positions of rails, fund and retry them."),
    "reconcile": ("ops.cli.reconcile", "reconcile", "Match our lines with those of partners and banks."),
    "bench": ("ops.cli.bench", "bench", "Measure throughput, latency and restore beside other pipelines."),
    "doctor": ("ops.cli.doctor", "doctor", "Say what is wrong with the set-up and how to mend it."),
}


#: Of a program that Ctrl-C ended, as shells say it: 1 would say that something was found.
EXIT_INTERRUPTED: Final = 130
#: Of a program whose output has no room (EX_IOERR of sysexits.h): 1 would say that something was found.
_EXIT_UNWRITTEN: Final = 74
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class _Main(LazyGroup):
    """All commands. Whoever asks for JSON gets errors as JSON too: a program need not know sentences from answers."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line and end the program, as click's groups do."""
        _open_standard_files()
        arguments = sys.argv[1:] if args is None else list(args)
        if not standalone_mode:
            return super().main(arguments, prog_name, complete_var, False, **extra)
        as_json = "--json" in arguments
        if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
            extra.setdefault("color", False)  # as https://no-color.org has it; rich goes by both, click does not
        try:
            code = super().main(arguments, prog_name, complete_var, False, **extra)
        except click.ClickException as error:
            code = error.exit_code
            _tell(error.format_message(), code) if as_json else error.show()
        except click.Abort:
            code = EXIT_INTERRUPTED
            _tell("interrupted", code) if as_json else click.echo("Aborted!", err=True)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            code = _EXIT_UNWRITTEN
            _drop_output()
            # Of standard output no name is known.
            where = "standard output" if error.filename is None else error.filename
            message = f"cannot write {where}: {error.strerror}; what it was to hold is not whole"
            _tell(message, code) if as_json else click.echo(f"Error: {message}", err=True)
        sys.exit(code if isinstance(code, int) else 0)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])


def _open_standard_files() -> None:
    """Open what was closed (`<&-`, `>&-`) as the null device.

    What is opened next would get its number: event loops abort where that is a connection of theirs, and what
    libraries in C print of errors would be written into it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - for as long as the program runs


def _drop_output() -> None:
    """Have what is left for standard output written to nowhere: at the end it would fail again, with exit code 120."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell(message: str, exit_code: int) -> None:
    """Say why as one line of JSON on standard error: standard output has answers only."""
    click.echo(json.dumps({"error": message, "exit_code": exit_code}), err=True)


@click.group(
    cls=_Main,
    places={name: (module, attribute) for name, (module, attribute, _) in COMMANDS.items()},
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package_name="walletstream")
def main() -> None:
    """Walletstream: wallet transactions on Kafka, with a ledger that anybody can prove.

    Settings are WALLETSTREAM_* environment variables; `docs/reference/settings.md` lists them.
    """
