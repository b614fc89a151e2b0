"""A grouped table within a batch: what is put, taken back and walked, held against a dictionary."""

from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from streams.overlay import Overlay
from streams.tables import IN_ORDER, Table
from tests.streams.rows import Rows

GROUPED: Table[bytes] = Table(f"grouped{IN_ORDER}", bytes, bytes, grouped=True)
GROUPS, KEYS = ("a", "ab", "b"), ("0", "1", "2", "3")

Held = dict[tuple[str, str], bytes]

_AT = st.tuples(st.sampled_from(GROUPS), st.sampled_from(KEYS))
_STEPS = st.one_of(
    st.tuples(st.just("put"), _AT, st.one_of(st.none(), st.binary(max_size=2))),
    st.tuples(st.sampled_from(("savepoint", "roll back", "settle", "forget")), st.none(), st.none()),
)


def _same(state: Overlay, held: Held) -> None:
    view = state.grouped(GROUPED)
    for group in GROUPS:
        for start in ("", "1", "15"):
            for end in ("", "2", "25"):
                expected = [
                    (key, held[group, key])
                    for key in KEYS
                    if (group, key) in held and key >= start and (not end or key < end)
                ]
                assert list(view.scan(group, start, end)) == expected
                assert list(islice(view.scan(group, start, end), 1)) == expected[:1]
        assert [view.get(group, key) for key in KEYS] == [held.get((group, key)) for key in KEYS]


@given(st.dictionaries(_AT, st.binary(max_size=2)), st.lists(_STEPS, max_size=12))
def test_it_holds_what_a_dictionary_would(stored: Held, steps: list[tuple[str, tuple[str, str], bytes | None]]) -> None:
    rows = Rows(**{GROUPED.name: {f"{group} {key}": value for (group, key), value in stored.items()}})
    state, held, safe, begun = Overlay((GROUPED,), rows), dict(stored), dict(stored), dict(stored)
    view = state.grouped(GROUPED)
    with state.careful():
        for what, at, value in steps:
            match what:
                case "put":
                    view.put(*at, value)
                    held.pop(at, None)
                    if value is not None:
                        held[at] = value
                case "savepoint":
                    state.savepoint()
                    safe = dict(held)
                case "roll back":
                    state.roll_back()
                    held = dict(safe)
                case "settle":
                    state.savepoint()
                    for name, encoded in view.encoded_changes().items():
                        rows.tables[GROUPED.name].pop(name, None)
                        if encoded is not None:
                            rows.tables[GROUPED.name][name] = encoded
                    state.settle()
                    safe, begun = dict(held), dict(held)
                case "forget":
                    state.savepoint()
                    state.forget()
                    held, safe = dict(begun), dict(begun)
            _same(state, held)


def test_rows_of_the_batch_and_of_the_store_are_walked_in_order() -> None:
    stored = {"a 1": b"old", "a 3": b"old", "a 5": b"old", "a 7": b"old", "ab 0": b"other", "0 9": b"other"}
    state = Overlay((GROUPED,), Rows(**{GROUPED.name: stored}))
    view = state.grouped(GROUPED)
    for key in ("9", "3", "2", "z"):
        view.put("a", key, b"new")
    for key, value in (("5", None), ("4", None), ("3", b"x")):
        view.put("a", key, value)
    walked = [("1", b"old"), ("2", b"new"), ("3", b"x"), ("7", b"old"), ("9", b"new"), ("z", b"new")]
    assert list(view.scan("a")) == walked
    assert list(view.scan("a", "2")) == walked[1:]
    assert list(view.scan("a", "2", "9")) == walked[1:4]
    assert list(view.scan("a", "2", "7")) == walked[1:3]
    assert [view.get("a", key) for key in ("1", "3", "4", "5", "6")] == [b"old", b"x", None, None, None]
    assert list(view.scan("ab")) == [("0", b"other")]


def test_what_is_undone_and_what_is_settled_is_not_walked_twice() -> None:
    rows = Rows(**{GROUPED.name: {"a 1": b"old"}})
    state = Overlay((GROUPED,), rows)
    view = state.grouped(GROUPED)
    with state.careful():
        view.put("a", "2", b"first")
        state.savepoint()
        for key, value in (("1", None), ("2", b"second"), ("3", b"second"), ("3", None)):
            view.put("a", key, value)
        state.roll_back()
        assert list(view.scan("a")) == [("1", b"old"), ("2", b"first")]
        view.put("a", "3", b"third")
        assert list(view.scan("a")) == [("1", b"old"), ("2", b"first"), ("3", b"third")]
    rows.tables[GROUPED.name] |= {name: value or b"" for name, value in view.encoded_changes().items()}
    state.settle()
    assert dict(view.encoded_changes()) == {}
    assert list(view.scan("a")) == [("1", b"old"), ("2", b"first"), ("3", b"third")]
    view.put("a", "2", b"fourth")
    state.forget()
    assert list(view.scan("a")) == [("1", b"old"), ("2", b"first"), ("3", b"third")]


def test_what_is_walked_is_that_of_one_group_alone() -> None:
    """However many rows a batch has put elsewhere."""
    rows = Rows(**{GROUPED.name: {}})
    view = Overlay((GROUPED,), rows).grouped(GROUPED)
    for number in range(100):
        view.put(f"g{number}", "0", b"1")
    view.put("g7", "1", b"2")
    assert list(view.scan("g7")) == [("0", b"1"), ("1", b"2")]
    assert view.encoded_changes().keys() == {*(f"g{number} 0" for number in range(100)), "g7 1"}
