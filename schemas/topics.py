"""The topic catalogue: every topic in use, who writes it, who reads it, how long it is kept and how it is configured.

A topic has a short name (`transaction-requests`), under which code, events and docs speak of it, and a full one on
the broker: namespace, short name, version (`wallet.transaction-requests.v1`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

VERSION: Final = "v1"
DAY_MS: Final = 86_400_000
INPUT_MAX_BYTES: Final = 1 << 20
#: What holds a whole input record as JSON text: twice its bytes for escapes, and room for the envelope.
ENVELOPE_MAX_BYTES: Final = 2 * INPUT_MAX_BYTES + (64 << 10)


@dataclass(frozen=True, kw_only=True)
class Topic:
    """One entry of the catalogue."""

    name: str
    description: str
    #: The only one who may write it, by access control: authority is the topic.
    owner: str
    readers: tuple[str, ...]
    key: str
    #: Contract of the value in words; its JSON Schema is `schemas/generated/<name>.v1.json` where `has_schema`.
    value: str
    has_schema: bool = True
    #: An input contract: readers refuse unknown fields. Else they ignore them.
    strict: bool = False
    cleanup: Literal["delete", "compact"] = "delete"
    #: None: kept for ever.
    retention_ms: int | None
    #: As many partitions as all other co-partitioned topics, the wallet deciding which; else a single one.
    co_partitioned: bool = True
    max_message_bytes: int = INPUT_MAX_BYTES
    #: The broker stamps the records (`LogAppendTime`), not who writes them.
    append_time: bool = False
    #: A golden example, below `schemas/examples/`.
    example: str | None

    def partition_count(self, partitions: int) -> int:
        """Partitions of this topic where co-partitioned topics have `partitions`."""
        return partitions if self.co_partitioned else 1


TRANSACTION_REQUESTS: Final = "transaction-requests"
OPERATOR_COMMANDS: Final = "operator-commands"
FRAUD_COMMANDS: Final = "fraud-commands"
SETTLEMENT_UPDATES: Final = "settlement-updates"
INTERNAL_COMMANDS: Final = "internal-commands"
LEDGER_EVENTS: Final = "ledger-events"
TRANSACTION_OUTCOMES: Final = "transaction-outcomes"
WALLET_BALANCES: Final = "wallet-balances"
DEAD_LETTERS: Final = "dead-letters"
ASSETS: Final = "assets"
RAILS: Final = "rails"
TIERS: Final = "tiers"
FEE_SCHEDULES: Final = "fee-schedules"
FX_RATES: Final = "fx-rates"
LISTS: Final = "lists"
FRAUD_RULES: Final = "fraud-rules"
FRAUD_INTERNAL: Final = "fraud-internal"
FRAUD_EVENTS: Final = "fraud-events"
FRAUD_ALERTS: Final = "fraud-alerts"
FRAUD_FEEDBACK: Final = "fraud-feedback"

#: Reference data of the ledger: what its decisions ask beside the state, the latest record of each key.
LEDGER_REFERENCE: Final = (ASSETS, RAILS, TIERS, FEE_SCHEDULES, FX_RATES)
#: All topics of reference data that operators' tools write record by record; rules are published.
REFERENCE_DATA: Final = (*LEDGER_REFERENCE, LISTS)
#: Reference data of the fraud role.
FRAUD_REFERENCE: Final = (ASSETS, FX_RATES, LISTS, FRAUD_RULES)

#: The ledger's input topics, in the order in which it takes from them.
INPUTS: Final = (INTERNAL_COMMANDS, SETTLEMENT_UPDATES, OPERATOR_COMMANDS, FRAUD_COMMANDS, TRANSACTION_REQUESTS)
#: The fraud role's.
FRAUD_INPUTS: Final = (FRAUD_INTERNAL, FRAUD_FEEDBACK, LEDGER_EVENTS)


def _reference_data(
    name: str, description: str, *, readers: tuple[str, ...], key: str, value: str, example: str
) -> Topic:
    return Topic(
        name=name,
        description=description,
        owner="operators' tools",
        readers=readers,
        key=key,
        value=value,
        strict=True,
        cleanup="compact",
        retention_ms=None,
        co_partitioned=False,
        append_time=True,
        example=example,
    )


TOPICS: Final = (
    Topic(
        name=TRANSACTION_REQUESTS,
        description="What customers' systems ask for: wallets to open, money to move.",
        owner="upstream producers",
        readers=("ledger",),
        key="wallet id",
        value="TransactionRequest",
        strict=True,
        retention_ms=7 * DAY_MS,
        append_time=True,
        example="transaction-requests.v1/transfer.json",
    ),
    Topic(
        name=OPERATOR_COMMANDS,
        description="What operators order after authorization and four eyes: wallet states, release of quarantine, "
        "disputes decided, transactions reversed, accounts adjusted.",
        owner="operators' tools",
        readers=("ledger",),
        key="wallet id",
        value="OperatorRequest",
        strict=True,
        retention_ms=7 * DAY_MS,
        append_time=True,
        example="operator-commands.v1/set_wallet_state.json",
    ),
    Topic(
        name=FRAUD_COMMANDS,
        description="Orders of the fraud role. It has no command yet: the ledger answers every record `malformed`.",
        owner="fraud",
        readers=("ledger",),
        key="wallet id",
        value="none yet",
        has_schema=False,
        strict=True,
        retention_ms=7 * DAY_MS,
        append_time=True,
        example=None,
    ),
    Topic(
        name=SETTLEMENT_UPDATES,
        description="What rails report of transactions: handed over, settled, refused, returned.",
        owner="settlement",
        readers=("ledger",),
        key="wallet id",
        value="SettlementUpdate",
        strict=True,
        retention_ms=7 * DAY_MS,
        append_time=True,
        example="settlement-updates.v1/settle.json",
    ),
    Topic(
        name=INTERNAL_COMMANDS,
        description="What one partition of the ledger tells another: transfer legs and their answers, forwarded "
        "records, ticks.",
        owner="ledger",
        readers=("ledger",),
        key="wallet id; none for ticks",
        value="InternalCommand",
        retention_ms=7 * DAY_MS,
        max_message_bytes=ENVELOPE_MAX_BYTES,
        append_time=True,
        example="internal-commands.v1/transfer.other_partition.json",
    ),
    Topic(
        name=LEDGER_EVENTS,
        description="The truth: every decision with its journal, sealed batch by batch in a hash chain.",
        owner="ledger",
        readers=("ledger", "fraud", "views", "verify", "every projection"),
        key="wallet id; none for seals and ticks",
        value="LedgerEvent or Seal",
        retention_ms=None,
        max_message_bytes=ENVELOPE_MAX_BYTES,
        example="ledger-events.v1/transfer.json",
    ),
    Topic(
        name=TRANSACTION_OUTCOMES,
        description="Exactly one answer to each command record, and an update for each later change of its "
        "transaction.",
        owner="ledger",
        readers=("upstream producers", "operators' tools"),
        key="wallet id",
        value="Outcome",
        retention_ms=7 * DAY_MS,
        example="transaction-outcomes.v1/transfer.json",
    ),
    Topic(
        name=WALLET_BALANCES,
        description="The latest balances of each wallet and of each partition's shards of the system accounts.",
        owner="ledger",
        readers=("verify", "operators' tools"),
        key="wallet id; `system/<name>` for a system account's shard, in its own partition",
        value="WalletBalances",
        cleanup="compact",
        retention_ms=None,
        max_message_bytes=ENVELOPE_MAX_BYTES,
        example="wallet-balances.v1/transfer.json",
    ),
    Topic(
        name=DEAD_LETTERS,
        description="Records that could not be handled: key, value and headers untouched, with `dlq.*` headers that "
        "say why. The schema is of those headers; a value too large is replaced by a reference.",
        owner="every role",
        readers=("operators' tools",),
        key="the record's own",
        value="the record's own bytes; headers DeadLetterHeaders",
        retention_ms=30 * DAY_MS,
        max_message_bytes=ENVELOPE_MAX_BYTES,
        append_time=True,
        example="dead-letters.v1/credit.malformed.json",
    ),
    _reference_data(
        ASSETS,
        "Registered assets beyond ISO 4217: loyalty points, vouchers, other currencies.",
        readers=("ledger", "fraud", "views (to come)"),
        key="asset code",
        value="Asset",
        example="assets.v1/points.json",
    ),
    _reference_data(
        RAILS,
        "The rails by which money enters and leaves, beyond the built-in `instant`.",
        readers=("ledger", "settlement (to come)"),
        key="rail name",
        value="Rail",
        example="rails.v1/deferred.json",
    ),
    _reference_data(
        TIERS,
        "Tiers of wallets: how much a wallet of a tier may move and hold.",
        readers=("ledger",),
        key="tier name",
        value="Tier",
        example="tiers.v1/standard.json",
    ),
    _reference_data(
        FEE_SCHEDULES,
        "What operations cost, by kind of wallet and asset.",
        readers=("ledger",),
        key="name of the fee schedule",
        value="FeeSchedule",
        example="fee-schedules.v1/bands.json",
    ),
    _reference_data(
        FX_RATES,
        "Exchange rates, each with the time in which it is valid.",
        readers=("ledger", "fraud"),
        key="rate id",
        value="FxRate",
        example="fx-rates.v1/eur_usd.json",
    ),
    _reference_data(
        LISTS,
        "Lists that fraud rules ask: of wallets, devices, addresses or names, each whole in one record.",
        readers=("fraud",),
        key="name of the list",
        value="FraudList",
        example="lists.v1/watched_devices.json",
    ),
    _reference_data(
        FRAUD_RULES,
        "Fraud rules, the latest version of each: `walletstream fraud publish` writes them.",
        readers=("fraud",),
        key="rule id",
        value="Rule",
        example="fraud-rules.v1/own_mean.json",
    ),
    Topic(
        name=FRAUD_INTERNAL,
        description="What one partition of the fraud role tells another: facts whose keys live there, rules that are "
        "paused.",
        owner="fraud",
        readers=("fraud",),
        key="the first of the keys, its values joined by `|`; none for what is said to a partition",
        value="FraudInternal",
        retention_ms=7 * DAY_MS,
        append_time=True,
        example="fraud-internal.v1/fact.json",
    ),
    Topic(
        name=FRAUD_EVENTS,
        description="The fraud role's state log: each fact with the keys it was counted under and what rules said of "
        "it, labels, snoozes, rules that were paused; sealed as the ledger's.",
        owner="fraud",
        readers=("fraud", "operators' tools"),
        key="wallet id of the fact, or subject; none for seals",
        value="FraudEvent or Seal",
        retention_ms=None,
        max_message_bytes=ENVELOPE_MAX_BYTES,
        example="fraud-events.v1/fact_evaluated.json",
    ),
    Topic(
        name=FRAUD_ALERTS,
        description="Alerts; the last record of an alert's id is what counts, and repeats what was said before.",
        owner="fraud",
        readers=("analysts", "operators' tools"),
        key="subject of the alert",
        value="Alert",
        retention_ms=400 * DAY_MS,
        example="fraud-alerts.v1/open.json",
    ),
    Topic(
        name=FRAUD_FEEDBACK,
        description="What analysts say of alerts: labels, and rules that leave a subject alone for some time.",
        owner="analysts' tools",
        readers=("fraud",),
        key="subject of the alert",
        value="Feedback",
        strict=True,
        retention_ms=30 * DAY_MS,
        append_time=True,
        example="fraud-feedback.v1/label.json",
    ),
)

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


def full_name(namespace: str, name: str) -> str:
    """Name of a topic on the broker: `wallet.` and `rails` give `wallet.rails.v1`."""
    return f"{namespace}{name}.{VERSION}"


def short_name(namespace: str, full: str) -> str:
    """Short name of a topic of the catalogue, the inverse of `full_name`.

    Raises:
        ValueError: the topic belongs to another namespace, version or product.
    """
    name = full.removeprefix(namespace).removesuffix(f".{VERSION}")
    if name not in _BY_NAME or full_name(namespace, name) != full:
        raise ValueError(f"topic {full!r} is not one of ours under the namespace {namespace!r}")
    return name
