"""The rail that speaks CSV by files."""

from __future__ import annotations

from typing import Final

from agents.settlement.rails.csv.reading import read_answers
from agents.settlement.rails.csv.settings import CsvSettings
from agents.settlement.rails.csv.writing import write_csv
from agents.settlement.rails.files.arrived import Arrived
from agents.settlement.rails.files.rail import FileRail
from agents.settlement.rails.files.written import Written
from agents.settlement.rails.registry import AdapterKind, Surroundings
from agents.statements.refusal import Refusal
from schemas.assets import Asset
from schemas.rail_batches import RailAnswer, RailBatch
from schemas.rails import Rail


class CsvRail(FileRail):
    """A rail of CSV files."""

    def __init__(self, name: str, settings: CsvSettings, surroundings: Surroundings):
        max_bytes = settings.max_file_mb << 20
        super().__init__(name, surroundings.folder, ".csv", surroundings.clock_ms, settings.quiet_ms, max_bytes)
        self._settings = settings
        self._assets = surroundings.assets

    def write(self, batch: RailBatch) -> Written:
        """A row for each instruction."""
        return write_csv(batch, self._settings, self._assets().get(batch.asset))

    def read(self, arrived: Arrived) -> list[RailAnswer]:
        """The answers in a file."""
        if self._settings.in_ is None:
            raise Refusal("mapping", "adapter.settings.in: nothing says how answers are read")
        return read_answers(self.name, arrived, self._settings.in_, self._asset_of)

    def _asset_of(self, batch_id: str) -> Asset | None:
        sent = self.outbox.sent(batch_id)
        return None if sent is None else self._assets().get(sent.batch.asset)


def _open_rail(rail: Rail, settings: CsvSettings, surroundings: Surroundings) -> CsvRail:
    return CsvRail(rail.name, settings, surroundings)


ADAPTER: Final = AdapterKind("csv", CsvSettings, _open_rail)
