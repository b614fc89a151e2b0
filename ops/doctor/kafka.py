"""What the brokers say: reachable, new enough, quick, configured, in time; and the topics."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Final

from aiokafka import AIOKafkaProducer

from ops.admin import Admin
from ops.doctor.finding import Finding, Level
from ops.topics import Create, problems, wanted_topics
from schemas.topics import TRANSACTION_REQUESTS, full_name
from streams.connection import Brokers, client_arguments
from streams.settings import Settings

_SLOW_MS: Final = 50.0
_CLOCK_NOTICED_MS: Final = 1_000.0
#: Newest version of Fetch -> the Kafka release that brought it (`FetchRequest.json` in Kafka's sources).
_RELEASES: Final = {11: "2.3", 12: "2.7", 13: "3.1", 15: "3.5", 16: "3.7", 17: "3.9", 18: "4.1"}
#: Oldest that this is tried with.
_OLDEST_FETCH: Final = 13

_ASKED: Final = (
    "auto.create.topics.enable",
    "group.max.session.timeout.ms",
    "group.min.session.timeout.ms",
    "offsets.topic.replication.factor",
    "transaction.max.timeout.ms",
    "transaction.state.log.min.isr",
    "transaction.state.log.replication.factor",
)


async def check_brokers(admin: Admin, settings: Settings) -> list[Finding]:
    """Number, version, speed and settings of the brokers."""
    cluster = await admin.cluster()
    took_ms = await admin.round_trip_ms()
    found = [_version(await admin.fetch_version())]
    found.append(speed_finding(took_ms, f"{len(cluster.brokers)} at {settings.bootstrap_servers}"))
    for broker_id, address in sorted(cluster.brokers.items()):
        config = await admin.broker_config(broker_id, _ASKED)
        found += [
            Finding("broker", level, f"{address}: {what}", mend)
            for level, what, mend in broker_faults(config, settings)
        ]
    return found


def speed_finding(took_ms: float, brokers: str) -> Finding:
    """What it means that a broker takes so long for a small request."""
    what = f"{brokers}, {took_ms:.1f} ms for a request"
    if took_ms > _SLOW_MS:
        mend = "run workers near the brokers: every commit waits for several round trips"
        return Finding("broker", Level.WARNING, what, mend)
    return Finding("broker", Level.OK, what)


def broker_faults(config: Mapping[str, str], settings: Settings) -> Iterator[tuple[Level, str, str]]:
    """What a broker's settings do not allow: level, what is wrong, how to mend it. Absent settings are passed over."""

    def number(name: str) -> int | None:
        return int(config[name]) if config.get(name) is not None else None

    longest_ms = number("transaction.max.timeout.ms")
    if longest_ms is not None and longest_ms < settings.transaction_timeout_ms:
        what = f"transaction.max.timeout.ms is {longest_ms}, workers ask for {settings.transaction_timeout_ms}"
        yield Level.PROBLEM, what, "raise it, or lower WALLETSTREAM_TRANSACTION_TIMEOUT_MS"
    session_ms = settings.session_timeout_s * 1000
    for name, side in (("group.min.session.timeout.ms", 1), ("group.max.session.timeout.ms", -1)):
        bound = number(name)
        if bound is not None and (session_ms - bound) * side < 0:
            what = f"{name} is {bound}, workers ask for {session_ms:.0f}"
            yield Level.PROBLEM, what, "change it, or WALLETSTREAM_SESSION_TIMEOUT_S"
    if settings.durability == "replicated":
        for name, least in (
            ("offsets.topic.replication.factor", 3),
            ("transaction.state.log.replication.factor", 3),
            ("transaction.state.log.min.isr", 2),
        ):
            has = number(name)
            if has is not None and has < least:
                what = f"{name} is {has}, below {least}: one lost disk loses which transactions were committed"
                yield Level.PROBLEM, what, "raise it, and reassign the partitions of the internal topics"
    if config.get("auto.create.topics.enable") == "true":
        what = "auto.create.topics.enable is true: a mistyped topic is made, with the wrong settings"
        yield Level.WARNING, what, "set it to false"


async def check_topics(admin: Admin, settings: Settings) -> list[Finding]:
    """The catalogue's topics, as `walletstream topics check` sees them."""
    wanted = wanted_topics(settings.namespace, settings.partitions, settings.durability)
    observed = await admin.observe([want.name for want in wanted])
    wrong = problems(settings, observed)
    if not wrong:
        return [Finding("topics", Level.OK, f"all {len(wanted)} are as they must be")]
    return [Finding("topics", Level.PROBLEM, f"{p.topic} {p.what}", p.mend) for p in wrong]


async def check_clock(admin: Admin, settings: Settings) -> list[Finding]:
    """The brokers' clock against this machine's: a record is written to a topic that is made for it and deleted."""
    topic = f"{settings.namespace}doctor-{secrets.token_hex(4)}"
    config = {"message.timestamp.type": "LogAppendTime", "retention.ms": "60000"}
    await admin.create([Create(topic, 1, 1, config)])
    try:
        await admin.wait_until_visible({topic: 1})
        ahead_ms = await _append_time_ahead_ms(settings, topic)
    finally:
        await admin.delete([topic])
    return [clock_finding(ahead_ms, settings.clock_tolerance_s)]


def clock_finding(ahead_ms: float, tolerance_s: float) -> Finding:
    """What it means that the brokers' clock is so far ahead of this machine's (behind, where negative)."""
    side = "ahead of" if ahead_ms > 0 else "behind"
    what = f"the brokers' clock is {abs(ahead_ms) / 1000:.3f} s {side} this machine's"
    mend = "keep all machines in time by NTP (chrony)"
    if abs(ahead_ms) > tolerance_s * 1000:
        level = Level.PROBLEM
        if ahead_ms > 0:
            mend += f"; workers take nothing that is stamped more than {tolerance_s:g} s ahead"
    elif abs(ahead_ms) > _CLOCK_NOTICED_MS:
        level = Level.WARNING
    else:
        return Finding("clock", Level.OK, what)
    return Finding("clock", level, what, mend)


def isolation_advice(settings: Settings) -> Finding:
    """What no broker can tell: how others read."""
    topic = full_name(settings.namespace, TRANSACTION_REQUESTS).replace(TRANSACTION_REQUESTS, "*")
    return Finding(
        "consumers",
        Level.NOTE,
        "an outcome or event is true only once it is committed",
        f"every consumer of {topic} must set isolation.level=read_committed; Java's, aiokafka's and most other clients "
        "read uncommitted records unless told",
    )


async def _append_time_ahead_ms(brokers: Brokers, topic: str) -> float:
    producer = AIOKafkaProducer(**client_arguments(brokers), acks="all")
    await producer.start()
    try:
        smallest, ahead_ms = float("inf"), 0.0
        for _ in range(5):
            before = time.time()
            stamped = await producer.send_and_wait(topic, b"clock")
            after = time.time()
            if after - before < smallest:
                # The quickest answer tells most: the stamp is of some moment in between.
                smallest, ahead_ms = after - before, stamped.timestamp - (before + after) / 2 * 1000
        return ahead_ms
    finally:
        await producer.stop()


def _version(fetch: int) -> Finding:
    release = next((_RELEASES[v] for v in sorted(_RELEASES, reverse=True) if v <= fetch), "before 2.3")
    if fetch < _OLDEST_FETCH:
        what = f"Kafka {release}: older than anything that Walletstream is tried with"
        return Finding("broker", Level.WARNING, what, f"upgrade to Kafka {_RELEASES[_OLDEST_FETCH]} or newer")
    return Finding("broker", Level.OK, f"Kafka {release} or newer")
