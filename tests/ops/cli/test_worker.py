"""`walletstream worker`: whoever starts it again goes by its exit code."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import CliRunner

from agents.fraud.agent import FRAUD
from agents.ledger.agent import LEDGER
from agents.reconciliation.agent import RECONCILIATION
from agents.settlement.agent import SETTLEMENT
from ops.cli import main
from ops.cli import worker as command
from streams.settings import Settings


@pytest.mark.parametrize("code", [0, 1, 2])
@pytest.mark.parametrize("role", command.ROLES)
def test_the_code_of_a_worker_is_the_code_of_the_process(monkeypatch: pytest.MonkeyPatch, role: str, code: int) -> None:
    asked: list[str] = []

    def ends(name: str) -> Callable[[Settings], int]:
        def run(settings: Settings) -> int:
            asked.append(f"{name} of {settings.worker_id}")
            return code

        return run

    for name in command.ROLES:
        monkeypatch.setitem(command.ROLES, name, ends(name))
    ended = CliRunner().invoke(main, ["worker", role], env={"WALLETSTREAM_WORKER_ID": "w"})
    assert (ended.exit_code, asked) == (code, [f"{role} of w"])


def test_only_what_keeps_much_has_the_collector_look_once() -> None:
    """The histories of the fraud role: a look at all of them stops its worker for a second."""
    roles = [LEDGER, FRAUD, RECONCILIATION, SETTLEMENT]
    assert [role.name for role in roles if role.keeps_much] == ["fraud"]
