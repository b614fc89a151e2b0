"""What can go wrong in the runtime, by what has to happen next."""

from __future__ import annotations

from collections.abc import Collection


class StoreError(Exception):
    """The local store cannot be read or written (disk full, corruption): restore, never dead-letter."""


class Fenced(Exception):
    """Another incarnation has taken this partition's transactional id: restore, if still the owner."""


class Unavailable(Exception):
    """No broker answers: wait and ask again for as long as it takes, as at the start of a worker."""


class HeldUp(Exception):
    """Somebody has a transaction open on the event log, which hides what was committed behind its begin: wait."""


class NotOwner(Exception):
    """The consumer group says that this worker does not own the partition: close it."""


class MessageTooLarge(Exception):
    """The broker refused a record for its size: split the batch until the single offender is found."""


class BatchTooLarge(MessageTooLarge):
    """Records of a batch lead to more events than one transaction is to hold.

    Attributes:
        records: how many of them lead to no more.
    """

    def __init__(self, records: int, event_bytes: int):
        super().__init__(f"a batch leads to {event_bytes:,} bytes of events: it is decided again, {records:,} records")
        self.records = records


class Refused(Exception):
    """Going on would risk money: stop the process with this message. An operator has to act."""


def require_known(type_: str, known: Collection[str]) -> None:
    """Do nothing where this version knows the type of an event that is folded.

    Raises:
        Refused: it does not, so that what the event has done would be missing.
    """
    if type_ not in known:
        raise Refused(
            f"the event log holds an event of the type {type_!r}, which this version does not know: a newer one has "
            "written it; run that version, or a newer one, on this worker"
        )


class ChainBroken(Refused):
    """The event log has a gap in its sequence, a broken hash chain or no seal at its end."""
