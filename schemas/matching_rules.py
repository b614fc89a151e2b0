"""Matching rules: passes over two sides of lines, best first. Data only."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from schemas.contract import Contract
from schemas.money import INT64_MAX

#: Most passes of one set of rules, and names in the key of one.
MAX_PASSES: Final = 50
MAX_KEYS: Final = 8
#: Furthest that two lines of a match may be apart, in days.
MAX_DAYS: Final = 3_660

ReferenceName = Annotated[
    str,
    Field(pattern=r"^[^#\x00-\x1f][^\x00-\x1f]{0,63}$", description="Name of a reference that both sides have."),
]
Days = Annotated[int, Field(ge=-MAX_DAYS, le=MAX_DAYS)]
Cardinality = Literal["1:1", "1:n", "n:1"]
Minor = Annotated[int, Field(ge=0, le=INT64_MAX)]
BasisPoints = Annotated[int, Field(ge=0, le=10_000)]


class Fuzzy(Contract):
    """A reference that need only be alike. Amount and asset are compared as well, always."""

    model_config = ConfigDict(frozen=True)

    reference: ReferenceName
    minimum: Annotated[int, Field(ge=50, le=100, description="Least likeness that counts, of 100.")] = 85
    margin: Annotated[
        int, Field(ge=0, le=50, description="Another line that is less alike by no more than this is a near tie.")
    ] = 5


class Pass(Contract):
    """One pass: what lines must have in common to belong together. Lines that an earlier pass matched are gone."""

    model_config = ConfigDict(frozen=True)

    name: Annotated[str, Field(pattern=r"^\w[^\x00-\x1f]{0,63}$", description="Recorded with each of its matches.")]
    keys: Annotated[
        tuple[ReferenceName, ...],
        Field(max_length=MAX_KEYS, description="References that must be equal. None: amount, asset and day decide."),
    ] = ()
    amount_tolerance_minor: Annotated[Minor, Field(description="How far amounts may differ, in minor units.")] = 0
    amount_tolerance_bp: Annotated[
        BasisPoints, Field(description="How far, in 1/10,000 of the left amount; the wider of the two counts.")
    ] = 0
    date_window_days: Annotated[
        tuple[Days, Days] | None,
        Field(description="Least and most days from the left line to the right one; any if left out."),
    ] = None
    cardinality: Annotated[
        Cardinality, Field(description="Lines on the left : lines on the right. Of n lines the sum is compared.")
    ] = "1:1"
    fuzzy: Annotated[Fuzzy | None, Field(description="A reference that must be alike, only for 1:1.")] = None
    fees: Annotated[
        Literal["left", "right", "none"],
        Field(description="The side whose lines count less their own fees: a payout is the sum of amounts - fees."),
    ] = "left"
    fee_tolerance_minor: Annotated[
        Minor, Field(description="What is short by no more than this is a `fee_variance` and no `amount_under`.")
    ] = 0
    fee_tolerance_bp: Annotated[BasisPoints, Field(description="The same, in 1/10,000 of the left amount.")] = 0

    @model_validator(mode="after")
    def _fits_itself(self) -> Self:
        if len(set(self.keys)) != len(self.keys):
            raise ValueError("keys: a reference stands there twice")
        window = self.date_window_days
        if window is None and not self.keys:
            raise ValueError("date_window_days: a pass without keys needs one, as in [0, 3]")
        if window is not None and window[0] > window[1]:
            raise ValueError(f"date_window_days: {window[0]} to {window[1]} holds no day; write the smaller one first")
        if self.fuzzy is not None and self.cardinality != "1:1":
            raise ValueError('fuzzy: only passes of cardinality "1:1" have it')
        if self.fuzzy is not None and window is None:
            raise ValueError("date_window_days: a pass with fuzzy needs one, as in [0, 3]")
        return self


class Bounds(Contract):
    """How far sums are looked for. Whatever the lines are, a pass ends."""

    model_config = ConfigDict(frozen=True)

    subset_candidates: Annotated[
        int,
        Field(ge=2, le=30, description="Most lines of which some may be the parts of one; beyond it none is tried."),
    ] = 24
    subset_steps: Annotated[
        int,
        Field(ge=1_000, le=10**10, description="Most sums that one pass forms; what is left then is not tried."),
    ] = 20_000_000


class Rules(Contract):
    """What one relation of two sides is matched by."""

    model_config = ConfigDict(frozen=True)

    passes: Annotated[tuple[Pass, ...], Field(min_length=1, max_length=MAX_PASSES, description="In order, best first.")]
    expected_lag_business_days: Annotated[
        int | None,
        Field(ge=0, le=366, description="Business days in which the other side may come; until then it is `expected`."),
    ] = None
    bounds: Annotated[Bounds, Field(description="How far sums are looked for.")] = Bounds()

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        names = [each.name for each in self.passes]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"passes: two of them are named {', '.join(twice)}; a match names its pass")
        return self
