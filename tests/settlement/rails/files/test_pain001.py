"""pain.001: valid by the official schemas whatever the texts, the same bytes each time, and nobody paid by halves."""

from __future__ import annotations

import importlib.resources
from functools import lru_cache
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from pydantic import ValidationError

from agents.settlement.rails.iso20022.pain001 import check_pain001, write_pain001
from agents.settlement.rails.iso20022.settings import Iso20022Settings
from agents.settlement.rails.iso20022.texts import is_iban, plain_text
from agents.settlement.rails.port import RailMisconfigured
from schemas.assets import Asset, AssetRegistry
from schemas.rail_batches import RailBatch, RailInstruction
from tests.settlement.rails.batches import batch
from tests.settlement.rails.files.messages import IBAN

EUR = AssetRegistry().get("EUR")
VERSIONS = ("pain.001.001.03", "pain.001.001.09")
#: IBANs from the registry's own examples.
IBANS = [
    IBAN,
    "GB33BUKB20201555555555",
    "FR1420041010050500013M02606",
    "NL91ABNA0417164300",
    "MT84MALT011000012345MTLCAST001S",
]


@lru_cache
def schema(version: str) -> etree.XMLSchema:
    """The official schema, as sepaxml has it."""
    content = (importlib.resources.files("sepaxml") / "schemas" / f"{version}.xsd").read_bytes()
    return etree.XMLSchema(etree.fromstring(content))


def settings(**changes: Any) -> Iso20022Settings:
    return Iso20022Settings(**({"debtor_name": "Ours", "debtor_iban": IBAN, "debtor_bic": "COBADEFFXXX"} | changes))


def paying(*instructions: tuple[str, int, str, str]) -> RailBatch:
    """A batch of (beneficiary, amount in minor units, name, remittance)."""
    made = tuple(
        RailInstruction(f"{batch().batch_id}-{number}", ("t",), to, amount_minor, text, name)
        for number, (to, amount_minor, name, text) in enumerate(instructions)
    )
    return msgspec.structs.replace(batch(), instructions=made)


FAIR = paying(
    (IBANS[1], 12_345, "Anna Muster", "Rent"), ("NL91 ABNA 0417 1643 00", 1, "", ""), (IBANS[2], 10**17, "B", "x")
)


def found(content: bytes, name: str) -> list[str]:
    return [element.text or "" for element in etree.fromstring(content).iter(f"{{*}}{name}")]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("bic", ["COBADEFFXXX", None])
def test_it_keeps_to_the_official_schema_and_says_what_the_batch_does(version: str, bic: str | None) -> None:
    written = write_pain001(FAIR, settings(version=version, debtor_bic=bic), EUR)
    assert written.refused == ()
    assert written.content is not None
    schema(version).assertValid(etree.fromstring(written.content))
    assert found(written.content, "MsgId") == found(written.content, "PmtInfId") == [FAIR.batch_id]
    assert found(written.content, "EndToEndId") == [one.end_to_end_id for one in FAIR.instructions]
    assert found(written.content, "InstdAmt") == ["123.45", "0.01", "1000000000000000.00"]
    assert found(written.content, "CtrlSum") == ["1000000000000123.46"] * 2
    assert found(written.content, "NbOfTxs") == ["3", "3"]
    assert found(written.content, "IBAN") == [IBAN, IBANS[1], IBANS[3], IBANS[2]]
    assert found(written.content, "CreDtTm") == ["2026-11-23T04:50:00Z"]
    assert found(written.content, "Nm") == ["Ours", "Ours", "Anna Muster", "NOTPROVIDED", "B"]


def test_the_same_batch_gives_the_same_bytes() -> None:
    assert write_pain001(FAIR, settings(), EUR) == write_pain001(FAIR, settings(), EUR)


texts = st.text(max_size=200) | st.sampled_from(
    ["<a>&'\"", "Ærøskøbing ß € Łódź", "\ud7ff\U0001f600 \x00\x1b", "//a//", "Ωμέγα"]
)


@pytest.mark.parametrize("version", VERSIONS)
@given(
    st.lists(st.tuples(st.sampled_from(IBANS), st.integers(1, 10**15), texts, texts), min_size=1, max_size=5),
    st.sampled_from(["sepa", "utf8"]),
)
def test_whatever_the_texts_it_keeps_to_the_schema(
    version: str, instructions: list[tuple[str, int, str, str]], character_set: str
) -> None:
    written = write_pain001(paying(*instructions), settings(version=version, character_set=character_set), EUR)
    assert written.refused == ()
    assert written.content is not None
    schema(version).assertValid(etree.fromstring(written.content))
    if character_set == "sepa":
        assert written.content.isascii()


@pytest.mark.parametrize(
    ("to", "amount_minor", "changes", "code"),
    [
        ("wallet-7", 100, {}, "AC01"),
        ("DE88370400440532013000", 100, {}, "AC01"),
        ("", 100, {"beneficiaries": "any"}, "AC01"),
        ("1" * 35, 100, {"beneficiaries": "any"}, "AC01"),
        ("a<b", 100, {"beneficiaries": "any"}, "AC01"),
        (IBAN, 0, {}, "AM12"),
        (IBAN, -5, {}, "AM12"),
        (IBAN, 10**18, {}, "AM12"),
    ],
)
def test_what_cannot_stand_in_it_is_refused_and_the_rest_goes(
    to: str, amount_minor: int, changes: dict[str, Any], code: str
) -> None:
    written = write_pain001(paying((IBAN, 100, "", ""), (to, amount_minor, "", "")), settings(**changes), EUR)
    assert [(one.end_to_end_id[-1], one.state, one.code) for one in written.refused] == [("1", "rejected", code)]
    assert written.content is not None
    assert found(written.content, "EndToEndId") == [f"{batch().batch_id}-0"]
    alone = write_pain001(paying((to, amount_minor, "", "")), settings(**changes), EUR)
    assert alone.content is None
    assert len(alone.refused) == 1


def test_an_account_without_iban_is_a_number_where_that_is_allowed() -> None:
    written = write_pain001(
        paying(("wallet-7", 100, "", "")), settings(beneficiaries="any", debtor_iban=None, debtor_account="42"), EUR
    )
    assert written.content is not None
    schema(VERSIONS[1]).assertValid(etree.fromstring(written.content))
    assert found(written.content, "Id")[-1] == "wallet-7"


def test_a_batch_that_brings_money_in_is_refused() -> None:
    written = write_pain001(batch(direction="in"), settings(), EUR)
    assert written.content is None
    assert {one.code for one in written.refused} == {"direction"}


@pytest.mark.parametrize(
    ("asset", "changes", "message"),
    [
        (None, {}, "EUR cannot be paid by ISO 20022"),
        (Asset(code="MILES", exponent=0, kind="points"), {}, "cannot be paid by ISO 20022"),
        (Asset(code="XBT", exponent=8), {}, "cannot be paid by ISO 20022"),
        (Asset(code="USD", exponent=2), {}, "service level SEPA is for EUR, not USD"),
    ],
)
def test_assets_that_cannot_be_paid_so(asset: Asset | None, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RailMisconfigured, match=message):
        write_pain001(FAIR, settings(**changes), asset)


@pytest.mark.parametrize(
    ("code", "exponent", "amounts"), [("USD", 2, ["123.45"]), ("JPY", 0, ["12345"]), ("KWD", 3, ["12.345"])]
)
def test_amounts_have_the_decimals_of_their_currency(code: str, exponent: int, amounts: list[str]) -> None:
    paid = msgspec.structs.replace(paying((IBAN, 12_345, "", "")), asset=code)
    written = write_pain001(paid, settings(service_level=None), Asset(code=code, exponent=exponent))
    assert written.content is not None
    schema(VERSIONS[1]).assertValid(etree.fromstring(written.content))
    assert found(written.content, "InstdAmt") == amounts


@pytest.mark.parametrize("ids", [["a b"], ["x" * 36], ["same", "same"]])
def test_ids_that_do_not_fit_stop_the_batch(ids: list[str]) -> None:
    made = tuple(RailInstruction(name, ("t",), IBAN, 100) for name in ids)
    with pytest.raises(RailMisconfigured, match="ids have at most 35"):
        write_pain001(msgspec.structs.replace(batch(), instructions=made), settings(), EUR)


def test_a_message_that_says_something_else_is_kept_back() -> None:
    written = write_pain001(FAIR, settings(), EUR)
    assert written.content is not None
    assert EUR is not None
    check_pain001(written.content, list(FAIR.instructions), EUR)
    for before, after in ((b"123.45", b"123.46"), (b">3<", b">2<"), (b"0.01", b"0.02")):
        with pytest.raises(RailMisconfigured, match="is kept back"):
            check_pain001(written.content.replace(before, after), list(FAIR.instructions), EUR)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"debtor_iban": "DE00370400440532013000"}, "is no IBAN"),
        ({"debtor_iban": None}, "one of the two says which account pays"),
        ({"debtor_account": "1"}, "one of the two says which account pays"),
        ({"debtor_bic": "COBA"}, "debtor_bic"),
        ({"version": "pain.001.001.02"}, "version"),
    ],
)
def test_settings_that_cannot_be(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(**changes)


@given(st.sampled_from(IBANS), st.integers(0, 33), st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
def test_one_wrong_character_is_no_iban(iban: str, place: int, char: str) -> None:
    assert is_iban(iban)
    place %= len(iban)
    changed = iban[:place] + char + iban[place + 1 :]
    assert is_iban(changed) == (changed == iban) or char.isalpha() != iban[place].isalpha()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ærøskøbing & Łódź", "AEroskobing + Lodz"),
        ("  a\n\tb ", "a b"),
        ("//x//y//", "x/y"),
        ("日本", ".."),
        ("Straße", "Strasse"),
        ("x" * 69 + "/y", "x" * 69),
        ("x" * 68 + " /y", "x" * 68),
    ],
)
def test_texts_in_the_characters_of_sepa(text: str, expected: str) -> None:
    assert plain_text(text, 70, "sepa") == expected
