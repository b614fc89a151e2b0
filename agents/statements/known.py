"""What an account has had before, and what a file that was just read adds to it. A fold of `external-statements`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from msgspec.structs import replace

from agents.statements.gates import of_account
from agents.statements.reading import ReadFile, Reading, refused
from agents.statements.records import StatementRecords
from agents.statements.refusal import Refusal
from agents.statements.sequence import Head, Placed, check_sequence, head_of_imported
from schemas.external_statements import ExternalRecord, ExternalStatement, RefusedFile, Side

#: `imported`: its records are to be written. `seen`: the very file, or each of its statements, was imported before.
Outcome = Literal["imported", "seen", "refused"]


class Copy(NamedTuple):
    """A statement that was imported before from another file."""

    statement: ExternalStatement
    original: ExternalStatement


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a file. `records` are what is written, in one transaction: nothing where it is known."""

    outcome: Outcome
    records: tuple[ExternalRecord, ...] = ()
    statements: tuple[StatementRecords, ...] = ()
    copies: tuple[Copy, ...] = ()
    refusal: RefusedFile | None = None


@dataclass(slots=True)
class Known:
    """Statements and refused files of one account and side, in their order."""

    account: str
    side: Side
    statements: list[ExternalStatement] = field(default_factory=list)
    #: SHA-256 -> the last refusal.
    refused: dict[str, RefusedFile] = field(default_factory=dict)

    def take(self, record: ExternalRecord) -> None:
        """Take the next record of the topic, or one that was just written; those of others are passed over."""
        if record.account != self.account:
            return
        if isinstance(record, ExternalStatement) and record.side == self.side:
            self.statements.append(record)
        elif isinstance(record, RefusedFile) and record.side == self.side:
            self.refused[record.source.sha256] = record

    def decide(self, read: ReadFile | RefusedFile, reading: Reading) -> Decision:
        """What a file adds: all of it, or nothing."""
        if isinstance(read, RefusedFile):
            return self._refuse(read)
        sha256 = read.source.sha256
        # Statements of other accounts in the same file are imported with another account id.
        same = {one.statement_id for one in self.statements if one.source.sha256 == sha256}
        if same.issuperset(one.statement.statement_id for one in read.statements):
            return Decision("seen", statements=read.statements)
        try:
            fresh, copies = self._without_copies(read)
            if fresh:
                # Of one account, as those of several are told apart by an id that is named.
                self._check_account(fresh[0].statement, reading)
            fresh = self._in_sequence(fresh, reading)
        except Refusal as refusal:
            return self._refuse(refused(refusal, read.source, reading))
        if not fresh:
            return Decision("seen", statements=read.statements, copies=tuple(copies))
        records: list[ExternalRecord] = []
        for statement, lines in fresh:
            records += [*lines, statement]
        return Decision("imported", tuple(records), tuple(fresh), tuple(copies))

    def _refuse(self, refusal: RefusedFile) -> Decision:
        told = self.refused.get(refusal.source.sha256) == refusal
        return Decision("refused", () if told else (refusal,), refusal=refusal)

    def _without_copies(self, read: ReadFile) -> tuple[list[StatementRecords], list[Copy]]:
        by_content = {one.content_hash: one for one in self.statements}
        by_reference = {_named(one): one for one in self.statements}
        fresh, copies = [], []
        for records in read.statements:
            statement = records.statement
            original = by_content.get(statement.content_hash)
            if original is not None:
                copies.append(Copy(statement, original))
                continue
            # Those of ISO 20022 are unique, and so is what a mapping tells statements apart by; `:20:` of SWIFT is
            # often the same for all.
            has_own_id = (statement.source.format or "").startswith(("camt", "CSV", "JSON"))
            same_id = by_reference.get(_named(statement))
            if has_own_id and statement.reference and same_id is not None:
                raise Refusal(
                    "copy_differs",
                    f"statement {statement.reference} says something else than the one imported from "
                    f"{same_id.source.file}",
                    statement.line_number,
                    statement.statement_index,
                )
            fresh.append(records)
        return fresh, copies

    def _in_sequence(self, fresh: list[StatementRecords], reading: Reading) -> list[StatementRecords]:
        """The statements, among those before; with what was missing where that is allowed."""
        allowed: dict[int, str] = {}
        for asset in {one.statement.asset for one in fresh}:
            booked = [
                one.statement for one in fresh if one.statement.asset == asset and one.statement.basis == "booked"
            ]
            if not booked:
                continue
            account_id = of_account(booked[0].account_id or "")
            before = [
                head_of_imported(one)
                for one in self.statements
                if one.asset == asset and one.basis == "booked" and of_account(one.account_id or "") == account_id
            ]
            new: list[Placed] = [(_head(one), one.line_number, one.statement_index) for one in booked]
            allowed |= check_sequence(before, new, reading.assets, gaps=reading.allow_gaps, all_before=True)
        return [
            StatementRecords(replace(one, gap_allowed=allowed.get(one.statement_index)), lines) for one, lines in fresh
        ]

    def _check_account(self, statement: ExternalStatement, reading: Reading) -> None:
        """A file of another account under this name is a mistake, unless somebody says that it is none."""
        before = {of_account(one.account_id): one.account_id for one in self.statements if one.account_id is not None}
        account_id = statement.account_id
        if reading.account_id is None and account_id is not None and before and of_account(account_id) not in before:
            known = ", ".join(sorted(before.values()))
            raise Refusal(
                "account",
                f"a statement of {account_id}, but those of {self.account} so far are of {known}: name the account id "
                "if this is right",
                statement.line_number,
                statement.statement_index,
            )


def _named(statement: ExternalStatement) -> tuple[str | None, str, str | None, int, str]:
    """By what a statement is told from others of an account: its id, within its kind of message."""
    return statement.account_id, statement.asset, statement.reference, statement.first_page, statement.basis


def _head(statement: ExternalStatement) -> Head:
    head = head_of_imported(statement)
    number = statement.sequence_number
    return head._replace(name=f"statement {number or statement.reference or statement.statement_index}")
