"""Rows as they are stored."""

from __future__ import annotations

import msgspec
import pytest

from streams.tables import row_codec


class Row(msgspec.Struct, frozen=True, array_like=True):
    """A name and a sum."""

    name: str
    sum_minor: int


@pytest.mark.parametrize("sum_minor", [0, -(2**63), 2**64 - 1])
def test_a_row_whose_sums_fit_is_stored_as_messagepack(sum_minor: int) -> None:
    encode, decode = row_codec(Row)
    row = Row("sepa", sum_minor)
    assert encode(row) == msgspec.msgpack.encode(row)
    assert decode(encode(row)) == row


@pytest.mark.parametrize("sum_minor", [-(2**63) - 1, 2**64, 10**30])
def test_a_sum_of_more_than_64_bits_is_stored_as_well_behind_a_byte_that_begins_nothing_else(sum_minor: int) -> None:
    encode, decode = row_codec(Row)
    row = Row("sepa", sum_minor)
    assert encode(row) == b'\xc1["sepa",%d]' % sum_minor
    assert decode(encode(row)) == row
