"""Rules as analysts write them, short."""

from __future__ import annotations

import json
from typing import Any

from schemas.fraud_rules import Rule


def rule(rule_id: str, **parts: Any) -> Rule:
    """A rule of a wallet's history, read from JSON as it comes on the topic."""
    given = {"rule_id": rule_id, "version": 1, "state": "active", "severity": "low", "score": 50, "key": ["wallet_id"]}
    return Rule.model_validate_json(json.dumps(given | parts))


def aggregate_rule(rule_id: str, aggregate: dict[str, Any], condition: dict[str, Any], **parts: Any) -> Rule:
    """A rule with an aggregate."""
    return rule(rule_id, aggregate=aggregate, condition=condition, **parts)
