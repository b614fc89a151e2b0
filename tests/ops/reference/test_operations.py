"""The page of an operation says all there is to say of it, from the same data that the ledger and the tests go by."""

from __future__ import annotations

import re
from functools import cache

import pytest

from ops.reference import operations as module
from ops.reference.fields import model_fields
from ops.reference.operations import operations_index
from ops.reference.pages import PAGES
from ops.story.examples import the_story
from schemas.catalogue import topic_named
from schemas.commands import OPERATIONS, Authorize, Capture
from schemas.lifecycle import TRANSITIONS, State
from schemas.postings import POSTINGS
from schemas.rejections import codes_of

every_operation = pytest.mark.parametrize("operation", OPERATIONS)

#: Each page is written once, whatever is asked of it.
operation_page = cache(module.operation_page)
commands_page = cache(PAGES["commands.md"])


def section(page: str, heading: str) -> str:
    return page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """The cells of the tables in a text, without their heads."""
    lines = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in text.splitlines() if line[:1] == "|"
    ]
    return lines[2:]


@every_operation
def test_it_has_a_page_that_the_index_leads_to(operation: str) -> None:
    assert f"operations/{operation}.md" in PAGES
    topic, model = OPERATIONS[operation]
    described = section(operations_index(), f"On `{topic}`")
    (does,) = (does for name, does in rows(described) if name == f"[`{operation}`]({operation}.md)")
    assert " ".join((model.__doc__ or "").split()).startswith(does)


@every_operation
def test_it_says_what_it_is_and_who_may_ask_for_it(operation: str) -> None:
    topic, model = OPERATIONS[operation]
    page = operation_page(operation)
    assert " ".join((model.__doc__ or "?").split()) in " ".join(page.split())
    assert f"[`{topic}`](../topics.md#{topic}), which is written by: {topic_named(topic).owner}." in page


@every_operation
def test_every_field_is_on_it_or_among_the_common_ones(operation: str) -> None:
    page = operation_page(operation)
    named = {cell[0].strip("`") for cell in rows(section(page, "Fields"))}
    common = set(re.findall(r"^\| `(\w+)` \|", commands_page(), re.MULTILINE))
    assert OPERATIONS[operation][1].model_fields.keys() <= named | common


@every_operation
def test_its_postings_are_those_of_the_table(operation: str) -> None:
    said = [(moves, state) for _, moves, state in rows(section(operation_page(operation), "Postings"))]
    assert said == [
        (
            ", ".join(f"{debit} -> {credit}" for debit, credit in case.moves),
            " or ".join(f"`{state.value}`" for state in State if state in case.states),
        )
        for case in POSTINGS.get(operation, ())
    ]


@every_operation
def test_its_rejections_are_in_order_of_precedence(operation: str) -> None:
    said = re.findall(r"^\d+\. \[`(\w+)`\]", section(operation_page(operation), "Rejections"), re.MULTILINE)
    assert said == [code.value for code in codes_of(operation)]


def test_what_has_states_has_a_diagram_and_what_acts_has_a_table() -> None:
    for operation in OPERATIONS:
        page = operation_page(operation)
        assert ("```mermaid" in page) is (operation in TRANSITIONS)
    acted_on = section(operation_page("settle"), "What it acts on")
    assert ["[`refund`](refund.md)", "`processed`", "`settled`"] in rows(acted_on)
    assert section(operation_page("credit"), "What it acts on") == ""


@every_operation
def test_every_example_of_the_story_is_on_it(operation: str) -> None:
    page = operation_page(operation)
    for played in the_story():
        if played.operation == operation and played.step.example:
            assert played.step.say is not None
            assert played.step.say in page
    assert page.count("```json") >= 3


def test_bounds_and_defaults_stand_with_a_field() -> None:
    assert "| `expires_in_s` | integer, 1 to 31,536,000 | required |" in (model_fields(Authorize) or "")
    assert "| `final` | true or false | `false` |" in (model_fields(Capture) or "")
