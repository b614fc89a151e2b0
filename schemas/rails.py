"""Rails: the ways by which money enters and leaves. Reference data of the `rails` topic."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from schemas.contract import Contract, Text


class Rail(Contract):
    """One rail. Money over an instant rail is settled when it is booked; over a deferred one when the rail says so."""

    model_config = ConfigDict(frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,64}$", description="Name that commands give as `rail`.")]
    settlement: Annotated[
        Literal["instant", "deferred"], Field(description="Whether booking settles or the rail settles later.")
    ]
    screening: Annotated[
        bool, Field(description="Whether what goes over it waits for the verdict of screening before it is booked.")
    ] = False
    calendar: Annotated[
        Text | None, Field(description="Calendar of its business days, such as TARGET2; none where every day is one.")
    ] = None


#: The rail that is always there.
INSTANT: Final = Rail(name="instant", settlement="instant")
