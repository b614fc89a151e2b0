"""A reward that its wallet moves from one sub-wallet to another is the same reward: it expires when it would have."""

from __future__ import annotations

import pytest

from tests.ledger.bank import Bank
from tests.ledger.commands import command, debit, operator, transfer
from tests.ledger.world import DAY_MS

HOUR_S = 3_600


class Purses(Bank):
    """A wallet with two sub-wallets, none of which has anything at first but `main`."""

    def __init__(self) -> None:
        super().__init__()
        self.ask(debit(self.anna, 10_000))
        for name in ("savings", "travel"):
            self.ask(command("open_sub_wallet", self.anna, sub_wallet=name, kind="savings"))

    def reward(self, minor: int, expires_in_s: int = HOUR_S) -> str:
        return self.ask(
            command("reward", self.anna, amount_minor=minor, asset="EUR", code="x", expires_in_s=expires_in_s)
        )

    def move(self, minor: int, from_: str, to: str) -> str:
        return self.ask(transfer(self.anna, self.anna, minor, sub_wallet=from_, to_sub_wallet=to))

    def within(self, name: str) -> int:
        return self.world.balance(f"{self.anna}/{name}/available", "EUR")

    def wait(self, ms: int) -> None:
        """Time passes, and the wallet asks for something."""
        self.world.wait(ms)
        self.ask(command("require_step_up", self.anna, rule_ids=["r"]))

    def all_expired(self) -> None:
        self.wait(HOUR_S * 1_000)
        assert [self.within(name) for name in ("main", "savings", "travel")] == [0, 0, 0]
        assert self.of_system("rewards") == 0
        self.audit()


def test_it_expires_where_it_is() -> None:
    bank = Purses()
    bank.reward(100)
    bank.move(60, "main", "savings")
    bank.move(20, "savings", "travel")
    bank.all_expired()


def test_it_is_no_other_money_once_it_is_back() -> None:
    bank = Purses()
    bank.reward(100)
    bank.move(100, "main", "savings")
    bank.move(100, "savings", "main")
    bank.all_expired()


@pytest.mark.parametrize("verb", ["refund", "reverse"])
def test_it_moves_back_with_what_is_taken_back(verb: str) -> None:
    bank = Purses()
    bank.reward(100)
    moved = bank.move(70, "main", "travel")
    bank.ask((operator if verb == "reverse" else command)(verb, bank.anna, transaction_id=moved))
    assert bank.within("main") == 100
    bank.all_expired()


def test_what_is_spent_of_it_elsewhere_comes_back_there() -> None:
    bank = Purses()
    bank.reward(100)
    bank.move(60, "main", "savings")
    paid = bank.ask(debit(bank.anna, 50, sub_wallet="savings"))
    bank.on("refund", paid, amount_minor=30)
    assert (bank.within("main"), bank.within("savings")) == (40, 40)
    bank.wait(HOUR_S * 1_000)
    assert (bank.within("main"), bank.within("savings")) == (40, 40), "what has come back has seven days, for all of it"
    bank.wait(7 * DAY_MS)
    assert (bank.within("main"), bank.within("savings")) == (0, 0)
    assert bank.of_system("rewards") == -20, "so much was spent"
    bank.audit()


def test_soonest_first_wherever_it_came_from() -> None:
    bank = Purses()
    bank.reward(50, expires_in_s=2 * HOUR_S)
    bank.move(50, "main", "savings")
    bank.reward(50)
    bank.move(50, "main", "savings")
    bank.ask(debit(bank.anna, 50, sub_wallet="savings"))
    bank.wait(HOUR_S * 1_000)
    assert bank.within("savings") == 50, "what would have expired was spent first"
    bank.wait(HOUR_S * 1_000)
    assert bank.within("savings") == 0
    bank.audit()


def test_what_was_moved_goes_with_a_reversal_of_the_reward() -> None:
    """The wallet owes what is not where it was given; nothing of it expires any more."""
    bank = Purses()
    reward = bank.reward(100)
    bank.move(100, "main", "savings")
    bank.ask(operator("reverse", bank.anna, transaction_id=reward))
    assert (bank.within("main"), bank.within("savings")) == (-100, 100)
    bank.wait(HOUR_S * 1_000)
    assert (bank.within("main"), bank.within("savings"), bank.of_system("rewards")) == (-100, 100, 0)
    bank.audit()
