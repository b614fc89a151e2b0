"""Resolve Apache Kafka anew and write the lock of its jars."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import replace
from pathlib import Path

from ops.broker.jars import KAFKA_VERSION

#: The broker and a logging backend for it, in jgo's notation. The `!` keeps jgo from taking log4j's bill of
#: materials as dependency management for all: that mixes in Kafka clients of another version.
ENDPOINT = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.apache.logging.log4j:log4j-slf4j-impl:2.24.3!"


def resolve_lock(endpoint: str = ENDPOINT, remote_repos: dict[str, str] | None = None) -> str:
    """The lock's text for all jars that `endpoint` needs at run time, each downloaded and summed.

    Args:
        endpoint: Maven coordinates joined by `+`, as jgo reads them.
        remote_repos: name and address of Maven repositories; default Maven Central.

    Raises:
        Exception: whatever jgo and requests raise where the network or a coordinate fails.
    """
    from jgo.maven import MavenContext
    from jgo.parse import Endpoint

    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder)
        context = MavenContext(repo_cache=repository, remote_repos=remote_repos)
        wanted = [
            context.create_dependency(replace(coordinate, scope=coordinate.scope or "compile"))
            for coordinate in Endpoint.parse(endpoint).coordinates
        ]
        inputs, transitive = context.resolver.resolve(wanted)
        runtime = [*inputs, *(found for found in transitive if found.scope in ("compile", "runtime"))]
        lines = set()
        for file in (dependency.artifact.resolve() for dependency in runtime):
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            lines.add((file.relative_to(repository).as_posix(), digest))
    return "".join(f"{digest}  {path}\n" for path, digest in sorted(lines))
