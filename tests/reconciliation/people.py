"""Two people who resolve what does not match, by what they have last seen, whoever was killed meanwhile. Seeded."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any, Final

from ops.reconcile.deciding import decision_of
from schemas.reconciliation_exceptions import ReconciliationException

INES, OMAR = "ines", "omar"
#: Reasons that are planted; anything else goes away by itself once all lines are there.
REASONS: Final = frozenset({"amount_under", "amount_over", "duplicate", "ambiguous", "missing_left"})


def resolution_of(exception: ReconciliationException) -> dict[str, Any]:
    """How an exception of this reason is resolved."""
    if exception.reason == "duplicate" or exception.pinned:
        return {"kind": "no_posting"}
    if exception.reason == "ambiguous":
        # A sum that is there twice: one is of our payments, the other of none, and an exception of its own from then.
        *rest, twice = sorted(exception.lines, key=lambda line: (line.side != "ledger", line.line_id))
        return {"kind": "split", "groups": [[line.line_id for line in rest], [twice.line_id]]}
    (wallet_id,) = {line.wallet_id for line in exception.lines if line.wallet_id} or {"w0"}
    if exception.relation == "partner-bank":
        # What the bank has charged is ours to bear.
        amount_minor = -sum(line.amount_minor for line in exception.lines)
        accounts = {"from_account": "system/fees", "to_account": f"system/rail:{exception.book}"}
        return {"kind": "correct", **accounts, "amount_minor": amount_minor, "asset": "EUR", "wallet_id": wallet_id}
    return {"kind": "write_off", "wallet_id": wallet_id}


class People:
    """What they send about what they see; much of it twice, some of it in vain."""

    def __init__(self, rng: random.Random):
        self._rng = rng
        self._sent = 0
        self._rejected: set[str] = set()

    def decisions_on(self, exceptions: Iterable[ReconciliationException]) -> Iterator[tuple[str, bytes]]:
        """Book and record, of each decision."""
        for exception in exceptions:
            if exception.reason in REASONS:
                for value in self._decisions_on(exception):
                    yield from [(exception.book, value)] * self._rng.choice((1, 1, 1, 2))

    def _decisions_on(self, exception: ReconciliationException) -> Iterator[bytes]:
        number = exception.proposals
        match exception.state:
            case "open" if self._rng.random() < 0.3:
                yield self._decision(exception, INES, "assign", f"a{number}", to=INES)
            case "open" | "assigned" | "rejected":
                resolution = resolution_of(exception)
                facts = {"resolution": resolution, "reason_code": "known", "evidence_ref": "mail-7"}
                yield self._decision(exception, INES, "propose", f"p{number}", **facts)
            case "proposed":
                if self._rng.random() < 0.3:
                    yield self._decision(exception, " Ines", "approve", f"i{number}", number=number)
                if exception.exception_id not in self._rejected and self._rng.random() < 0.2:
                    self._rejected.add(exception.exception_id)
                    yield self._decision(exception, OMAR, "reject", f"r{number}", number=number, reason="which one?")
                else:
                    yield self._decision(exception, OMAR, "approve", f"o{number}", number=number)

    def _decision(self, exception: ReconciliationException, by: str, kind: str, intent: str, **fields: Any) -> bytes:
        """Mostly the same id for the same intent, as one who sends again; sometimes another, as one who orders anew."""
        self._sent += 1
        again = f"-{self._sent}" if self._rng.random() < 0.2 else ""
        decision_id = f"{exception.exception_id[:16]}-{intent}{again}"
        fields |= {"kind": kind, "exception_id": exception.exception_id}
        return decision_of(exception.book, by, decision_id, **fields)
