"""`docs/reference/topics.md`: the topic catalogue."""

from __future__ import annotations

from ops.reference.markdown import days, fenced, listed, page, size, table
from schemas.catalogue import TOPICS
from schemas.topic_config import idempotency_floor_ms, topic_config
from schemas.topics import FRAUD_RULES, INPUTS, REFERENCE_DATA, Topic, full_name

_INTRODUCTION = """
Every topic that Walletstream uses. On the broker a topic is called namespace + name + `.v1`; with the default
namespace that is `wallet.` + name + `.v1`. `walletstream topics plan` shows what would be created or changed, `topics
apply` does it, and `topics check` lists what does not agree with this page. Where it would lose or double money -
another partition count, too few replicas, an input that the broker does not stamp, an event log that is not kept for
ever - a worker refuses to start, in the same words.

**Authority is the topic**: who may write a topic, by Kafka's access control, may give its commands. Nothing inside a
record can raise its rights. **Read everything with `isolation.level=read_committed`**; what is not committed was
never promised.

Co-partitioned topics all have as many partitions as `WALLETSTREAM_PARTITIONS` says (default 8), and a wallet lives in
the same partition of each: `(murmur2(wallet id) & 0x7fffffff) % partitions`, as Kafka's Java client computes it.
"""


def topics_page() -> str:
    """The page."""
    overview = table(
        ("topic", "written by", "read by", "kept", "partitions", "JSON Schema"),
        [
            (
                f"[`{topic.name}`](#{topic.name})",
                topic.owner,
                ", ".join(topic.readers),
                _kept(topic),
                "as the setting" if topic.co_partitioned else "1",
                f"[schema](../../schemas/generated/{topic.name}.v1.json)" if topic.has_schema else "none yet",
            )
            for topic in TOPICS
        ],
    )
    order = f"The ledger takes from its inputs in this order: {listed(INPUTS)}; each has a guaranteed share of a batch."
    memory = (
        f"Idempotency keys must be kept at least {days(idempotency_floor_ms())}: seven days longer than any input or "
        "dead letter, or a record could be decided again after its key is forgotten. Workers check it when they start."
    )
    sections = [_section(topic) for topic in TOPICS]
    return page("Topics", "`schemas/catalogue`", _INTRODUCTION, overview, order, memory, *sections)


def _section(topic: Topic) -> str:
    facts = table(
        ("", ""),
        [
            ("name on the broker", f"`{full_name('wallet.', topic.name)}`"),
            ("written by", topic.owner),
            ("read by", ", ".join(topic.readers)),
            ("key", topic.key),
            ("value", topic.value),
            ("unknown fields", _unknown_fields(topic)),
            ("kept", _kept(topic)),
            ("largest record", size(topic.max_message_bytes)),
            ("timestamps", "stamped by the broker" if topic.append_time else "given by the producer"),
            (
                "example",
                f"[`{topic.example}`](../../schemas/examples/{topic.example})" if topic.example else "none yet",
            ),
        ],
    )
    config = "\n".join(f"{name}={value}" for name, value in topic_config(topic, "replicated").items())
    return f"## {topic.name}\n\n{topic.description}\n\n{facts}\n\nConfiguration, replicated:\n\n{fenced(config)}"


def _unknown_fields(topic: Topic) -> str:
    if topic.name in (*REFERENCE_DATA, FRAUD_RULES):
        return "refused: the record is passed over"
    return "refused: `malformed`" if topic.strict else "ignored by readers"


def _kept(topic: Topic) -> str:
    return "the latest of each key (compacted)" if topic.cleanup == "compact" else days(topic.retention_ms)
