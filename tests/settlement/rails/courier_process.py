"""`python -m tests.settlement.rails.courier_process`: a courier on Kafka in a process of its own, to be killed."""

from __future__ import annotations

import asyncio
import signal

from agents.settlement.rails.courier.companion import CourierCompanion
from streams.logs import configure_logging
from streams.settings import Settings


async def run() -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    # Who starts it has blocked the signal, which one that comes before this line would otherwise die of.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    await CourierCompanion(Settings()).run(stopped)


if __name__ == "__main__":
    configure_logging("info")
    asyncio.run(run())
