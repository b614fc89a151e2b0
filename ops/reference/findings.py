"""`docs/reference/findings.md`: what `walletstream verify` proves, and what each finding means."""

from __future__ import annotations

from ops.reference.markdown import page, table
from ops.verify.findings import MEANING, Check

_INTRODUCTION = """
`walletstream verify` proves each of these sentences from the log, or names where it does not hold: topic, partition,
offset and sequence. The first hundred findings of each code are kept word for word, the others are counted. One
finding is enough for exit code 1. [Verification](../operating/verification.md) says how to check the same by hand.

A finding is not a request to mend the log: nothing may be changed in it. Stop the workers of the namespace, keep the
log as it is, and find out who wrote what: access to `ledger-events` belongs to the ledger alone.
"""


def findings_page() -> str:
    """The page."""
    rows = [(f"`{check.value}`", MEANING[check]) for check in Check]
    listed = table(("code", "what must hold"), rows)
    return page("Findings of verify", "`ops/verify/findings.py`", _INTRODUCTION, listed)
