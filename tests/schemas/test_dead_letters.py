from __future__ import annotations

import pytest

from schemas.dead_letters import (
    REFERENCE_HEAD_BYTES,
    DeadLetterHeaders,
    OversizedReference,
    decode_reference,
    encode_reference,
    read_dead_letter_headers,
)

HEADERS = DeadLetterHeaders(
    reason="malformed",
    stage="decode",
    original_topic="transaction-requests",
    original_partition=3,
    original_offset=4115,
    original_timestamp=1_795_409_400_450,
    app_version="0.1.0",
)


def test_the_headers_on_the_wire() -> None:
    assert HEADERS.encode() == [
        ("dlq.reason", b"malformed"),
        ("dlq.stage", b"decode"),
        ("dlq.original-topic", b"transaction-requests"),
        ("dlq.original-partition", b"3"),
        ("dlq.original-offset", b"4115"),
        ("dlq.original-timestamp", b"1795409400450"),
        ("dlq.app-version", b"0.1.0"),
    ]


def test_they_follow_the_records_own_and_win_over_older_ones() -> None:
    earlier = [("dlq.reason", b"internal_error"), ("dlq.new-one", b"x")]
    own = [("ce_id", b"\xff"), ("x", None), ("dlq.stage", None), *earlier]
    assert read_dead_letter_headers([*own, *HEADERS.encode()]) == HEADERS


@pytest.mark.parametrize("headers", [HEADERS.encode()[1:], [*HEADERS.encode(), ("dlq.original-offset", b"\xff")], []])
def test_what_is_no_dead_letter_of_ours(headers: list[tuple[str, bytes | None]]) -> None:
    with pytest.raises(ValueError, match=r"no dead letter of ours: .*dlq\."):
        read_dead_letter_headers(headers)


def test_a_reference_keeps_the_first_bytes_as_they_are() -> None:
    head = bytes(range(256)) * (REFERENCE_HEAD_BYTES // 256)
    reference = OversizedReference(
        topic="transaction-requests", partition=1, offset=2, size_bytes=3_000_000, sha256="0" * 64, head=head
    )
    encoded = encode_reference(reference)
    assert decode_reference(encoded) == reference
    assert REFERENCE_HEAD_BYTES < len(encoded) < 2 * REFERENCE_HEAD_BYTES
