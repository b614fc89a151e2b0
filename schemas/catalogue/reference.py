"""Reference data: the latest record of each key."""

from __future__ import annotations

from typing import Final

from schemas.catalogue.entry import reference_data
from schemas.topics import (
    ASSETS,
    FEE_SCHEDULES,
    FRAUD_RULES,
    FX_RATES,
    LISTS,
    RAILS,
    TIERS,
)

REFERENCE_TOPICS: Final = (
    reference_data(
        ASSETS,
        "Registered assets beyond ISO 4217: loyalty points, vouchers, other currencies.",
        readers=("ledger", "fraud", "settlement", "reconciliation"),
        key="asset code",
        value="Asset",
        example="assets.v1/points.json",
    ),
    reference_data(
        RAILS,
        "The rails by which money enters and leaves, beyond the built-in `instant`.",
        readers=("ledger", "settlement", "reconciliation"),
        key="rail name",
        value="Rail",
        example="rails.v1/deferred.json",
    ),
    reference_data(
        TIERS,
        "Tiers of wallets: how much a wallet of a tier may move and hold.",
        readers=("ledger",),
        key="tier name",
        value="Tier",
        example="tiers.v1/standard.json",
    ),
    reference_data(
        FEE_SCHEDULES,
        "What operations cost, by kind of wallet and asset.",
        readers=("ledger",),
        key="name of the fee schedule",
        value="FeeSchedule",
        example="fee-schedules.v1/bands.json",
    ),
    reference_data(
        FX_RATES,
        "Exchange rates, each with the time in which it is valid.",
        readers=("ledger", "fraud"),
        key="rate id",
        value="FxRate",
        example="fx-rates.v1/eur_usd.json",
    ),
    reference_data(
        LISTS,
        "Lists that fraud rules ask: of wallets, devices, addresses or names, each whole in one record.",
        readers=("fraud",),
        key="name of the list",
        value="FraudList",
        example="lists.v1/watched_devices.json",
    ),
    reference_data(
        FRAUD_RULES,
        "Fraud rules, the latest version of each: `walletstream fraud publish` writes them.",
        readers=("fraud",),
        key="rule id",
        value="Rule",
        example="fraud-rules.v1/own_mean.json",
    ),
)
