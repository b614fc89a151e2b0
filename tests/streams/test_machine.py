"""What a machine writes to: numbers, and taking back."""

from __future__ import annotations

from streams.machine import Message, Outgoing, Output


def test_events_are_numbered_without_gaps() -> None:
    out = Output("events", 3, 41)
    out.event(b"k", b"a", ("opened", None))
    assert out.sequence == 42
    assert out.events == [(b"k", b"a", ())]
    assert list(out.outgoing) == [Message("events", 3, b"k", b"a")]


def test_records_are_grouped_by_where_they_go_and_keep_their_order() -> None:
    out = Output("events", 3, -1)
    out.send("outcomes", 3, b"k", b"1", [("h", None)])
    out.send_all(
        [Message("commands", 1, None, b"2"), Message("outcomes", 3, None, b"3"), Message("commands", 2, b"", None)]
    )
    out.event(b"k", b"a", ("opened", None))
    assert out.outgoing.by_target == {
        ("events", 3): [(b"k", b"a", ())],
        ("outcomes", 3): [(b"k", b"1", [("h", None)]), (None, b"3", ())],
        ("commands", 1): [(None, b"2", ())],
        ("commands", 2): [(b"", None, ())],
    }
    assert len(out.outgoing) == 5
    assert Outgoing(out.outgoing).by_target == out.outgoing.by_target


def test_returning_forgets_what_was_written_since() -> None:
    out = Output("events", 0, -1)
    nothing = out.so_far()
    marks = []
    for number, value in enumerate((b"a", b"b", b"c")):
        out.event(None, value, (value.decode(), None))
        out.send("outcomes", 0, None, value)
        out.send("commands", number % 2, None, value)
        marks.append(out.so_far())
    out.return_to(marks[0])
    kept = [("events", 0, b"a"), ("outcomes", 0, b"a"), ("commands", 0, b"a")]
    assert [(m.topic, m.partition, m.value) for m in out.outgoing] == kept
    assert out.labels == [("a", None)]
    assert out.sequence == 0
    out.return_to(marks[0])
    assert [(m.topic, m.partition, m.value) for m in out.outgoing] == kept
    out.return_to(nothing)
    assert (len(out.outgoing), out.events, out.labels, out.sequence) == (0, [], [], -1)


def test_dead_letters_are_messages_with_a_label_until_they_are_taken_back() -> None:
    out = Output("events", 3, -1)
    nothing = out.so_far()
    out.dead_letter("dead", b"k", b"a", [("h", b"1")], ("malformed", "decode"))
    out.send("outcomes", 3, None, b"o")
    one = out.so_far()
    out.dead_letter("dead", None, None, (), ("oversized", "write"))
    assert out.outgoing.by_target["dead", 3] == [(b"k", b"a", [("h", b"1")]), (None, None, ())]
    assert out.dead_letters == [("malformed", "decode"), ("oversized", "write")]
    out.return_to(one)
    assert out.dead_letters == [("malformed", "decode")]
    out.return_to(nothing)
    assert out.dead_letters == []
