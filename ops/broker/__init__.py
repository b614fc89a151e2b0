"""An embedded Apache Kafka broker for demos, tests and benchmarks: real Kafka, no Docker, no installation."""

from ops.broker.embedded import EmbeddedBroker
from ops.broker.errors import BrokerError

__all__ = ["BrokerError", "EmbeddedBroker"]
