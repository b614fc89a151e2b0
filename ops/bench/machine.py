"""What a benchmark ran on: the machine and the versions of everything that was measured."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any, Final

import psutil

from ops.broker.jars import KAFKA_VERSION
from ops.broker.java import find_java

_PACKAGES: Final = (
    "walletstream",
    "aiokafka",
    "faust-streaming",
    "msgspec",
    "orjson",
    "pydantic",
    "rocksdict",
    "uvloop",
)


def machine_facts() -> dict[str, Any]:
    """Processor, memory, system, and how busy it was before anything was measured."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load_average_before": round(os.getloadavg()[0], 2),
    }


def versions(quix_python: Path | None) -> dict[str, str]:
    """Python, Kafka, Java and the packages that matter."""
    found = {"python": platform.python_version(), "kafka": KAFKA_VERSION, "java": str(find_java().major)}
    for package in _PACKAGES:
        found[package] = importlib.metadata.version(package)
    if quix_python is not None:
        ask = "import importlib.metadata as m; print(m.version('quixstreams'))"
        answer = subprocess.run([quix_python, "-c", ask], capture_output=True, text=True, check=True)  # noqa: S603
        found["quixstreams"] = answer.stdout.strip()
    return found


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
