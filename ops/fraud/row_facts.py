"""The facts that the rows of a table are, with all that is derived: calendar, direction, lists, exchanged amounts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agents.fraud.compile import exchange_assets, exchanged_field
from agents.fraud.exchanging import exchanged_minor
from agents.fraud.facts import add_calendar, direction_of
from agents.fraud.learned import NEW, Model, is_learned, learn
from agents.fraud.lists import Lists, list_checks
from ops.errors import OperationError
from ops.fraud.documents import read_as, read_documents, told_of
from ops.fraud.mapping import FactMapping
from ops.fraud.rules_file import fields_of
from schemas.assets import ISO_4217
from schemas.facts import ANOMALY_SCORE, Fact, FactValue
from schemas.fraud_lists import FraudList
from schemas.fraud_rules import Rule
from schemas.fx_rates import FxRate, Rates

_CALENDAR: Final = frozenset({"hour", "weekday"})


@dataclass(frozen=True)
class Surroundings:
    """What facts are enriched with beside their own row."""

    lists: Sequence[FraudList] = ()
    rates: Sequence[FxRate] = ()


def read_surroundings(lists: Path | None, rates: Path | None, rules: Iterable[Rule]) -> Surroundings:
    """Lists and rates of files, and whether the rules find in them what they ask for.

    Raises:
        OperationError: a file cannot be read, or a rule asks for a list that none has.
    """
    rules = list(rules)
    found = [] if lists is None else read_as(read_documents(lists, "lists"), FraudList, "list", "name")
    names = [each.name for each in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice and lists is not None:
        raise OperationError(told_of(lists, [f"list {name} is there twice" for name in twice]))
    missing = sorted({check.list_name for check in list_checks(rules)} - set(names))
    if missing:
        raise OperationError(
            f"rules ask for the lists {', '.join(missing)}: give a file that has them with --lists, such as "
            '[{"name": "..", "version": 1, "purpose": "watch", "entries": [".."]}]'
        )
    prices = [] if rates is None else read_as(read_documents(rates, "rates"), FxRate, "rate", "rate_id")
    return Surroundings(found, prices)


def not_exchanged(surroundings: Surroundings, rules: Iterable[Rule]) -> list[str]:
    """Assets that rates for these rules are of, and that are passed over: how many decimals they have is not known."""
    wanted = exchange_assets(rules)
    pairs = [{rate.base, rate.quote} for rate in surroundings.rates]
    return sorted({asset for pair in pairs if pair & wanted for asset in pair if asset not in ISO_4217})


class RowFacts:
    """Makes the facts of a table for some rules.

    Args:
        mapping: reads rows.
        rules: only what they look at is derived.
        surroundings: lists and rates.

    Attributes:
        learns: rules look at what is learned, so each fact is to go through `learn`.
    """

    def __init__(self, mapping: FactMapping, rules: Sequence[Rule], surroundings: Surroundings):
        self._mapping = mapping
        looked_at = fields_of(rules)
        own = mapping.kinds.keys()
        #: Of the calendar what rules look at and no column says.
        self._calendar = sorted(looked_at & _CALENDAR - own)
        self._direction = "direction" in looked_at and "direction" not in own
        self._has_time = "time" in looked_at
        self.learns = ANOMALY_SCORE in looked_at - own
        self._direction = self._direction or (self.learns and "direction" not in own)
        #: Wallet -> its model.
        self._models: dict[FactValue, Model] = {}
        self._checks = list_checks(rules)
        self._lists = Lists()
        for each in surroundings.lists:
            self._lists.put(each.name, each.version, each.entries)
        self._assets = sorted(exchange_assets(rules))
        self._rates = Rates()
        for rate in surroundings.rates:
            self._rates = self._rates.with_rate(rate)
        self._is_plain = not (
            self._calendar or self._direction or self._has_time or self._checks or (self._assets and surroundings.rates)
        )

    def read(self, cells: Sequence[str], t_ms: int) -> Fact:
        """The fact of a row whose time is `t_ms`.

        Raises:
            ValueError: a cell cannot be read; the message says which and why.
        """
        fact = self._mapping.read(cells)
        return fact if self._is_plain else self._derive(fact, t_ms)

    def learn(self, fact: Fact, t_ms: int) -> Fact:
        """The fact of a row with what is learned of those before it, if rules look at that; each row once, in order."""
        if not (self.learns and is_learned(fact)):
            return fact
        wallet_id = fact["wallet_id"]
        learned = learn(self._models.get(wallet_id, NEW), fact, t_ms)
        self._models[wallet_id] = learned.model
        return fact if learned.score is None else {**fact, ANOMALY_SCORE: learned.score}

    def _derive(self, fact: dict[str, FactValue], t_ms: int) -> Fact:
        if self._calendar:
            derived: dict[str, FactValue] = {}
            add_calendar(derived, t_ms)
            for name in self._calendar:
                fact[name] = derived[name]
        if self._direction:
            operation = fact.get("operation")
            found = "out" if operation is None else direction_of(str(operation), "to_wallet_id" in fact)
            within = "to_wallet_id" in fact and fact["to_wallet_id"] == fact.get("wallet_id")
            if found is not None and not within:
                fact["direction"] = found
        if self._has_time:
            fact["time"] = t_ms
        for asset in self._assets:
            self._exchange(fact, asset, t_ms)
        return self._lists.enrich(fact, self._checks) if self._checks else fact

    def _exchange(self, fact: dict[str, FactValue], to_asset: str, t_ms: int) -> None:
        """Add what the amount is in another asset at the rate of the event time, if there is one."""
        amount, asset = fact.get("amount_minor"), fact.get("asset")
        if asset == to_asset or not isinstance(amount, int) or not isinstance(asset, str):
            return
        minor = exchanged_minor(amount, asset, to_asset, t_ms, self._rates, ISO_4217.get)
        if minor is not None:
            fact[exchanged_field(to_asset)] = minor
