"""From a record's bytes to a command, or to the reason why there is none."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson
from pydantic import ValidationError

from schemas.cloudevents import HeaderError, read_headers
from schemas.commands import CONTRACTS, RESERVED_WALLET_ID, Command, OpenSubWallet, Transfer
from schemas.events import Source
from schemas.internal import ForwardedRecord, InternalCommand, TransferLeg, decode_internal
from schemas.money import INT64_MAX, is_amount
from streams.machine import InputRecord

_VALIDATORS = {topic: adapter.validator.validate_json for topic, adapter in CONTRACTS.items()}
_LONGEST_READABLE = 255


class Malformed(NamedTuple):
    """Why a record is no command, and what could be read of it all the same."""

    message: str
    field: str | None
    wallet_id: str | None
    idempotency_key: str | None
    request_id: str | None
    operation: str | None


def decode(record: InputRecord, topic: str) -> Command | Malformed:
    """The command in a record of `topic`: checked against the topic's contract and its headers."""
    value = record.value
    if value is None:
        return Malformed("the record has no value; a command is a JSON object", None, None, None, None, None)
    validate = _VALIDATORS.get(topic)
    if validate is None:
        return read_what_can_be(value, f"no operation is defined on {topic} yet", "operation")
    try:
        command: Command = validate(value)
    except ValidationError as error:
        return read_what_can_be(value, *_first_error(error))
    if record.headers:
        try:
            headers = read_headers(record.headers, topic)
        except HeaderError as error:
            return read_what_can_be(value, error.message, error.field[:_LONGEST_READABLE])
        if command.request_id is None and headers.id is not None:
            command.request_id = headers.id
    return _check_wallets(command, value) or command


def _check_wallets(command: Command, value: bytes) -> Malformed | None:
    """Rules that a JSON Schema cannot say: reserved ids, and a transfer from a sub-wallet to itself."""
    if command.wallet_id == RESERVED_WALLET_ID:
        return read_what_can_be(value, f"{RESERVED_WALLET_ID!r} is reserved for system accounts", "wallet_id")
    if type(command) is Transfer:
        if command.to_wallet_id == RESERVED_WALLET_ID:
            return read_what_can_be(value, f"{RESERVED_WALLET_ID!r} is reserved for system accounts", "to_wallet_id")
        if command.to_wallet_id == command.wallet_id and command.to_sub_wallet == command.sub_wallet:
            return read_what_can_be(value, "payer and payee are the same sub-wallet", "to_sub_wallet")
    elif type(command) is OpenSubWallet and command.payee_wallet_id == RESERVED_WALLET_ID:
        return read_what_can_be(value, f"{RESERVED_WALLET_ID!r} is reserved for system accounts", "payee_wallet_id")
    elif command.operation == "open_wallet" and command.sub_wallet != "main":
        return read_what_can_be(value, "a wallet is opened with `main`; use open_sub_wallet for others", "sub_wallet")
    return None


def decode_told(value: bytes | None) -> InternalCommand | Malformed:
    """What one partition told another. Only the ledger writes it, so that anything unreadable is damage or a bug."""
    value = value or b""
    try:
        told: InternalCommand = decode_internal(value)
        # msgspec checks neither the text of what it skips nor of what stays raw, and events would keep it for ever.
        value.decode()
    except (ValueError, RecursionError) as error:
        return read_what_can_be(value, str(error)[:_LONGEST_READABLE])
    if type(told) is TransferLeg and not is_amount(told.amount_minor):
        return read_what_can_be(value, "an amount is between 1 and 2^63 - 1", "amount_minor")
    if type(told) is ForwardedRecord and not _is_place(told.source):
        return read_what_can_be(value, "no record can be there", "source")
    return told


def _is_place(source: Source) -> bool:
    return 0 <= source.partition <= INT64_MAX and 0 <= source.offset <= INT64_MAX


def _first_error(error: ValidationError) -> tuple[str, str | None]:
    """What is wrong, in a sentence without the value itself, and the field."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    # The first element of a location within a tagged union is the tag, not a field.
    path = [str(part) for part in first["loc"][1:]]
    if first["type"].startswith("union_tag"):
        return "`operation` is missing or names no operation of this topic", "operation"
    return str(first["msg"])[:_LONGEST_READABLE], ".".join(path)[:_LONGEST_READABLE] or None


def read_what_can_be(value: bytes, message: str, field: str | None = None) -> Malformed:
    """The identity of a command that cannot be taken, as far as it can be read."""
    fields = _readable(value)

    def text(name: str) -> str | None:
        found = fields.get(name)
        return found if isinstance(found, str) and 0 < len(found) <= _LONGEST_READABLE else None

    return Malformed(message, field, text("wallet_id"), text("idempotency_key"), text("request_id"), text("operation"))


def _readable(value: bytes) -> dict[str, Any]:
    try:
        loaded = orjson.loads(value)
    except ValueError:
        return {}
    return loaded if isinstance(loaded, dict) else {}
