"""What a resolution posts: whole differences, over the account that differs. Pure.

After it the ledger says what the other side says; a posting that would leave a difference is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agents.reconciliation.cases import difference_minor
from agents.reconciliation.own_lines import idempotency_key_of
from agents.reconciliation.turn import Turn
from agents.reconciliation.workflow import Refused
from schemas.money import INT64_MAX
from schemas.reconciliation_decisions import Correct, WriteOff
from schemas.reconciliation_exceptions import Posting, ReconciliationException

_WRITEOFFS: Final = "system/writeoffs"
_SUSPENSE: Final = "system/suspense"


def posting_of(turn: Turn, exception: ReconciliationException, resolution: WriteOff | Correct, number: int) -> Posting:
    """The posting of a proposal, with a key that follows from the exception and the proposal's number.

    Raises:
        Refused: nothing can be posted like this.
    """
    if exception.relation == "statement":
        raise Refused("nothing_to_post", "it is about a statement, and has no lines that could differ")
    if isinstance(resolution, WriteOff):
        from_account, to_account, amount_minor, asset = _write_off(turn, exception)
    else:
        from_account, to_account = resolution.from_account, resolution.to_account
        amount_minor, asset = resolution.amount_minor, resolution.asset
        if not 0 < amount_minor <= INT64_MAX:
            raise Refused("unbalanced", "amount_minor is between 1 and 2^63 - 1")
        if from_account == to_account:
            raise Refused("unbalanced", "both accounts are the same: nothing would be posted")
    accounts = (from_account, to_account)
    wallet_id = resolution.wallet_id or _wallet(exception, accounts)
    if wallet_id is None:
        raise Refused("needs_wallet", "its lines name no wallet: give wallet_id, in whose partition it is booked")
    return Posting(
        idempotency_key=idempotency_key_of(exception.book, exception.exception_id, number),
        wallet_id=wallet_id,
        from_account=from_account,
        to_account=to_account,
        amount_minor=amount_minor,
        asset=asset,
    )


def _wallet(exception: ReconciliationException, accounts: Sequence[str]) -> str | None:
    named = [account.split("/")[0] for account in accounts if not account.startswith("system/")]
    if named:
        return named[0]
    return next((line.wallet_id for line in exception.lines if line.wallet_id is not None), None)


def _difference(exception: ReconciliationException) -> tuple[str, int]:
    """Asset and difference of an exception that one posting can mend.

    Raises:
        Refused: there is none, or it is in several assets.
    """
    differences = {
        asset: minor for asset, minor in difference_minor(exception.relation, exception.lines).items() if minor
    }
    if not differences:
        raise Refused("nothing_to_post", "both sides come to the same amount: match the lines instead")
    if len(differences) > 1:
        named = ", ".join(f"{minor} {asset}" for asset, minor in sorted(differences.items()))
        raise Refused("unbalanced", f"it differs by {named} (minor units): one posting has one asset")
    ((asset, minor),) = differences.items()
    if abs(minor) > INT64_MAX:
        raise Refused("unbalanced", f"{minor} is beyond a signed 64-bit integer")
    return asset, minor


def _write_off(turn: Turn, exception: ReconciliationException) -> tuple[str, str, int, str]:
    """From, to, amount, asset."""
    asset, minor = _difference(exception)
    if exception.relation == "suspense":
        accounts = (_SUSPENSE, _WRITEOFFS) if minor > 0 else (_WRITEOFFS, _SUSPENSE)
    elif exception.relation in ("ledger-partner", "ledger-bank"):
        rail = _rail_account(turn, exception)
        # A debit of the rail: it holds more of ours than the ledger knew.
        accounts = (rail, _WRITEOFFS) if minor > 0 else (_WRITEOFFS, rail)
    else:
        raise Refused("wrong_kind", f"{exception.relation} has no side of the ledger that could be written off")
    return (*accounts, abs(minor), asset)


def _rail_account(turn: Turn, exception: ReconciliationException) -> str:
    for line in exception.lines:
        if line.side == "ledger" and line.account is not None:
            return line.account
    return f"system/rail:{turn.followed.rails_of(exception.book)[0]}"


def check_posting(turn: Turn, exception: ReconciliationException, posting: Posting) -> None:
    """After the posting the ledger says what the other side says.

    Raises:
        Refused: it would not.
    """
    if exception.relation == "pending":
        raise Refused(
            "wrong_kind", "what is on its way ends with the rail's answer, settled or failed: nothing is posted"
        )
    asset, minor = _difference(exception)
    moved = _effect(turn, exception, posting)
    if (posting.asset, moved) != (asset, minor):
        raise Refused(
            "unbalanced",
            f"it differs by {minor} {asset}, the posting mends {moved} {posting.asset} (minor units): "
            "the whole difference goes over the account that differs",
        )


def _effect(turn: Turn, exception: ReconciliationException, posting: Posting) -> int:
    """What a posting adds on the rail, or takes from suspense. What a partner and its bank move is on the rail, too."""
    if exception.relation == "suspense":
        own = {_SUSPENSE}
        return sum(
            sign * posting.amount_minor
            for account, sign in ((posting.from_account, 1), (posting.to_account, -1))
            if account in own
        )
    rails = {f"system/rail:{rail}" for rail in turn.followed.rails_of(exception.book)}
    return posting.amount_minor * ((posting.from_account in rails) - (posting.to_account in rails))
