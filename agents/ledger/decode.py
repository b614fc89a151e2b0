"""From a record's bytes to a command, or to the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

import orjson
from pydantic import TypeAdapter, ValidationError

from schemas.cloudevents import MAX_ID_LENGTH, HeaderError, read_headers
from schemas.commands import Batch, Capture, Convert, OpenSubWallet, Transfer
from schemas.contract import RESERVED_WALLET_ID, WalletId
from schemas.events import Source
from schemas.internal import ForwardedRecord, InternalCommand, TransferLeg, decode_internal
from schemas.money import INT64_MAX, is_amount
from schemas.operator_commands import Adjust
from schemas.reading import READERS, ReadCommand
from streams.machine import Headers

_validate_wallet_id = TypeAdapter(WalletId).validate_python
_LONGEST_READABLE = 255
#: Operations that name a sub-wallet, or take that of the transaction that they name.
_OF_A_SUB_WALLET = frozenset(
    {
        *("fee", "reward"),
        *("credit", "debit", "authorize", "release", "cancel", "refund", "dispute"),
        *("reverse", "resolve_dispute", "submit", "settle", "fail", "return", "screening_verdict"),
    }
)
_RESERVED = f"{RESERVED_WALLET_ID!r} is reserved for system accounts"


class Written(Protocol):
    """What a producer wrote of a record, wherever it is read."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...


class Malformed(NamedTuple):
    """Why a record is no command, and what could be read of it all the same."""

    message: str
    field: str | None
    wallet_id: str | None
    idempotency_key: str | None
    request_id: str | None
    operation: str | None


def decode(record: Written, topic: str) -> ReadCommand | Malformed:
    """The command in a record of `topic`: checked against the topic's contract and its headers."""
    value = record.value
    if value is None:
        return _unread(record, "the record has no value; a command is a JSON object")
    read = READERS.get(topic)
    if read is None:
        return _unread(record, f"no operation is defined on {topic} yet", "operation")
    try:
        command = read(value)
    except ValidationError as error:
        return _unread(record, *_first_error(error))
    if record.headers:
        try:
            headers = read_headers(record.headers, topic)
        except HeaderError as error:
            return _unread(record, error.message, error.field[:_LONGEST_READABLE])
        if command.request_id is None and headers.id is not None:
            command.request_id = headers.id
    wrong = _wrong_wallet(command)
    return command if wrong is None else _unread(record, *wrong)


def _wrong_wallet(command: ReadCommand) -> tuple[str, str] | None:
    """What a JSON Schema does not say is wrong, and in which field: ids and sub-wallets that cannot be named here."""
    if command.wallet_id == RESERVED_WALLET_ID:
        return _RESERVED, "wallet_id"
    operation = command.operation
    check = _CHECKS.get(operation)
    if check is not None:
        return check(command)
    return None if operation in _OF_A_SUB_WALLET else _wrong_part(command.operation, command.sub_wallet)


def _wrong_part(operation: str, sub_wallet: str) -> tuple[str, str] | None:
    if sub_wallet == "main":
        return None
    if operation == "open_wallet":
        return "a wallet is opened with `main`; use open_sub_wallet for others", "sub_wallet"
    # Accepting it would do to the whole wallet what was asked for a part of it.
    return f"{operation} is of the whole wallet; sub_wallet is `main` or left out", "sub_wallet"


def _wrong_accounts(command: Adjust) -> tuple[str, str] | None:
    if command.from_account == command.to_account:
        return "both accounts are the same", "to_account"
    return _wrong_part(command.operation, command.sub_wallet)


def _wrong_payee(command: Transfer) -> tuple[str, str] | None:
    return _wrong_payee_of(command.wallet_id, command)


def _wrong_payee_of(wallet_id: str, command: Transfer) -> tuple[str, str] | None:
    if command.to_wallet_id == RESERVED_WALLET_ID:
        return _RESERVED, "to_wallet_id"
    is_exchanged = command.to_asset not in (None, command.asset)
    if not is_exchanged and (command.rate_id is not None or command.min_to_amount_minor is not None):
        return "only a transfer whose to_asset is another one is exchanged on its way", "to_asset"
    if command.to_wallet_id == wallet_id and command.to_sub_wallet == command.sub_wallet:
        return "payer and payee are the same sub-wallet", "to_sub_wallet"
    return None


def _wrong_exchange(command: Convert) -> tuple[str, str] | None:
    return ("both assets are the same", "to_asset") if command.to_asset == command.asset else None


def _wrong_items(command: Batch) -> tuple[str, str] | None:
    """What is wrong with an item, as it would be with the command of its own."""
    items: list[Any] = command.items
    for number, item in enumerate(items):
        operation = item.__struct_config__.tag
        wrong = None
        if operation == "transfer":
            wrong = _wrong_payee_of(command.wallet_id, item)
        elif operation == "convert":
            wrong = _wrong_exchange(item)
        if wrong is not None:
            return wrong[0], f"items.{number}.{wrong[1]}"
    return _wrong_part(command.operation, command.sub_wallet)


def _wrong_capture(command: Capture) -> tuple[str, str] | None:
    if command.to_wallet_id is None:
        if command.to_sub_wallet is not None:
            return "only a capture to a payee names a sub-wallet of theirs", "to_sub_wallet"
        return None
    if command.rail is not None:
        return "a capture goes over a rail or to a payee, not both", "rail"
    return (_RESERVED, "to_wallet_id") if command.to_wallet_id == RESERVED_WALLET_ID else None


def _wrong_sub_wallet(command: OpenSubWallet) -> tuple[str, str] | None:
    if command.kind == "escrow":
        if command.payee_wallet_id is None:
            return "an escrow names the wallet that it may pay", "payee_wallet_id"
        if command.payee_wallet_id == RESERVED_WALLET_ID:
            return _RESERVED, "payee_wallet_id"
    elif command.payee_wallet_id is not None:
        return "only an escrow names the wallet that it may pay", "payee_wallet_id"
    if command.kind == "main" and command.sub_wallet != "main":
        return "only `main` is of the kind main, and it is opened with the wallet", "kind"
    return None


#: What may be wrong with the fields of some operations, sub-wallets included.
_CHECKS: Final[dict[str, Callable[[Any], tuple[str, str] | None]]] = {
    "transfer": _wrong_payee,
    "convert": _wrong_exchange,
    "batch": _wrong_items,
    "capture": _wrong_capture,
    "open_sub_wallet": _wrong_sub_wallet,
    "adjust": _wrong_accounts,
}


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
    # The first element of a location within a tagged union is its tag, not a field; so is that behind an item's number.
    path = [str(part) for part in first["loc"][1:]]
    if path[:1] == ["items"]:
        del path[2:3]
    if first["type"].startswith("union_tag"):
        where = ".".join([*path, "operation"])
        what = "of a batch" if path else "of this topic"
        return f"`operation` is missing or names no operation {what}", where
    return str(first["msg"])[:_LONGEST_READABLE], ".".join(path)[:_LONGEST_READABLE] or None


def _unread(record: Written, message: str, field: str | None = None) -> Malformed:
    """What can be read of a record that is no command, with what its headers and its key say in place of the rest."""
    read = read_what_can_be(record.value, message, field)
    if read.request_id is None:
        read = read._replace(request_id=_id_of(record.headers))
    if read.wallet_id is None and not _is_object(record.value):
        read = read._replace(wallet_id=_wallet_of(record.key))
    return read


def _is_object(value: bytes | None) -> bool:
    try:
        return isinstance(orjson.loads(value or b""), dict)
    except ValueError:
        return False


def _id_of(headers: Headers) -> str | None:
    """The `ce_id` of a record whose headers may be wrong elsewhere; None where it cannot be told."""
    ids = [value for name, value in headers if name == "ce_id"]
    if len(ids) != 1:
        return None
    try:
        text = (ids[0] or b"").decode()
    except UnicodeDecodeError:
        return None
    return text if 0 < len(text) <= MAX_ID_LENGTH else None


def _wallet_of(key: bytes | None) -> str | None:
    """The wallet that a record's key names, if it could be one."""
    try:
        wallet_id = _validate_wallet_id((key or b"").decode())
    except ValueError:
        return None
    return None if wallet_id == RESERVED_WALLET_ID else wallet_id


def read_what_can_be(value: bytes | None, message: str, field: str | None = None) -> Malformed:
    """The identity of a command that cannot be taken, as far as it can be read."""
    fields = _readable(value)

    def text(name: str) -> str | None:
        found = fields.get(name)
        return found if isinstance(found, str) and 0 < len(found) <= _LONGEST_READABLE else None

    return Malformed(message, field, text("wallet_id"), text("idempotency_key"), text("request_id"), text("operation"))


def _readable(value: bytes | None) -> dict[str, Any]:
    if value is None:
        return {}
    try:
        loaded = orjson.loads(value)
    except ValueError:
        return {}
    return loaded if isinstance(loaded, dict) else {}
