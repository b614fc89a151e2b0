"""Facts as bytes: encoded once, where the ledger event arrives, and passed on as they are."""

from __future__ import annotations

from typing import Final

import msgspec

from schemas.facts import FactValue

encode_fact: Final = msgspec.json.Encoder().encode
decode_fact: Final = msgspec.json.Decoder(dict[str, FactValue]).decode
