from __future__ import annotations

import pytest

from schemas.cloudevents import NO_HEADERS, EventHeaders, HeaderError, event_type, read_headers, write_headers

TOPIC = "transaction-requests"
TYPE = b"wallet.transaction-requests.v1"
TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_everything_is_optional() -> None:
    assert read_headers([], TOPIC) == NO_HEADERS
    assert read_headers([("ce_id", b"7")], TOPIC) == EventHeaders(id="7")


def test_it_reads_what_it_writes() -> None:
    headers = write_headers(
        TOPIC, id="e-1", source="/acme", time="2026-11-23T04:50:00Z", subject="w1", traceparent=TRACE.decode()
    )
    assert read_headers(headers, TOPIC) == EventHeaders(
        "e-1", "/acme", TYPE.decode(), "2026-11-23T04:50:00Z", "w1", TRACE.decode()
    )
    assert dict(headers)["content-type"] == b"application/json"


def test_the_required_attributes_are_always_written() -> None:
    assert write_headers(TOPIC, id="é", source="s") == [
        ("ce_specversion", b"1.0"),
        ("ce_id", "é".encode()),
        ("ce_source", b"s"),
        ("ce_type", TYPE),
        ("content-type", b"application/json"),
    ]


def test_the_type_does_not_know_the_namespace() -> None:
    assert event_type("operator-commands") == "wallet.operator-commands.v1"


@pytest.mark.parametrize(
    ("headers", "field", "message"),
    [
        ([("ce_id", b"1"), ("ce_id", b"1")], "ce_id", "is there twice"),
        ([("ce_type", TYPE), ("x", b""), ("ce_type", TYPE)], "ce_type", "is there twice"),
        ([("ce_anything", b"1"), ("ce_anything", b"2")], "ce_anything", "is there twice"),
        ([("ce_type", b"wallet.operator-commands.v1")], "ce_type", "records of this topic are"),
        ([("ce_type", b"acme.transaction-requests.v1")], "ce_type", "records of this topic are"),
        ([("ce_type", b"wallet.transaction-requests.v2")], "ce_type", "records of this topic are"),
        ([("ce_type", b"")], "ce_type", "is empty"),
        ([("ce_specversion", b"0.3")], "ce_specversion", "only 1.0"),
        ([("ce_specversion", b"")], "ce_specversion", "only 1.0"),
        ([("ce_source", b"\xff")], "ce_source", "is not UTF-8"),
        ([("ce_unknown", b"\xed\xa0\x80")], "ce_unknown", "is not UTF-8"),
        ([("ce_id", None)], "ce_id", "is null"),
        ([("ce_id", b"")], "ce_id", "is empty"),
        ([("ce_id", b"x" * 201)], "ce_id", "longer than 200"),
    ],
)
def test_what_is_refused(headers: list[tuple[str, bytes | None]], field: str, message: str) -> None:
    with pytest.raises(HeaderError) as refused:
        read_headers(headers, TOPIC)
    assert refused.value.field == field
    assert message in refused.value.message
    assert str(refused.value) == f"header {field}: {refused.value.message}"


def test_a_foreign_value_is_quoted_no_longer_than_it_need_be() -> None:
    with pytest.raises(HeaderError) as refused:
        read_headers([("ce_type", b"x" * 1_000_000)], TOPIC)
    assert len(refused.value.message) < 250


def test_other_headers_are_ignored() -> None:
    headers = [("x", b"\xff"), ("x", None), ("CE_ID", b"\xff"), ("content-type", b"text/plain"), ("ce-id", b"1")]
    assert read_headers(headers, TOPIC) == NO_HEADERS


@pytest.mark.parametrize(
    "headers",
    [
        [("traceparent", TRACE), ("traceparent", TRACE)],
        [("traceparent", b"00-xyz")],
        [("traceparent", TRACE.upper())],
        [("traceparent", b"\xff")],
        [("traceparent", None)],
        [("traceparent", b"")],
    ],
)
def test_a_trace_that_cannot_be_followed_counts_as_absent(headers: list[tuple[str, bytes | None]]) -> None:
    assert read_headers(headers, TOPIC).traceparent is None
