"""Reads an answer file of CSV: a row for each payment, by the mapping. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from agents.settlement.rails.csv.settings import In
from agents.settlement.rails.files.answering import Said, answers_of, batch_of
from agents.settlement.rails.files.arrived import Arrived
from agents.statements.amounts import minor_of, whole_minor_of
from agents.statements.refusal import Refusal, at, quoted
from agents.statements.texts import text_of_bytes
from schemas.assets import Asset
from schemas.clock import rfc3339
from schemas.rail_batches import InstructionAnswer, RailAnswer

_MOST_REFERENCE: Final = 140
_MOST_CODE: Final = 35
_MOST_CELL: Final = 10_000


def read_answers(rail: str, arrived: Arrived, mapping: In, asset_of: Callable[[str], Asset | None]) -> list[RailAnswer]:
    """The answers in a file; rows that are none of ours are passed over.

    Args:
        rail: name of the rail.
        arrived: the file.
        mapping: which column says what.
        asset_of: the asset of a batch; asked for where amounts are in major units.

    Raises:
        Refusal: a column is missing, or a row of ours is not as it must be: nothing of the file counts.
    """
    said: dict[str, Said] = {}
    for number, row in _rows(text_of_bytes(arrived.content, mapping.encoding), mapping):
        with at(number):
            batch_id = batch_of(row[mapping.end_to_end_id].strip())
            if batch_id is not None:
                asset = asset_of(batch_id) if mapping.amount_unit == "major" else None
                said.setdefault(batch_id, Said()).instructions.append(_answer(row, mapping, asset))
    if not said:
        raise Refusal("empty", "no row in it is of a payment of ours")
    return answers_of(rail, arrived, said.items(), rfc3339(arrived.changed_ms))


def _rows(text: str, mapping: In) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows with the numbers of their last lines, by column."""
    lines = io.StringIO(text, newline="")
    for _ in range(mapping.skip_lines):
        lines.readline()
    reader = csv.reader(lines, delimiter=mapping.delimiter, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        missing = [name for name in mapping.columns() if header.count(name) != 1]
        if missing:
            raise Refusal(
                "mapping", f"there has to be one column {quoted(missing[0])}; there are {quoted(str(header))}"
            )
        for cells in reader:
            if not any(cells):
                continue
            number = reader.line_num + mapping.skip_lines
            if len(cells) != len(header):
                raise Refusal("malformed", f"a row of {len(cells)} fields, where the header has {len(header)}", number)
            if any(len(cell) > _MOST_CELL for cell in cells):
                raise Refusal("malformed", f"a field of more than {_MOST_CELL} characters", number)
            yield number, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise Refusal("malformed", f"CSV: {error}", reader.line_num + mapping.skip_lines) from None


def _answer(row: dict[str, str], mapping: In, asset: Asset | None) -> InstructionAnswer:
    status = row[mapping.status].strip()
    state = mapping.statuses.get(status)
    if state is None:
        raise Refusal("mapping", f"nothing says what {quoted(status)} means; statuses: {', '.join(mapping.statuses)}")
    moved = state in ("settled", "returned")
    return InstructionAnswer(
        row[mapping.end_to_end_id].strip(),
        state,
        settled_minor=_minor(row, mapping.amount, mapping, asset) if moved else None,
        fee_minor=_minor(row, mapping.fee, mapping, asset) or 0,
        rail_reference=_text(row, mapping.reference)[:_MOST_REFERENCE],
        code=(_text(row, mapping.code) or status)[:_MOST_CODE] if state in ("rejected", "returned") else "",
        value_date=_day(_text(row, mapping.value_date), mapping.date_format),
    )


def _text(row: dict[str, str], column: str | None) -> str:
    return "" if column is None else row[column].strip()


def _minor(row: dict[str, str], column: str | None, mapping: In, asset: Asset | None) -> int | None:
    text = _text(row, column)
    if not text:
        return None
    if mapping.amount_unit == "minor":
        return whole_minor_of(text)
    if asset is None:
        raise Refusal("currency", "nobody knows the asset of the amounts: its decimals are not known")
    return minor_of(text, asset, mark=mapping.decimal_mark)


def _day(text: str, date_format: str) -> str | None:
    if not text:
        return None
    try:
        return datetime.strptime(text, date_format).date().isoformat()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        raise Refusal("date", f"{quoted(text)} is no day as {date_format} has it") from None
