"""`python -m tests.crash.amlsim [FOLDER]` (`make amlsim`): AMLSim to the cent, with workers killed at random times.

Every account is funded with the sum of what it pays out, so that no transfer is refused whatever the order, and at the
end every account must hold opening + in - out. FOLDER has AMLSim's `nodes.csv` and `transactions.csv`, compressed or
not; without it the sample is taken where `demo` finds it, else a set of the same shape is generated.
"""

from __future__ import annotations

import csv
import gzip
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

import click

from ops.amlsim import generate
from ops.amlsim_files import sample_folder
from tests.books.books import Balances
from tests.broker import embedded
from tests.crash.cluster import Cluster
from tests.crash.truth import Truth, compare_balances, read_truth
from tests.crash.witness import Verdict

ASSET: Final = "USD"
SEED: Final = 1

#: Payer, payee, minor units.
Payment = tuple[int, int, int]


class Set(NamedTuple):
    """Accounts, payments, and how `walletstream submit` is told of them."""

    accounts: int
    payments: list[Payment]
    arguments: tuple[str, ...]


def read_sample(folder: Path) -> Set:
    """The sample, read by nobody else's code: whole units become minor ones by exact decimals."""

    def rows(name: str) -> list[dict[str, str]]:
        packed, plain = folder / f"{name}.csv.gz", folder / f"{name}.csv"
        text = gzip.decompress(packed.read_bytes()) if packed.exists() else plain.read_bytes()
        return list(csv.DictReader(text.decode().splitlines()))

    payments = [
        (int(row["sourceNodeId"]), int(row["targetNodeId"]), int(Decimal(row["value"]) * 100))
        for row in rows("transactions")
    ]
    return Set(len(rows("nodes")), payments, ("--format", "amlsim", str(folder)))


def generated(transfers: int) -> Set:
    """A set of the same shape, the one that `submit --generate` makes."""
    data = generate(transfers, SEED)
    payments = [(p.payer, p.payee, p.amount_minor) for p in data.payments]
    return Set(len(data.accounts), payments, ("--generate", str(transfers), "--seed", str(SEED)))


def exact_balances(accounts: int, payments: Iterable[Payment]) -> Balances:
    """Opening (all that the account pays out) + in - out, for every account; the rail holds the other side."""
    opening, balances = Counter[int](), Counter[int]()
    for payer, payee, amount_minor in payments:
        if payer != payee:
            opening[payer] += amount_minor
            balances[payer] -= amount_minor
            balances[payee] += amount_minor
    expected = {
        (f"amlsim-{account}/main/available", ASSET): opening[account] + balances[account] for account in range(accounts)
    }
    return {**expected, ("system/rail:instant", ASSET): -opening.total(), ("system/transit", ASSET): 0}


def run(
    cluster: Cluster, data: Set, rate: float, kills: int = 3, announce: Callable[[str], None] = lambda _line: None
) -> tuple[Verdict, Truth]:
    """Submit the set while two workers are killed; `verify` must hold and every balance be exact.

    Raises:
        AssertionError: a process ended as it should not, or `verify` does not hold.
    """
    chance = random.Random(data.accounts)
    workers = [cluster.start("worker-0"), cluster.start("worker-1")]
    for worker in workers:
        worker.wait_ready()
    arguments = ("--fund", "sum-of-outgoing", "--rate", f"{rate:g}", "--wait", *data.arguments)
    submitting = cluster.command("submit", "submit", *arguments)
    expected_s = (2 * data.accounts + len(data.payments)) / rate
    started = time.monotonic()
    for at_s in sorted(chance.uniform(0.05, 0.9) * expected_s for _ in range(kills)):
        time.sleep(max(0.0, started + at_s - time.monotonic()))
        assert submitting.running, f"everything was submitted before the last kill\n{submitting.tail()}"
        victim = chance.choice(workers)
        victim.kill()
        announce(f"killed {victim.name} {time.monotonic() - started:.1f} s after the first request")
        time.sleep(chance.uniform(0, 2))
        victim.start()
    code = submitting.wait(300 + expected_s)
    assert code == 0, submitting.tail()
    announce(submitting.log_text())
    verify = cluster.verify()
    announce(verify["line"])
    verdict, truth = Verdict(records=2 * data.accounts + len(data.payments)), read_truth(cluster.settings)
    balances = exact_balances(data.accounts, data.payments)
    compare_balances(verdict, balances, truth.posted, "ledger-events")
    compare_balances(verdict, balances, truth.published, "wallet-balances")
    return verdict, truth


@click.command(context_settings={"show_default": True})
@click.argument("folder", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--generate", "transfers", default=118_250, help="Transfers to generate where there is no FOLDER.")
@click.option("--kills", default=3)
@click.option("--rate", default=4_000.0, help="Requests a second.")
@click.option("--partitions", default=8)
def main(folder: Path | None, transfers: int, kills: int, rate: float, partitions: int) -> None:
    """AMLSim to the cent, with workers killed by -9 at random times."""
    folder = folder or sample_folder()
    data = read_sample(folder) if folder is not None else generated(transfers)
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="walletstream-amlsim-") as temporary,
        embedded() as broker,
        Cluster(Path(temporary), broker.bootstrap_servers, "amlsim.", partitions) as cluster,
    ):
        cluster.apply_topics()
        verdict, truth = run(cluster, data, rate, kills, lambda line: click.echo(line, err=True))
    said = "every balance is opening + in - out to the cent" if verdict.holds else f"{verdict.wrong} balances are WRONG"
    click.echo(
        f"{folder or 'generated'}: {data.accounts:,} accounts, {len(data.payments):,} transfers, {kills} kills -9, "
        f"{truth.events:,} ledger events, {time.monotonic() - started:.0f} s: {said}"
    )
    for case in verdict.cases:
        click.echo(case)
    sys.exit(0 if verdict.holds else 1)


if __name__ == "__main__":
    main()
