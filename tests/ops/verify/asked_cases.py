"""Events that say something else than their commands asked for, field by field."""

from __future__ import annotations

from tests.ops.verify.operation_cases import (
    ADJUSTED,
    AUTHORIZED,
    CAME_BACK,
    CAPTURED,
    CONTRADICTED,
    DISPUTED,
    NOBODY,
    REFUNDED,
    RELEASED,
    RESOLVED,
    RETURNED,
    SETTLED_IN_PART,
    SUBMITTED,
    TAKEN_BACK,
    Fields,
    facts,
)

#: Events and what is changed of them that was asked for otherwise.
NOT_AS_ASKED: list[tuple[str, Fields, Fields]] = [
    ("another batch", SUBMITTED, {"rail_facts": facts(batch_id="b9")}),
    ("another reference of a settlement", SETTLED_IN_PART, {"rail_facts": facts(rail_reference="r8")}),
    ("another settled sum", SETTLED_IN_PART, {"rail_facts": facts(settled_minor=14)}),
    ("another fee of the rail", SETTLED_IN_PART, {"rail_facts": facts(rail_fee_minor=1)}),
    ("another value date", SETTLED_IN_PART, {"rail_facts": facts(value_date="2026-01-03")}),
    ("another reference of a contradiction", CONTRADICTED, {"rail_facts": facts(rail_reference="r8")}),
    ("another sum of a contradiction", CONTRADICTED, {"amount_minor": 1}),
    ("another reference of what comes back of a failed one", CAME_BACK, {"rail_facts": facts(rail_reference="r8")}),
    ("another reason of it", CAME_BACK, {"rail_facts": facts(code="X")}),
    ("another sum of it", CAME_BACK, {"amount_minor": 1}),
    ("another reference of a return", RETURNED, {"rail_facts": facts(rail_reference="r8")}),
    ("another reason of a return", RETURNED, {"rail_facts": facts(code="X")}),
    ("another reason of a failure", {"command": "fail", "operation": "debit"}, {"rail_facts": facts(code="X")}),
    ("a merchant's that nobody has named", AUTHORIZED, {"references": {"merchant": "m"}}),
    ("a merchant's return", RETURNED, {"references": {"merchant": "m"}}),
    ("a word that nobody has said", REFUNDED, {"metadata": {"a": "b"}}),
    ("another transaction is released", RELEASED, {"transaction_id": "f" * 32}),
    ("another command", RELEASED, {"command": "cancel"}),
    ("another hold is captured", CAPTURED, {"parent_transaction_id": "f" * 32}),
    ("another sum is captured", CAPTURED, {"amount_minor": 24}),
    ("a capture over another rail", CAPTURED, {"rail": "sepa"}),
    ("a capture to a payee", CAPTURED, {"rail": None, "counterparty": NOBODY}),
    ("another sum is refunded", REFUNDED, {"amount_minor": 19}),
    ("less than all is reversed", TAKEN_BACK, {"amount_minor": 29}),
    ("a hold for longer", AUTHORIZED, {"due_at": "2099-01-01T00:00:00.000Z"}),
    ("another sum is adjusted", ADJUSTED, {"amount_minor": 4}),
    ("a dispute of another transaction", DISPUTED, {"parent_transaction_id": "f" * 32}),
    ("another dispute is resolved", RESOLVED, {"transaction_id": "f" * 32}),
]
