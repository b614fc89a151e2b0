"""A ledger event arrives: the fact that it is, enriched once, and the partitions in which its keys live. Pure."""

from __future__ import annotations

from agents.fraud.facts import Recorded, fact_of
from agents.fraud.followed import LATER
from agents.fraud.state import subject_of
from agents.fraud.taking import ArrivedFact, take_fact
from agents.fraud.turn import Turn
from schemas.events import WALLET_OPENED
from schemas.fraud_internal import FactKey, FactSource, RoutedFact, encode_fraud_internal
from schemas.partitioning import partition_of
from schemas.topics import FRAUD_INTERNAL
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
    source = FactSource(context.partition, record.offset)
    keys = _keys_by_partition(turn, fact, recorded.is_first)
    here = tuple(keys.pop(context.partition, ()))
    if here or fact["type"] == WALLET_OPENED:
        take_fact(turn, record, ArrivedFact(source, recorded.t_ms, recorded.recorded_at_ms, fact, here))
    for partition, there in keys.items():
        routed = RoutedFact(
            source=source,
            event_time_ms=recorded.t_ms,
            ledger_time_ms=recorded.recorded_at_ms,
            fact=fact,
            keys=tuple(there),
        )
        key = subject_of(there[0].key).encode()
        turn.out.send(FRAUD_INTERNAL, partition, key, encode_fraud_internal(routed))


def _enriched(turn: Turn, recorded: Recorded) -> dict[str, str | int | float]:
    """With the age of the wallet, and what lists and rates say now."""
    fact = recorded.fact
    opened_ms = turn.state.wallets.get(str(fact["wallet_id"]))
    if opened_ms is not None:
        fact["wallet_age_s"] = max(0, recorded.t_ms - opened_ms) // 1000
    if not recorded.is_first:
        fact[LATER] = 1
    return turn.followed.enrich(fact, recorded.t_ms)


def _keys_by_partition(turn: Turn, fact: dict[str, str | int | float], is_first: bool) -> dict[int, list[FactKey]]:
    found: dict[int, list[FactKey]] = {}
    partitions = turn.context.partitions
    for kind, use in turn.followed.kinds.items():
        if not is_first and not use.sees_all:
            continue
        for key, seen, leg in use.keys_of(fact):
            if not use.counts(seen):
                continue
            home = partition_of(subject_of(key), partitions)
            found.setdefault(home, []).append(FactKey(kind, key, use.kept_s, leg))
    return found
