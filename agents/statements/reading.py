"""The way in: the bytes of a file give the records of its statements, or the one that refuses it; nothing by half."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Literal, NamedTuple

from msgspec.structs import replace

from agents.statements.bai2 import read_bai2
from agents.statements.camt import read_camt
from agents.statements.detect import Kind, detect
from agents.statements.gates import check_file
from agents.statements.mapping import StatementMapping
from agents.statements.mt940 import read_mt
from agents.statements.parsed import ParsedFile
from agents.statements.records import StatementRecords, records_of
from agents.statements.refusal import Refusal
from agents.statements.rows import read_csv, read_json
from agents.statements.texts import text_of_bytes
from schemas.assets import AssetRegistry
from schemas.external_statements import RefusedFile, Side, StatementSource

Format = Literal["auto", "camt", "mt940", "bai2", "csv", "json"]
#: As the source of a record names a file of which no more is known.
_NAMES: Final[dict[Kind, str]] = {"camt": "camt", "mt940": "MT940", "bai2": "BAI2", "csv": "CSV", "json": "JSON"}

_MOST_DETAIL: Final = 1_000
#: A larger file is refused before it is read.
DEFAULT_MAX_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is read, and for which account."""

    account: str
    side: Side = "bank"
    format: Format = "auto"
    #: Of text formats; None: that of the mapping, else UTF-8. XML says its own.
    encoding: str | None = None
    #: Of CSV and JSON.
    mapping: StatementMapping | None = None
    #: What the account is in the files, and its currency, where that is known.
    account_id: str | None = None
    asset: str | None = None
    assets: AssetRegistry = field(default_factory=AssetRegistry)
    #: Missing numbers, and statements that do not open as the one before closed, are let pass.
    allow_gaps: bool = False
    max_bytes: int = DEFAULT_MAX_BYTES


class ReadFile(NamedTuple):
    """A file that has passed its gates."""

    source: StatementSource
    statements: tuple[StatementRecords, ...]


def read_statements(name: str, data: bytes, reading: Reading) -> ReadFile | RefusedFile:
    """Read and prove a file; `name` is its base name. Raises nothing, whatever the bytes are."""
    source = StatementSource(file=name, sha256=sha256(data).hexdigest(), size_bytes=len(data))
    try:
        if len(data) > reading.max_bytes:
            raise Refusal("too_large", too_large(len(data), reading.max_bytes))
        found_format = detect(data, reading.mapping is not None) if reading.format == "auto" else reading.format
        source = replace(source, format=_NAMES[found_format])
        parsed = parse(data, found_format, reading)
        source = replace(source, format=parsed.format)
        count = len(parsed.statements)
        check_file(parsed, reading.account_id, reading.asset, reading.assets, reading.allow_gaps)
        found = [records_of(one, count, reading.account, reading.side, source) for one in parsed.statements]
        _check_twice(found)
    except Refusal as refusal:
        return refused(refusal, source, reading)
    return ReadFile(source, tuple(found))


def parse(data: bytes, found: Kind, reading: Reading) -> ParsedFile:
    """The statements as the file has them; nothing is proven.

    Raises:
        Refusal: the file is none of the format.
    """
    if found == "camt":
        return read_camt(data, reading.assets)
    of_mapping = "utf-8" if reading.mapping is None else reading.mapping.encoding
    text = text_of_bytes(data, reading.encoding or of_mapping)
    if found == "mt940":
        return read_mt(text, reading.assets)
    if found == "bai2":
        return read_bai2(text, reading.assets)
    if reading.mapping is None:
        raise Refusal("mapping", f"{found.upper()} is read by a mapping only: name its file")
    return (read_csv if found == "csv" else read_json)(text, reading.mapping, reading.assets)


def too_large(size_bytes: int, most: int) -> str:
    """Why a file of this size is not read."""
    return f"{size_bytes:,} bytes, but at most {most:,} are read: have it split, or raise the limit"


def refused(refusal: Refusal, source: StatementSource, reading: Reading, *, kept: bool = True) -> RefusedFile:
    """The record that refuses a file; `kept`: its bytes are."""
    return RefusedFile(
        account=reading.account,
        side=reading.side,
        reason=refusal.reason,
        detail=refusal.detail[:_MOST_DETAIL],
        line_number=refusal.line_number,
        statement_index=refusal.statement_index,
        kept=kept,
        source=source,
    )


def _check_twice(found: Sequence[StatementRecords]) -> None:
    """No statement with lines stands in the file twice."""
    seen: dict[str, int] = {}
    for statement, lines in found:
        first = seen.setdefault(statement.content_hash, statement.statement_index)
        if first != statement.statement_index and lines:
            raise Refusal(
                "sequence_repeated",
                f"the statement stands in the file twice: it is the same as the one at index {first}",
                statement.line_number,
                statement.statement_index,
            )
