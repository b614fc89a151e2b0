"""What a wallet has, by bucket: available, held, and what is on its way or contested. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from ops.amounts import Amounts

#: The buckets of a wallet, in the order in which they are shown.
BUCKETS: Final = ("available", "held", "incoming", "outgoing", "disputed")
_NAME: Final = 23
_AMOUNT: Final = 12

#: Account and asset -> credits less debits, in minor units; of a system account the sum of its shards.
Balances = Mapping[tuple[str, str], int]


class BucketRow(NamedTuple):
    """One sub-wallet in one asset: what is in each of its buckets, in minor units."""

    wallet_id: str
    sub_wallet: str
    asset: str
    minor: tuple[int, ...]


def by_bucket(balances: Balances, wallet_ids: Iterable[str]) -> list[BucketRow]:
    """The buckets of these wallets, one row for each sub-wallet and asset; in order of wallet, sub-wallet and asset."""
    rows: list[BucketRow] = []
    for wallet_id in wallet_ids:
        found: dict[tuple[str, str], dict[str, int]] = {}
        for (account, asset), minor in balances.items():
            holder, _, rest = account.partition("/")
            if holder == wallet_id:
                sub_wallet, _, bucket = rest.partition("/")
                found.setdefault((sub_wallet, asset), {})[bucket] = minor
        for (sub_wallet, asset), minors in sorted(found.items()):
            minor_by_bucket = tuple(minors.get(bucket, 0) for bucket in BUCKETS)
            rows.append(BucketRow(wallet_id, sub_wallet, asset, minor_by_bucket))
    return rows


def bucket_table(rows: Sequence[BucketRow], amounts: Amounts, *, indent: int = 0) -> Iterator[str]:
    """Balances in columns, a bucket each; nothing in a bucket is left blank, but for what is available."""
    heads = "".join(bucket.rjust(_AMOUNT) for bucket in BUCKETS)
    names = [f"{row.wallet_id}{'' if row.sub_wallet == 'main' else f'/{row.sub_wallet}'}" for row in rows]
    width = max(_NAME, *(len(name) + 2 for name in names))
    yield f"{' ' * indent}{'':<{width + 8}}{heads}"
    for name, row in zip(names, rows, strict=True):
        cells = [
            amounts.number(minor, row.asset) if minor or bucket == "available" else ""
            for bucket, minor in zip(BUCKETS, row.minor, strict=True)
        ]
        yield f"{' ' * indent}{name:<{width}}{row.asset:<8}{''.join(c.rjust(_AMOUNT) for c in cells)}".rstrip()
