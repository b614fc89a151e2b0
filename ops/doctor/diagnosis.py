"""All of the doctor's checks, in the order in which they are told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from aiokafka.errors import KafkaError

from ops import admin
from ops.admin import Admin, NotLetIn
from ops.doctor.finding import Finding, Level
from ops.doctor.kafka import check_brokers, check_clock, check_topics, isolation_advice
from ops.doctor.local import check_disk, check_java, check_settings
from ops.doctor.security import check_access, check_certificates, check_protocol
from ops.errors import OperationError
from streams.connection import unusable_files
from streams.refusals import Refusal, refusal_of
from streams.settings import Settings

_MEND_FILE: Final = "mend the file, or name another one"
_MEND_UNCHECKED: Final = "see whether this user may do it (ACLs)"

Check = Callable[[Admin, Settings], Awaitable[Sequence[Finding]]]


async def diagnose(settings: Settings, environ: Mapping[str, str], *, read_only: bool = False) -> list[Finding]:
    """Everything that is found, good and bad. With `read_only` the clock is not looked at, for that takes a record."""
    unusable = [Finding("security", Level.PROBLEM, what, _MEND_FILE) for what in unusable_files(settings)]
    kafka, reachable = (unusable, True) if unusable else await _check_kafka(settings, read_only)
    needs_java = not reachable and _is_local(settings)
    return [
        *check_settings(settings, environ),
        *check_protocol(settings),
        *kafka,
        isolation_advice(settings),
        *check_java(needs_java),
        *check_disk(settings),
    ]


async def _check_kafka(settings: Settings, read_only: bool) -> tuple[list[Finding], bool]:
    checks: list[tuple[str, Check]] = [("broker", check_brokers), ("topics", check_topics), ("access", check_access)]
    if not read_only:
        checks.append(("clock", check_clock))
    found = await check_certificates(settings)
    try:
        async with admin.connect(settings) as connected:
            for area, check in checks:
                try:
                    found += await check(connected, settings)
                except (OperationError, KafkaError, TimeoutError) as error:
                    refusal = refusal_of(error) or Refusal(f"{error or type(error).__name__}", _MEND_UNCHECKED)
                    what = f"could not be checked: {refusal.what}"
                    found.append(Finding(area, Level.WARNING, what, refusal.mend))
    except NotLetIn as error:
        return [*found, Finding("security", Level.PROBLEM, error.refusal.what, error.refusal.mend)], True
    except OperationError as error:
        return [Finding("broker", Level.PROBLEM, str(error))], False
    return found, True


def _is_local(settings: Settings) -> bool:
    hosts = {server.strip().rpartition(":")[0].strip("[]") for server in settings.bootstrap_servers.split(",")}
    return bool(hosts & {"127.0.0.1", "localhost", "::1"})
