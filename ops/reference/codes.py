"""`docs/reference/codes.md`: the outcome codes."""

from __future__ import annotations

from ops.reference.markdown import page, table
from schemas.codes import MEANING, NOT_FROZEN, Code

_INTRODUCTION = """
Every outcome carries one `code`. `ok` means accepted; every other one means rejected, and nothing was posted or
everything was given back. Where several would apply, the first in this list is the answer.

**Frozen** codes are kept under the idempotency key: the same request is answered with them again, `replayed: true`,
also after the reason has gone. A request that was rejected for lack of funds needs a new key to be tried again. Codes
that are not frozen leave the key free: the same request may be sent again and is decided anew.
"""


def codes_page() -> str:
    """The page."""
    overview = table(
        ("#", "code", "status", "frozen"),
        [
            (
                str(rank),
                f"[`{code.value}`](#{code.value})",
                "accepted" if code is Code.OK else "rejected",
                "no" if code in NOT_FROZEN else "yes",
            )
            for rank, code in enumerate(Code, 1)
        ],
    )
    sections = ["\n\n".join((f"## {code.value}", MEANING[code], _again(code))) for code in Code]
    return page("Outcome codes", "`schemas/codes.py`", _INTRODUCTION, overview, *sections)


def _again(code: Code) -> str:
    if code is Code.OK:
        return "Sent again under the same key: this answer once more, and `current_state` says how far it has come."
    if code in NOT_FROZEN:
        return "Sent again under the same key: decided anew."
    return "Sent again under the same key: the same rejection, `replayed: true`."
