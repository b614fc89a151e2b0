"""One small file for each operation: `decide_<operation>(state, wallet, command, draft, reference)` -> event.

Every function is pure. It returns exactly one event: the accepted one, or a rejection. `OPERATIONS` is the
one place that knows them all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from agents.ledger.draft import Draft
from agents.ledger.operations.adjust import decide_adjust
from agents.ledger.operations.authorize import decide_authorize
from agents.ledger.operations.cancel import decide_cancel
from agents.ledger.operations.capture import decide_capture
from agents.ledger.operations.close_wallet import decide_close_wallet
from agents.ledger.operations.convert import decide_convert
from agents.ledger.operations.credit import decide_credit
from agents.ledger.operations.debit import decide_debit
from agents.ledger.operations.dispute import decide_dispute
from agents.ledger.operations.enable_asset import decide_enable_asset
from agents.ledger.operations.fail import decide_fail
from agents.ledger.operations.fee import decide_fee
from agents.ledger.operations.lock import decide_lock
from agents.ledger.operations.open_sub_wallet import decide_open_sub_wallet
from agents.ledger.operations.open_wallet import decide_open_wallet
from agents.ledger.operations.refund import decide_refund
from agents.ledger.operations.release import decide_release
from agents.ledger.operations.release_quarantine import decide_release_quarantine
from agents.ledger.operations.require_step_up import decide_require_step_up
from agents.ledger.operations.resolve_dispute import decide_resolve_dispute
from agents.ledger.operations.return_ import decide_return
from agents.ledger.operations.reverse import decide_reverse
from agents.ledger.operations.reward import decide_reward
from agents.ledger.operations.set_limits import decide_set_limits
from agents.ledger.operations.set_tier import decide_set_tier
from agents.ledger.operations.set_wallet_state import decide_set_wallet_state
from agents.ledger.operations.settle import decide_settle
from agents.ledger.operations.submit import decide_submit
from agents.ledger.operations.transfer import decide_transfer
from agents.ledger.state import LedgerState
from schemas.events import LedgerEvent
from schemas.reference import Reference

Decide = Callable[[LedgerState, Any, Any, Draft, Reference], LedgerEvent]

#: The wallet that they are called with exists, save that of `open_wallet`.
OPERATIONS: Final[dict[str, Decide]] = {
    "credit": decide_credit,
    "debit": decide_debit,
    "transfer": decide_transfer,
    "authorize": decide_authorize,
    "capture": decide_capture,
    "release": decide_release,
    "adjust": decide_adjust,
    "cancel": decide_cancel,
    "dispute": decide_dispute,
    "fail": decide_fail,
    "refund": decide_refund,
    "resolve_dispute": decide_resolve_dispute,
    "reverse": decide_reverse,
    "settle": decide_settle,
    "submit": decide_submit,
    "return": decide_return,
    "convert": decide_convert,
    "fee": decide_fee,
    "close_wallet": decide_close_wallet,
    "enable_asset": decide_enable_asset,
    "open_sub_wallet": decide_open_sub_wallet,
    "open_wallet": decide_open_wallet,
    "reward": decide_reward,
    "set_limits": decide_set_limits,
    "set_tier": decide_set_tier,
    "set_wallet_state": decide_set_wallet_state,
    "release_quarantine": decide_release_quarantine,
    "lock": decide_lock,
    "require_step_up": decide_require_step_up,
}
