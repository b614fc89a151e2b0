"""Random traffic with rewards that expire, batches, schedules and agreements among everything else."""

from __future__ import annotations

from typing import Any

from schemas.clock import rfc3339
from tests.ops.verify.story import HERE, THERE
from tests.ops.verify.traffic import Traffic

_WALLETS = [*HERE[:4], *THERE[:4]]
_DAY_MS = 86_400_000


class AgreedTraffic(Traffic):
    """Everybody does something at random, now or later, and spends rewards for it."""

    def _one(self) -> None:
        chance, kind = self._chance, self._chance.random()
        wallet = chance.choice(_WALLETS)
        if kind < 0.12:
            expires: dict[str, Any] = {"expires_in_s": chance.choice((1, 4, 9, 40))} if chance.random() < 0.9 else {}
            self._send("reward", wallet, amount_minor=chance.randint(1, 60), asset="EUR", code="x", **expires)
        elif kind < 0.2:
            self._schedule(wallet)
        elif kind < 0.25:
            self._batch(wallet)
        elif kind < 0.28:
            self._agree(wallet)
        elif kind < 0.29:
            self.ledger.now_ms += chance.choice((60_000, 7 * _DAY_MS, 8 * _DAY_MS))
        else:
            super()._one()

    def _schedule(self, wallet: str) -> None:
        chance = self._chance
        operation = chance.choice(("credit", "debit", "debit", "transfer", "transfer"))
        fields: dict[str, Any] = {"amount_minor": chance.randint(1, 200), "asset": "EUR"}
        if operation == "transfer":
            fields["to_wallet_id"] = chance.choice([name for name in [*_WALLETS, "nobody"] if name != wallet])
        else:
            fields["rail"] = chance.choice(("instant", "sepa"))
        at = rfc3339(self.ledger.now_ms + chance.choice((-5, 0, 500, 3_000, 9_000, 60_000)))
        self._send(operation, wallet, execute_at=at, **fields)

    def _batch(self, wallet: str) -> None:
        chance = self._chance
        items = [
            {"operation": chance.choice(("credit", "debit")), "amount_minor": chance.randint(1, 90), "asset": "EUR"}
            for _ in range(chance.randint(1, 5))
        ]
        self._send("batch", wallet, items=items)

    def _agree(self, wallet: str) -> None:
        chance = self._chance
        terms: dict[str, Any] = {"credit_limit_minor": chance.randint(0, 300)} if chance.random() < 0.7 else {}
        if chance.random() < 0.3:
            terms |= {"day": {"sum_minor": chance.randint(100, 900)}, "hour": {"count": chance.randint(1, 9)}}
        if chance.random() < 0.2:
            terms |= {"balance_cap_minor": chance.randint(200, 900)}
        self._do.send(
            "set_limits",
            wallet,
            limits={"EUR": terms},
            over_capture_bps=chance.choice((0, 1_500, 10_000)),
            refunds_below_zero=chance.random() < 0.5,
        )
