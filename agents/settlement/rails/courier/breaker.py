"""A circuit breaker: after some failures in a row a rail is left alone, then a single call tries whether it is back.

Pure: time and chance are given. Source: M. Nygard, "Release It!" (2007), chapter "Circuit Breaker"; the jitter is the
"equal jitter" of M. Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
"""

from __future__ import annotations

from typing import Literal

from schemas.rail_settings import Retry

State = Literal["closed", "open", "half_open"]


class Breaker:
    """State of one rail's breaker. Times are Unix milliseconds; `share` is a random number in [0, 1)."""

    def __init__(self, retry: Retry):
        self._retry = retry
        #: Failures since the last success.
        self.failures = 0
        self._opened = 0
        self._open_until_ms: int | None = None
        self._is_probing = False

    def state(self, now_ms: int) -> State:
        """`closed`: calls go. `open`: none does. `half_open`: one may go, and decides."""
        if self._open_until_ms is None:
            return "closed"
        return "half_open" if self._is_probing or now_ms >= self._open_until_ms else "open"

    def wait_ms(self, now_ms: int) -> int:
        """How long a call has to wait before it asks again; 0: it may go, and has to tell how it went."""
        if self._open_until_ms is None:
            return 0
        if self._is_probing:
            return max(1, self._retry.first_ms)
        return max(0, self._open_until_ms - now_ms)

    def begin(self, now_ms: int) -> bool:
        """Whether a call may go now. One that may has to end in `succeeded`, `failed` or `given_up`."""
        if self._open_until_ms is None:
            return True
        if self._is_probing or now_ms < self._open_until_ms:
            return False
        self._is_probing = True
        return True

    def succeeded(self) -> None:
        """A call went well: all may go."""
        self.failures = self._opened = 0
        self._open_until_ms, self._is_probing = None, False

    def failed(self, now_ms: int, share: float) -> bool:
        """A call has failed. True where that opens the breaker: for twice as long each time, half of it by chance."""
        self.failures += 1
        if self._open_until_ms is None and self.failures < self._retry.breaker_failures:
            return False
        if self._open_until_ms is not None and not self._is_probing:
            return False  # one that was under way when it opened
        self._is_probing = False
        longest_ms = max(self._retry.breaker_open_ms, self._retry.longest_ms)
        self._open_until_ms = now_ms + jittered_ms(
            min(longest_ms, self._retry.breaker_open_ms * 2 ** min(self._opened, 30)), share
        )
        self._opened += 1
        return True

    def given_up(self) -> None:
        """A call ended without telling anything of the rail, such as a cancelled one: another may try."""
        self._is_probing = False


def jittered_ms(pause_ms: int, share: float) -> int:
    """Between half of the pause and all of it."""
    return max(1, pause_ms - int(pause_ms // 2 * share))


def backoff_ms(retry: Retry, failures: int, share: float) -> int:
    """How long to pause after so many failures in a row: doubling from `first_ms` up to `longest_ms`, with jitter."""
    return jittered_ms(min(retry.longest_ms, retry.first_ms * 2 ** min(max(0, failures - 1), 30)), share)
