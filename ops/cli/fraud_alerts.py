"""`walletstream fraud alerts|explain|label|verdict|snooze|stats`: what analysts do."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any, get_args

import click
import msgspec

from agents.fraud.sentences import number_text
from ops.cli.fraud_rules import as_json_option, with_reader
from ops.cli.running import print_json, print_line
from ops.cli.signing import signed_by
from ops.errors import OperationError
from ops.fraud.live_alerts import alert_of, judge, read_alerts, say
from ops.fraud.live_rules import HeldRule, read_published
from ops.fraud.live_stats import stats_of
from ops.reading import TopicReader
from schemas.fraud_alerts import PAUSE, Alert, AlertState
from streams.settings import Settings

_by = signed_by("says so")
_VERDICTS = ("confirmed", "false_positive", "duplicate")


@click.command("alerts")
@click.option("--rule", "rule_id", help="Only those of this rule.")
@click.option("--subject", help="Only those on this subject, such as a wallet.")
@click.option("--state", type=click.Choice(get_args(AlertState)), help="Only those in this state.")
@click.option("--unlabelled", is_flag=True, help="Only those that nobody has labelled; pauses are not.")
@click.option("--last", type=click.IntRange(min=1), help="Only so many, the latest.")
@as_json_option
def alerts(
    rule_id: str | None, subject: str | None, state: str | None, unlabelled: bool, last: int | None, as_json: bool
) -> None:
    """List alerts, oldest first, each as it was told last."""
    found = [
        alert
        for alert in with_reader(lambda reader, _: read_alerts(reader)).values()
        if rule_id in (None, alert.rule_id)
        and subject in (None, alert.subject)
        and state in (None, alert.state)
        and not (unlabelled and (alert.label is not None or alert.action == PAUSE))
    ]
    found = found if last is None else found[-last:]
    if as_json:
        print_json([msgspec.to_builtins(alert) for alert in found])
        return
    for alert in found:
        shadow = " in shadow" if alert.shadow else ""
        label = f", {alert.label}" if alert.label else ""
        print_line(f"{alert.alert_id[:12]} {alert.last_seen} {alert.severity:<9} {alert.state}{shadow}{label}")
        print_line(f"    {alert.rule_id}: {alert.sentence}")
    click.echo(f"{len(found)} alerts", err=True)


@click.command("explain")
@click.argument("alert_id", metavar="ALERT")
@as_json_option
def explain(alert_id: str, as_json: bool) -> None:
    """Say why ALERT was raised: what was seen, the limit, what is normal, the transactions.

    The beginning of its id will do.
    """

    async def work(reader: TopicReader, _settings: Settings) -> Alert:
        return alert_of(await read_alerts(reader), alert_id)

    alert = with_reader(work)
    if as_json:
        print_json(msgspec.to_builtins(alert))
        return
    print_line(alert.sentence)
    for name, value in _facts_of(alert):
        print_line(f"  {name:<14} {value}")
    for transaction_id in alert.evidence:
        # Of a request that was rejected there is none: partition and offset of its event stand for it.
        look = "" if ":" in transaction_id else f"   (walletstream tx show {transaction_id})"
        print_line(f"  {'transaction':<14} {transaction_id}{look}")


def _facts_of(alert: Alert) -> list[tuple[str, Any]]:
    action = alert.action if alert.action_result is None else f"{alert.action}: {alert.action_result}"
    facts: list[tuple[str, Any]] = [
        ("alert", alert.alert_id),
        ("rule", f"{alert.rule_id} version {alert.version}{' in shadow' if alert.shadow else ''}"),
        ("state", alert.state if alert.label is None else f"{alert.state}, {alert.label}"),
        ("severity", f"{alert.severity}, score {alert.score}"),
        ("action", action),
        ("subject", ", ".join(f"{name} {value}" for name, value in alert.key.items())),
        ("wallet", alert.wallet_id),
        ("amount", None if alert.amount_minor is None else f"{alert.amount_minor} {alert.asset or ''} (minor units)"),
        ("seen", f"{alert.first_seen} to {alert.last_seen}, {alert.occurrences} times"),
        ("window", None if alert.window_from is None else f"after {alert.window_from} up to {alert.window_to}"),
        ("observed", _number(alert.observed)),
        ("limit", _number(alert.limit)),
        ("normal", _number(alert.normal)),
    ]
    parts = [one for one in alert.contributions if one.rule_id != alert.rule_id]
    facts += [("adds up", f"{one.rule_id} version {one.version}: {one.score}") for one in parts]
    facts += [
        ("list", f"{one.field} is {one.likeness} % like {one.entry!r} of {one.name} version {one.version}")
        for one in alert.matches
    ]
    return [(name, value) for name, value in facts if value is not None]


def _number(exact: str | None) -> str | None:
    """A number of an alert; one that is told as a fraction, so that nothing is rounded, as a decimal before that."""
    if exact is None or "/" not in exact:
        return exact
    try:
        return f"{number_text(Fraction(exact))} ({exact})"
    except (ValueError, ZeroDivisionError, OverflowError):
        # Written by somebody else.
        return exact


@click.command("label")
@click.argument("alert_id", metavar="ALERT")
@click.argument("verdict", type=click.Choice(_VERDICTS))
@click.option("--reason", help="Why; a false positive needs one.")
@_by
def label(alert_id: str, verdict: str, reason: str | None, by: str) -> None:
    """Say what came of ALERT. The last word counts; `fraud stats` goes by it."""

    async def work(reader: TopicReader, _settings: Settings) -> Alert:
        alert = alert_of(await read_alerts(reader), alert_id)
        if alert.action == PAUSE:
            raise OperationError("it says that a rule is paused: only what a rule has said of somebody has a label")
        feedback = {"kind": "label", "subject": alert.subject, "alert_id": alert.alert_id, "verdict": verdict, "by": by}
        if reason is not None:
            feedback["reason"] = reason
        elif verdict == "false_positive":
            raise OperationError("a false positive needs a --reason, for rules are tuned by it")
        await say(reader, alert.subject, json.dumps(feedback).encode())
        return alert

    click.echo(f"{with_reader(work).alert_id} is {verdict}")


@click.command("verdict")
@click.argument("transaction_id", metavar="TRANSACTION")
@click.argument("verdict", type=click.Choice(("allow", "deny")))
@click.option("--wallet", "wallet_id", required=True, help="Wallet that pays.")
@click.option("--reason", required=True, help="Why, for the record.")
@_by
def verdict(transaction_id: str, verdict: str, wallet_id: str, reason: str, by: str) -> None:
    """Say whether TRANSACTION, a payment that waits for screening, may go.

    The ledger takes the first verdict on a payment, and refuses any other. What is allowed is executed at once, as if
    it were asked for now; what is denied fails, and its money is available again. `walletstream tx show TRANSACTION`
    says what became of it.
    """
    feedback = {"kind": "payment", "subject": wallet_id, "transaction_id": transaction_id, "verdict": verdict}

    async def work(reader: TopicReader, _settings: Settings) -> None:
        said = json.dumps({**feedback, "reason": reason, "by": by}).encode()
        await judge(reader, wallet_id, transaction_id, said)

    with_reader(work)
    click.echo(f"{transaction_id}: {verdict}")


@click.command("snooze")
@click.argument("rule_id")
@click.argument("subject")
@click.option(
    "--for-s", "expires_in_s", type=click.IntRange(min=0), default=86_400, show_default=True, help="Seconds; 0 ends it."
)
@click.option("--reason", required=True, help="Why.")
@_by
def snooze(rule_id: str, subject: str, expires_in_s: int, reason: str, by: str) -> None:
    """Silence RULE_ID for SUBJECT. Its alerts are made and counted all the same, as `snoozed`, and nothing is done."""
    feedback = {
        "kind": "snooze",
        "subject": subject,
        "rule_id": rule_id,
        "expires_in_s": expires_in_s,
        "reason": reason,
        "by": by,
    }

    async def work(reader: TopicReader, settings: Settings) -> None:
        if expires_in_s:
            published = await read_published(reader, settings.fraud_retention_s)
            _check_subject(published.held.get(rule_id), rule_id, subject)
        await say(reader, subject, json.dumps(feedback).encode())

    with_reader(work)
    said = f"{rule_id} is silent on {subject} for {expires_in_s} s" if expires_in_s else f"{rule_id} speaks again"
    print_line(said)


def _check_subject(held: HeldRule | None, rule_id: str, subject: str) -> None:
    """
    Raises:
        OperationError: there is no such rule, or no alert of it can have this subject.
    """
    if held is None:
        raise OperationError(f"no rule {rule_id!r}; `walletstream fraud rules` lists them")
    key = () if held.rule is None else held.rule.key
    # Values may have the mark that joins them, but there are never fewer of them than fields.
    if subject.count("|") < len(key) - 1:
        raise OperationError(
            f"{subject!r} is no subject of {rule_id}, whose key is {'|'.join(key)}: give a value for each of them, as "
            f"`walletstream fraud alerts --rule {rule_id} --json` has them"
        )


@click.command("stats")
@click.option("--rule", "rule_id", help="Only this rule.")
@as_json_option
def stats(rule_id: str | None, as_json: bool) -> None:
    """How each version of a rule has done: alerts, precision by labels, subjects, repeats, overlap, value stopped."""
    found = stats_of(with_reader(lambda reader, _: read_alerts(reader)).values())
    found = [one for one in found if rule_id in (None, one.rule_id)]
    if as_json:
        print_json([one.as_json() for one in found])
        return
    for one in found:
        precision = "no labels" if one.precision is None else f"{one.precision:.0%} precise"
        print_line(
            f"{one.rule_id} version {one.version}: {one.alerts} alerts, {one.alerts_per_day:.1f} a day, {precision}"
        )
        click.echo(
            f"    {one.subjects} subjects, {one.repeat_ratio:.0%} repeated, {one.occurrences} occurrences; "
            f"{one.confirmed} confirmed, {one.false_positives} false, {one.duplicates} duplicates; "
            f"{one.withdrawn} withdrawn, {one.snoozed} snoozed, {one.shadow} in shadow, {one.actions} acted on"
        )
        for asset, amount in one.stopped_minor.items():
            print_line(f"    stopped {amount} {asset} (minor units)")
        for other, share in one.overlaps.items():
            print_line(f"    {share:.0%} with {other}")
    if not found:
        print_line("no alerts" if rule_id is None else f"no alerts of {rule_id}", err=True)
