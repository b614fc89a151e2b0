"""What a demo sends besides good transfers: repeats, overdrafts and records that are no request. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from ops.requests import Request

#: Shares of the transfers, each sent in addition to them.
DUPLICATES: Final = 0.02
MALFORMED: Final = 0.01
OVERDRAFTS: Final = 0.005
_ACCEPTED: Final = "ok"
#: A repeat follows within so many requests, as a retry would.
_REPEAT_WITHIN: Final = 5_000
#: More than any wallet of the demo ever holds: 10 billion in cents.
_TOO_MUCH_MINOR: Final = 10**12


@dataclass(frozen=True)
class Mixed:
    """The requests in the order in which they are sent, what kinds are among them, and how they must be answered."""

    requests: Sequence[Request]
    kinds: Counter[str] = field(default_factory=Counter)
    #: Answers that are due, by code; and how many of them repeat an earlier answer.
    due: Counter[str] = field(default_factory=Counter)
    replays_due: int = 0


def mix(transfers: Iterable[Request], seed: int = 1) -> Mixed:
    """The transfers in their order, with repeats, overdrafts and malformed records among them.

    The same arguments give the same requests. A repeat is a transfer of before, byte by byte.
    """
    random = Random(seed).random
    mixed: list[Request] = []
    sent: list[Request] = []
    kinds: Counter[str] = Counter()
    due: Counter[str] = Counter()
    replays_due = 0
    for transfer in transfers:
        mixed.append(transfer)
        sent.append(transfer)
        due[_due(transfer)] += 1
        if random() < DUPLICATES:
            repeated = sent[-1 - int(random() * min(len(sent), _REPEAT_WITHIN))]
            mixed.append(repeated)
            kinds["duplicates"] += 1
            due[_due(repeated)] += 1
            replays_due += _due(repeated) == _ACCEPTED
        if random() < MALFORMED:
            mixed.append(_malformed(transfer, kinds["malformed"]))
            kinds["malformed"] += 1
            due["malformed"] += 1
        if random() < OVERDRAFTS:
            mixed.append(_overdraft(transfer, kinds["overdrafts"]))
            kinds["overdrafts"] += 1
            due["insufficient_funds"] += 1
    kinds["transfers"] = len(sent)
    return Mixed(mixed, kinds, due, replays_due)


def _due(transfer: Request) -> str:
    """How a transfer is answered: all are covered, but money to the very same wallet is no transfer."""
    return "malformed" if f'"to_wallet_id":"{_wallet(transfer)}"'.encode() in transfer.value else _ACCEPTED


def _overdraft(transfer: Request, number: int) -> Request:
    """The payer asks for more than it can have."""
    wallet = _wallet(transfer)
    value = (
        f'{{"operation":"debit","idempotency_key":"overdraft-{number}","wallet_id":"{wallet}",'
        f'"amount_minor":{_TOO_MUCH_MINOR},"asset":"USD"}}'
    )
    return Request(transfer.key, value.encode())


def _malformed(transfer: Request, number: int) -> Request:
    """One record after the other of the kinds that producers get wrong."""
    wallet = _wallet(transfer)
    head = f'{{"operation":"debit","idempotency_key":"broken-{number}","wallet_id":"{wallet}","asset":"USD"'
    broken = (
        transfer.value[:-7],  # cut off
        b"\xff\xfe" + transfer.value,  # not UTF-8
        f'{head},"amount_minor":"10"}}'.encode(),  # text for an integer
        f'{head},"amount_minor":10.5}}'.encode(),
        f'{head},"amount_minor":1e3}}'.encode(),
        f'{head},"amount_minor":10,"colour":"red"}}'.encode(),  # a field that there is not
        f"{head}}}".encode(),  # no amount
        transfer.value.replace(b'"transfer"', b'"teleport"', 1),
        b"[]",
    )
    return Request(transfer.key, broken[number % len(broken)])


def _wallet(transfer: Request) -> str:
    assert transfer.key is not None
    return transfer.key.decode()
