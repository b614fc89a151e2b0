"""Fee schedules that contradict themselves are refused."""

from __future__ import annotations

from typing import Any, get_args

import orjson
import pytest
from pydantic import ValidationError

from schemas.commands import OpenWallet
from schemas.fee_schedules import WALLET_KINDS, FeeSchedule
from schemas.money import INT64_MAX
from tests.schemas.reference_records import FEE


def band(up_to_minor: int | None = None, flat_minor: int = 0, basis_points: int = 0) -> dict[str, Any]:
    limits = {} if up_to_minor is None else {"up_to_minor": up_to_minor}
    return {**limits, "flat_minor": flat_minor, "basis_points": basis_points}


def schedule(**changes: Any) -> FeeSchedule:
    return FeeSchedule.model_validate_json(orjson.dumps(FEE | changes))


def test_kinds_are_those_that_wallets_have() -> None:
    assert get_args(OpenWallet.model_fields["kind"].annotation) == WALLET_KINDS


def test_bands_ascend_and_the_last_one_has_no_end() -> None:
    bands = [band(1), band(2), band(INT64_MAX), band()]
    assert [one.up_to_minor for one in schedule(tiers=bands).tiers] == [1, 2, INT64_MAX, None]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tiers": []}, "at least 1 item"),
        ({"tiers": [band()] * 101}, "at most 100 items"),
        ({"tiers": [band(5)]}, "the last of the tiers must have no up_to_minor"),
        ({"tiers": [band(), band()]}, "only the last of the tiers may be without"),
        ({"tiers": [band(5), band(5), band()]}, "must ascend"),
        ({"tiers": [band(6), band(5), band()]}, "must ascend"),
        ({"tiers": [band(0), band()]}, "tiers.0.up_to_minor"),
        ({"tiers": [band(INT64_MAX + 1), band()]}, "tiers.0.up_to_minor"),
        ({"tiers": [band(flat_minor=-1)]}, "tiers.0.flat_minor"),
        ({"tiers": [band(basis_points=-1)]}, "tiers.0.basis_points"),
        ({"min_minor": 6, "max_minor": 5}, "min_minor must not be above max_minor"),
        ({"operation": "dispute", "refundable": True}, "kept however it ends"),
        ({"max_minor": -1}, "max_minor"),
        ({"wallet_kind": "pet"}, "wallet_kind"),
        ({"refundable": 1}, "refundable"),
        ({"version": 1.0}, "version"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        schedule(**changes)
