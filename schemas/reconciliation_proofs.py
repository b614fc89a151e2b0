"""Proofs of a day: the safeguarding identity of an asset, and the position of an account against its bank statement.

A proof follows from the log alone: whoever makes it finds the same. Its id names what it is about; of several records
with the same id the one with the highest `revision` counts. The key on the topic is the id.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

#: `not_money`: points and vouchers are not safeguarded. `unbalanced`: the books do not hold, so nothing is proven.
SafeguardingVerdict = Literal["surplus", "even", "shortfall", "not_money", "unbalanced"]
#: `agrees`: ledger and statement say the same, line by line; `explained`: open items account for the whole difference.
BalanceVerdict = Literal["agrees", "explained", "unexplained", "no_statement"]


class PartitionCut(msgspec.Struct, frozen=True, gc=False):
    """How far the log of one partition goes until the end of the day."""

    partition: int
    #: Its last event, or the seal behind that; -1 where there is none. Seals that seal no event do not count.
    last_sequence: int
    #: Hash of the last such seal until then, which pins everything before it; zeros where there is none.
    seal_hash: str


class Amount(msgspec.Struct, frozen=True, gc=False):
    """An account of the general ledger, and an amount of the proof's asset in minor units."""

    account: str
    amount_minor: int


class SafeguardingProof(msgspec.Struct, frozen=True, tag_field="kind", tag="safeguarding"):
    """The safeguarding identity of one asset at the end of a UTC day, in minor units."""

    #: `safeguarding/<asset>/<day>`.
    proof_id: str
    #: 1, and more where it was published again because it says something else.
    revision: int
    day: str
    asset: str
    #: Whether the asset is money; of points and vouchers nothing is safeguarded.
    asset_kind: str
    verdict: SafeguardingVerdict
    #: Confirmed cash less what is owed; below zero it is a shortfall.
    surplus_minor: int
    #: What rails and banks hold for us, confirmed: the sum of `cash`.
    cash_minor: int
    #: By rail and bank account; above zero it holds money for us.
    cash: tuple[Amount, ...]
    #: What is owed to customers: the sum of `owed`.
    owed_minor: int
    #: Buckets of wallets less what is only announced, transit, and suspense where it is owed.
    owed: tuple[Amount, ...]
    #: What rails have announced and not confirmed: neither cash nor owed.
    announced_minor: int
    #: What the surplus is made of, from the other side of the books: its sum is the surplus.
    made_of: tuple[Amount, ...]
    #: Sum of all accounts, 0 unless the books do not hold.
    sum_minor: int
    cuts: tuple[PartitionCut, ...]


class OpenItems(msgspec.Struct, frozen=True, gc=False):
    """Lines that only one side has, of one account and asset: how many, and what they add up to in minor units."""

    count: int
    amount_minor: int


class BalanceProof(msgspec.Struct, frozen=True, tag_field="kind", tag="balance"):
    """The ledger's position with a rail or bank at the end of a UTC day against the closing balance of its statement.

    Amounts are in minor units, above zero where the rail or bank holds money for us.
    """

    #: `balance/<ledger account>/<statement account>/<asset>/<day>`.
    proof_id: str
    revision: int
    day: str
    asset: str
    #: `system/rail:<name>` or `system/bank:<name>`; several are joined by `+`, and added up.
    ledger_account: str
    #: Name of the account on `external-statements`.
    statement_account: str
    statement_id: str | None
    verdict: BalanceVerdict
    ledger_minor: int
    #: Closing balance; None where no statement of the day was imported.
    statement_minor: int | None
    #: Statement less ledger.
    difference_minor: int | None
    #: With us, not in the file; inside the lag, and as exceptions.
    expected_with_us: OpenItems
    excepted_with_us: OpenItems
    #: In the file, not with us.
    expected_in_file: OpenItems
    excepted_in_file: OpenItems
    #: Matches whose sides differ, as the rules or people have allowed, and by how much, file less ours.
    tolerated: OpenItems
    #: What is left of the difference once open items are taken into account: 0, or somebody has to look.
    unexplained_minor: int | None
    cuts: tuple[PartitionCut, ...]


Proof = SafeguardingProof | BalanceProof

encode_proof: Final = msgspec.json.Encoder().encode
decode_proof: Final = msgspec.json.Decoder(Proof).decode
