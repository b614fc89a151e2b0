"""What operators order: funds, retries, payouts let go, batches given up. Each command does something once. Pure."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from agents.settlement.merchants import send_on
from agents.settlement.queueing import advance, held_alert, line_up
from agents.settlement.terms import reserve_minor
from agents.settlement.turn import Turn
from agents.settlement.updates import send_fail
from schemas import settlement_events as ev
from schemas.money import INT64_MAX
from schemas.partitioning import partition_of
from schemas.settlement_commands import (
    Abandon,
    Fund,
    Release,
    Retry,
    SettlementCommand,
    Withdraw,
    read_settlement_command,
)
from schemas.settlement_events import SettlementEvent
from schemas.settlement_internal import ForwardedCommand, ReleaseKept, encode_settlement_internal
from schemas.topics import SETTLEMENT_INTERNAL
from streams.dead_letters import keep_dead_letter
from streams.machine import InputRecord


def take_command(turn: Turn, record: InputRecord, value: bytes) -> None:
    """One event, whatever it says. What cannot be read is dead-lettered; what came to a wrong partition is sent on."""
    try:
        command = read_settlement_command(value)
    except ValidationError as error:
        first: dict[str, Any] = dict(error.errors(include_url=False, include_input=False)[0])
        where = ".".join(map(str, first["loc"]))
        _refuse(turn, None, f"{where}: {first['msg']}".removeprefix(": "))
        keep_dead_letter(turn.context, turn.out, record, "malformed", "decode")
        return
    if partition_of(command.rail, turn.context.partitions) != turn.context.partition:
        turn.write(turn.event(ev.COMMAND_FORWARDED, rail=command.rail))
        turn.tell_rail(command.rail, ForwardedCommand(value=value.decode()))
        return
    if turn.state.taken.get(f"command {command.command_id}", turn.now_ms) is not None:
        _refuse(turn, command, "a command of this id was done before")
        return
    _do(turn, command)


def _do(turn: Turn, command: Fund | Withdraw | Retry | Release | Abandon) -> None:
    if isinstance(command, Fund):
        _move(turn, command, command.asset, command.amount_minor, command.reference)
    elif isinstance(command, Withdraw):
        _withdraw(turn, command)
    elif isinstance(command, Retry):
        _retry(turn, command)
    elif isinstance(command, Release):
        _release(turn, command)
    else:
        _abandon(turn, command)


def _move(turn: Turn, command: Fund | Withdraw, asset: str, moved_minor: int, reference: str | None) -> None:
    position = turn.state.position(command.rail, asset)
    if abs(position.funded_minor + moved_minor) > INT64_MAX:
        _refuse(turn, command, "the position would be out of range")
        return
    event = _ordered(turn, ev.POSITION_MOVED, command)
    event.asset, event.moved_minor, event.message = asset, moved_minor, reference
    turn.write(event)
    advance(turn, command.rail, asset, "out")


def _withdraw(turn: Turn, command: Withdraw) -> None:
    position, rail = turn.state.position(command.rail, command.asset), turn.rails.get(command.rail)
    free_minor = position.funded_minor - position.committed_minor - reserve_minor(rail, command.asset)
    if command.amount_minor > free_minor:
        _refuse(turn, command, f"{max(0, free_minor)} {command.asset} are free; batches and the reserve need the rest")
        return
    _move(turn, command, command.asset, -command.amount_minor, command.reference)


def _retry(turn: Turn, command: Retry) -> None:
    batch = turn.state.batches.get(command.batch_id)
    if batch is None or batch.rail != command.rail:
        _refuse(turn, command, f"rail {command.rail} has no batch {command.batch_id}")
    elif batch.state != "ready":
        _refuse(turn, command, f"the batch is {batch.state}: only one that is ready and waits can be tried again")
    else:
        # Also where an attempt is under way that nobody has answered: its status is asked before anything is sent.
        event = _ordered(turn, ev.ATTEMPT_DUE, command)
        event.batch_id, event.asset, event.attempt = command.batch_id, batch.asset, batch.attempt + 1
        # Nobody waits any longer for the report of that attempt, and it may have reached the rail.
        event.may_have_been_sent = batch.is_in_attempt
        turn.write(event)


def _release(turn: Turn, command: Release) -> None:
    row = turn.state.payouts.get(command.transaction_id)
    if row is None:
        # Perhaps a merchant's reserve keeps it back, in the partition of its wallet: all are asked.
        _release_elsewhere(turn, command)
        return
    if row.payout.rail != command.rail:
        _refuse(turn, command, f"rail {command.rail} has no payout {command.transaction_id}")
        return
    if row.place != "held":
        _refuse(turn, command, "the payout is not held: it waits in its queue, or is in a batch")
        return
    event = _ordered(turn, ev.PAYOUT_DROPPED, command)
    event.transaction_id, event.reason, event.asset = command.transaction_id, "released", row.payout.asset
    turn.write(event)
    turn.alert(held_alert(row.payout, "closed", f"let go by {command.by}"))
    line_up(turn, row.payout, is_submitted=row.is_submitted, is_released=True)


def _release_elsewhere(turn: Turn, command: Release) -> None:
    event = _ordered(turn, ev.RELEASE_PASSED_ON, command)
    event.transaction_id = command.transaction_id
    turn.write(event)
    for partition in range(turn.context.partitions):
        told = ReleaseKept(transaction_id=command.transaction_id, by=command.by)
        turn.out.send(SETTLEMENT_INTERNAL, partition, command.rail.encode(), encode_settlement_internal(told))


def release_kept_back(turn: Turn, transaction_id: str, by: str) -> None:
    """Let go what a merchant's reserve keeps back here; nothing happens where it is not, or no longer."""
    followed = turn.state.followed.get(transaction_id)
    if followed is None or not followed.kept_in:
        return
    payout = turn.state.kept.get(followed.kept_in)
    assert payout is not None
    send_on(turn, payout, f"let go by {by}")


def _abandon(turn: Turn, command: Abandon) -> None:
    batch = turn.state.batches.get(command.batch_id)
    if batch is None or batch.rail != command.rail:
        _refuse(turn, command, f"rail {command.rail} has no batch {command.batch_id}")
        return
    if batch.state != "ready":
        _refuse(turn, command, f"the batch is {batch.state}: only one that waits for its rail can be given up")
        return
    if batch.may_have_been_sent or batch.is_in_attempt:
        message = "the rail may have the batch: paying it back could pay it twice; retry it, or ask the rail"
        _refuse(turn, command, message)
        return
    members = turn.state.members_of(command.batch_id)
    event = _ordered(turn, ev.BATCH_ABANDONED, command)
    event.batch_id, event.asset = command.batch_id, batch.asset
    event.due_ms = turn.now_ms + turn.limits.retention_ms
    turn.write(event)
    for _, row in members:
        send_fail(turn, row.payout, "abandoned")
    advance(turn, batch.rail, batch.asset, "out")


def _ordered(turn: Turn, type_: str, command: SettlementCommand) -> SettlementEvent:
    event = turn.event(type_, rail=command.rail)
    event.command_id, event.by, event.reason = command.command_id, command.by, command.reason
    return event


def _refuse(turn: Turn, command: SettlementCommand | None, message: str) -> None:
    event = turn.event(ev.COMMAND_REFUSED) if command is None else _ordered(turn, ev.COMMAND_REFUSED, command)
    event.message = message[:400]
    turn.write(event)
