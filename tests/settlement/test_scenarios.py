"""The scenarios of settlement: tables in `scenarios/`, played by the ledger's and the role's real machines."""

from __future__ import annotations

import pytest

from tests.settlement.playing import Player, players

PLAYERS = players()


@pytest.mark.parametrize("player", PLAYERS, ids=lambda player: player.scenario.name)
def test_scenario(player: Player) -> None:
    player.play()


def test_there_are_some() -> None:
    assert len(PLAYERS) >= 10
