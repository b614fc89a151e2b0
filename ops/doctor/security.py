"""How brokers are connected to, where not in plain; and what they let this user do there."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Iterator
from typing import Final

from aiokafka.conn import collect_hosts

from ops.access import ACCESS
from ops.admin import Admin
from ops.doctor.finding import Finding, Level
from ops.permissions import lacking
from streams.connection import security_arguments
from streams.settings import Settings

_AREA: Final = "security"
_SOON_S: Final = 14 * 86_400
_TIMEOUT_S: Final = 5.0
_MEND_ACCESS: Final = "normal for users of other roles; else grant it, docs/reference/access.md lists what each needs"
#: Longest list of what a role lacks that is told whole.
_MOST_TOLD: Final = 5


def check_protocol(settings: Settings) -> Iterator[Finding]:
    """What the settings of the connection are worth; nothing where it is in plain."""
    protocol = settings.security_protocol
    if protocol == "PLAINTEXT":
        return
    if not settings.speaks_tls:
        what = "who can listen on the network can read and change all that is sent"
        if settings.sasl_mechanism == "PLAIN":
            what += ", and read the password"
        mend = "set WALLETSTREAM_SECURITY_PROTOCOL=SASL_SSL, unless the network encrypts for itself"
        yield Finding(_AREA, Level.WARNING, f"{protocol}: {what}", mend)
    elif not settings.tls_check_hostname:
        what = "WALLETSTREAM_TLS_CHECK_HOSTNAME is false: whom the authority has certified can pose as a broker"
        yield Finding(_AREA, Level.WARNING, what, "name brokers as their certificates do, and remove it")
    if settings.sasl_password is not None or settings.tls_key_password is not None:
        what = "a password stands in the environment, where whoever may look at the process reads it"
        mend = "set WALLETSTREAM_SASL_PASSWORD_FILE or WALLETSTREAM_TLS_KEY_PASSWORD_FILE"
        yield Finding(_AREA, Level.NOTE, what, mend)
    user = ""
    if settings.logs_in:
        name = settings.sasl_username or f"in {settings.sasl_username_file}"
        user = f", user {name} by {settings.sasl_mechanism}"
    elif settings.tls_certificate_file is not None:
        user = f", as the subject of {settings.tls_certificate_file}"
    yield Finding(_AREA, Level.OK, f"{protocol}{user}")


async def check_certificates(settings: Settings, now_s: float | None = None) -> list[Finding]:
    """How long the brokers' certificates are good for; nothing where they need none."""
    if not settings.speaks_tls:
        return []
    context = security_arguments(settings)["ssl_context"]
    found = []
    for host, port, _ in collect_hosts(settings.bootstrap_servers, randomize=False):
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                _, writer = await asyncio.open_connection(host, port, ssl=context)
        except (OSError, TimeoutError):
            continue  # told elsewhere
        certificate = writer.get_extra_info("peercert")
        writer.close()
        ends_s = ssl.cert_time_to_seconds(certificate["notAfter"])
        found.append(certificate_finding(f"{host}:{port}", ends_s - (time.time() if now_s is None else now_s)))
    return found


def certificate_finding(address: str, left_s: float) -> Finding:
    """What it means that a broker's certificate ends in so long."""
    what = f"the certificate of {address} is good for {left_s / 86_400:.0f} days"
    if left_s < _SOON_S:
        return Finding(_AREA, Level.WARNING, what, "renew it: from its end on nobody connects any more")
    return Finding(_AREA, Level.OK, what)


async def check_access(admin: Admin, settings: Settings) -> list[Finding]:
    """Whose role this user may take; nothing where connections are in plain, and everybody may do all."""
    if settings.security_protocol == "PLAINTEXT":
        return []
    lacks = {role: await lacking(admin.client, access, settings.namespace) for role, access in ACCESS.items()}
    complete = [role for role, lacked in lacks.items() if not lacked]
    found = []
    if complete:
        what = f"this user may do what these roles need: {', '.join(complete)}"
        found.append(Finding("access", Level.OK, what))
    level = Level.NOTE if complete else Level.WARNING
    for role, lacked in lacks.items():
        if lacked:
            more = f", and {len(lacked) - _MOST_TOLD} more" if len(lacked) > _MOST_TOLD else ""
            what = f"role {role} lacks {'; '.join(lacked[:_MOST_TOLD])}{more}"
            found.append(Finding("access", level, what, _MEND_ACCESS))
    return found
