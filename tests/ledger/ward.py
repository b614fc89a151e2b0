"""Worlds for tests of the quarantine."""

from __future__ import annotations

from schemas.topics import TRANSACTION_REQUESTS
from tests.ledger.commands import credit, debit, open_wallet
from tests.ledger.world import World


class Poisoned(Exception):
    """A bug whose message holds a secret."""


def world_of(*names: str) -> World:
    """A world of two partitions with wallets `<name>` in partition 0, or `<name>@1` in partition 1, holding 100 EUR."""
    world = World(2)
    for name in names:
        wallet_id = place(world, name)
        assert world.submit(open_wallet(wallet_id))["code"] == "ok"
        assert world.submit(credit(wallet_id, 100))["code"] == "ok"
    return world


def place(world: World, name: str) -> str:
    """The wallet id of a name as `world_of` takes it."""
    plain, _, partition = name.partition("@")
    return world.name_in(int(partition or 0), plain)


def quarantined(world: World, wallet_id: str) -> None:
    """Put a wallet under quarantine."""
    world.machine.fails = lambda _record, context: context.topic == TRANSACTION_REQUESTS
    assert world.submit(debit(wallet_id, 1))["code"] == "internal_error"
    world.machine.fails = lambda _record, _context: False
