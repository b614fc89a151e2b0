"""Reference data: what a decision may ask beside the state. One immutable value; news makes another one.

A decision writes what it took from here into its event, so that folding the log never needs any of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from schemas.assets import AssetRegistry
from schemas.rails import INSTANT, Rail


@dataclass(frozen=True, slots=True)
class Reference:
    """What the compacted topics of reference data say at one moment."""

    assets: AssetRegistry = field(default_factory=AssetRegistry)
    #: By name; `instant` is always there.
    rails: Mapping[str, Rail] = field(default_factory=lambda: MappingProxyType({INSTANT.name: INSTANT}))
