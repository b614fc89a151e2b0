"""Books: what is reconciled with what, by which rules. Reference data of the `matching-rules` topic.

A book is a rail of ours, the accounts on which partners and banks report it, and the relations between them. The record
named `default` is for every rail and account that no other record names: of these the book has the rail's or account's
own name. Where nobody has published one, the one that is shipped counts.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from schemas.contract import Contract
from schemas.matching_rules import Fuzzy, Pass, Rules
from schemas.money import INT64_MAX
from schemas.reconciliation_exceptions import SEVERITIES, Severity
from schemas.reconciliation_lines import RELATION_SIDES

DEFAULT_NAME: Final = "default"

_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
_Days = Annotated[int, Field(ge=0, le=366)]
RelationName = Literal["ledger-partner", "partner-bank", "ledger-bank"]


class SeverityStep(Contract):
    """What is at risk from some amount on, and how soon it should be resolved."""

    model_config = ConfigDict(frozen=True)

    severity: Annotated[Severity, Field(description="How severe it is.")]
    from_minor: Annotated[int, Field(ge=0, le=INT64_MAX, description="From this amount on, in minor units.")]
    due_in_business_days: Annotated[_Days, Field(description="Business days from when it was opened.")]


def _of_what_is_left(rules: Rules) -> Rules:
    """Lines of a book are what moved, fees taken off: a pass takes them off once more only where it says so."""
    passes = (
        each if "fees" in each.model_fields_set else each.model_copy(update={"fees": "none"}) for each in rules.passes
    )
    return rules.model_copy(update={"passes": tuple(passes)})


class RelationRules(Contract):
    """By which rules two sides are compared."""

    model_config = ConfigDict(frozen=True)

    relation: Annotated[RelationName, Field(description="The sides. `ledger-bank` counts while no partner reports.")]
    rules: Annotated[
        Rules,
        AfterValidator(_of_what_is_left),
        Field(description="Passes, best first. One that says nothing on `fees` takes none off: lines are without."),
    ]


class Book(Contract):
    """One book, or with the name `default` what counts for all that have no record of their own."""

    model_config = ConfigDict(frozen=True)

    name: Annotated[_Name, Field(description="Its name; the record's key.")]
    version: Annotated[int, Field(ge=1, le=1_000_000, description="Higher with every change.")]
    state: Annotated[
        Literal["on", "off"], Field(description="`off`: its rails are not reconciled; what arrives is passed over.")
    ] = "on"
    rails: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,64}$")], ...],
        Field(max_length=64, description="Rails that belong to it; none: the one that has its name."),
    ] = ()
    accounts: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=200)], ...],
        Field(max_length=64, description="Accounts of statements that belong to it; none: the one that has its name."),
    ] = ()
    relations: Annotated[tuple[RelationRules, ...], Field(min_length=1, max_length=3, description="What is compared.")]
    bases: Annotated[
        tuple[Literal["booked", "interim", "advice"], ...],
        Field(min_length=1, description="Statements that count; what is not booked comes again in one that is."),
    ] = ("booked",)
    calendar: Annotated[
        str | None,
        Field(max_length=64, description="Calendar of business days; none: that of its first rail, else weekdays."),
    ] = None
    from_date: Annotated[
        str | None,
        Field(
            pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
            description="Lines before this day are passed over, but where they match later ones.",
        ),
    ] = None
    pending_lag_business_days: Annotated[
        _Days, Field(description="How long money may be on its way over a deferred rail.")
    ] = 5
    matched_kept_business_days: Annotated[
        _Days, Field(description="How long a match may still be undone by what comes later, or by people.")
    ] = 5
    severities: Annotated[
        tuple[SeverityStep, ...], Field(min_length=1, max_length=16, description="By amount, the lowest first.")
    ] = (
        SeverityStep(severity="low", from_minor=0, due_in_business_days=5),
        SeverityStep(severity="medium", from_minor=10_000, due_in_business_days=3),
        SeverityStep(severity="high", from_minor=1_000_000, due_in_business_days=1),
        SeverityStep(severity="critical", from_minor=100_000_000, due_in_business_days=0),
    )

    @model_validator(mode="after")
    def _fits_itself(self) -> Self:
        names = [each.relation for each in self.relations]
        if len(set(names)) != len(names):
            raise ValueError("relations: one of them is there twice")
        if self.name == DEFAULT_NAME and (self.rails or self.accounts):
            raise ValueError("default counts for all rails and accounts that no other record names: name none in it")
        amounts = [step.from_minor for step in self.severities]
        if amounts[0] != 0 or amounts != sorted(set(amounts)):
            raise ValueError("severities: the first is from 0, and each from more than the one before")
        ranks = [SEVERITIES.index(step.severity) for step in self.severities]
        if ranks != sorted(ranks):
            raise ValueError("severities: what is more is not less severe")
        if self.calendar is not None:
            from schemas.business_days import check_calendar

            check_calendar(self.calendar)
        return self

    def rules_of(self, relation: str) -> Rules:
        """The rules of a relation.

        Raises:
            KeyError: the book has no such relation.
        """
        for each in self.relations:
            if each.relation == relation:
                return each.rules
        raise KeyError(relation)


def _by_reference(name: str, window: tuple[int, int] | None = None) -> Pass:
    return Pass(
        name=name, keys=(name,), date_window_days=window, fees="none", fee_tolerance_minor=100, fee_tolerance_bp=500
    )


def _rules(*names: str, sums: bool) -> Rules:
    """The tree of keys: references, best first; then sums of a batch; then amount, asset and day."""
    passes = [_by_reference(name) for name in names]
    passes.append(
        Pass(
            name="batch",
            keys=("batch_id",),
            cardinality="n:1",
            fees="none",
            fee_tolerance_minor=100,
            fee_tolerance_bp=500,
        )
    )
    fuzzy = Fuzzy(reference="provider_reference")
    passes.append(Pass(name="alike", date_window_days=(-1, 3), fees="none", fuzzy=fuzzy))
    if sums:
        # Banks seldom repeat a reference of ours; of several that fit none is taken.
        passes.append(Pass(name="amount and day", date_window_days=(-1, 3), fees="none"))
        passes.append(Pass(name="payout", date_window_days=(0, 3), cardinality="n:1", fees="none"))
    return Rules(passes=tuple(passes), expected_lag_business_days=2)


#: What is shipped: counts until somebody publishes `default`.
DEFAULT_BOOK: Final = Book(
    name=DEFAULT_NAME,
    version=1,
    relations=(
        RelationRules(
            relation="ledger-partner",
            rules=_rules("provider_reference", "transaction_id", "end_to_end_id", sums=False),
        ),
        RelationRules(relation="partner-bank", rules=_rules("provider_reference", "end_to_end_id", sums=True)),
        RelationRules(
            relation="ledger-bank",
            rules=_rules("provider_reference", "transaction_id", "end_to_end_id", sums=True),
        ),
    ),
)

assert {each.relation for each in DEFAULT_BOOK.relations} == set(RELATION_SIDES)
