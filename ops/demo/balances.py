"""Checks every wallet's balance as published against what it must be, to the cent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer

from schemas.topics import WALLET_BALANCES, full_name
from streams.connection import Brokers, client_arguments

_KEPT: Final = 20


class _Account(msgspec.Struct, gc=False):
    balance_minor: int


class _Balances(msgspec.Struct):
    accounts: tuple[_Account, ...]


_decode: Final = msgspec.json.Decoder(_Balances).decode


class BalanceCheck(NamedTuple):
    """How many wallets were compared, and those that differ: (wallet, is, must be), at most a few of them."""

    wallets: int
    wrong: int
    examples: tuple[tuple[str, int, int], ...]


def compare(published: Mapping[str, int], expected: Mapping[str, int]) -> BalanceCheck:
    """Compare balances in minor units by wallet; a wallet that never held anything is not published."""
    wrong = [(w, published.get(w, 0), must) for w, must in expected.items() if published.get(w, 0) != must]
    return BalanceCheck(len(expected), len(wrong), tuple(wrong[:_KEPT]))


async def published_balances(brokers: Brokers, namespace: str) -> dict[str, int]:
    """Wallet -> sum of its accounts in minor units, as the latest record of `wallet-balances` has them.

    For wallets that hold one asset, as those of the demo do.
    """
    topic = full_name(namespace, WALLET_BALANCES)
    consumer = AIOKafkaConsumer(
        topic,
        **client_arguments(brokers),
        isolation_level="read_committed",
        enable_auto_commit=False,
        # Not `seek_to_beginning`: the default, the log's end, may be under way already and come second.
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 << 20,
        fetch_max_wait_ms=20,
    )
    await consumer.start()
    try:
        partitions = consumer.assignment()
        ends = await consumer.end_offsets(partitions)
        latest: dict[bytes, bytes] = {}
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200, max_records=20_000)).values():
                latest.update({record.key: record.value for record in records})
    finally:
        await consumer.stop()
    return {
        key.decode(): sum(account.balance_minor for account in _decode(value).accounts)
        for key, value in latest.items()
        if not key.startswith(b"system/")
    }
