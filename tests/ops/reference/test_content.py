"""Each page says all that there is: no field, code, topic, setting, metric or state is left out."""

from __future__ import annotations

import msgspec

from ops.reference import events, outcomes
from ops.reference.codes import codes_page
from ops.reference.commands import commands_page
from ops.reference.findings import findings_page
from ops.reference.lifecycle import STATE_MEANING, VERB_MEANING, lifecycle_page
from ops.reference.markdown import days, size, table
from ops.reference.metrics import described_metrics, exposed_names, metrics_page
from ops.reference.operations import operation_page
from ops.reference.settings import settings_page
from ops.reference.structs import type_name, undescribed
from ops.reference.topics import topics_page
from ops.verify.findings import Check
from schemas.catalogue import TOPICS
from schemas.codes import MEANING, Code
from schemas.commands import OPERATIONS
from schemas.contract import Command, OnTransaction, OperatorCommand
from schemas.events import EVENT_TYPES, LedgerEvent
from schemas.lifecycle import MOVES, TRANSITIONS, State, Verb
from schemas.outcomes import Outcome, WalletBalances
from streams import metrics
from streams.seal import Seal, Span
from streams.settings import Settings


def test_every_field_of_what_we_write_has_a_meaning() -> None:
    described: dict[type[msgspec.Struct], dict[str, str]] = {
        LedgerEvent: events.EVENT_FIELDS,
        Seal: events.SEAL_FIELDS,
        Span: events.SPAN_FIELDS,
        Outcome: outcomes.OUTCOME_FIELDS,
        WalletBalances: outcomes.BALANCES_FIELDS,
        **events.NESTED_FIELDS,
    }
    assert {struct.__name__: undescribed(struct, meaning) for struct, meaning in described.items()} == {
        struct.__name__: set() for struct in described
    }


def test_every_event_type_has_a_meaning_and_an_example() -> None:
    assert set(events.MEANING) == set(EVENT_TYPES)
    assert set(events.fields_in_examples()) == set(EVENT_TYPES)
    page = events.events_page()
    assert all(f"### {type_}\n" in page for type_ in EVENT_TYPES)


def test_codes_stand_in_order_of_precedence_with_their_paragraphs() -> None:
    page = codes_page()
    places = [page.index(f"\n## {code.value}\n\n{MEANING[code]}") for code in Code]
    assert places == sorted(places)


def test_what_commands_have_in_common_is_said_once() -> None:
    page = commands_page()
    for model in (Command, OnTransaction, OperatorCommand):
        assert all(f"\n| `{name}` |" in page for name in model.model_fields)
    assert "| `transaction_id` | text `^[0-9a-f]{32}$` | required |" in page
    again = [name for name in OPERATIONS if "\n| `idempotency_key` |" in operation_page(name)]
    assert again == []


def test_every_topic_setting_metric_and_finding_is_there() -> None:
    page = topics_page()
    assert all(f"\n## {topic.name}\n" in page for topic in TOPICS)
    page = settings_page()
    assert all(f"`WALLETSTREAM_{name.upper()}`" in page for name in Settings.model_fields)
    assert "| `WALLETSTREAM_PARTITIONS` | `8` | integer, at least 1, at most 4,096 |" in page
    page = metrics_page()
    assert all(f"`{metric.name}`" in page for metric in described_metrics())
    page = findings_page()
    assert all(f"`{check.value}`" in page for check in Check)


def test_metrics_are_those_that_the_registry_shows() -> None:
    """Every family of the registry is described under the name that Prometheus sees."""
    shown = {family.name for family in metrics.REGISTRY.collect()}
    described = {metric.name for metric in described_metrics()}
    assert {name for name in shown if name not in described and f"{name}_total" not in described} == set()
    assert "walletstream_batches_total" in exposed_names()
    assert "walletstream_step_seconds_bucket" in exposed_names()


def _section(page: str, operation: str) -> str:
    return next(part for part in page.split("\n## ") if part.startswith(f"`{operation}`\n"))


def test_the_diagrams_draw_every_move_and_no_other() -> None:
    page = lifecycle_page()
    for operation, moves in MOVES.items():
        drawn = {line.strip() for line in _section(page, operation).splitlines() if "-->" in line and "[*]" not in line}
        assert drawn == {f"{a.value} --> {b.value}" for a, following in moves.items() for b in following}


def test_the_tables_of_life_cycles_say_all_that_may_be_done_and_no_more() -> None:
    page = lifecycle_page()
    for operation, cells in TRANSITIONS.items():
        lines = [line.split("|")[1:-1] for line in _section(page, operation).splitlines() if line.startswith("|")]
        said = {
            (_names(row[0]), _names(verb), _names(cell))
            for row in lines[2:]
            for verb, cell in zip(lines[0][1:], row[1:], strict=True)
            if _names(cell)
        }
        assert said == {
            ((state.value,), (verb.value,), tuple(after.value for after in State if after in following))
            for state, may in cells.items()
            for verb, following in may.items()
        }


def _names(cell: str) -> tuple[str, ...]:
    """What stands as code in a cell of a table."""
    return tuple(cell.split("`")[1::2])


def test_every_state_and_every_verb_has_a_meaning() -> None:
    assert set(STATE_MEANING) == set(State)
    assert set(VERB_MEANING) == set(Verb)


def test_shapes_of_markdown() -> None:
    assert table(("a", "b"), [("x|y", "two\nlines")]) == "| a | b |\n| --- | --- |\n| x\\|y | two lines |"
    assert [days(None), days(86_400_000), days(43_200_000)] == ["for ever", "1 days", "0.5 days"]
    assert [size(1 << 20), size(64 << 10), size(1000)] == ["1 MiB", "64 KiB", "1,000 bytes"]
    assert type_name("tuple[Entry, ...]") == "list of [Entry](#entry)"
    assert type_name("dict[str, str] | None") == "object of text"
    assert type_name("msgspec.Raw | msgspec.UnsetType") == "object"
