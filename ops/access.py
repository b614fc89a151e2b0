"""What each role has to be allowed by Kafka's access control (ACLs), and no more: by its topics and who owns them."""

from __future__ import annotations

from typing import Final, NamedTuple

from agents.fraud.agent import FRAUD
from agents.ledger.agent import LEDGER
from agents.reconciliation.agent import RECONCILIATION
from agents.settlement.agent import SETTLEMENT
from agents.settlement.rails.courier.on_kafka import GROUP as COURIER
from agents.views.follow import ROLE as VIEWS
from ops.reconcile.proving_role import GROUP as PROOFS
from ops.reconcile.publishing import WORK as PUBLISHING
from schemas.topics import (
    EXTERNAL_STATEMENTS,
    LEDGER_EVENTS,
    RECONCILIATION_EXCEPTIONS,
    RECONCILIATION_PROOFS,
    RECONCILIATION_RESULTS,
    SETTLEMENT_BATCHES,
    Topic,
)
from streams.role import Role


class Access(NamedTuple):
    """What workers of one role need. Topics by their short names, everything else without the namespace before it."""

    role: str
    #: `Read`.
    reads: tuple[str, ...]
    #: `Write`.
    writes: tuple[str, ...]
    #: `Describe` and `DescribeConfigs`: workers look at every start whether these are as they must be.
    checks: tuple[str, ...]
    #: `Read`, by full names.
    groups: tuple[str, ...]
    #: `Write`, by what they begin with.
    transactional_ids: tuple[str, ...]


def is_written_by(topic: Topic, role: str) -> bool:
    """Whether the role is among those whom the catalogue has write the topic."""
    return topic.owner == "every role" or role in topic.owner.split()


def _of(
    role: Role, reads: tuple[str, ...] = (), groups: tuple[str, ...] = (), transactional_ids: tuple[str, ...] = ()
) -> Access:
    return Access(
        role.name,
        tuple(dict.fromkeys((*role.inputs, role.event_log, *role.reference, *reads))),
        tuple(topic.name for topic in role.topics if is_written_by(topic, role.name)),
        tuple(topic.name for topic in role.topics),
        (role.name, *groups),
        (f"{role.name}-", *transactional_ids),
    )


#: By role, as `walletstream worker` names them.
ACCESS: Final[dict[str, Access]] = {
    one.role: one
    for one in (
        _of(LEDGER),
        Access(VIEWS, (LEDGER_EVENTS,), (), (LEDGER_EVENTS,), (VIEWS,), ()),
        _of(FRAUD),
        # The courier reads batches for itself.
        _of(SETTLEMENT, (SETTLEMENT_BATCHES,), (COURIER,)),
        # Proofs are made from what the role has told and what was imported.
        _of(
            RECONCILIATION,
            (RECONCILIATION_RESULTS, RECONCILIATION_EXCEPTIONS, RECONCILIATION_PROOFS, EXTERNAL_STATEMENTS),
            (PROOFS,),
            (PUBLISHING,),
        ),
    )
}
