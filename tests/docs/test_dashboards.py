"""Alert rules and the dashboard name metrics, labels and pages that exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

from ops.cli.worker import ROLES
from ops.reference.metrics import described_metrics, exposed_names
from tests.docs.pages import ROOT, anchors, blocks

_FOLDER: Final = ROOT / "ops" / "dashboards"
_METRIC: Final = re.compile(r"\b((?:walletstream|process)_[a-z_]+)\b(?:\{([^}]*)\})?")
_GROUPED: Final = re.compile(r"\b(?:by|on|without) \(([^)]*)\)")
#: Labels that Prometheus adds, by the page's scrape configuration too, and those of histograms.
_ADDED: Final = {"instance", "job", "le", "role"}


def _rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((_FOLDER / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def _dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((_FOLDER / "grafana.json").read_text())
    return loaded


def _expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in _rules())
    yield from (target["expr"] for panel in _dashboard()["panels"] for target in panel["targets"])


def test_every_metric_exists() -> None:
    named = {found[0] for expression in _expressions() for found in _METRIC.findall(expression)}
    assert named - exposed_names() == set()
    assert len(named) > 15


def test_every_label_exists() -> None:
    labels = {label for metric in described_metrics() for label in metric.labels} | _ADDED
    for expression in _expressions():
        selected = {
            part.partition("=")[0].strip()
            for _, inside in _METRIC.findall(expression)
            if inside
            for part in inside.split(",")
        }
        grouped = {label.strip() for inside in _GROUPED.findall(expression) for label in inside.split(",")}
        assert selected | grouped <= labels, expression


def test_labels_in_texts_are_those_that_the_expression_leaves() -> None:
    for rule in _rules():
        shown = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        grouped = re.findall(r"\bby \(([^)]*)\)", rule["expr"])
        if grouped:
            assert shown <= {label.strip() for label in grouped[-1].split(",")}, rule["alert"]
        elif rule["expr"].startswith(("sum(", "max(")):
            assert shown == set(), rule["alert"]


def test_every_alert_leads_to_its_page_and_every_paragraph_has_its_alert() -> None:
    page = ROOT / "docs" / "operating" / "monitoring.md"
    for rule in _rules():
        path, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert ROOT / path == page
        assert anchor == rule["alert"].lower()
        assert anchor in anchors(page)
    assert {a for a in anchors(page) if a.startswith("walletstream")} == {rule["alert"].lower() for rule in _rules()}


def test_roles_own_the_same_partitions_and_are_not_added_up() -> None:
    """Eight partitions of each of two roles are sixteen owners, also while half of the ledger's have none."""
    found = [expression for expression in _expressions() if "walletstream_assigned_partitions" in expression]
    found += [rule["expr"] for rule in _rules() if "walletstream_fenced_total" in rule["expr"]]
    assert len(found) > 2
    for expression in found:
        for grouped in re.findall(r"\bsum(?: by \(([^)]*)\))?", expression):
            assert "role" in grouped, expression


def test_a_role_without_a_worker_that_answers_owns_nothing() -> None:
    (rule,) = [rule for rule in _rules() if rule["alert"] == "WalletstreamPartitionsUnowned"]
    assert 'or 0 * sum by (role) (up{job="walletstream"})' in rule["expr"], "a sum of no series is below nothing"


def test_the_page_has_each_role_scraped_under_its_name() -> None:
    page = ROOT / "docs" / "operating" / "monitoring.md"
    (text,) = [block.text for block in blocks(page) if block.language == "yaml"]
    (job,) = yaml.safe_load(text)["scrape_configs"]
    assert job["job_name"] == "walletstream"
    assert {group["labels"]["role"] for group in job["static_configs"]} == set(ROLES)


def test_what_calls_at_the_first_count_sees_a_series_that_appears_with_it() -> None:
    for rule in _rules():
        if found := re.fullmatch(r"increase\((.+)\[\d+m\]\) > 0(.*)", rule["expr"]):
            assert found[2].startswith(f" or ({found[1]} unless "), rule["alert"]


def test_parentheses_and_braces_are_balanced() -> None:
    for expression in _expressions():
        for opening, closing in ("()", "{}", "[]"):
            assert expression.count(opening) == expression.count(closing), expression


def test_panels_do_not_cover_each_other_and_have_their_own_ids() -> None:
    panels = _dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
