"""An in-memory group coordinator: members, generations, assignments, commits of positions.

Source: Kafka's classic rebalance protocol (JoinGroup, SyncGroup, Heartbeat, OffsetCommit) as one state machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from tests.simulation.memory_broker import Later


class StaleGeneration(Exception):
    """The group does not know this member, or not in this generation."""


class Heartbeat(Enum):
    """What the coordinator answers to a heartbeat."""

    STABLE = auto()
    REBALANCING = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a member owns in a generation."""

    generation: int
    partitions: tuple[int, ...]


@dataclass(slots=True)
class _Member:
    heard: int = 0
    joined: Callable[[Assignment], object] | None = None


@dataclass
class GroupCoordinator:
    """One consumer group over partition indices 0 to `partitions` - 1."""

    partitions: int
    later: Later
    session_timeout_s: float = 10.0
    generation: int = 0
    #: Turns the assignment, so that a rebalance moves partitions.
    rotation: int = 0
    committed: dict[tuple[str, int], int] = field(default_factory=dict)
    assignment: dict[str, tuple[int, ...]] = field(default_factory=dict)
    _members: dict[str, _Member] = field(default_factory=dict)
    _rebalancing: int = 0
    _rounds: int = 0

    def join(self, member: str, joined: Callable[[Assignment], object]) -> None:
        """JoinGroup and SyncGroup in one: `joined` is called once the new generation stands."""
        known = self._members.setdefault(member, _Member())
        known.joined = joined
        self._hear(member, known)
        self.rebalance()
        if all(m.joined for m in self._members.values()):
            self._complete(self._rebalancing)

    def leave(self, member: str) -> None:
        """LeaveGroup."""
        if self._members.pop(member, None) is not None:
            self.rebalance()

    def heartbeat(self, member: str, generation: int) -> Heartbeat:
        """Heartbeat of a member in the generation that it knows."""
        known = self._members.get(member)
        if known is None or (not self._rebalancing and generation != self.generation):
            return Heartbeat.UNKNOWN
        self._hear(member, known)
        return Heartbeat.REBALANCING if self._rebalancing else Heartbeat.STABLE

    def commit(self, member: str, generation: int, positions: Mapping[tuple[str, int], int]) -> None:
        """OffsetCommit.

        Raises:
            StaleGeneration: the member is unknown or its generation is not the current one.
        """
        if not self.knows(member, generation):
            raise StaleGeneration(f"{member} in generation {generation}, now {self.generation}")
        self.committed.update(positions)

    def knows(self, member: str, generation: int) -> bool:
        """True where the member belongs to the group in this generation."""
        return member in self._members and generation == self.generation

    def rebalance(self) -> None:
        """Ask all members to join again; those that do not within the session time-out are out."""
        if self._rebalancing:
            return
        self._rounds += 1
        number = self._rebalancing = self._rounds
        self.later(self.session_timeout_s, lambda: self._complete(number))

    def owner(self, partition: int) -> str | None:
        """The member that owns a partition in the current generation."""
        return next((name for name, owned in self.assignment.items() if partition in owned), None)

    def _complete(self, number: int) -> None:
        if self._rebalancing != number:
            return
        self._rebalancing = 0
        self._members = {name: member for name, member in self._members.items() if member.joined}
        self.generation += 1
        names = sorted(self._members)
        self.assignment = dict.fromkeys(names, ())
        for partition in range(self.partitions if names else 0):
            name = names[(partition + self.rotation) % len(names)]
            self.assignment[name] = (*self.assignment[name], partition)
        for name in names:
            member = self._members[name]
            joined, member.joined = member.joined, None
            assert joined is not None
            self._hear(name, member)
            joined(Assignment(self.generation, self.assignment[name]))

    def _hear(self, name: str, member: _Member) -> None:
        member.heard += 1
        heard = member.heard

        def expire() -> None:
            if self._members.get(name) is member and member.heard == heard and member.joined is None:
                self.leave(name)

        self.later(self.session_timeout_s, expire)
