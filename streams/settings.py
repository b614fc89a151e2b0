"""Settings of every Walletstream process, read from `WALLETSTREAM_*` environment variables.

The same names serve the CLI, docker compose and Kubernetes.
"""

from __future__ import annotations

import difflib
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from streams.connection_settings import ConnectionSettings

_PREFIX: Final = "WALLETSTREAM_"
#: Variables that are no settings of a process: the embedded broker's, the demo's, the tests', and docker compose's own.
_OTHER_VARIABLES: Final = (
    "JAVA",
    "CACHE_DIR",
    "MAVEN_MIRROR",
    "STATEMENT_SAMPLES",
    "AMLSIM_DIR",
    "TEST_BOOTSTRAP_SERVERS",
    "HYPOTHESIS",
    "SEED",
    "KAFKA_PORT",
)


class Settings(BaseSettings, ConnectionSettings):
    """What a worker, the CLI and the tests understand. Units are in the names."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="ignore", frozen=True)

    namespace: str = Field(
        "wallet.", pattern=r"^[A-Za-z0-9._-]{0,64}$", description="Prefix of every topic and of the consumer groups."
    )
    partitions: int = Field(8, ge=1, le=4096, description="Partitions of every co-partitioned topic.")
    data_dir: Path = Field(
        Path("var/data"), description="Where workers keep RocksDB: DATA_DIR/<worker id>/<partition>."
    )
    worker_id: str = Field(
        default_factory=socket.gethostname,
        pattern=r"^[A-Za-z0-9._-]{1,128}$",
        description="Name of this worker; its local state lives under it. Default: the host name.",
    )
    web_port: int = Field(6066, ge=0, le=65535, description="Port of /livez, /readyz and /metrics.")
    # Empty, it would be every address of the machine.
    web_host: str = Field(
        "127.0.0.1", pattern=r"^\S+$", description="Address that /livez, /readyz and /metrics listen on."
    )
    durability: Literal["replicated", "embedded"] = Field(
        "embedded",
        description="`replicated` refuses topics below 3 replicas and 2 in sync; `embedded` accepts 1 and 1.",
    )

    batch_max_records: int = Field(4_000, ge=1, description="Most records that one Kafka transaction decides.")
    batch_max_bytes: int = Field(2 << 20, ge=1 << 16, description="Most input bytes that one transaction decides.")
    box_max_records: int = Field(16_000, ge=1, description="Records waiting for one partition before it is paused.")
    box_max_bytes: int = Field(16 << 20, ge=1 << 16, description="Bytes waiting for one partition before it is paused.")
    transaction_timeout_ms: int = Field(10_000, ge=1_000, description="Kafka's time limit of one transaction.")
    commit_deadline_s: float = Field(8.0, gt=0, description="Steps 3-4 must end within this, below the time limit.")
    session_timeout_s: float = Field(10.0, ge=1, le=10, description="Consumer group session; at most 10 s.")
    max_failures: int = Field(8, ge=1, description="Failed cycles in a row before the process exits non-zero.")
    clock_tolerance_s: float = Field(
        300.0, gt=0, description="Append time may be ahead of this worker's clock by so much."
    )
    seal_interval_s: float = Field(
        86_400.0, gt=0, le=86_400, description="Seal moved positions at least this often; at most a day."
    )
    idempotency_retention_s: int = Field(40 * 86_400, ge=3_600, description="How long idempotency keys are kept.")
    transaction_retention_s: int = Field(
        540 * 86_400,
        ge=3_600,
        description="How long transactions can be named after their last change; open ones can be however long they "
        "take. Not shorter than idempotency keys are kept.",
    )
    fraud_lateness_s: int = Field(
        3_600,
        ge=0,
        le=30 * 86_400,
        description="How much earlier than it was recorded a transaction may say it occurred, for fraud rules.",
    )
    fraud_partition_lag_s: int = Field(
        86_400,
        ge=60,
        le=30 * 86_400,
        description="How far one partition may be behind another before its facts come too late for fraud rules.",
    )
    fraud_retention_s: int = Field(
        180 * 86_400,
        ge=3_600,
        le=400 * 86_400,
        description="How far back a fraud rule may look, and how long alerts can be labelled.",
    )
    fraud_actions_per_hour: int = Field(
        500, ge=0, description="Most actions that all fraud rules together take in an hour and partition."
    )
    fraud_cached_entries: int = Field(
        200_000, ge=1_000, description="Facts that the histories which one partition keeps in memory may hold."
    )
    reconciliation_rematch_interval_s: int = Field(
        60,
        ge=1,
        le=86_400,
        description="How long own lines wait for more before their book is matched; a statement is matched at once.",
    )
    reconciliation_retention_s: int = Field(
        400 * 86_400,
        ge=86_400,
        description="How long exceptions that are resolved or closed can be commented on and are not opened anew.",
    )
    reconciliation_changes_at_once: int = Field(
        5_000,
        ge=10,
        le=100_000,
        description="Most matches and exceptions that one Kafka transaction changes; what is left follows.",
    )
    reconciliation_proofs_interval_s: int = Field(
        900,
        ge=1,
        le=86_400,
        description="How often the reconciliation role looks whether a day is over, or whether a proof of one has "
        "become another.",
    )
    settlement_answers_wait_s: int = Field(
        60,
        ge=1,
        le=86_400,
        description="How long a closed batch waits for the ledger; what that has not answered goes with a later one.",
    )
    settlement_retention_s: int = Field(
        180 * 86_400,
        ge=3_600,
        le=540 * 86_400,
        description="How long finished batches are remembered: a return that comes later belongs to none.",
    )
    rails_dir: Path | None = Field(
        None,
        description="Where rails keep their files: RAILS_DIR/<rail>, the same for all workers of settlement. Default: "
        "DATA_DIR/rails.",
    )
    rail_adapters: str = Field(
        "", description="Modules with adapters of rails beside those that ship, separated by commas."
    )
    store_cache_mb: int = Field(64, ge=8, description="RocksDB block cache of one worker, in MiB.")
    store_write_buffer_mb: int = Field(32, ge=4, description="RocksDB memtable of one partition, in MiB.")
    state_cache_entries: int = Field(20_000, ge=100, description="Decoded wallets one partition keeps in memory.")
    views_url: str = Field(
        "",
        description="Database of the views, such as `postgresql://user:password@host/database`; empty: SQLite in "
        "DATA_DIR/views.sqlite.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")

    @field_validator("data_dir", "rails_dir", mode="before")
    @classmethod
    def _is_a_place(cls, folder: object, info: ValidationInfo) -> object:
        # An empty path is the directory that the process happens to be in: another one at its next start.
        if isinstance(folder, str) and not folder.strip():
            if info.field_name == "rails_dir":
                return None
            raise ValueError("name a directory")
        return folder

    @field_validator("worker_id")
    @classmethod
    def _is_a_name(cls, worker_id: str) -> str:
        if worker_id in (".", ".."):
            raise ValueError("it names a directory that is there already")
        return worker_id

    @model_validator(mode="after")
    def _deadline_below_time_limit(self) -> Self:
        if self.commit_deadline_s * 1000 >= self.transaction_timeout_ms:
            raise ValueError(
                f"WALLETSTREAM_COMMIT_DEADLINE_S ({self.commit_deadline_s:g} s) must be below "
                f"WALLETSTREAM_TRANSACTION_TIMEOUT_MS ({self.transaction_timeout_ms} ms), or Kafka ends a transaction "
                "that the worker still waits for"
            )
        return self

    @model_validator(mode="after")
    def _transactions_outlive_their_keys(self) -> Self:
        # A repetition says how far its transaction has come, and a leg that is delivered twice is known by it.
        if self.transaction_retention_s < self.idempotency_retention_s:
            raise ValueError(
                f"WALLETSTREAM_TRANSACTION_RETENTION_S ({self.transaction_retention_s} s) must not be below "
                f"WALLETSTREAM_IDEMPOTENCY_RETENTION_S ({self.idempotency_retention_s} s), or a key outlives its "
                "transaction"
            )
        return self


def unknown_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables that are named like settings and are none: name -> what to do about it."""
    known = {name.upper() for name in (*Settings.model_fields, *_OTHER_VARIABLES)}
    unknown = {}
    for name in sorted(environ):
        short = name.upper().removeprefix(_PREFIX)
        if name.startswith(_PREFIX) and short not in known:
            near = difflib.get_close_matches(short, known, n=1)
            unknown[name] = (
                f"rename it to {_PREFIX}{near[0]}" if near else "remove it; docs/reference/settings.md lists all"
            )
    return unknown
