"""`docs/reference/metrics.md`: every Prometheus metric of a worker."""

from __future__ import annotations

from typing import Final, NamedTuple

from prometheus_client.metrics import MetricWrapperBase

from ops.reference.markdown import listed, page, table
from streams import metrics

_INTRODUCTION = """
A worker serves them at `/metrics`, on `WALLETSTREAM_WEB_HOST`:`WALLETSTREAM_WEB_PORT`.
[Monitoring](../operating/monitoring.md) says which to watch and what to do. A histogram has the series `_bucket`,
`_sum` and `_count`.
"""

_SUFFIXES: Final = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}


class Described(NamedTuple):
    """One metric family: its name on the wire, type, labels and help."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


#: What prometheus-client's process collector shows on Linux; read from the code it would depend on the machine.
_PROCESS: Final = (
    Described("process_resident_memory_bytes", "gauge", (), "Resident memory of the worker."),
    Described("process_virtual_memory_bytes", "gauge", (), "Virtual memory of the worker."),
    Described("process_cpu_seconds_total", "counter", (), "Processor time that the worker has spent."),
    Described("process_open_fds", "gauge", (), "Open file descriptors."),
    Described("process_max_fds", "gauge", (), "Most file descriptors that may be open."),
    Described("process_start_time_seconds", "gauge", (), "When the worker started, Unix seconds."),
)


def described_metrics() -> list[Described]:
    """Our metrics in the order of the module, the process's own after them."""
    ours = [one for one in vars(metrics).values() if isinstance(one, MetricWrapperBase)]
    found = [_described(one) for one in ours]
    return found + list(_PROCESS)


def exposed_names() -> set[str]:
    """Names of all series that a worker's `/metrics` may show."""
    return {metric.name + suffix for metric in described_metrics() for suffix in _SUFFIXES[metric.kind]}


def metrics_page() -> str:
    """The page."""
    rows = [(f"`{one.name}`", one.kind, listed(one.labels), one.help) for one in described_metrics()]
    return page("Metrics", "`streams/metrics.py`", _INTRODUCTION, table(("metric", "type", "labels", "meaning"), rows))


def _described(metric: MetricWrapperBase) -> Described:
    (family,) = metric.describe()
    return Described(f"{family.name}{_total(family.type)}", family.type, metric._labelnames, family.documentation)


def _total(kind: str) -> str:
    return "_total" if kind == "counter" else ""
