"""Idempotency: within its retention a key settles once, and a replay repeats what the key was answered first."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from msgspec import Raw

from ops.verify.answers import hash_of_answer
from ops.verify.findings import Check, Here
from schemas.clock import unix_ms
from schemas.codes import NOT_FROZEN, Code
from schemas.events import REQUEST_FORWARDED, REQUEST_REPLAYED, Cause, LedgerEvent

_CODES: Final = tuple(Code)
_NUMBER_OF: Final = {code.value: number for number, code in enumerate(_CODES)}
_NOT_FROZEN: Final = frozenset(code.value for code in NOT_FROZEN)
#: What is answered of a request whose key is not its own, or stands for another command: it freezes nothing.
_WITHOUT_FINGERPRINT: Final = frozenset(
    {Code.KEY_MISMATCH.value, Code.IDEMPOTENCY_MISMATCH.value, Code.AMOUNT_OUT_OF_RANGE.value}
)
#: A kept answer is one integer: 64-bit hashes of its fingerprint and of what it says, partition time, code.
_TIME_BITS_FROM: Final = 8
_ANSWER_BITS_FROM: Final = 64
_FINGERPRINT_BITS_FROM: Final = 128
_TIME_MASK: Final = (1 << (_ANSWER_BITS_FROM - _TIME_BITS_FROM)) - 1
_ANSWER_MASK: Final = (1 << (_FINGERPRINT_BITS_FROM - _ANSWER_BITS_FROM)) - 1
#: The ledger remembers a key for its retention and up to a fifth more, for it forgets whole buckets.
_GENERATION_PER_RETENTION: Final = 1.25


class Keys:
    """Keys that were settled, as 64-bit hashes of (input topic, wallet, key), in two generations.

    The older generation is dropped when the newer has lasted longer than the ledger remembers any key, so that
    memory is bounded by what arrives within two and a half retentions.
    """

    def __init__(self, here: Here, retained_ms: int):
        self._here = here
        self._retained_ms = retained_ms
        self._generation_ms = int(retained_ms * _GENERATION_PER_RETENTION)
        self._began_ms = 0
        #: Hash -> the first answer.
        self._current: dict[int, int] = {}
        self._previous: dict[int, int] = {}
        #: Of the last event, if it is a replay, the hash of the answer that it says again, as far as that is known.
        self.first_answer: int | None = None

    def event(self, event: LedgerEvent, cause: Cause) -> int | None:
        """The next event whose cause names an idempotency key; of a replay, the hash of the fingerprint it repeats."""
        self.first_answer = None
        if event.type == REQUEST_FORWARDED:
            return None
        now_ms = unix_ms(event.recorded_at)
        topic = cause.first_topic
        key = hash((topic, event.wallet_id, cause.idempotency_key))
        known = self._current.get(key)
        if known is None and self._previous:
            known = self._previous.get(key)
        if event.type == REQUEST_REPLAYED:
            self._check_replay(event, cause, known)
            if known is None:
                return None
            self.first_answer = known >> _ANSWER_BITS_FROM & _ANSWER_MASK
            return known >> _FINGERPRINT_BITS_FROM
        code = event.code or "ok"
        if isinstance(event.request, Raw) and (cause.fingerprint is not None or code not in _WITHOUT_FINGERPRINT):
            digest = sha256(event.request).hexdigest()
            if digest != cause.fingerprint:
                self._here.report(Check.WRONG_FINGERPRINT, f"the request's SHA-256 is {digest}")
        if code != "ok" and (cause.fingerprint is None or code in _NOT_FROZEN):
            return None
        if known is not None and now_ms - (known >> _TIME_BITS_FROM & _TIME_MASK) < self._retained_ms:
            self._here.report(
                Check.KEY_USED_TWICE,
                f"key {cause.idempotency_key!r} of wallet {event.wallet_id} on {topic} is settled as {code}, "
                f"but it was settled before",
            )
        self._keep(key, now_ms, code, hash(cause.fingerprint) << 64 | hash_of_answer(event))
        return None

    def _keep(self, key: int, now_ms: int, code: str, hashes: int) -> None:
        if now_ms - self._began_ms > self._generation_ms:
            self._previous = self._current if self._began_ms else {}
            self._current = {}
            self._began_ms = now_ms
        self._current[key] = hashes << _ANSWER_BITS_FROM | now_ms << _TIME_BITS_FROM | _NUMBER_OF.get(code, 255)

    def _check_replay(self, event: LedgerEvent, cause: Cause, known: int | None) -> None:
        name = f"key {cause.idempotency_key!r} of wallet {event.wallet_id}"
        if known is None:
            self._here.report(Check.REPLAY_UNFOUNDED, f"{name} is replayed, but no answer to it was kept")
        elif known & 0xFF != _NUMBER_OF.get(event.code or "ok", 255):
            first = _CODES[known & 0xFF].value
            self._here.report(Check.REPLAY_UNFOUNDED, f"{name} was answered {first} and is replayed as {event.code}")
