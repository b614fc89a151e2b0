"""All of the doctor's checks, in the order in which they are told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from aiokafka.errors import KafkaError

from ops import admin
from ops.admin import Admin
from ops.doctor.finding import Finding, Level
from ops.doctor.kafka import check_brokers, check_clock, check_topics, isolation_advice
from ops.doctor.local import check_disk, check_java, check_settings
from ops.errors import OperationError
from streams.settings import Settings

Check = Callable[[Admin, Settings], Awaitable[Sequence[Finding]]]


async def diagnose(settings: Settings, environ: Mapping[str, str], *, read_only: bool = False) -> list[Finding]:
    """Everything that is found, good and bad. With `read_only` the clock is not looked at, for that takes a record."""
    kafka, reachable = await _check_kafka(settings, read_only)
    needs_java = not reachable and _is_local(settings)
    return [
        *check_settings(settings, environ),
        *kafka,
        isolation_advice(settings),
        *check_java(needs_java),
        *check_disk(settings),
    ]


async def _check_kafka(settings: Settings, read_only: bool) -> tuple[list[Finding], bool]:
    checks: list[tuple[str, Check]] = [("broker", check_brokers), ("topics", check_topics)]
    if not read_only:
        checks.append(("clock", check_clock))
    found: list[Finding] = []
    try:
        async with admin.connect(settings) as connected:
            for area, check in checks:
                try:
                    found += await check(connected, settings)
                except (OperationError, KafkaError, TimeoutError) as error:
                    what = f"could not be checked: {error or type(error).__name__}"
                    found.append(Finding(area, Level.WARNING, what, "see whether this user may do it (ACLs)"))
    except OperationError as error:
        return [Finding("broker", Level.PROBLEM, str(error))], False
    return found, True


def _is_local(settings: Settings) -> bool:
    hosts = {server.strip().rpartition(":")[0].strip("[]") for server in settings.bootstrap_servers.split(",")}
    return bool(hosts & {"127.0.0.1", "localhost", "::1"})
