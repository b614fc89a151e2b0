"""`docs/reference/operations/`: a page for each operation, and the list of them."""

from __future__ import annotations

from typing import Any, Final

import orjson

from ops.reference.fields import model_fields
from ops.reference.lifecycle import allowed, drawn
from ops.reference.markdown import fenced, page, table
from ops.story.examples import its_files, the_story
from ops.story.play import Played
from schemas.catalogue import topic_named
from schemas.codes import Code
from schemas.commands import OPERATIONS, REQUESTS
from schemas.contract import Command, OnTransaction, OperatorCommand
from schemas.fraud_commands import FraudCommand
from schemas.lifecycle import TRANSITIONS, State, Verb
from schemas.postings import POSTINGS
from schemas.rejections import OF_EVERY_COMMAND, codes_of
from schemas.topics import LEDGER_EVENTS, TRANSACTION_OUTCOMES, VERSION

_EXAMPLES: Final = "../../../schemas/examples"
#: Fields of every command that a model says anew: they stand in its own table too.
_OWN_AFTER_ALL: Final = {"open_sub_wallet": {"sub_wallet"}}

_INTRODUCTION = """
All that may be asked for, by the topic that it is asked for on: who may write a topic may give its commands, and
nothing in a record gives more rights. What all commands have in common is in [commands](../commands.md).
"""


def operations_index() -> str:
    """The list of all operations."""
    parts = []
    for topic, models in REQUESTS.items():
        named = topic_named(topic)
        rows = [
            (f"[`{operation}`]({operation}.md)", _first_sentence(model))
            for operation, (_, model) in OPERATIONS.items()
            if model in models
        ]
        listed = table(("operation", "does"), rows)
        parts.append(f"## On `{topic}`\n\n{named.description} Written by: {named.owner}.\n\n{listed}")
    return page("Operations", "`schemas/commands.py`", _INTRODUCTION, *parts)


def operation_page(operation: str) -> str:
    """The page of one operation."""
    topic, model = OPERATIONS[operation]
    asked_on = f"Asked for on [`{topic}`](../topics.md#{topic}), which is written by: {topic_named(topic).owner}."
    return page(
        f"`{operation}`",
        "`schemas/` and the played story",
        _paragraphs(model),
        asked_on,
        _fields(operation, model),
        _postings(operation),
        _states(operation),
        _acts_on(operation),
        _rejections(operation),
        *_examples(operation),
    )


def _paragraphs(model: type[Command]) -> str:
    return str(model.model_json_schema()["description"])


def _first_sentence(model: type[Command]) -> str:
    return _paragraphs(model).split("\n\n")[0]


def _fields(operation: str, model: type[Command]) -> str:
    common: set[str] = set(Command.model_fields)
    also = ["[every command](../commands.md#fields-of-every-command)"]
    if issubclass(model, OnTransaction):
        common |= set(OnTransaction.model_fields)
        also.append("[every command on a transaction](../commands.md#fields-of-every-command-on-a-transaction)")
    if issubclass(model, OperatorCommand):
        common |= set(OperatorCommand.model_fields)
        also.append("[every operator command](../commands.md#fields-of-every-operator-command)")
    if issubclass(model, FraudCommand):
        common |= set(FraudCommand.model_fields)
        also.append("[every fraud command](../commands.md#fields-of-every-fraud-command)")
    own = model_fields(model, common - _OWN_AFTER_ALL.get(operation, set())) or "No fields of its own."
    return f"## Fields\n\nBeside those of {' and of '.join(also)}:\n\n{own}"


def _postings(operation: str) -> str:
    cases = POSTINGS.get(operation)
    if cases is None:
        return "## Postings\n\nPosts nothing."
    rows = [
        (
            case.when + (" (in the same journal)" if case.within else ""),
            ", ".join(f"{move.debit} -> {move.credit}" for move in case.moves),
            " or ".join(f"`{state.value}`" for state in State if state in case.states),
        )
        for case in cases
    ]
    note = (
        "Debit -> credit, in one journal for each row. [The ledger](../../concepts/ledger.md#accounts) says what the "
        "accounts are; the state is that of the transaction that is posted for."
    )
    return f"## Postings\n\n{note}\n\n{table(('case', 'debit -> credit', 'state after'), rows)}"


def _states(operation: str) -> str:
    if operation not in TRANSITIONS:
        return ""
    later = f"What may be done to it later, and the state that it is in then:\n\n{allowed(operation, '')}"
    link = "[Life cycles](../lifecycle.md) says what the states mean."
    return f"## States\n\n{drawn(operation)}\n\n{later}\n\n{link}"


def _acts_on(operation: str) -> str:
    """What a command that names a transaction does to it, by that transaction's operation."""
    if operation not in set(Verb):
        return ""
    verb = Verb(operation)
    rows = [
        (
            f"[`{named}`]({named}.md)",
            f"`{before.value}`",
            " or ".join(f"`{after.value}`" for after in State if after in may[verb]),
        )
        for named, cells in TRANSITIONS.items()
        for before, may in cells.items()
        if verb in may
    ]
    return f"## What it acts on\n\n{table(('transaction', 'in state', 'state after'), rows)}"


def _rejections(operation: str) -> str:
    note = "In order of precedence: where several apply, the first one is the answer."
    lines = [f"{rank}. {_code(code)}" for rank, code in enumerate(codes_of(operation), 1)]
    return f"## Rejections\n\n{note}\n\n" + "\n".join(lines)


def _code(code: Code) -> str:
    every = ", as every command" if code in OF_EVERY_COMMAND else ""
    return f"[`{code.value}`](../codes.md#{code.value}){every}"


# ---- examples ----------------------------------------------------------------------------------------


def _examples(operation: str) -> list[str]:
    """The example of the operation's name in full, the others as links."""
    told = [played for played in the_story() if played.operation == operation and played.step.example]
    (main,) = (played for played in told if played.step.example == operation)
    assert main.asked is not None
    events = [_example("Event" if number == 0 else "and", event) for number, event in enumerate(main.events)]
    shown = [
        f"## Example\n\n{main.step.say}",
        _example("Command", orjson.loads(main.asked[1])),
        _example("Outcome", main.answer),
        *events,
    ]
    if len(told) == 1:
        return shown
    rows = [(played.step.say or "", _links(played)) for played in told if played is not main]
    return [*shown, f"## More examples\n\n{table(('what it shows', 'files'), rows)}"]


def _example(title: str, value: Any) -> str:
    return f"{title}:\n\n{fenced(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode(), 'json')}"


def _links(played: Played) -> str:
    """Links to the command, the outcomes and the events that are written of a step."""
    assert played.asked is not None
    names = {played.asked[0]: "command", TRANSACTION_OUTCOMES: "outcome", LEDGER_EVENTS: "event"}
    files = its_files()
    links = []
    for topic, name in names.items():
        stem = f"{topic}.{VERSION}/{played.step.example}"
        numbered = [f"{stem}.json", *(f"{stem}.{number}.json" for number in range(2, 10))]
        links += [f"[{name}]({_EXAMPLES}/{path})" for path in numbered if path in files]
    return ", ".join(links)
