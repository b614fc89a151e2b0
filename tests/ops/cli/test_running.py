"""How commands run."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys

import pytest
from aiokafka.errors import KafkaConnectionError
from click.testing import CliRunner, Result

from ops.cli import main
from ops.cli.running import print_json, run
from tests.streams.test_closed_connections import not_told_apart_yet, send_to_a_closed_one


def test_a_broker_that_dies_between_two_requests_is_no_bug_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    not_told_apart_yet(monkeypatch)
    with pytest.raises(KafkaConnectionError, match="is closed"):
        run(send_to_a_closed_one())


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env={"WALLETSTREAM_BOOTSTRAP_SERVERS": "127.0.0.1:1"})


@pytest.mark.parametrize(
    ("arguments", "exit_code", "says"),
    [
        (["topics", "check", "--json"], 1, "no Kafka broker answers at 127.0.0.1:1; start one"),
        (["verify", "--json"], 2, "no Kafka broker answers at 127.0.0.1:1; start one"),
        (["wallet", "show", "--json"], 2, "Missing argument 'WALLET_ID'."),
        (["tx", "show", "--json", "--what"], 2, "No such option: --what"),
        (["tx", "show", "--json", "7"], 2, "'7' is no transaction id: 32 hexadecimal digits, as outcomes name it"),
    ],
)
def test_errors_are_json_for_those_who_ask_for_it(arguments: list[str], exit_code: int, says: str) -> None:
    refused = invoke(*arguments)
    assert (refused.exit_code, refused.stdout) == (exit_code, "")
    told = json.loads(refused.stderr)
    assert (sorted(told), told["exit_code"]) == (["error", "exit_code"], exit_code)
    assert told["error"].startswith(says)
    people = invoke(*(argument for argument in arguments if argument != "--json"))
    assert people.exit_code == exit_code
    assert people.stderr.rstrip().endswith(f"Error: {told['error']}")


@pytest.mark.parametrize("arguments", [["reconcile", "prove", "--day", "2026-11-23"], ["topics", "check"]])
def test_an_interrupted_command_has_found_nothing(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    """Of some commands exit code 1 says that something is wrong with the books or the topics."""

    def interrupted(*_args: object, **_named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ops.cli.running.Settings", interrupted)
    stopped = invoke(*arguments)
    assert (stopped.exit_code, stopped.stdout, stopped.stderr.strip()) == (130, "", "Aborted!")
    stopped = invoke(*arguments, "--json")
    assert (stopped.exit_code, stopped.stdout) == (130, "")
    assert json.loads(stopped.stderr) == {"error": "interrupted", "exit_code": 130}


def in_a_shell(command: str) -> subprocess.CompletedProcess[str]:
    """The command line with redirections of standard files, where no broker answers."""
    program = f"env -u PYTHONUNBUFFERED WALLETSTREAM_BOOTSTRAP_SERVERS=127.0.0.1:1 {shlex.quote(sys.executable)} -m ops"
    return subprocess.run(["/bin/sh", "-c", f"{program} {command}"], capture_output=True, text=True, check=False)


def test_a_full_disk_is_no_finding() -> None:
    """Of `verify` exit code 1 says that something is wrong with the books."""
    refused = in_a_shell("--help >/dev/full")
    assert (refused.returncode, refused.stderr) == (
        74,
        "Error: cannot write standard output: No space left on device; what it was to hold is not whole\n",
    )
    refused = in_a_shell("fraud library ls --json >/dev/full")
    assert refused.returncode == 74
    assert json.loads(refused.stderr)["exit_code"] == 74


@pytest.mark.parametrize("closed", ["<&-", ">&-"])
def test_a_standard_file_that_is_closed_is_not_taken_for_a_connection(closed: str) -> None:
    """The event loop aborts where it is to close a connection that got its number."""
    refused = in_a_shell(f"topics plan {closed}")
    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: no Kafka broker answers at 127.0.0.1:1")


def test_a_large_document_is_never_in_memory_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    def echo(piece: str = "", nl: bool = True) -> None:
        written.append(f"{piece}\n" if nl else piece)

    monkeypatch.setattr("ops.cli.running.click.echo", echo)
    value = {"wallet_id": "é", "lines": [{"at": number, "none": None, "empty": []} for number in range(20_000)]}
    print_json(value)
    whole = "".join(written)
    assert whole == json.dumps(value, indent=2) + "\n"
    assert max(map(len, written)) < len(whole) / 5


@pytest.mark.parametrize(
    ("environ", "is_coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_whoever_wants_no_colours_gets_none(environ: dict[str, str], is_coloured: bool) -> None:
    environ = {"WALLETSTREAM_BOOTSTRAP_SERVERS": "127.0.0.1:1", "NO_COLOR": "", "TERM": "xterm"} | environ
    told = CliRunner().invoke(main, ["doctor"], env=environ, color=True)
    assert "no Kafka broker answers" in told.stdout
    assert ("\x1b[" in told.stdout) is is_coloured
