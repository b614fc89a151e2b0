"""The programs in the documentation do what it says, word for word as they are printed."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from ops.amounts import Amounts
from ops.demo.story.page import Page
from ops.demo.story.player import Player
from ops.demo.story.script import STORY
from ops.demo.story.setting import registry
from schemas.commands import CONTRACTS
from tests.docs.conftest import Ledger
from tests.docs.pages import ROOT, blocks
from tests.ops.demo.story.in_memory import InMemory

README = ROOT / "README.md"
VERIFICATION = ROOT / "docs" / "operating" / "verification.md"


def _program(page: Path, namespace: str) -> dict[str, Any]:
    """What the page's Python block defines, with the namespace of this test."""
    (text,) = [block.text for block in blocks(page) if block.language == "python"]
    defined: dict[str, Any] = {"__name__": "printed"}
    exec(compile(text.replace('"wallet.', f'"{namespace}'), page.name, "exec"), defined)
    return defined


@pytest.mark.kafka
def test_the_readmes_program_moves_the_rent_once(ledger: Ledger) -> None:
    main = _program(README, ledger.namespace)["main"]
    first, again = asyncio.run(asyncio.wait_for(main(ledger.bootstrap_servers), 60))
    assert (first["status"], first["code"]) == ("accepted", "ok")
    assert first["balances"] == [{"account": "alice/main/available", "asset": "EUR", "balance_minor": 3001}]
    assert again["replayed"] is True
    assert again["transaction_id"] == first["transaction_id"]
    assert again["balances"] == first["balances"]


@pytest.mark.kafka
def test_the_chain_can_be_checked_by_hand_and_shows_a_change(ledger: Ledger) -> None:
    asyncio.run(asyncio.wait_for(_program(README, ledger.namespace)["main"](ledger.bootstrap_servers), 60))
    check = _program(VERIFICATION, ledger.namespace)["check"]
    found = asyncio.run(_when_still(check, ledger.bootstrap_servers))
    assert sorted(found) == [0, 1, 2, 3]
    assert sum(events for events, _ in found.values()) > 6
    topic = f"{ledger.namespace}ledger-events.v1"
    last_hashes = asyncio.run(_last_hashes(ledger.bootstrap_servers, topic))
    assert {p: last for p, (_, last) in found.items() if p in last_hashes} == last_hashes
    forged = asyncio.run(_forge(ledger.bootstrap_servers, topic, f"{ledger.namespace}forged"))
    with pytest.raises(AssertionError, match="sequence"):
        asyncio.run(check(ledger.bootstrap_servers, forged))


async def _when_still(check: Any, bootstrap_servers: str) -> dict[int, tuple[int, str]]:
    """What `check` finds once nothing more is written: a transfer may be on its way between two partitions."""
    before: dict[int, tuple[int, str]] = {}
    while (found := await check(bootstrap_servers)) != before:
        before = found
        await asyncio.sleep(1.0)
    return before


async def _last_hashes(bootstrap_servers: str, topic: str) -> dict[int, str]:
    """Hash of the last seal of each partition that has one."""
    values = await _read(bootstrap_servers, topic)
    return {p: json.loads(records[-1])["hash"] for p, records in values.items() if records}


async def _forge(bootstrap_servers: str, topic: str, forged: str) -> str:
    """A copy of the topic in which Alice paid one cent less."""
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(forged, 4, 1)])
    finally:
        await admin.close()
    changed = 0
    async with AIOKafkaProducer(bootstrap_servers=bootstrap_servers) as producer:
        for partition, records in (await _read(bootstrap_servers, topic)).items():
            for value in records:
                new = value.replace(b'"amount_minor":1999', b'"amount_minor":1998')
                changed += new != value
                await producer.send_and_wait(forged, new, partition=partition)
    assert changed > 0
    return forged


async def _read(bootstrap_servers: str, topic: str) -> dict[int, list[bytes]]:
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap_servers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        partitions = consumer.assignment()
        ends = await consumer.end_offsets(partitions)
        values: dict[int, list[bytes]] = {tp.partition: [] for tp in partitions}
        while any([await consumer.position(tp) < ends[tp] for tp in partitions]):
            for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                values[tp.partition] += [record.value for record in records]
        return values
    finally:
        await consumer.stop()


def _first_steps() -> Iterator[tuple[str, str]]:
    """The request files of the first steps, in order: name and content."""
    texts = [
        block.text for block in blocks(ROOT / "docs" / "operating" / "getting-started.md") if block.language == "json"
    ]
    yield from zip(("first.jsonl", "second.jsonl", "third.jsonl", "fourth.jsonl"), texts, strict=True)


def test_printed_requests_are_commands() -> None:
    for _, text in _first_steps():
        for line in text.splitlines():
            CONTRACTS["transaction-requests"].validate_json(line)
    (release,) = [
        block.text
        for block in blocks(ROOT / "docs" / "operating" / "dead-letters-and-quarantine.md")
        if block.language == "json"
    ]
    CONTRACTS["operator-commands"].validate_json(release)


@contextmanager
def _typed(ledger: Ledger, folder: Path) -> Iterator[Any]:
    """Runs `walletstream` in `folder` as somebody would type it; returns what it prints."""
    environ = {
        **os.environ,
        "WALLETSTREAM_BOOTSTRAP_SERVERS": ledger.bootstrap_servers,
        "WALLETSTREAM_NAMESPACE": ledger.namespace,
        "WALLETSTREAM_PARTITIONS": "4",
    }

    def walletstream(*arguments: str) -> str:
        command = [sys.executable, "-P", "-m", "ops", *arguments]
        done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    yield walletstream


@pytest.mark.kafka
def test_the_first_steps_do_what_they_say(ledger: Ledger, tmp_path: Path) -> None:
    for file, text in _first_steps():
        (tmp_path / file).write_text(text)
    with _typed(ledger, tmp_path) as walletstream:
        assert "3 answered, 0 of them replayed" in walletstream("submit", "--wait", "first.jsonl")
        assert "1 answered, 0 of them replayed" in walletstream("submit", "--wait", "second.jsonl")
        assert "1 answered, 1 of them replayed" in walletstream("submit", "--wait", "second.jsonl")
        assert "30.01" in walletstream("wallet", "show", "alice")
        assert "verify: OK" in walletstream("verify")
        walletstream("submit", "--wait", "third.jsonl")
        shown = walletstream("wallet", "show", "alice", "-n", "1")
        assert re.search(r"alice +EUR +10\.01 +20\.00\n", shown)
        hold = shown.split()[-1]
        capture = tmp_path / "fourth.jsonl"
        capture.write_text(re.sub(r"[0-9a-f]{32}", hold, capture.read_text()))
        walletstream("submit", "--wait", "fourth.jsonl")
        assert re.search(r"alice +EUR +15\.01\n", walletstream("wallet", "show", "alice", "-n", "3"))
        assert re.search(r"child [0-9a-f]{32}: capture of 15\.00 EUR, ", walletstream("tx", "show", hold))
        assert re.search(r"bob +EUR +34\.99\n", walletstream("wallet", "show", "bob"))


def test_the_readmes_pages_of_the_story_are_what_it_prints() -> None:
    page, printed = Page(Amounts(registry())), list[str]()
    told = Player(InMemory()).play(STORY, lambda step: printed.extend(page.step(step)))
    asyncio.run(told)
    (shown,) = [block.text for block in blocks(README) if "capture ->" in block.text]
    steps = shown.strip("\n").split("\n\n")
    assert len(steps) == 3
    for step in steps:
        assert f"\n{step}\n" in "\n".join(printed)
