"""Settings of a rail that speaks ISO 20022 by files."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from agents.settlement.rails.iso20022.texts import is_iban
from schemas.contract import Contract

Version = Literal["pain.001.001.03", "pain.001.001.09"]


class Iso20022Settings(Contract):
    """Who pays, in which version and how strictly, and what says that a payment is settled."""

    model_config = ConfigDict(frozen=True)

    debtor_name: Annotated[str, Field(min_length=1, max_length=70, description="Name of the account's holder: ours.")]
    debtor_iban: Annotated[str | None, Field(description="IBAN of the account that pays.")] = None
    debtor_account: Annotated[
        str | None, Field(min_length=1, max_length=34, description="Its number, where it has no IBAN.")
    ] = None
    debtor_bic: Annotated[
        str | None,
        Field(pattern=r"^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?$", description="BIC of the account's bank."),
    ] = None
    version: Annotated[Version, Field(description="Version of the message that is written.")] = "pain.001.001.09"
    service_level: Annotated[
        str | None, Field(pattern=r"^[A-Z]{4}$", description="Code of the service level; none: it is left out.")
    ] = "SEPA"
    charge_bearer: Annotated[Literal["SLEV", "SHAR", "DEBT", "CRED"], Field(description="Who bears the charges.")] = (
        "SLEV"
    )
    beneficiaries: Annotated[
        Literal["iban", "any"],
        Field(
            description="`iban`: whoever has no valid IBAN is refused; `any`: another reference is an account number."
        ),
    ] = "iban"
    character_set: Annotated[
        Literal["sepa", "utf8"],
        Field(description="`sepa`: names and texts in the Latin characters that every SEPA bank takes (EPC217-08)."),
    ] = "sepa"
    settled_by: Annotated[
        Literal["notification", "status"],
        Field(
            description="What says that a payment is settled: its booking in a camt.054, or status ACSC or ACCC. The "
            "other one only says that it was accepted, for both would count it twice."
        ),
    ] = "notification"
    quiet_ms: Annotated[
        int, Field(ge=0, le=3_600_000, description="A file in the inbox is read once it was not changed for so long.")
    ] = 2_000
    max_file_mb: Annotated[int, Field(ge=1, le=1_024, description="Larger files are refused, in MiB.")] = 32

    @field_validator("debtor_iban")
    @classmethod
    def _is_an_iban(cls, iban: str | None) -> str | None:
        if iban is not None and not is_iban(iban):
            raise ValueError(f"{iban!r} is no IBAN: its check digits do not fit, or it has spaces")
        return iban

    @model_validator(mode="after")
    def _one_account(self) -> Self:
        if (self.debtor_iban is None) is (self.debtor_account is None):
            raise ValueError("debtor_iban or debtor_account: one of the two says which account pays")
        return self

    @property
    def account_id(self) -> str:
        """The account that pays, as the bank's messages name it."""
        return self.debtor_iban or self.debtor_account or ""
