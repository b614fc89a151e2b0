"""What a changed contract means for those who write and read the topic, and who has to move first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ops.contracts.normal import JsonSchema, as_written, normalise
from ops.contracts.within import Within, within
from schemas.topics import DAY_MS, Topic

Status = Literal["unchanged", "compatible", "incompatible", "new", "removed"]


@dataclass(frozen=True)
class Verdict:
    """The gate's answer for one topic. `order` says who rolls out first, or what to do instead."""

    topic: str
    status: Status
    order: str
    ways: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """True where the change may be released."""
        return self.status not in ("incompatible", "removed")


@dataclass(frozen=True)
class Directions:
    """Both questions about a change: may new readers read what old writers wrote, and the other way round?"""

    new_reads_old: Within
    old_reads_new: Within


def compare(base: JsonSchema, head: JsonSchema) -> Directions:
    """Compare two versions of a contract. A writer's records hold no fields beyond those of its own version."""
    old, new = normalise(base), normalise(head)
    return Directions(new_reads_old=within(as_written(old), new), old_reads_new=within(as_written(new), old))


def judge(topic: Topic, base: JsonSchema | None, head: JsonSchema) -> Verdict:
    """Whether `head` may follow `base` on a topic, and in which order."""
    if base is None:
        return Verdict(topic.name, "new", "create the topic, then consumers, then producers")
    if normalise(base) == normalise(head):
        return Verdict(topic.name, "unchanged", "any order")
    directions = compare(base, head)
    backward, forward = directions.new_reads_old, directions.old_reads_new
    ways = tuple(sorted({backward.way, forward.way}))
    reasons = (
        *(f"new readers of old records: {reason}" for reason in backward.reasons),
        *(f"old readers of new records: {reason}" for reason in forward.reasons),
    )
    status, order = _order(topic, backward.holds, forward.holds, _loses_a_field(base, head))
    return Verdict(topic.name, status, order, ways, reasons)


def _order(topic: Topic, backward: bool, forward: bool, loses_a_field: bool) -> tuple[Status, str]:
    same_process = topic.owner in topic.readers
    if backward and forward and topic.strict:
        return "compatible", "any order: both versions take the same records"
    if backward and forward:
        if loses_a_field:
            return "compatible", "consumers first, so that none looks for the field; then producers"
        if same_process:
            # A worker of the old version that takes a partition over folds the new one's records, and passes it over.
            decides = f"two releases where the {topic.owner} decides by what is new"
            return "compatible", f"{decides}: one that reads it, then one that writes it; else any order"
        return "compatible", "producers first; consumers follow when they want what is new"
    if backward:
        if same_process:
            return "compatible", f"two releases: one of the {topic.owner} that reads it, then one that writes it"
        return "compatible", "consumers first; producers only when every consumer runs the new version"
    if forward and not topic.strict and not same_process and topic.retention_ms is not None:
        days = topic.retention_ms // DAY_MS
        return "compatible", f"producers first; consumers only when the old records have expired, after {days} days"
    return "incompatible", f"publish it as {topic.name}.v2 beside v1, or keep accepting what v1 allows"


def _loses_a_field(base: JsonSchema, head: JsonSchema) -> bool:
    return bool(_fields(normalise(base)) - _fields(normalise(head)))


def _fields(schema: object, path: str = "$") -> set[str]:
    if isinstance(schema, list):
        return {field for one in schema for field in _fields(one, path)}
    if not isinstance(schema, dict):
        return set()
    here = {f"{path}.{name}" for name in schema.get("properties", {})}
    for name, one in schema.get("properties", {}).items():
        here |= _fields(one, f"{path}.{name}")
    for number, variant in enumerate(schema.get("anyOf", ())):
        # A field of one variant is not there because another one has one of the same name.
        here |= _fields(variant, f"{path}<{variant.get('title', number) if isinstance(variant, dict) else number}>")
    for keyword in ("allOf", "items", "prefixItems", "additionalProperties"):
        here |= _fields(schema.get(keyword), path)
    return here
