"""What a worker runs: a machine, the topics it takes from and the log it writes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from schemas.topics import Topic, full_name
from streams.machine import Machine
from streams.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Role:
    """One kind of worker. All workers of a role and namespace are one consumer group."""

    #: Such as `ledger`; part of the group's and of the transactional ids.
    name: str
    #: Short names of the input topics in the order they are taken from, each with its guaranteed share of a batch.
    inputs: Mapping[str, float]
    #: The input whose assignment says who owns a partition.
    owner_input: str
    #: Short name of the log that the state is a fold of.
    event_log: str
    #: Everything the role reads and writes, inputs, event log and reference data among them; checked at every start.
    topics: tuple[Topic, ...]
    #: Short names of the topics of reference data: what decisions ask beside the state.
    reference: tuple[str, ...] = ()
    #: Inputs that are event logs of other roles: kept for ever, and stamped by the workers that write them.
    logs: frozenset[str] = frozenset()
    #: Folder of the local state below the worker's, so that workers of several roles may have one id.
    folder: str = ""
    #: Its machines keep much in memory beside the tables: hundreds of MB that only grow and shrink slowly.
    keeps_much: bool = False
    #: Makes the machine of one partition.
    machine: Callable[[Settings], Machine]

    def __post_init__(self) -> None:
        """
        Raises:
            ValueError: the parts do not fit each other.
        """
        names = {topic.name for topic in self.topics}
        unknown = {*self.inputs, self.event_log, *self.reference} - names
        if unknown:
            raise ValueError(f"role {self.name}: {', '.join(sorted(unknown))} not among its topics")
        if self.owner_input not in self.inputs:
            raise ValueError(f"role {self.name}: {self.owner_input} is not an input")
        if not self.logs <= self.inputs.keys():
            raise ValueError(f"role {self.name}: {', '.join(sorted(self.logs - self.inputs.keys()))} not an input")
        if sum(self.inputs.values()) > 1:
            raise ValueError(f"role {self.name}: the shares of the inputs add up to more than 1")
        shared = [topic.name for topic in self.topics if topic.name in self.reference and topic.co_partitioned]
        if shared:
            raise ValueError(f"role {self.name}: {', '.join(shared)} has not one partition, as reference data must")

    def group_id(self, settings: Settings) -> str:
        """Consumer group of all workers of this role."""
        return f"{settings.namespace}{self.name}"

    def input_names(self, settings: Settings) -> dict[str, str]:
        """Full names of the input topics by their short ones, in order."""
        return {name: full_name(settings.namespace, name) for name in self.inputs}
