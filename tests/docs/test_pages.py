"""What the documentation names exists: pages, headings, commands, options, settings, messages."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from ops.cli import main
from ops.reference.settings import OTHERS
from schemas.catalogue import TOPICS
from schemas.topics import INPUTS, LEDGER_EVENTS
from streams.settings import Settings
from streams.topic_rules import TopicState, find_differences, find_problems
from tests.docs.pages import ROOT, anchors, command_lines, links, name, pages, written_by_hand

_ROOMS = ("schemas", "streams", "agents", "ops")
_VARIABLE = re.compile(r"WALLETSTREAM_[A-Z][A-Z_]*[A-Z]")


@pytest.mark.parametrize("page", pages(), ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in links(page):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{target} does not exist"
        if anchor:
            assert anchor in anchors(found), f"{target}: no such heading"


def test_every_page_can_be_reached_from_the_index() -> None:
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page.is_dir():
            waiting += page.glob("*.md")
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        targets = [target.partition("#")[0] for target in links(page) if "://" not in target]
        waiting += [(page.parent / target).resolve() for target in targets if target]
    assert set(pages()) - reached == set()


def _resolve(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that `words` run, and the words after its name."""
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        below = command.get_command(context, words[0])
        assert below is not None, f"no command {words[0]!r}"
        command, words = below, words[1:]
    return command, words


@pytest.mark.parametrize("page", written_by_hand(), ids=name)
def test_commands_and_options_exist(page: Path) -> None:
    for line in command_lines(page):
        command, rest = _resolve(shlex.split(line.partition("|")[0].partition("#")[0])[1:])
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        used = {word.partition("=")[0] for word in rest if word.startswith("-")}
        assert used <= known | {"--help", "-h"}, line


def _variables(text: str) -> set[str]:
    return set(_VARIABLE.findall(text))


def test_settings_that_are_named_exist() -> None:
    known = {f"WALLETSTREAM_{field.upper()}" for field in Settings.model_fields} | set(OTHERS)
    unknown = {
        f"{name(page)}: {variable}"
        for page in pages()
        for variable in _variables(page.read_text())
        if variable not in known
    }
    assert unknown == set()


def test_variables_that_the_code_reads_are_in_the_reference() -> None:
    documented = _variables((ROOT / "docs" / "reference" / "settings.md").read_text())
    read = {
        variable
        for room in _ROOMS
        for path in (ROOT / room).rglob("*.py")
        for variable in re.findall(r'environ(?:\.get\(|\[)"(WALLETSTREAM_\w+)"', path.read_text())
    }
    assert read - documented == set()


# ---- troubleshooting ---------------------------------------------------------------------------------

_TROUBLESHOOTING = ROOT / "docs" / "operating" / "troubleshooting.md"
_SHORTEST_PIECE = 8


def _literals(tree: ast.AST) -> Iterator[str]:
    """All texts in code; of an f-string its pieces, with an ellipsis for what is filled in."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)  # type: ignore[misc]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _texts_of_code() -> str:
    trees = [ast.parse(path.read_text()) for room in _ROOMS for path in (ROOT / room).rglob("*.py")]
    return "\n".join(text for tree in trees for text in _literals(tree))


def _documented_messages() -> list[str]:
    text = _TROUBLESHOOTING.read_text()
    return re.findall(r"^### `(.+)`$", text, re.MULTILINE) + re.findall(r"^\| `(.+?)` \|", text, re.MULTILINE)


@pytest.mark.slow
def test_the_messages_explained_are_those_of_the_product() -> None:
    code = _texts_of_code()
    gone = [
        message
        for message in _documented_messages()
        for piece in message.split("…")
        if len(piece.strip(" :;=/")) >= _SHORTEST_PIECE and piece.strip(" :;=/") not in code
    ]
    assert gone == []


def _refusals() -> Iterator[str]:
    """Each message with which a worker refuses to go on."""
    for path in (ROOT / "streams").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Name) and called.id in ("Refused", "ChainBroken"):
                yield max(_literals(node), key=len)


def test_every_refusal_of_a_worker_is_explained() -> None:
    pieces = [piece.strip(" :;") for message in _documented_messages() for piece in message.split("…")]
    explained = [piece for piece in pieces if len(piece) >= _SHORTEST_PIECE]
    refusals = list(_refusals())
    assert len(refusals) > 8
    assert [refusal for refusal in refusals if not any(piece in refusal for piece in explained)] == []


def _as_bad_as_can_be() -> Iterator[str]:
    """What is said of topics of which nothing is as it must be, and of topics that are missing."""
    settings = Settings(durability="replicated", idempotency_retention_s=3_600)
    wrong = {
        "cleanup.policy": "compact,delete",
        "max.message.bytes": "1000",
        "message.timestamp.type": "CreateTime",
        "min.insync.replicas": "1",
        "retention.bytes": "1000",
        "retention.ms": "1000",
        "segment.ms": "9" * 10,
        "unclean.leader.election.enable": "true",
    }
    all_wrong = TopicState(partitions=3, replicas=1, config=wrong, leaderless=(1,))
    for states in ({topic.name: all_wrong for topic in TOPICS}, {}):
        found = find_problems(settings, TOPICS, states, INPUTS, LEDGER_EVENTS)
        yield from (problem.what for problem in [*found, *find_differences(settings, TOPICS, states, found)])


def test_everything_that_is_said_of_topics_is_explained() -> None:
    explained = [".*".join(map(re.escape, message.split("…"))) for message in _documented_messages()]
    said = set(_as_bad_as_can_be())
    assert len(said) > 12
    assert [what for what in said if not any(re.search(pattern, what) for pattern in explained)] == []


# ---- style -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", pages(), ids=name)
def test_pages_stand_on_their_own(page: Path) -> None:
    text = page.read_text()
    for word in ("TODO", "FIXME", "../shared", "/work/", "/root/", "/home/"):
        assert word not in text
