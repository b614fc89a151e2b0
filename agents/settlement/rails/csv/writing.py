"""Writes a batch as a CSV file, a row for each instruction. Pure: the same batch gives the same bytes."""

from __future__ import annotations

import csv
import io
from datetime import date

from agents.settlement.rails.csv.settings import Constant, CsvSettings, Out, Value
from agents.settlement.rails.files.written import Written
from agents.settlement.rails.port import RailMisconfigured
from schemas.assets import Asset, format_minor
from schemas.rail_batches import InstructionAnswer, RailBatch, RailInstruction

#: A text that begins so is a formula for spreadsheets: whoever writes a remittance must not run one (CWE-1236).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
#: External code set of ISO 20022: incorrect account number.
_WRONG_ACCOUNT = "AC01"


def write_csv(batch: RailBatch, settings: CsvSettings, asset: Asset | None) -> Written:
    """The file of a batch, and its instructions that cannot stand in it: the others go.

    Raises:
        RailMisconfigured: nobody knows the asset, so that amounts cannot be written.
    """
    if batch.direction != "out" and not settings.both_directions:
        return Written(
            None,
            tuple(InstructionAnswer(one.end_to_end_id, "rejected", code="direction") for one in batch.instructions),
        )
    if asset is None:
        raise RailMisconfigured(f"{batch.asset} is no asset that is registered: its decimals are not known")
    rows, refused = [], []
    for number, one in enumerate(batch.instructions, start=1):
        if one.beneficiary != " ".join(one.beneficiary.split()) or not one.beneficiary:
            refused.append(InstructionAnswer(one.end_to_end_id, "rejected", code=_WRONG_ACCOUNT))
            continue
        try:
            cells = [_cell(value, number, one, batch, settings.out, asset) for value in settings.out.columns.values()]
            ",".join(cells).encode(settings.out.encoding)
        except UnicodeEncodeError:
            refused.append(InstructionAnswer(one.end_to_end_id, "rejected", code="encoding"))
        else:
            rows.append(cells)
    if not rows:
        return Written(None, tuple(refused))
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=settings.out.delimiter, lineterminator="\r\n")
    if settings.out.header:
        writer.writerow(settings.out.columns)
    writer.writerows(rows)
    return Written(text.getvalue().encode(settings.out.encoding), tuple(refused))


def _cell(value: Value | Constant, number: int, one: RailInstruction, batch: RailBatch, out: Out, asset: Asset) -> str:
    match value:
        case Constant(const=text):
            return text
        case "amount":
            text = str(one.amount_minor) if out.amount_unit == "minor" else format_minor(one.amount_minor, asset)
            return text.replace(".", out.decimal_mark)
        case "execution_date":
            return date.fromisoformat(batch.execution_date).strftime(out.date_format)
        case "number":
            return str(number)
        case "batch_id" | "direction" | "asset":
            return str(getattr(batch, value))
        case "beneficiary" | "end_to_end_id":
            return str(getattr(one, value))
        case _:
            return _harmless(str(getattr(one, value)))


def _harmless(text: str) -> str:
    """Text of others in one line, and no formula."""
    line = " ".join(text.replace("\0", " ").split())
    return f"'{line}" if line.startswith(_FORMULA) else line
