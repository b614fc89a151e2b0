"""What fraud rules cost without Kafka: facts shown to the engine, and alerts made of what it says.

    python -m ops.bench.fraud_engine [--facts N] [--json | --profile [--rules N]]

Prints facts a second with 10 and with 25 rules, and what one fact costs with ten and with ten thousand others in its
windows. All of it in processor time of one process; the facts are made before the clock runs.
"""

from __future__ import annotations

import cProfile
import pstats
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from agents.fraud.alerts import Alerts
from agents.fraud.compile import compile_rules
from agents.fraud.engine import Engine
from agents.fraud.facts import add_calendar
from ops.bench.fraud_rules import RULES, every_function
from ops.cli.running import print_json
from schemas.fraud_rules import Rule
from streams.memory import collect_rarely

_START_MS: Final = 1_790_000_000_000
_LATENESS_MS: Final = 3_600_000
#: Facts between two times that the engine is told to forget.
_TRIM_EVERY: Final = 500
#: Numbers of rules that are tried.
NUMBERS_OF_RULES: Final = (10, 25)
#: Runs of which the fastest counts: what else runs on the machine only takes from it.
_RUNS: Final = 3
#: Numbers of facts in a window that are compared.
FEW: Final = 10
MANY: Final = 10_000

#: Event time, partition, offset; and the fact.
Shown = tuple[tuple[int, int, int], dict[str, Any]]


def make_facts(count: int, seed: int = 1, wallets: int = 10_000, apart_ms: int = 200) -> Iterator[Shown]:
    """Facts as the role makes them of ledger events: some wallets busier than others, one in fifty late."""
    chance = random.Random(seed)
    for number in range(count):
        late_ms = chance.randrange(60_000) if chance.random() < 0.02 else 0
        t_ms = _START_MS + number * apart_ms - late_ms
        wallet, payee = int(wallets * chance.random() ** 1.3), int(wallets * chance.random() ** 1.3)
        fact: dict[str, Any] = {
            "type": "transaction.settled",
            "status": "rejected" if chance.random() < 0.02 else "accepted",
            "wallet_id": f"w-{wallet}",
            "late_ms": late_ms,
            "transaction_id": f"{number:032x}",
            "amount_minor": int(chance.lognormvariate(8, 1.2)) + 1,
            "asset": "EUR" if chance.random() < 0.9 else "USD",
            "wallet_age_s": chance.randrange(100_000_000),
        }
        match chance.choices(("transfer", "debit", "credit"), (5, 3, 2))[0]:
            case "transfer":
                fact |= {"operation": "transfer", "direction": "out", "to_wallet_id": f"w-{payee}"}
            case "debit":
                fact |= {"operation": "debit", "direction": "out", "merchant": f"m-{chance.randrange(500)}"}
            case _:
                fact |= {"operation": "credit", "direction": "in", "rail": "card"}
        fact["code"] = "ok" if fact["status"] == "accepted" else "insufficient_funds"
        if chance.random() < 0.7:
            # A device of its own, once in a while somebody else's.
            owner = payee if chance.random() < 0.01 else wallet
            fact |= {"device": f"d-{owner}-{number % 2}", "ip": f"10.{owner // 250}.{owner % 250}.{number % 3}"}
        add_calendar(fact, t_ms)
        yield (t_ms, 0, number), fact


def facts_per_s(
    rules: Sequence[Rule], shown: Sequence[Shown], profile: cProfile.Profile | None = None
) -> tuple[float, int]:
    """Facts a second of processor time, and how many alerts were opened."""
    engine, alerts = Engine(compile_rules(rules), _LATENESS_MS), Alerts()
    opened = 0
    if profile is not None:
        profile.enable()
    began = time.process_time()
    for number, (order, fact) in enumerate(shown):
        changes = engine.insert_fact(order, fact)
        if changes:
            opened += sum(made.what == "opened" for made in alerts.apply(changes))
        if number % _TRIM_EVERY == _TRIM_EVERY - 1:
            engine.trim(order[0], _TRIM_EVERY // 5)
            alerts.trim(order[0] - _LATENESS_MS, _TRIM_EVERY // 5)
    passed = time.process_time() - began
    if profile is not None:
        profile.disable()
    return len(shown) / passed, opened


def cost_us(window_facts: int, facts: int = 2_000) -> float:
    """Microseconds of processor time for a fact with so many others in its window, by one rule of each function.

    The facts are those of one wallet, the same number for every size; the least of five times.
    """
    engine = Engine(compile_rules(every_function(window_facts)))
    filled = max(window_facts, 1_000)
    shown = [
        ((_START_MS + at * 1_000, 0, at), fact | {"wallet_id": "w"})
        for at, (_, fact) in enumerate(make_facts(filled + 5 * facts))
    ]
    for order, fact in shown[:filled]:
        engine.insert_fact(order, fact)
    times = []
    for start in range(filled, len(shown), facts):
        began = time.process_time()
        for order, fact in shown[start : start + facts]:
            engine.insert_fact(order, fact)
        times.append(time.process_time() - began)
    return min(times) / facts * 1e6


@dataclass(frozen=True, slots=True)
class EngineCost:
    """What the engine does, of one process."""

    #: Facts that were shown.
    facts: int
    #: Number of rules -> facts a second, of the fastest of three runs; alerts that were opened.
    facts_per_s: dict[int, float]
    alerts: dict[int, int]
    #: Facts in the window -> microseconds for one more.
    us_by_window: dict[int, float]

    @property
    def times_many(self) -> float:
        """How many times more a fact costs with many others in its window than with few."""
        return self.us_by_window[MANY] / self.us_by_window[FEW]

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "facts": self.facts,
            "facts_per_s": {str(rules): round(found) for rules, found in self.facts_per_s.items()},
            "alerts": {str(rules): found for rules, found in self.alerts.items()},
            "us_by_window": {str(facts): round(found, 2) for facts, found in self.us_by_window.items()},
        }

    def told(self) -> str:
        """For people."""
        lines = [
            f"{rules} rules: {found:,.0f} facts/s, {1e6 / found:.1f} us a fact, {self.alerts[rules]:,} alerts"
            for rules, found in self.facts_per_s.items()
        ]
        lines += [f"{facts:,} facts in the window: {us:.1f} us a fact" for facts, us in self.us_by_window.items()]
        return "\n".join([*lines, f"{MANY:,} in place of {FEW} in the window cost {self.times_many:.2f} times as much"])


def measure_engine(facts: int, sizes: Sequence[int] = (FEW, MANY)) -> EngineCost:
    """All of it.

    Args:
        facts: how many are shown.
        sizes: numbers of facts in the window.
    """
    shown = list(make_facts(facts))
    per_s: dict[int, float] = {}
    alerts: dict[int, int] = {}
    for number in NUMBERS_OF_RULES:
        runs = [facts_per_s(RULES[:number], shown) for _ in range(_RUNS)]
        per_s[number], alerts[number] = max(runs)
    return EngineCost(facts, per_s, alerts, {size: cost_us(size) for size in sizes})


@click.command()
@click.option("--facts", type=click.IntRange(min=1_000), default=100_000, show_default=True)
@click.option("--rules", type=click.IntRange(1, len(RULES)), default=10, show_default=True, help="Of --profile.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
@click.option("--profile", is_flag=True, help="Print where the time goes, by function, with so many rules.")
def main(facts: int, rules: int, as_json: bool, profile: bool) -> None:
    """Measure what fraud rules cost without Kafka."""
    if profile:
        profiler = cProfile.Profile()
        _, opened = facts_per_s(RULES[:rules], list(make_facts(facts)), profiler)
        click.echo(f"{opened:,} alerts")
        pstats.Stats(profiler).sort_stats("tottime").print_stats(40)
        return
    cost = measure_engine(facts)
    if as_json:
        print_json(cost.as_json())
    else:
        click.echo(cost.told())


if __name__ == "__main__":
    # As a worker does.
    collect_rarely()
    main()
