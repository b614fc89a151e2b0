"""`walletstream broker`: the embedded Kafka broker in the foreground."""

from __future__ import annotations

from pathlib import Path

import click

from ops.broker import BrokerError, EmbeddedBroker
from ops.broker.jars import KAFKA_VERSION
from ops.broker.secured import NAME, Credentials
from ops.cli.stopping import until_stopped


def _run(embedded: EmbeddedBroker, credentials: Credentials | None) -> None:
    with embedded:
        click.echo(
            f"Kafka {KAFKA_VERSION} ready on {embedded.bootstrap_servers} "
            f"(data {embedded.data_dir}, process {embedded.pid}, log {embedded.log_path})"
        )
        if credentials is not None:
            address = embedded.address_of(NAME)
            click.echo(f"TLS and login on {address}; settings of clients: . {credentials.write_environment(address)}")
        embedded.wait()
        raise BrokerError(embedded.failure())


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=9092,
    show_default=True,
    help="Clients' port; 0 chooses a free one.",
)
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("var/broker"),
    show_default=True,
    help="Where the data, the configuration and the log are kept.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--java",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The java executable, 17 or newer; default: the machine's, else the packaged one.",
)
@click.option("--heap-mb", type=click.IntRange(min=128), default=512, show_default=True, help="Largest Java heap.")
@click.option(
    "--secured-port",
    type=click.IntRange(0, 65535),
    help="Listen for TLS and a login too, on this port; 0 chooses a free one. Needs `openssl`.",
)
def broker(port: int, data_dir: Path, host: str, java: Path | None, heap_mb: int, secured_port: int | None) -> None:
    """Run one Apache Kafka node in the foreground, until SIGTERM or Ctrl-C.

    Prints one line when it serves clients. The data is kept for the next start. For development, tests and
    demos: one node is no place for money that matters. With --secured-port it listens for TLS and a login beside the
    plain port, with a certificate and a user of its own below the data; a second line names the file with the settings
    of clients.
    """
    try:
        credentials = None
        if secured_port is not None:
            credentials = Credentials(data_dir / "security", host)
            credentials.make()
    except BrokerError as error:
        raise click.ClickException(str(error)) from error
    embedded = EmbeddedBroker(
        data_dir,
        port=port,
        host=host,
        java=java,
        heap_mb=heap_mb,
        listeners=() if credentials is None else (credentials.listener(secured_port or 0),),
        announce=lambda line: click.echo(line, err=True),
    )
    try:
        with until_stopped():
            _run(embedded, credentials)
    except BrokerError as error:
        raise click.ClickException(str(error)) from error
