"""Proofs on their topic: each is written once, and again only where it says something else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from ops.alone import alone, until_visible
from ops.consuming import place_of
from ops.errors import OperationError
from ops.reading import TopicReader
from schemas.reconciliation_proofs import Proof, decode_proof, encode_proof
from schemas.topics import RECONCILIATION_PROOFS, full_name

WORK: Final = "proofs"


class Published(NamedTuple):
    """What became of proofs on the topic."""

    written: tuple[Proof, ...]
    #: Those that were there already and say the same.
    unchanged: int


async def publish_new(reader: TopicReader, proofs: Sequence[Proof]) -> Published:
    """Write what is new, in one transaction; a proof that says the same as the one published is not written again.

    Whoever else publishes is fenced before the topic is read, so that of two nothing is there twice.

    Raises:
        OperationError: the broker refused, or somebody else publishes meanwhile.
    """
    async with alone(reader, WORK, f"walletstream tail {RECONCILIATION_PROOFS}") as producer:
        new = new_among(proofs, await read_published(reader))
        if new:
            topic = full_name(reader.namespace, RECONCILIATION_PROOFS)
            async with producer.transaction():
                waiting = [await producer.send(topic, encode_proof(one), key=one.proof_id.encode()) for one in new]
                written = [await one for one in waiting]
            await until_visible(reader, RECONCILIATION_PROOFS, written)
    return Published(tuple(new), len(proofs) - len(new))


def new_among(proofs: Sequence[Proof], before: Mapping[str, Proof]) -> list[Proof]:
    """Those that say something else than what is published, as they are to be published. Pure."""
    return [new for one in proofs if (new := revision_of(one, before.get(one.proof_id))) is not None]


def revision_of(proof: Proof, before: Proof | None) -> Proof | None:
    """The proof as it is to be published; None where the one before says the same. Pure."""
    if before is None:
        return proof
    if msgspec.structs.replace(before, revision=proof.revision) == proof:
        return None
    return msgspec.structs.replace(proof, revision=before.revision + 1)


async def read_published(reader: TopicReader) -> dict[str, Proof]:
    """Id -> the proof of the highest revision.

    Raises:
        OperationError: the topic is missing, cannot be read, or holds what is no proof.
    """
    found: dict[str, Proof] = {}
    async for records in reader.read(RECONCILIATION_PROOFS):
        for record in records:
            try:
                proof = decode_proof(record.value or b"")
            except msgspec.MsgspecError as error:
                raise OperationError(f"{place_of(record)} is no proof ({error})") from error
            held = found.get(proof.proof_id)
            if held is None or proof.revision >= held.revision:
                found[proof.proof_id] = proof
    return found
