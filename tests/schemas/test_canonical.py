from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from schemas.canonical import canonical_json, fingerprint

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = st.from_regex(r"[a-z_]{1,12}", fullmatch=True).filter(lambda name: name != "metadata")
SAFE_INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)
VALUES = st.one_of(TEXT, SAFE_INTEGERS, st.booleans(), st.none(), st.dictionaries(NAMES, TEXT, max_size=3))
COMMANDS = st.builds(
    lambda fields, metadata: fields if metadata is None else {**fields, "metadata": metadata},
    st.dictionaries(NAMES, VALUES, max_size=6),
    st.none() | st.dictionaries(TEXT, TEXT, max_size=6),
)


@given(COMMANDS)
def test_it_is_the_form_of_rfc_8785(fields: dict[str, Any]) -> None:
    assert canonical_json(fields) == rfc8785.dumps(fields)


def test_names_beyond_ascii_are_sorted_by_utf_16() -> None:
    """U+FB33 sorts before U+1F600 by code point and after it in UTF-16: the RFC's own trap."""
    fields = {"metadata": {"\ufb33": "1", "\U0001f600": "2", "a": "3"}}
    assert canonical_json(fields) == '{"metadata":{"a":"3","\U0001f600":"2","\ufb33":"1"}}'.encode()


@given(COMMANDS)
def test_the_order_of_fields_does_not_matter(fields: dict[str, Any]) -> None:
    turned = {name: fields[name] for name in reversed(fields)}
    assert canonical_json(turned) == canonical_json(fields)
    assert json.loads(canonical_json(fields)) == fields


@pytest.mark.parametrize("amount_minor", [2**53, 2**53 + 1, 2**63 - 1, -(2**63)])
def test_integers_up_to_int64_keep_their_digits(amount_minor: int) -> None:
    assert canonical_json({"amount_minor": amount_minor}) == b'{"amount_minor":%d}' % amount_minor


@pytest.mark.parametrize("metadata", [{}, {"k": "v"}, {"é": "v"}])
@pytest.mark.parametrize("amount_minor", [2**63, 2**64 - 1, 2**64, -(2**63) - 1, 10**100])
def test_integers_beyond_int64_are_written_as_digits(amount_minor: int, metadata: dict[str, str]) -> None:
    written = json.loads(canonical_json({"amount_minor": amount_minor, "metadata": metadata}))
    assert written == {"amount_minor": str(amount_minor), "metadata": metadata}


def test_lists_and_nested_objects() -> None:
    fields = {"assets": ["USD", "EUR"], "references": {"user": "u", "order": "o"}, "big": [2**70, True]}
    assert canonical_json(fields) == (
        b'{"assets":["USD","EUR"],"big":["%d",true],"references":{"order":"o","user":"u"}}' % 2**70
    )


def test_the_fingerprint_is_sha_256_in_hexadecimal() -> None:
    assert fingerprint(b"{}") == sha256(b"{}").hexdigest()
    assert len(fingerprint(b"")) == 64


@pytest.mark.parametrize("beyond", [2**63, 2**64, -(2**63) - 1])
@pytest.mark.parametrize(
    ("fields", "form"),
    [
        ({"settled_minor": 0}, '{"settled_minor":"%d"}'),
        ({"limits": {"EUR": {"hour": 0}}}, '{"limits":{"EUR":{"hour":"%d"}}}'),
        ({"items": [{"min_to_amount_minor": 0}]}, '{"items":[{"min_to_amount_minor":"%d"}]}'),
    ],
)
def test_whatever_integer_is_beyond_int64_is_digits(fields: dict[str, Any], form: str, beyond: int) -> None:
    def put(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: put(part) for name, part in value.items()}
        return [put(part) for part in value] if isinstance(value, list) else beyond

    assert canonical_json(put(fields)) == (form % beyond).encode()
