"""The topic catalogue: every topic in use, who writes it, who reads it, how long it is kept, how it is configured."""

from __future__ import annotations

from typing import Final

from schemas.catalogue.fraud import FRAUD_TOPICS
from schemas.catalogue.ledger import LEDGER_TOPICS
from schemas.catalogue.reconciliation import RECONCILIATION_TOPICS
from schemas.catalogue.reference import REFERENCE_TOPICS
from schemas.catalogue.settlement import SETTLEMENT_TOPICS
from schemas.topics import VERSION, Topic, full_name

TOPICS: Final = (*LEDGER_TOPICS, *REFERENCE_TOPICS, *FRAUD_TOPICS, *SETTLEMENT_TOPICS, *RECONCILIATION_TOPICS)

_BY_NAME: Final = {topic.name: topic for topic in TOPICS}


def topic_named(name: str) -> Topic:
    """The catalogue's entry of a short name.

    Raises:
        ValueError: the catalogue has no such topic.
    """
    try:
        return _BY_NAME[name]
    except KeyError:
        raise ValueError(f"no topic {name!r} in the catalogue; there are {', '.join(_BY_NAME)}") from None


def short_name(namespace: str, full: str) -> str:
    """Short name of a topic of the catalogue, the inverse of `full_name`.

    Raises:
        ValueError: the topic belongs to another namespace, version or product.
    """
    name = full.removeprefix(namespace).removesuffix(f".{VERSION}")
    if name not in _BY_NAME or full_name(namespace, name) != full:
        raise ValueError(f"topic {full!r} is not one of ours under the namespace {namespace!r}")
    return name
