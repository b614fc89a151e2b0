"""What every statement has to pass before any of its lines is matched: currency, balances, totals, pages, numbers.

The file is refused whole at the first gate that one of its statements does not pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from agents.statements.amounts import told
from agents.statements.parsed import Balance, Entry, ParsedFile, Statement
from agents.statements.refusal import Refusal, at, quoted
from agents.statements.sequence import check_sequence, head_of
from schemas.assets import AssetRegistry
from schemas.external_statements import Proof
from schemas.money import INT64_MAX


def check_file(file: ParsedFile, account_id: str | None, asset: str | None, assets: AssetRegistry, gaps: bool) -> None:
    """All gates of all statements of a file; what they fill in is the statement's asset and dates of lines.

    `account_id` and `asset` are what the account has, where that is known; statements of other accounts are an error
    unless `account_id` picks those that count. With `gaps`, missing numbers and breaks between statements are allowed.

    Raises:
        Refusal: at the first gate that is not passed.
    """
    if not file.statements:
        raise Refusal("empty", "there is no statement in it")
    _check_accounts(file, account_id)
    for statement in file.statements:
        with at(statement.line_number, statement.index):
            _check_currency(statement, asset)
            _check_dates(statement)
            _check_balances(statement, assets)
            _check_controls(statement, assets)
    for one_asset in sorted({one.asset or "" for one in file.statements}):
        booked = [one for one in file.statements if one.asset == one_asset and one.basis == "booked"]
        check_sequence(
            [], [(head_of(one, days_of(one)), one.line_number, one.index) for one in booked], assets, gaps=gaps
        )


def of_account(account_id: str) -> str:
    """An account's identification as two spellings of it are compared: without spaces and dots, in capitals."""
    return "".join(char for char in account_id if char.isalnum()).upper()


def _check_accounts(file: ParsedFile, account_id: str | None) -> None:
    """Keep the statements of the account; of one account where it is not named."""
    found = {one.account_id for one in file.statements if one.account_id is not None}
    if account_id is None:
        if len(found) > 1:
            names = quoted(", ".join(sorted(found)))
            raise Refusal("account", f"statements of several accounts, {names}: import each with its account id")
        return
    wanted = of_account(account_id)
    kept = [one for one in file.statements if one.account_id is None or of_account(one.account_id) == wanted]
    if not kept:
        raise Refusal("account", f"statements of {quoted(', '.join(sorted(found)))}, but none of {account_id}")
    file.statements[:] = kept


def _check_currency(statement: Statement, asset: str | None) -> None:
    """One currency: the account's, of balances and of every line."""
    balances = [one for one in (statement.opening, statement.closing) if one is not None]
    parts: list[Balance | Entry] = [*balances, *statement.entries]
    if statement.asset is None:
        statement.asset = parts[0].asset if parts else asset
    if statement.asset is None:
        raise Refusal("currency", "nothing in the statement says its currency")
    if asset is not None and statement.asset != asset:
        raise Refusal("currency", f"a statement in {statement.asset}, but the account is in {asset}")
    for one in parts:
        if one.asset != statement.asset:
            raise Refusal("currency", f"{one.asset} within a statement in {statement.asset}", one.line_number)


def _check_dates(statement: Statement) -> None:
    """Every line has a day; one that the file does not give is that of the closing balance."""
    closing = None if statement.closing is None else statement.closing.day
    for entry in statement.entries:
        day = entry.booking_date or entry.value_date or closing
        if day is None:
            raise Refusal("date", "an entry without a booking date or value date", entry.line_number)
        entry.value_date = entry.value_date or day
        entry.booking_date = entry.booking_date or day
    if statement.opening is not None and statement.closing is not None:
        first, last = statement.opening.day, statement.closing.day
        if first is not None and last is not None and last < first:
            raise Refusal("date", f"the closing balance ({last}) is earlier than the opening balance ({first})")


def _check_balances(statement: Statement, assets: AssetRegistry) -> None:
    """Opening + lines = closing, and so for the balance after each line where there is one."""
    net = sum(one.amount_minor for one in statement.entries)
    _check_size(statement.entries)
    opening, closing, asset = statement.opening, statement.closing, statement.asset or ""
    if statement.needs_balances and (opening is None or closing is None):
        missing = "opening" if opening is None else "closing"
        raise Refusal("unbalanced", f"the statement has no {missing} balance: nothing proves that no line is missing")
    if opening is not None and closing is not None and opening.minor + net != closing.minor:
        raise Refusal(
            "unbalanced",
            f"opening {told(opening.minor, asset, assets)} + lines {told(net, asset, assets)} = "
            f"{told(opening.minor + net, asset, assets)}, but the closing balance is "
            f"{told(closing.minor, asset, assets)}",
            closing.line_number,
        )


def _check_size(entries: Sequence[Entry]) -> None:
    """No sum of lines goes beyond what an amount may be."""
    incoming = sum(one.amount_minor for one in entries if one.amount_minor > 0)
    outgoing = sum(-one.amount_minor for one in entries if one.amount_minor < 0)
    if incoming > INT64_MAX or outgoing > INT64_MAX:
        raise Refusal("amount", "the lines of the statement add up to more than a signed 64-bit integer")


def _check_controls(statement: Statement, assets: AssetRegistry) -> None:
    """Every total and count of the file is that of its entries."""
    for control in statement.controls:
        if control.asset not in {None, statement.asset}:
            raise Refusal("currency", f"{control.name} is in {control.asset}", control.line_number)
        if control.expected not in control.found:
            found = control.found[0]
            if control.asset is None:
                said, counted = str(control.expected), str(found)
            else:
                said, counted = told(control.expected, control.asset, assets), told(found, control.asset, assets)
            raise Refusal("totals", f"{control.name} is {said}, but the entries give {counted}", control.line_number)


def proof_of(statement: Statement) -> Proof:
    """What proves that the statement is whole."""
    if statement.opening is not None and statement.closing is not None:
        return "balances"
    return "totals" if statement.controls else "none"


def days_of(statement: Statement) -> tuple[date | None, date | None]:
    """First and last day: of the balances, else of the lines."""
    days = [one.booking_date for one in statement.entries if one.booking_date is not None]
    opening = statement.opening.day if statement.opening is not None else None
    closing = statement.closing.day if statement.closing is not None else None
    return opening or min(days, default=closing), closing or max(days, default=opening)
