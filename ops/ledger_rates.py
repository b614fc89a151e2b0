"""The ledger's own exchange rates, to value what somebody has: by those of `fx-rates` that are valid at one moment."""

from __future__ import annotations

from agents.ledger.exchange import minor_for_minor
from agents.views.rates import Converted
from ops.reading import TopicReader, ask_briefly
from ops.reference_records import read_contents
from schemas.assets import AssetRegistry
from schemas.fx_rates import Rates
from schemas.topics import ASSETS, FX_RATES
from streams.settings import Settings


class LedgerRates:
    """What exchanges would give at `at_ms`, Unix milliseconds, each by one rate of the two assets; none is chained."""

    def __init__(self, assets: AssetRegistry, rates: Rates, at_ms: int):
        self._assets, self._rates = assets, rates
        self.at_ms = at_ms

    def convert(self, amount_minor: int, from_asset: str, to_asset: str) -> Converted | None:
        """What the amount gives of `to_asset`, or a negative one costs to settle; None where no valid rate leads there.

        Floored, so that what is owed counts for the next minor unit more.
        """
        rate = self._rates.between(from_asset, to_asset, self.at_ms)
        given, received = self._assets.get(from_asset), self._assets.get(to_asset)
        if rate is None or given is None or received is None:
            return None
        # Who owes has to buy what he owes: at the other price of the two.
        fraction = (
            1 / minor_for_minor(rate, received, given) if amount_minor < 0 else minor_for_minor(rate, given, received)
        )
        return Converted(amount_minor * fraction.numerator // fraction.denominator, rate.rate_id)


async def read_ledger_rates(settings: Settings, at_ms: int) -> LedgerRates | None:
    """The rates as the topics have them; None where no broker says them within seconds, or the topics are missing."""

    async def rates(reader: TopicReader) -> LedgerRates:
        assets = (await read_contents(reader, ASSETS)).reference.assets
        return LedgerRates(assets, (await read_contents(reader, FX_RATES)).reference.rates, at_ms)

    return await ask_briefly(settings, settings.namespace, rates)
