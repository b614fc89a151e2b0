"""What an input record asks for, read by the contract's own rules: its fields, and the canonical form that was hashed.

Nearly every record is read by one decoder for all operations; what that cannot read goes through the contract itself,
whose word counts.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType
from pydantic import TypeAdapter

from schemas.canonical import canonical_json
from schemas.commands import CONTRACTS
from schemas.events import LedgerEvent


class Asked(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """Fields of all commands, in canonical order: encoded as it stands it is a command's canonical form."""

    alert_id: str | UnsetType = UNSET
    amount_minor: int | UnsetType = UNSET
    approved_by: str | UnsetType = UNSET
    asset: str | UnsetType = UNSET
    assets: list[str] | UnsetType = UNSET
    batch_id: str | UnsetType = UNSET
    code: str | UnsetType = UNSET
    device: object = UNSET
    evidence_ref: str | UnsetType = UNSET
    exception_id: str | UnsetType = UNSET
    execute_at: str | UnsetType = UNSET
    expires_in_s: int | UnsetType = UNSET
    final: bool | UnsetType = UNSET
    from_account: str | UnsetType = UNSET
    idempotency_key: str | UnsetType = UNSET
    instrument_ref: str | UnsetType = UNSET
    items: list[dict[str, object]] | UnsetType = UNSET
    kind: str | UnsetType = UNSET
    limits: dict[str, object] | UnsetType = UNSET
    metadata: dict[str, str] | UnsetType = UNSET
    min_to_amount_minor: int | UnsetType = UNSET
    occurred_at: object = UNSET
    operation: str | UnsetType = UNSET
    over_capture_bps: int | UnsetType = UNSET
    owner_ref: str | UnsetType = UNSET
    partner_id: str | UnsetType = UNSET
    payee_wallet_id: str | UnsetType = UNSET
    rail: str | UnsetType = UNSET
    rail_fee_minor: int | UnsetType = UNSET
    rail_reference: str | UnsetType = UNSET
    rate_id: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    reason_code: str | UnsetType = UNSET
    references: dict[str, str] | UnsetType = UNSET
    refunds_below_zero: bool | UnsetType = UNSET
    request_id: object = UNSET
    requested_by: str | UnsetType = UNSET
    rule_ids: list[str] | UnsetType = UNSET
    settled_minor: int | UnsetType = UNSET
    state: str | UnsetType = UNSET
    sub_wallet: str | UnsetType = UNSET
    tier: str | UnsetType = UNSET
    to_account: str | UnsetType = UNSET
    to_asset: str | UnsetType = UNSET
    to_sub_wallet: str | UnsetType = UNSET
    to_wallet_id: str | UnsetType = UNSET
    transaction_id: str | UnsetType = UNSET
    value_date: str | UnsetType = UNSET
    verdict: str | UnsetType = UNSET
    wallet_id: str | UnsetType = UNSET
    won: bool | UnsetType = UNSET


_decode: Final = msgspec.json.Decoder(Asked).decode
_encode: Final = msgspec.json.Encoder(order="deterministic").encode


def _defaults(contract: TypeAdapter[Any]) -> dict[str, tuple[tuple[str, Any], ...]]:
    """For each operation of a topic the fields that it has although a record does not name them."""
    schema = contract.json_schema()
    found = {}
    for operation, reference in schema["discriminator"]["mapping"].items():
        properties = schema["$defs"][reference.rpartition("/")[2]]["properties"]
        found[operation] = tuple(
            (name, field["default"]) for name, field in properties.items() if field.get("default") is not None
        )
    return found


_DEFAULTS: Final = {topic: _defaults(contract) for topic, contract in CONTRACTS.items()}


def read_request(request: msgspec.Raw) -> Asked | None:
    """The fields of the canonical form that an event keeps; None where it is none."""
    try:
        return _decode(request)
    except (ValueError, RecursionError):
        return None


def read_kept(event: LedgerEvent) -> Asked:
    """The fields of the request that an event keeps; none where it keeps none that can be read."""
    request = event.request
    asked = None if request is UNSET else read_request(request)
    return Asked() if asked is None else asked


def read_quickly(topic: str, value: bytes) -> tuple[Asked, bytes] | None:
    """The fields of an input record and its canonical form; None where only the contract can tell.

    Nothing is checked: equal to a canonical form that the ledger wrote, it is right, and else the contract is asked.
    """
    try:
        asked = _decode(value)
        defaults = _DEFAULTS[topic][asked.operation]  # type: ignore[index]
        asked.device = asked.occurred_at = asked.request_id = UNSET
        for name, default in defaults:
            if getattr(asked, name) is UNSET:
                setattr(asked, name, default)
        return asked, _encode(asked)
    except (ValueError, KeyError, RecursionError, OverflowError):
        return None


def read_by_contract(topic: str, value: bytes) -> tuple[Asked, bytes] | None:
    """The same by the contract; None where the record is no command of its topic."""
    contract = CONTRACTS.get(topic)
    if contract is None:
        return None
    try:
        fields = contract.validate_json(value).canonical_fields()
        return msgspec.convert(fields, Asked), canonical_json(fields)
    except (ValueError, RecursionError):
        return None
