"""Kinds of adapters, and how the adapter of a rail's record is opened.

A kind is one file with an `ADAPTER`. Those that ship are named below; others are named by the setting
`WALLETSTREAM_RAIL_ADAPTERS`, a list of modules.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import orjson
from pydantic import ValidationError

from agents.settlement.rails import port
from agents.settlement.rails.port import RailMisconfigured
from schemas.assets import AssetRegistry
from schemas.contract import Contract
from schemas.rails import Rail

S = TypeVar("S", bound=Contract)

#: Kind -> module; imported when a rail of the kind is opened.
_SHIPPED: Final = {
    "csv": "agents.settlement.rails.csv.rail",
    "iso20022": "agents.settlement.rails.iso20022.rail",
    "simulated": "agents.settlement.rails.simulated.rail",
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an adapter finds around it."""

    #: A folder of the rail's own; it may not exist yet. All workers of the role have to see the same.
    folder: Path
    #: Unix milliseconds.
    clock_ms: Callable[[], int]
    #: The assets that are known now, for their decimals.
    assets: Callable[[], AssetRegistry]


@dataclass(frozen=True, slots=True)
class AdapterKind(Generic[S]):
    """One kind of adapter: what the record calls it, its settings, and what opens a rail of it.

    `open` must not block; it may raise `RailMisconfigured`.
    """

    kind: str
    settings: type[S]
    open: Callable[[Rail, S, Surroundings], port.Rail]


def registry_of(setting: str) -> Registry:
    """The registry by the setting `WALLETSTREAM_RAIL_ADAPTERS`, modules separated by commas.

    Raises:
        RailMisconfigured: as `Registry`; the message names the setting.
    """
    try:
        return Registry([name for name in setting.replace(" ", "").split(",") if name])
    except RailMisconfigured as error:
        raise RailMisconfigured(f"WALLETSTREAM_RAIL_ADAPTERS: {error}") from error


class Registry:
    """The kinds that a worker knows."""

    def __init__(self, modules: Sequence[str] = ()):
        """
        Args:
            modules: modules with an `ADAPTER` beside those that ship.

        Raises:
            RailMisconfigured: one of them cannot be imported, has none, or its kind is there already.
        """
        self._modules = dict(_SHIPPED)
        self._loaded: dict[str, AdapterKind[Any]] = {}
        for name in modules:
            adapter = _load(name)
            if adapter.kind in self._modules:
                raise RailMisconfigured(
                    f"{name}: kind {adapter.kind!r} belongs to {self._modules[adapter.kind]}; give it another one"
                )
            self._modules[adapter.kind] = name
            self._loaded[adapter.kind] = adapter

    @property
    def kinds(self) -> list[str]:
        """The kinds that there are, by name."""
        return sorted(self._modules)

    def open(self, rail: Rail, surroundings: Surroundings) -> port.Rail:
        """What speaks to this rail.

        Raises:
            RailMisconfigured: the record names no adapter, an unknown kind, or settings that the kind does not take.
        """
        settings = self.settings_of(rail)
        return self._kind(rail).open(rail, settings, surroundings)

    def settings_of(self, rail: Rail) -> Contract:
        """The settings of the rail's adapter, as its kind reads them.

        Raises:
            RailMisconfigured: as `open`.
        """
        if rail.adapter is None:
            raise RailMisconfigured(
                f"rail {rail.name} has no adapter: give it one by `walletstream reference put rails`"
            )
        kind = self._kind(rail)
        try:
            settings: Contract = kind.settings.model_validate_json(orjson.dumps(rail.adapter.settings))
        except ValidationError as error:
            wrong = "; ".join(
                f"{'.'.join(map(str, one['loc'])) or 'settings'}: {one['msg'].removeprefix('Value error, ')}"
                for one in error.errors(include_url=False, include_input=False)
            )
            raise RailMisconfigured(f"rail {rail.name}, adapter.settings: {wrong}") from None
        return settings

    def _kind(self, rail: Rail) -> AdapterKind[Any]:
        name = "" if rail.adapter is None else rail.adapter.kind
        if name not in self._loaded:
            if name not in self._modules:
                raise RailMisconfigured(
                    f"rail {rail.name}: no adapter of kind {name!r}; there are {', '.join(self.kinds)}, and what "
                    "WALLETSTREAM_RAIL_ADAPTERS adds"
                )
            self._loaded[name] = _load(self._modules[name])
        return self._loaded[name]


def _load(module: str) -> AdapterKind[Any]:
    try:
        adapter = importlib.import_module(module).ADAPTER
    except Exception as error:  # the module is another's: it may raise anything as it is imported
        said = str(error) if isinstance(error, ImportError | AttributeError) else f"{type(error).__name__}: {error}"
        raise RailMisconfigured(f"no adapter in module {module!r}: {said}") from error
    if not isinstance(adapter, AdapterKind):
        raise RailMisconfigured(f"{module}.ADAPTER is no AdapterKind")
    return adapter
