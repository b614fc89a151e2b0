"""The reference model of the ledger, in plain dictionaries, written from its papers and not from its code.

Its commands carry all fields that have a default. A new operation is one entry in `OPERATIONS`: why it is refused, and
what it does.
"""

from __future__ import annotations

from tests.ledger.model.books import Json
from tests.ledger.model.model import Model

__all__ = ["Json", "Model"]
