"""What an audit says in the end: one line, its findings, and the same for scripts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ops.verify.findings import MEANING, Check, Finding


@dataclass(frozen=True, kw_only=True)
class Report:
    """The result of an audit. Sums are in minor units, by asset."""

    partitions: int
    events: int
    seals: int
    wallets: int
    #: Outcomes and input records that were compared with the events.
    outcomes: int
    inputs: int
    #: Workers' local states that were compared with the log.
    stores: int
    open_sagas: int
    open_minor: dict[str, int]
    forwards_under_way: int
    #: Input records that the ledger had not decided when the audit began; 0 is what idle means.
    unread: int
    counts: dict[Check, int]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def is_ok(self) -> bool:
        """True where nothing was found."""
        return not self.counts

    @property
    def is_idle(self) -> bool:
        """True where nothing waited in any input."""
        return self.unread == 0

    @property
    def total(self) -> int:
        """How many findings there are, those included that are only counted."""
        return sum(self.counts.values())

    def line(self) -> str:
        """The one line that says it all."""
        if not self.is_ok:
            return f"verify: FAILED {self.total:,} finding{'s' if self.total != 1 else ''}"
        return (
            f"verify: OK {self.events:,} events, {self.partitions} partitions, {self.wallets:,} wallets, "
            f"0 findings, {self.seconds:.1f} s"
        )

    def lines(self) -> Iterator[str]:
        """Notes and findings for people, the first hundred of each code; `line` comes last."""
        for check, count in self.counts.items():
            yield f"{check.value}: {MEANING[check]}"
            kept = [finding for finding in self.findings if finding.check is check]
            for finding in kept:
                yield f"  {finding.place}: {finding.sentence}"
            if count > len(kept):
                yield f"  … and {count - len(kept):,} more"
        yield from self.remarks()
        yield self.line()

    def remarks(self) -> Iterator[str]:
        """What a reader should know besides the findings."""
        compared = f"{self.inputs:,} input records, {self.outcomes:,} outcomes, {self.stores} local states"
        yield f"{self.seals:,} seals, {compared}"
        if self.open_sagas:
            sums = ", ".join(f"{minor:,} {asset}" for asset, minor in sorted(self.open_minor.items()))
            yield f"{self.open_sagas:,} transfers under way between partitions, {sums} (minor units)"
        if self.forwards_under_way:
            yield f"{self.forwards_under_way:,} forwarded records under way"
        if not self.is_idle:
            yield f"not idle: {self.unread:,} input records wait for the ledger; --wait S lets it catch up first"
        yield from self.notes

    def as_json(self) -> dict[str, Any]:
        """The whole report as JSON values."""
        fields = asdict(self)
        fields["counts"] = {check.value: count for check, count in self.counts.items()}
        fields["findings"] = [
            {"code": f.check.value, **{name: value for name, value in f._asdict().items() if name != "check"}}
            for f in self.findings
        ]
        return {"ok": self.is_ok, "idle": self.is_idle, **fields, "line": self.line()}
