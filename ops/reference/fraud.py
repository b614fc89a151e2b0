"""`docs/reference/fraud.md`: what fraud rules see, and what the role writes."""

from __future__ import annotations

from ops.reference.markdown import page, table
from schemas.facts import FACT_FIELDS
from schemas.fraud_events import FRAUD_EVENT_TYPES

_INTRODUCTION = """
[Fraud rules on the stream](../concepts/fraud.md) says how rules, facts and alerts hang together. The contracts of the
topics are in [topics](topics.md), with a JSON Schema and examples of each.
"""

_FACTS = """
## Facts

What a rule sees of one transaction: fields that its filter, its key, its aggregate and its condition may name. A field
that does not apply is not there. A rule sees the first decision of each transaction only, accepted or rejected; one in
which a filter names `type` sees the later events as well.
"""

_EVENTS = """
## Events

Types of the events on `fraud-events`, the role's state log; beside them stand seals, as in the ledger's. Each input
record that is a fact, or feedback, leaves one, or a part of one: facts of which no rule says anything share an event.
"""


def fraud_page() -> str:
    """The page."""
    facts = table(("field", "holds", "says"), [(f"`{name}`", kind, said) for name, (kind, said) in FACT_FIELDS.items()])
    events = table(("type", "says that"), [(f"`{name}`", said) for name, said in FRAUD_EVENT_TYPES.items()])
    source = "`schemas/facts.py` and `schemas/fraud_events.py`"
    return page("Fraud: facts and events", source, _INTRODUCTION, _FACTS, facts, _EVENTS, events)
