"""The rail that speaks ISO 20022 by files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from lxml import etree

from agents.settlement.rails.files.arrived import Arrived
from agents.settlement.rails.files.rail import FileRail
from agents.settlement.rails.files.written import Written
from agents.settlement.rails.iso20022.notifications import read_notification
from agents.settlement.rails.iso20022.pain001 import write_pain001
from agents.settlement.rails.iso20022.settings import Iso20022Settings
from agents.settlement.rails.iso20022.status_reports import read_status_report
from agents.settlement.rails.port import RailMisconfigured
from agents.settlement.rails.registry import AdapterKind, Surroundings
from agents.statements.refusal import Refusal, quoted
from agents.statements.xml import elements, local_name, namespace
from schemas.rail_batches import RailAnswer, RailBatch
from schemas.rails import Rail

#: Where this file is in the rail's folder, what is written is checked by it before it goes.
SCHEMA_FILE: Final = "pain.001.xsd"
_NAMESPACE: Final = re.compile(
    r"urn:(?:iso:std:iso:20022:tech:xsd|swift:xsd):((?:pain|pacs|camt)\.[0-9]{3})\.001\.[0-9]{2}"
)


class Iso20022Rail(FileRail):
    """A rail of ISO 20022 files."""

    def __init__(self, name: str, settings: Iso20022Settings, surroundings: Surroundings):
        max_bytes = settings.max_file_mb << 20
        suffix = f".{settings.version}.xml"
        super().__init__(name, surroundings.folder, suffix, surroundings.clock_ms, settings.quiet_ms, max_bytes)
        self._settings = settings
        self._assets = surroundings.assets

    def write(self, batch: RailBatch) -> Written:
        """A pain.001, checked by the schema in the rail's folder where there is one."""
        written = write_pain001(batch, self._settings, self._assets().get(batch.asset))
        schema = self.folder / SCHEMA_FILE
        if written.content is not None and schema.exists():
            _check_schema(written.content, schema)
        return written

    def read(self, arrived: Arrived) -> list[RailAnswer]:
        """The answers in a pain.002, pacs.002 or camt.054."""
        message, by_status = message_of(arrived.content), self._settings.settled_by == "status"
        sent = self.outbox.sent
        if message in ("pain.002", "pacs.002"):
            return read_status_report(self.name, arrived, by_status, self._assets(), sent)
        if message == "camt.054":
            account = self._settings.account_id
            return read_notification(self.name, arrived, account, self._assets(), sent, not by_status)
        if message in ("camt.052", "camt.053"):
            raise Refusal("format_unknown", f"{message} is a statement: import it by `walletstream reconcile import`")
        raise Refusal("format_unknown", f"{message} is not read here: pain.002, pacs.002 and camt.054 are")


def message_of(content: bytes) -> str:
    """Which message of ISO 20022 a file holds, such as `pain.002`.

    Raises:
        Refusal: none, or it is no XML.
    """
    for _, element in elements(content, ("*",)):
        found = _NAMESPACE.fullmatch(namespace(element))
        if local_name(element) == "Document" and found is not None:
            return found[1]
        raise Refusal(
            "format_unknown", f"a message of ISO 20022 begins with Document, not {quoted(local_name(element))}"
        )
    raise Refusal("malformed", "it is empty")


def _check_schema(content: bytes, path: Path) -> None:
    """
    Raises:
        RailMisconfigured: the message does not keep to the schema, or that is none.
    """
    try:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        etree.XMLSchema(etree.parse(str(path), parser)).assertValid(etree.fromstring(content, parser))
    except (etree.LxmlError, OSError) as error:
        raise RailMisconfigured(f"by {path} the message must not go: {error}") from None


def _open_rail(rail: Rail, settings: Iso20022Settings, surroundings: Surroundings) -> Iso20022Rail:
    return Iso20022Rail(rail.name, settings, surroundings)


ADAPTER: Final = AdapterKind("iso20022", Iso20022Settings, _open_rail)
