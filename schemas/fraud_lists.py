"""Lists that fraud rules ask: of wallets, devices, addresses or names. Reference data of the `lists` topic."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from schemas.contract import Contract, Text
from schemas.money import INT64_MAX

ListName = Annotated[
    str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="Name of the list; the record's key.")
]


class FraudList(Contract):
    """One list, whole. A longer one is given in several, each with a name of its own."""

    model_config = ConfigDict(frozen=True)

    name: ListName
    version: Annotated[int, Field(ge=1, le=INT64_MAX, description="Higher with every change; alerts name it.")]
    purpose: Annotated[
        Literal["block", "allow", "watch"], Field(description="What it is for, for those who read it; rules decide.")
    ]
    source: Annotated[Text | None, Field(description="Who keeps it, such as eu-sanctions.")] = None
    entries: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=200)], ...],
        Field(max_length=20_000, description="Ids, compared as they are; or names, compared by `resembles`."),
    ]
