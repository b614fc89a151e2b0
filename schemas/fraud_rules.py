"""Fraud rules: what analysts publish on `fraud-rules`. Data only: typed conditions, no code and no patterns to run.

A rule sees facts (`schemas.facts`). Its filter says which; its key whose history is looked at; its aggregate what of
that history, in a window of event time that ends with the fact; its condition when it fires.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from schemas.assets import ReferenceAssetCode
from schemas.contract import Text
from schemas.fraud_filters import EVERYTHING, Comparison, FieldName, Filter, Number, Part, Value, check_size
from schemas.money import INT64_MAX

#: Longest window: what is kept of a history, in seconds.
MAX_WINDOW_S: Final = 400 * 86_400

RuleId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="Id of the rule; the record's key.")]
Severity = Annotated[
    Literal["low", "medium", "high", "critical"], Field(description="How much it matters, for those who read alerts.")
]
RuleState = Literal["draft", "shadow", "active", "paused"]
Action = Literal["alert", "review", "step_up", "lock"]
Function = Literal[
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "stddev",
    "count_distinct",
    "time_since_last",
    "ratio",
    "share",
    "speed_kmh",
]


WindowSeconds = Annotated[
    int, Field(ge=1, le=MAX_WINDOW_S, description="Seconds of event time: of a fact at t, after t - window_s, up to t.")
]


class Aggregate(Part):
    """What is computed of a window of the key's history."""

    function: Annotated[
        Function,
        Field(
            description="Of `field`: sum, avg, min, max, stddev (of the population), count_distinct. share: how much "
            "of the window has the fact's own `field`, or `value`. time_since_last: seconds since the fact before. "
            "ratio: of what `numerator` passes to what `denominator` passes, by `field` or by number. speed_kmh: "
            "from the place of the fact before to this one's."
        ),
    ]
    field: FieldName | None = None
    window_s: WindowSeconds
    include_current: Annotated[bool, Field(description="Whether the window holds the fact itself.")] = False
    min_events: Annotated[
        int, Field(ge=0, le=1_000_000, description="Facts that the window must hold for the rule to look at it.")
    ] = 0
    filter: Annotated[
        Filter | None, Field(description="Which facts count; those that the rule's own filter passes if left out.")
    ] = None
    value: Annotated[Value | None, Field(description="Of share: the value; the fact's own if left out.")] = None
    numerator: Annotated[Filter | None, Field(description="Of ratio.")] = None
    denominator: Annotated[Filter | None, Field(description="Of ratio; all that counts if left out.")] = None
    at_least_km: Annotated[
        int | None,
        Field(
            ge=1, le=20_000, description="Of speed_kmh: what is nearer counts as the same place; any move if left out."
        ),
    ] = None
    in_asset: Annotated[
        ReferenceAssetCode | None,
        Field(description="Amounts are exchanged into this asset; without it each asset is counted apart."),
    ] = None

    @model_validator(mode="after")
    def _fits_itself(self) -> Self:
        if self.function in ("sum", "avg", "min", "max", "stddev", "count_distinct", "share"):
            if self.field is None:
                raise ValueError(f"field: {self.function} needs one")
        elif self.field is not None and self.function != "ratio":
            raise ValueError(f"field: {self.function} takes none: leave it out")
        if self.function == "ratio" and self.numerator is None:
            raise ValueError("numerator: ratio needs one")
        if self.function != "ratio" and (self.numerator is not None or self.denominator is not None):
            raise ValueError("numerator, denominator: only ratio has them")
        if self.value is not None and self.function != "share":
            raise ValueError("value: only share has one")
        if self.at_least_km is not None and self.function != "speed_kmh":
            raise ValueError("at_least_km: only speed_kmh has it")
        if self.in_asset is not None and self.field != "amount_minor":
            raise ValueError("in_asset: only what is computed of amount_minor has it")
        if self.include_current and self.function in ("time_since_last", "speed_kmh"):
            raise ValueError(f"include_current: {self.function} is about the fact before: leave it out")
        return self


class Sequence(Part):
    """Facts of the key in this order, each passing its step; the last is the fact itself."""

    steps: Annotated[tuple[Filter, ...], Field(min_length=2, max_length=5, description="What each passes, in order.")]
    within_s: WindowSeconds


class Combination(Part):
    """Other rules of the same key that have fired: the sum of their scores, each once, must reach `threshold`."""

    rules: Annotated[tuple[RuleId, ...], Field(min_length=1, max_length=50, description="Ids of those rules.")]
    within_s: WindowSeconds
    threshold: Annotated[int, Field(ge=1, le=10_000, description="The least sum of scores at which it fires.")]


class Condition(Part):
    """A comparison: of the aggregate, or of the fact's field `left`, with `value` or with a multiple of a history.

    | aggregate | `left` | compared |
    |---|---|---|
    | yes | no | aggregate with `value`, or with `factor` times the aggregate `against` |
    | yes | yes | `left` with `factor` times the aggregate |
    | no | yes | `left` with `value` |

    With `at_most` it has an end on the other side as well.
    """

    left: FieldName | None = None
    op: Annotated[Comparison, Field(description="How the two are compared.")]
    value: Annotated[Number | None, Field(description="The number that it is compared with.")] = None
    factor: Annotated[Number | None, Field(description="Of a history: how many times of it.")] = None
    against: Annotated[Aggregate | None, Field(description="The key's own history over another window.")] = None
    at_most: Annotated[
        Number | None,
        Field(description="With gt or ge: the `value` or `factor` up to which it holds, no end if left out."),
    ] = None

    @model_validator(mode="after")
    def _has_two_ends(self) -> Self:
        least = self.factor if self.value is None else self.value
        if self.at_most is not None:
            if self.op not in ("gt", "ge"):
                raise ValueError("at_most: only gt and ge have it")
            if least is not None and (self.at_most < least or (self.op == "gt" and self.at_most == least)):
                raise ValueError(f"at_most: {self.at_most} is not above {least}, nothing lies between them")
        return self


class Rule(Part):
    """One version of a rule. Versions do not change: whoever changes a rule publishes a higher one."""

    rule_id: RuleId
    version: Annotated[int, Field(ge=1, le=INT64_MAX, description="Higher with every change but one of `state`.")]
    state: Annotated[
        RuleState,
        Field(description="A `draft` and one `paused` see nothing; one in `shadow` raises alerts that nobody acts on."),
    ]
    severity: Severity
    score: Annotated[int, Field(ge=0, le=100, description="What it adds to a combination.")]
    description: Annotated[Text | None, Field(description="What it is against, for those who read its alerts.")] = None
    source: Annotated[Text | None, Field(description="Where it comes from: a paper, a typology, a regulator.")] = None
    filter: Annotated[Filter, Field(description="Which facts it looks at.")] = EVERYTHING
    key: Annotated[
        tuple[FieldName, ...],
        Field(min_length=1, max_length=4, description="Whose history: facts that agree in these fields."),
    ]
    aggregate: Annotated[Aggregate | None, Field(description="What of the history it computes.")] = None
    sequence: Annotated[Sequence | None, Field(description="Or: facts in an order that it asks for.")] = None
    combination: Annotated[Combination | None, Field(description="Or: rules whose scores it adds up.")] = None
    condition: Annotated[
        Condition | None, Field(description="When it fires; without one at each fact that its filter passes.")
    ] = None
    cooldown_s: Annotated[
        int, Field(ge=0, le=MAX_WINDOW_S, description="Seconds in which what it says again is counted on one alert.")
    ] = 0
    action: Annotated[Action, Field(description="What an alert leads to.")] = "alert"
    actions_per_hour: Annotated[
        int, Field(ge=0, le=1_000_000, description="Most actions in an hour and partition; beyond it alerts only.")
    ] = 20
    alerts_per_hour: Annotated[
        int,
        Field(
            ge=1,
            le=1_000_000,
            description="Most alerts in an hour and partition; beyond it the rule is paused. And most payments that "
            "it denies; others wait for an analyst.",
        ),
    ] = 1_000
    shadow_max_bps: Annotated[
        int,
        Field(ge=1, le=10_000, description="In shadow: in how many of 10,000 facts it may fire before it is paused."),
    ] = 1_000

    @model_validator(mode="after")
    def _fits_itself(self) -> Self:
        if len(set(self.key)) != len(self.key):
            raise ValueError("key: a field stands there twice")
        kinds = [name for name in ("aggregate", "sequence", "combination") if getattr(self, name) is not None]
        if len(kinds) > 1:
            raise ValueError(f"{kinds[1]}: a rule has one of aggregate, sequence and combination")
        for name, part in self.filters():
            check_size(name, part)
        self._check_condition()
        return self

    def _check_condition(self) -> None:
        condition = self.condition
        if condition is None:
            if self.aggregate is not None:
                raise ValueError('condition: an aggregate needs one, as in {"op": "gt", "value": 5}')
            return
        if self.sequence is not None or self.combination is not None:
            raise ValueError("condition: a sequence or a combination has none")
        given = {name for name in ("left", "value", "factor", "against") if getattr(condition, name) is not None}
        if self.aggregate is None:
            if given != {"left", "value"}:
                raise ValueError("condition: without an aggregate it compares `left` with `value`")
        elif given not in ({"value"}, {"factor", "against"}, {"left", "factor"}):
            raise ValueError(
                "condition: an aggregate is compared with `value`, or with `factor` times `against`, "
                "or `left` with `factor` times the aggregate"
            )

    def filters(self) -> list[tuple[str, Filter]]:
        """All its filters, each with where it stands."""
        found: list[tuple[str, Filter | None]] = [("filter", self.filter)]
        aggregates = [("aggregate", self.aggregate)]
        if self.condition is not None:
            aggregates.append(("condition.against", self.condition.against))
        for name, aggregate in aggregates:
            if aggregate is not None:
                parts = ("filter", "numerator", "denominator")
                found += [(f"{name}.{part}", getattr(aggregate, part)) for part in parts]
        if self.sequence is not None:
            found += [(f"sequence.steps.{index}", step) for index, step in enumerate(self.sequence.steps)]
        return [(name, part) for name, part in found if part is not None]
