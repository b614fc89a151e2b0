"""`docs/reference/fraud-rules.md`: the shipped fraud rules."""

from __future__ import annotations

import json
from itertools import groupby
from typing import Final

from ops.fraud.library.shipped import COMMON, Shipped, fields_of, library, wire
from ops.reference.markdown import fenced, listed, page, table

_INTRODUCTION: Final = """
Rules that come with Walletstream, as data. `walletstream fraud library show RULE --set NAME=VALUE --json` prints one
as it is published, with some of its parameters set; `fraud backtest` tries it on history first. They come in state
`shadow`, in which their alerts are made and counted, and nobody acts on them.

Limits are defaults to start from, not recommendations: amounts are minor units of an asset with two decimals, and
what is usual differs from one population of wallets to the next. Each rule has two scenarios in
`tests/fraud/scenarios`: one that fires, and a near miss that does not.

A rule that looks at `party_id` sees both sides of each wallet: what it pays with `direction` `out`, what it is paid
with `in`. A rule that compares with a list asks the topic `lists`: the list has to be there when the rule is published,
and may be empty; one that is removed later has nobody on it.
"""


def fraud_rules_page() -> str:
    """The page."""
    rules = list(library().values())
    overview = table(
        ("rule", "group", "severity", "score", "says"),
        [
            (
                f"[`{each.rule.rule_id}`](#{each.rule.rule_id})",
                each.group,
                each.rule.severity,
                str(each.rule.score),
                each.rule.description or "",
            )
            for each in rules
        ],
    )
    common = f"Every rule has these parameters too: {listed(COMMON)}."
    parts = [overview, common]
    for group, members in groupby(rules, key=lambda each: each.group):
        parts.append(f"## {group.capitalize()}")
        parts += [_section(each) for each in members]
    return page("Fraud rules", "`ops/fraud/library`", _INTRODUCTION, *parts)


def _section(each: Shipped) -> str:
    rule = each.rule
    parameters = table(
        ("parameter", "default", "unit", "what it is"),
        [
            (f"`{name}`", f"`{json.dumps(each.default(name))}`", parameter.unit, parameter.description)
            for name, parameter in each.parameters.items()
        ],
    )
    sources = "\n".join(
        f"- {source.by}: {source.title} ({source.year}){f'. {part}' if part else ''}" for source, part in each.citations
    )
    return "\n\n".join(
        [
            f"### {rule.rule_id}",
            each.about,
            f"Key {listed(rule.key)}; looks at {listed(fields_of(rule))}.",
            parameters,
            sources,
            "<details><summary>the rule</summary>",
            fenced(json.dumps(wire(rule), indent=2, ensure_ascii=False), "json"),
            "</details>",
        ]
    )
