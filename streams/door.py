"""Looks, while a process is not ready, whether brokers refuse it: a changed password, an ended certificate.

The client library tries such a connection for ever, as it does where a broker is away. The process waits too, for its
secrets are read again at every connection; but it says why.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from streams.health import Reporting
from streams.refusals import why_refused
from streams.settings import Settings

log = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 5.0


class Door:
    """What a process tells of itself, and why brokers do not let it in where they do not."""

    def __init__(self, settings: Settings, status: Reporting):
        self._settings = settings
        self._status = status
        #: Why; empty where they do, and where nobody has looked.
        self.refusal = ""

    def report(self) -> dict[str, Any]:
        """The body of `/readyz`."""
        report = self._status.report()
        if self.refusal and not report["ready"]:
            report["reasons"] = [*report["reasons"], f"connecting: {self.refusal}"]
        return report

    def refresh_gauges(self) -> None:
        """Bring the gauges that nobody pushes up to date."""
        self._status.refresh_gauges()

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Look for as long as the context lasts; not at brokers that are spoken to in plain, who refuse nobody."""
        watching = None
        if self._settings.security_protocol != "PLAINTEXT":
            watching = asyncio.ensure_future(self._watch())
        try:
            yield
        finally:
            if watching is not None:
                watching.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await watching

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            refusal = None if self._status.report()["ready"] else await why_refused(self._settings)
            said = "" if refusal is None else str(refusal)
            if said and said != self.refusal:
                log.warning("Kafka does not let us in: %s", said)
            self.refusal = said
