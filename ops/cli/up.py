"""`walletstream up`: a broker, ledger workers and those of other roles on this machine, in the foreground."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from ops.broker import BrokerError, EmbeddedBroker
from ops.cli.running import read_settings, run
from ops.cli.stopping import until_stopped
from ops.cli.topics import apply_topics
from ops.errors import OperationError
from ops.processes import WorkerProcess, stop_all, wait_until_ready
from streams.connection import plain_environment, plain_settings


@click.command()
@click.option("--workers", "count", type=click.IntRange(min=1), default=2, show_default=True, help="Ledger workers.")
@click.option("--fraud/--no-fraud", default=True, show_default=True, help="Whether a worker of the fraud role runs.")
@click.option(
    "--settlement/--no-settlement", default=True, show_default=True, help="Whether a worker of settlement runs."
)
@click.option(
    "--reconciliation/--no-reconciliation",
    default=True,
    show_default=True,
    help="Whether a worker of reconciliation runs.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=9092, show_default=True, help="Kafka's port; 0: a free one."
)
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("var/up"),
    show_default=True,
    help="Where the broker's data, the workers' state and the logs are kept.",
)
def up(count: int, fraud: bool, settlement: bool, reconciliation: bool, port: int, data_dir: Path) -> None:
    """Run an embedded Kafka broker, ledger workers and one each of fraud, settlement and reconciliation.

    Until SIGTERM or Ctrl-C. Statements and balances of the past need `walletstream worker views` beside it. The topics
    are applied first. Data is kept for the next time. Nothing is restarted: where the broker or a worker ends,
    everything is stopped and the exit code is 1. For development: one broker keeps one copy.
    """
    settings = read_settings()
    broker = EmbeddedBroker(data_dir / "broker", port=port, announce=lambda line: click.echo(line, err=True))
    with until_stopped():
        try:
            with broker, ExitStack() as stack:
                click.echo(f"Kafka ready on {broker.bootstrap_servers}")
                here = settings.model_copy(
                    update={**plain_settings(broker.bootstrap_servers), "durability": "embedded"}
                )
                todo = run(apply_topics(here))
                if todo.refused:
                    problem = todo.refused[0]
                    raise OperationError(f"{problem.topic} {problem.what}; {problem.mend}")
                roles = [("ledger", number) for number in range(1, count + 1)]
                others = {"fraud": fraud, "settlement": settlement, "reconciliation": reconciliation}
                roles += [(role, 1) for role, is_wanted in others.items() if is_wanted]
                workers = _workers(roles, broker, data_dir.absolute())
                stack.callback(stop_all, workers)
                for worker in workers:
                    worker.start()
                wait_until_ready(workers)
                for worker in workers:
                    click.echo(f"worker {worker.worker_id} ready: http://127.0.0.1:{worker.web_port}/readyz")
                click.echo(f"ready; export WALLETSTREAM_BOOTSTRAP_SERVERS={broker.bootstrap_servers}")
                _watch(broker, workers)
        except (BrokerError, OperationError) as error:
            raise click.ClickException(str(error)) from error


def _workers(roles: Sequence[tuple[str, int]], broker: EmbeddedBroker, data_dir: Path) -> list[WorkerProcess]:
    environ = {
        **plain_environment(),
        "WALLETSTREAM_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
        "WALLETSTREAM_DATA_DIR": str(data_dir / "state"),
        "WALLETSTREAM_DURABILITY": "embedded",
    }
    return [
        WorkerProcess(f"{role}-{number}", environ, data_dir / f"{role}-{number}.log", role=role)
        for role, number in roles
    ]


def _watch(broker: EmbeddedBroker, workers: Sequence[WorkerProcess]) -> None:
    """Return never; raise where one of them has ended."""
    while True:
        if not broker.running:
            raise BrokerError(broker.failure())
        for worker in workers:
            if not worker.running:
                raise OperationError(worker.failure())
        time.sleep(0.2)
