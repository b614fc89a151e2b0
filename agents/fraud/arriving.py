"""A ledger event arrives: the fact that it is, enriched once, and the partitions in which its keys live. Pure."""

from __future__ import annotations

from agents.fraud.engine import Change
from agents.fraud.entries import whole
from agents.fraud.facts import Recorded, fact_of
from agents.fraud.followed import LATER
from agents.fraud.learned import is_learned
from agents.fraud.screening import Asked, screen
from agents.fraud.state import subject_of
from agents.fraud.taking import ArrivedFact, FoundKey, take_fact
from agents.fraud.turn import Turn
from schemas.events import WALLET_OPENED
from schemas.facts import ANOMALY_SCORE
from schemas.fraud_facts import encode_fact
from schemas.fraud_internal import encode_routed
from schemas.partitioning import partition_of
from streams.machine import InputRecord


def take_ledger_event(turn: Turn, record: InputRecord) -> None:
    """Count the fact under the keys that live here, and send it to where the others do. Nothing where it is none.

    Raises:
        msgspec.MsgspecError: it is no event of the ledger.
    """
    recorded = fact_of(record.value or b"", turn.limits.lateness_ms)
    if recorded is None:
        return
    context = turn.context
    fact = _enriched(turn, recorded)
    learned = _score(turn, recorded, fact)
    place, t_ms, ledger_ms = (context.partition, record.offset), recorded.t_ms, recorded.recorded_at_ms
    keys = _keys_by_partition(turn, fact, recorded.is_first)
    here = keys.pop(context.partition, [])
    row = encode_fact(fact)
    arrived = ArrivedFact(*place, t_ms, ledger_ms, fact, row, here, learned)
    changes: list[Change] | None = []
    if here or fact["type"] == WALLET_OPENED:
        changes = take_fact(turn, record, arrived)
    if recorded.is_gated:
        screen(turn, Asked(turn.cause(record), arrived, changes, tuple(sorted(keys))))
    if keys:
        turn.facts.put(row, fact)
    for partition, there in keys.items():
        uses = [number for number, _, _, _ in there]
        routed = encode_routed(place, t_ms, ledger_ms, uses, row, is_gated=recorded.is_gated)
        turn.route(partition, routed)


def _enriched(turn: Turn, recorded: Recorded) -> dict[str, str | int | float]:
    """With the age of the wallet, and what lists and rates say now."""
    fact = recorded.fact
    opened_ms = turn.state.wallets.get(str(fact["wallet_id"]))
    if opened_ms is not None:
        fact["wallet_age_s"] = max(0, recorded.t_ms - opened_ms) // 1000
    if not recorded.is_first:
        fact[LATER] = 1
    return turn.followed.enrich(fact, recorded.t_ms)


def _score(turn: Turn, recorded: Recorded, fact: dict[str, str | int | float]) -> bool:
    """Add what the model of the wallet says of a payment; whether there is one to learn from it."""
    if not (turn.followed.learns and recorded.is_first and is_learned(fact)):
        return False
    score = turn.state.learn(fact, recorded.t_ms).score
    if score is not None:
        fact[ANOMALY_SCORE] = score
    return True


def _keys_by_partition(turn: Turn, fact: dict[str, str | int | float], is_first: bool) -> dict[int, list[FoundKey]]:
    found: dict[int, list[FoundKey]] = {}
    partitions, get = turn.context.partitions, fact.get
    for number, field, _, _, keys_of, uses, concerns in turn.followed.keyed[not is_first]:
        if field is None:
            for key, seen, leg in keys_of(fact):
                if concerns is None or concerns(seen):
                    home = partition_of(subject_of(key), partitions)
                    found.setdefault(home, []).append((number + leg, uses[leg], key, seen))
            continue
        value = get(field)
        if value is None or (concerns is not None and not concerns(fact)):
            continue
        if value.__class__ is float:
            value = whole(value)
        home = partition_of(str(value), partitions)
        if home in found:
            found[home].append((number, uses[0], (value,), fact))
        else:
            found[home] = [(number, uses[0], (value,), fact)]
    return found
