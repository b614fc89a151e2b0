"""Runs a backtest in several processes, each of which takes its share of the keys."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from ops.errors import OperationError
from ops.fraud.backtest import Keep, OnRows, Outcome, Plan, Scanned, run_share, without_collector


def run_plan(
    plan: Plan, scanned: Scanned, processes: int, on_rows: OnRows, keep: Keep = lambda _object: None
) -> Outcome:
    """Show a table to rules in so many processes; what comes of it is the same for any number of them.

    `on_rows` hears how many rows the slowest has read; `keep` as `run_share` has it.

    Raises:
        OperationError: the table cannot be read, or a process ended before it was done.
    """
    if processes == 1:
        return run_share(plan, scanned, on_rows=on_rows, keep=keep)
    # A process of its own from the start: nothing of this one, such as its threads, is copied half-way.
    context = multiprocessing.get_context("spawn")
    started: list[tuple[BaseProcess, Connection]] = []
    try:
        for share in range(processes):
            mine, its = context.Pipe(duplex=False)
            process: BaseProcess = context.Process(
                target=_run, args=(plan, scanned, share, processes, its), daemon=True
            )
            process.start()
            its.close()
            started.append((process, mine))
        outcomes = _gather(started, on_rows)
    finally:
        for process, connection in started:
            if process.is_alive():
                process.terminate()
            process.join()
            connection.close()
    whole = outcomes[0]
    for outcome in outcomes[1:]:
        whole.merge(outcome)
    return whole


def _gather(started: Sequence[tuple[BaseProcess, Connection]], on_rows: OnRows) -> list[Outcome]:
    """What each process has found, in their order."""
    outcomes: dict[int, Outcome] = {}
    rows = [0] * len(started)
    open_ = {id(connection): (share, connection) for share, (_, connection) in enumerate(started)}
    while open_:
        for ready in wait([connection for _, connection in open_.values()]):
            assert isinstance(ready, Connection)
            share, connection = open_[id(ready)]
            try:
                told: Any = connection.recv()
            except EOFError:
                process = started[share][0]
                process.join()
                raise OperationError(
                    f"a process of the backtest ended with exit code {process.exitcode}; was memory short? "
                    "Try fewer --processes, or a table in parts"
                ) from None
            if isinstance(told, int):
                rows[share] = told
                on_rows(min(rows))
            elif isinstance(told, Outcome):
                outcomes[share] = told
                del open_[id(ready)]
            else:
                raise OperationError(str(told))
    return [outcomes[share] for share in range(len(started))]


def _run(plan: Plan, scanned: Scanned, share: int, shares: int, connection: Connection) -> None:
    """One process: tells how far it is, then what it has found, or why it cannot."""
    # Who started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with without_collector() as keep:
            outcome = run_share(plan, scanned, share, shares, connection.send, keep)
    except OperationError as error:
        connection.send(str(error))
        return
    except BrokenPipeError:
        os._exit(1)
    connection.send(outcome)
