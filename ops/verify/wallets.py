"""What events say of wallets: facts are those that were asked for, and only the events of a wallet have any."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw

from ops.verify.asked import Asked, read_request
from ops.verify.findings import Check, Here
from schemas import events as ev
from schemas.events import AssetTerms, LedgerEvent, WalletFacts

_Assets = tuple[str, ...]


class Wallets:
    """The assets and tiers of one partition's wallets, from their events."""

    def __init__(self, here: Here):
        self._here = here
        self._assets: dict[str | None, _Assets] = {}
        #: Wallets share their lists of assets, of which there are few.
        self._lists: dict[_Assets, _Assets] = {}
        #: Of those in a tier its name.
        self._tiers: dict[str | None, str] = {}
        self._is_whole = True

    def begin_anywhere(self) -> None:
        """The log's beginning was deleted: what a wallet had before is as its first event says."""
        self._is_whole = False

    def assets_of(self, wallet_id: str | None) -> Sequence[str]:
        """The assets that a wallet has been opened with or given since."""
        return self._assets.get(wallet_id, ())

    def event(self, event: LedgerEvent) -> None:
        """An event that has facts, or must have some."""
        row = _FACTS.get(event.type)
        if row is None:
            if event.wallet is not None:
                self._here.report(Check.NOT_AS_ASKED, f"{event.type} says something of a wallet: {event.wallet}")
            return
        operation, facts_of = row
        if event.type == ev.WALLET_STATE_CHANGED:
            operation, facts_of = _STATES.get(event.operation or "", row)
        if operation == "release_quarantine" and event.request is UNSET:
            if event.operation != operation:
                self._here.report(Check.NOT_AS_ASKED, f"{event.type} is of {event.operation}")
            # A further portion: what told it is compared where the input is.
            if event.type == ev.WALLET_RELEASED and event.wallet is not None:
                self._here.report(Check.NOT_AS_ASKED, f"{event.type} says something of a wallet: {event.wallet}")
            return
        asked = read_request(event.request) if isinstance(event.request, Raw) else None
        if asked is None or asked.operation != operation or event.operation != operation:
            self._here.report(Check.NOT_AS_ASKED, f"{event.type} answers no request for {operation}")
            return
        held = self._assets.get(event.wallet_id)
        if held is None:
            held = () if self._is_whole or event.wallet is None else event.wallet.assets
        due = event.wallet if event.type == ev.WALLET_RELEASING else facts_of(asked, held)
        if event.wallet != due:
            self._here.report(Check.NOT_AS_ASKED, f"{operation} asked for {due}, the event says {event.wallet}")
        if event.type == ev.WALLET_TIER_SET and (event.tier or "").partition("@")[0] != asked.tier:
            self._here.report(Check.NOT_AS_ASKED, f"{asked.tier} was asked for, the event names the tier {event.tier}")
        if due is not None and due.assets:
            self._assets[event.wallet_id] = self._lists.setdefault(due.assets, due.assets)

    def tier(self, event: LedgerEvent) -> None:
        """An event that names a tier: the one that its wallet is put into, or is in."""
        if event.type == ev.WALLET_TIER_SET:
            if event.wallet is not None:
                self._tiers[event.wallet_id] = event.wallet.tier or ""
            return
        tier = self._tiers.get(event.wallet_id, "" if self._is_whole else None)
        if tier is not None and (event.tier or "").partition("@")[0] != tier:
            where = f"its wallet is in {tier}" if tier else "its wallet is in none"
            self._here.report(Check.STRAY_FACT, f"{event.type} names the tier {event.tier}, but {where}")


def _opened(asked: Asked, _held: _Assets) -> WalletFacts:
    assets = () if asked.assets is UNSET else tuple(dict.fromkeys(asked.assets))
    return WalletFacts(owner_ref=_or_none(asked.owner_ref), kind=_or_none(asked.kind), assets=assets, state="active")


def _sub_wallet_opened(asked: Asked, _held: _Assets) -> WalletFacts:
    return WalletFacts(
        sub_wallet=_or_none(asked.sub_wallet),
        sub_wallet_kind=_or_none(asked.kind),
        payee_wallet_id=_or_none(asked.payee_wallet_id),
    )


def _asset_enabled(asked: Asked, held: _Assets) -> WalletFacts:
    return WalletFacts(assets=held if asked.asset is UNSET else tuple(dict.fromkeys((*held, asked.asset))))


def _state_changed(asked: Asked, _held: _Assets) -> WalletFacts:
    return WalletFacts(state=_or_none(asked.state))


def _closed(_asked: Asked, _held: _Assets) -> WalletFacts:
    return WalletFacts(state="closed")


def _locked(_asked: Asked, _held: _Assets) -> WalletFacts:
    return WalletFacts(state="locked")


def _limits_set(asked: Asked, _held: _Assets) -> WalletFacts | None:
    try:
        limits = msgspec.convert({} if asked.limits is UNSET else asked.limits, dict[str, AssetTerms])
    except msgspec.ValidationError:
        return None
    return WalletFacts(
        limits=limits,
        over_capture_bps=_or_none(asked.over_capture_bps),
        refunds_below_zero=_or_none(asked.refunds_below_zero),
    )


def _tier_set(asked: Asked, _held: _Assets) -> WalletFacts:
    return WalletFacts(tier=_or_none(asked.tier))


def _nothing(_asked: Asked, _held: _Assets) -> None:
    return None


def _or_none(value: Any) -> Any:
    return None if value is UNSET else value


#: Event type -> the operation that it answers, and the facts that it must have.
_FACTS: Final[dict[str, tuple[str, Callable[[Asked, _Assets], WalletFacts | None]]]] = {
    ev.WALLET_OPENED: ("open_wallet", _opened),
    ev.SUB_WALLET_OPENED: ("open_sub_wallet", _sub_wallet_opened),
    ev.ASSET_ENABLED: ("enable_asset", _asset_enabled),
    ev.WALLET_STATE_CHANGED: ("set_wallet_state", _state_changed),
    ev.WALLET_LIMITS_SET: ("set_limits", _limits_set),
    ev.WALLET_TIER_SET: ("set_tier", _tier_set),
    ev.WALLET_STEP_UP_REQUIRED: ("require_step_up", _nothing),
    ev.WALLET_RELEASING: ("release_quarantine", _nothing),
    ev.WALLET_RELEASED: ("release_quarantine", _nothing),
}
#: Operations beside `set_wallet_state` that change a wallet's state, and the facts of their events.
_STATES: Final[dict[str, tuple[str, Callable[[Asked, _Assets], WalletFacts | None]]]] = {
    "close_wallet": ("close_wallet", _closed),
    "lock": ("lock", _locked),
}
#: Types of which `Wallets.event` must hear; of the others only where they have facts.
WALLET_EVENTS: Final = frozenset(_FACTS)
