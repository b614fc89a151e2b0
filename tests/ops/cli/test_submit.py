"""`walletstream submit` and `load`: what they refuse, and what they send."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ops.cli import main
from ops.cli.topics import apply_topics
from ops.requests import Phase, read_lines
from ops.submit import Submitted
from ops.tracker import Seen, SeenSource, Tracker
from streams.settings import Settings
from tests.broker import Kafka
from tests.ops.answerer import answering
from tests.ops.test_amlsim import NODES, TRANSACTIONS

CREDIT = '{"operation":"credit","idempotency_key":"k-%d","wallet_id":"w-%d","amount_minor":5,"asset":"EUR"}'


def invoke(*arguments: str, bootstrap_servers: str = "127.0.0.1:1", namespace: str = "x.") -> Result:
    environ = {"WALLETSTREAM_BOOTSTRAP_SERVERS": bootstrap_servers, "WALLETSTREAM_NAMESPACE": namespace}
    return CliRunner().invoke(main, list(arguments), env=environ)


def answered(kafka: Kafka, namespace: str, *arguments: str) -> Result:
    """The command's result, with something that answers beside it."""

    async def go() -> Result:
        settings = Settings(bootstrap_servers=kafka.bootstrap_servers, namespace=namespace, partitions=3)
        await apply_topics(settings)
        async with answering(kafka.bootstrap_servers, namespace):
            return await asyncio.to_thread(
                invoke, *arguments, bootstrap_servers=kafka.bootstrap_servers, namespace=namespace
            )

    return asyncio.run(go())


@pytest.mark.parametrize("arguments", [["submit"], ["submit", "--generate", "5", __file__]])
def test_a_file_or_a_number_not_both(arguments: list[str]) -> None:
    refused = invoke(*arguments)
    assert refused.exit_code == 2
    assert "give one or more FILEs, or --generate N" in refused.output


@pytest.mark.parametrize("amlsim", [["--generate", "5"], ["--format", "amlsim", "."]])
def test_transfers_are_not_sent_to_the_operators_topic(amlsim: list[str]) -> None:
    refused = invoke("submit", *amlsim, "--topic", "operator-commands")
    assert refused.exit_code == 2
    assert "AMLSim's requests are commands of transaction-requests, not of operator-commands" in refused.output


def test_no_bar_is_drawn_where_nobody_looks(tmp_path: Path) -> None:
    file = tmp_path / "requests.jsonl"
    file.write_text(CREDIT % (1, 1))
    refused = invoke("submit", str(file))
    assert refused.stderr.startswith("Error: no Kafka broker answers")


def test_a_byte_order_mark_is_no_part_of_a_request(tmp_path: Path) -> None:
    """Editors on Windows write one at the beginning; two files one after the other have one in the middle."""
    file = tmp_path / "requests.jsonl"
    file.write_text("\ufeff" + CREDIT % (1, 1) + "\r\n\ufeff" + CREDIT % (2, 2), encoding="utf-8")
    with file.open("rb") as lines:
        values = [request.value for request in read_lines(lines, "transaction-requests")]
    assert values == [(CREDIT % (1, 1)).encode(), (CREDIT % (2, 2)).encode()]


def test_a_dash_is_standard_input() -> None:
    lines = f"{CREDIT % (1, 1)}\n{{}}\n"
    refused = CliRunner().invoke(main, ["submit", "-"], input=lines)
    assert refused.exit_code == 1
    assert "-, line 2: " in refused.stderr
    assert "nothing was sent" in refused.stderr


def test_a_wrong_line_is_told_before_a_broker_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "requests.jsonl"
    file.write_text("\n".join([CREDIT % (1, 1), CREDIT % (2, 2), "{}"]))
    refused = invoke("submit", str(file))
    assert refused.exit_code == 1
    assert f"Error: {file}, line 3: " in refused.output
    assert "nothing was sent" in refused.output


def test_each_wrong_line_is_told_with_its_file(tmp_path: Path) -> None:
    file = tmp_path / "updates.jsonl"
    file.write_text("\n".join([CREDIT % (1, 1), "nonsense"]))
    refused = invoke("submit", str(file), "--topic", "settlement-updates")
    assert refused.exit_code == 1
    assert f"Error: {file}, line 1: Input tag 'credit' found" in refused.output
    assert f"\n{file}, line 2: Invalid JSON" in refused.output


def test_a_pipe_with_a_wrong_line_is_told(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_text, args=[CREDIT % (1, 1) + "\nnonsense"], daemon=True).start()
    refused = invoke("submit", str(pipe))
    assert refused.exit_code == 1
    assert f"Error: {pipe}, line 2: Invalid JSON" in refused.output


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (gzip.compress((CREDIT % (1, 1)).encode()), "is compressed: send it by `zcat "),
        ((CREDIT % (1, 1)).encode("utf-16"), "is text in UTF-16: save it in UTF-8"),
    ],
    ids=["gzip", "utf-16"],
)
def test_a_file_that_is_no_text_is_told_how_to_become_one(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "requests"
    file.write_bytes(content)
    refused = invoke("submit", str(file))
    assert refused.exit_code == 1
    assert refused.stderr.startswith(f"Error: {file} {says}")


def _sent(file: Path, change: Callable[[], object], *options: str) -> tuple[list[bytes], str | None]:
    """What is sent of a file that changes after it was checked, and what is said where it ends before its end."""
    sent: list[bytes] = []

    async def submit(_settings: Settings, _namespace: str, todo: list[Phase], **_given: object) -> Submitted:
        change()
        sent.extend(request.value for request in todo[0].requests)
        return Submitted(len(sent), 0.1, None)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("ops.cli.submit.submit", submit)
        done = invoke("submit", str(file), *options)
    assert done.exit_code in (0, 1)
    return sent, done.stderr if done.exit_code else None


@pytest.mark.parametrize("options", [[], ["--unchecked"]])
@pytest.mark.parametrize("end", ["", "\n"])
def test_what_is_added_to_a_file_after_it_was_checked_is_not_sent(tmp_path: Path, options: list[str], end: str) -> None:
    """Half a line of what somebody writes at that moment would end it, with the lines before it sent."""
    file = tmp_path / "requests.jsonl"
    file.write_text(CREDIT % (1, 1) + "\n" + CREDIT % (2, 2) + end)

    def grow() -> None:
        with file.open("a") as more:
            more.write("\n" + CREDIT % (3, 3) + '\n{"operation":"cre')

    assert _sent(file, grow, *options) == ([(CREDIT % (n, n)).encode() for n in (1, 2)], None)


@pytest.mark.parametrize(
    "after", [pytest.param("", id="emptied"), pytest.param(CREDIT % (1, 1) + "\nnonsense" + "." * 100, id="rewritten")]
)
def test_a_file_that_was_changed_after_it_was_checked_is_told(tmp_path: Path, after: str) -> None:
    """Neither is it said that nothing was sent."""
    file = tmp_path / "requests.jsonl"
    file.write_text(CREDIT % (1, 1) + "\n" + CREDIT % (2, 2))
    sent, said = _sent(file, lambda: file.write_text(after))
    assert len(sent) == (1 if after else 0)
    assert said is not None
    assert said.startswith(f"Error: {file} has changed since it was checked, and lines of it may have been sent")


def test_a_wrong_line_of_any_length_is_told_in_few_words(tmp_path: Path) -> None:
    file = tmp_path / "requests.jsonl"
    file.write_text('{"operation":"' + "x" * 1_000_000 + '"}')
    refused = invoke("submit", str(file))
    assert refused.exit_code == 1
    assert f"{file}, line 1: Input tag 'xxx" in refused.output
    assert len(refused.output) < 1_000


def test_a_folder_that_is_not_amlsims_is_told(tmp_path: Path) -> None:
    refused = invoke("submit", str(tmp_path), "--format", "amlsim")
    assert refused.exit_code == 1
    assert "give AMLSim's folder or its two files" in refused.output


def test_no_broker_is_an_error() -> None:
    for command in (["submit", "--generate", "5"], ["load", "--seconds", "1"]):
        refused = invoke(*command)
        assert refused.exit_code == 1
        assert "no Kafka broker answers" in refused.output


@pytest.mark.parametrize("mix", ["steal", "credit=x", "credit=0", "credit=-1", "credit=inf", ""])
def test_a_mix_that_is_none_is_refused(mix: str) -> None:
    refused = invoke("load", "--mix", mix)
    assert refused.exit_code == 2
    assert "--mix" in refused.output


@pytest.mark.kafka
def test_lines_are_sent_and_their_outcomes_counted(kafka: Kafka, namespace: str, tmp_path: Path) -> None:
    file = tmp_path / "requests.jsonl"
    file.write_text("\n".join([CREDIT % (n, n) for n in range(50)]))
    done = answered(kafka, namespace, "submit", str(file), "--wait", "--rate", "500")
    assert done.exit_code == 0, done.output
    assert done.output.startswith("50 requests sent in ")
    assert "50 answered, 0 of them replayed; answered twice: 0" in done.output
    file.write_text("broken\n" + CREDIT % (1, 1))
    done = answered(kafka, namespace, "submit", str(file), "--unchecked", "--wait", "--json")
    value = json.loads(done.stdout)
    assert (value["sent"], value["codes"]) == (2, {"malformed": 1, "ok": 1})


@pytest.mark.kafka
def test_lines_of_a_pipe_are_all_sent(kafka: Kafka, namespace: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    lines = "\n".join([CREDIT % (n, n) for n in range(2_000)])
    writer = threading.Thread(target=pipe.write_text, args=[lines], daemon=True)
    writer.start()
    done = answered(kafka, namespace, "submit", str(pipe), "--wait", "--json")
    writer.join(10)
    value = json.loads(done.stdout)
    assert (value["sent"], value["codes"]) == (2_000, {"ok": 2_000})


@pytest.mark.kafka
def test_amlsims_files_are_sent_phase_by_phase(kafka: Kafka, namespace: str, tmp_path: Path) -> None:
    (tmp_path / "nodes.csv").write_text("\n".join(NODES))
    (tmp_path / "transactions.csv").write_text("\n".join(TRANSACTIONS))
    done = answered(kafka, namespace, "submit", str(tmp_path), "--format", "amlsim", "--wait")
    assert done.exit_code == 0, done.output
    assert "8 requests sent" in done.output
    assert "3 updates\n         3  ok\n" in done.output


@pytest.mark.kafka
def test_load_prints_latency(kafka: Kafka, namespace: str) -> None:
    options = ["--rate", "200", "--seconds", "1", "--wallets", "10", "--mix", "credit=1,transfer=2", "--json"]
    done = answered(kafka, namespace, "load", *options, "--duplicates", "0.1", "--hot-wallet", "0.5")
    assert done.exit_code == 0, done.output
    value = json.loads(done.stdout)
    assert (value["sent"], value["answered"], value["doubled"], value["codes"]) == (200, 200, 0, {"ok": 200})
    assert value["mix"] == {"credit": 1.0, "transfer": 2.0}
    assert value["latency"]["p99_ms"] >= value["latency"]["p50_ms"] > 0


def test_whoever_interrupts_is_told_how_far_it_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def interrupted(*_args: object, tracker: Tracker, **_named: object) -> None:
        tracker.on_sent(0, 7, [0.0, 0.0])
        source = SeenSource("transaction-requests", 0, 7)
        tracker.on_outcomes([Seen("answer", "ok", source)], 1.0)
        raise KeyboardInterrupt

    monkeypatch.setattr("ops.cli.submit.submit", interrupted)
    file = tmp_path / "requests.jsonl"
    file.write_text("\n".join(CREDIT % (number, number) for number in range(3)))
    stopped = invoke("submit", str(file))
    assert (stopped.exit_code, stopped.stdout) == (130, "")
    assert stopped.stderr == (
        "Error: interrupted: the broker holds 2 of 3 requests, 1 of them are answered; to go on send all of them "
        "again: what was sent is answered again and moves nothing twice\n"
    )
    stopped = invoke("submit", str(file), "--json")
    assert json.loads(stopped.stderr)["exit_code"] == 130
