"""What a machine writes to: numbers, and taking back."""

from __future__ import annotations

from streams.machine import Message, Output


def test_events_are_numbered_without_gaps() -> None:
    out = Output("events", 3, 41)
    assert out.next_sequence() == 42
    out.event(b"k", b"a", ("opened", None))
    assert (out.sequence, out.next_sequence()) == (42, 43)
    assert out.events == [Message("events", 3, b"k", b"a")]
    out.send("outcomes", 1, None, b"o", [("h", None)])
    assert out.messages == [Message("outcomes", 1, None, b"o", [("h", None)])]


def test_truncating_forgets_what_came_after() -> None:
    out = Output("events", 0, -1)
    for value in (b"a", b"b", b"c"):
        out.event(None, value, (value.decode(), None))
        out.send("outcomes", 0, None, value)
    out.truncate(0, 2)
    assert [event.value for event in out.events] == [b"a"]
    assert out.labels == [("a", None)]
    assert [message.value for message in out.messages] == [b"a", b"b"]
    assert out.next_sequence() == 1
    out.truncate(0, 2)
    assert (len(out.events), len(out.messages)) == (1, 2)
    out.truncate(-1, 0)
    assert (out.events, out.labels, out.messages, out.sequence) == ([], [], [], -1)


def test_dead_letters_are_messages_with_a_label_until_they_are_taken_back() -> None:
    out = Output("events", 3, -1)
    out.dead_letter("dead", b"k", b"a", [("h", b"1")], ("malformed", "decode"))
    out.send("outcomes", 3, None, b"o")
    out.dead_letter("dead", None, None, (), ("oversized", "write"))
    assert out.messages[0] == Message("dead", 3, b"k", b"a", [("h", b"1")])
    assert [label for _, label in out.dead_letters] == [("malformed", "decode"), ("oversized", "write")]
    out.truncate(-1, 2)
    assert [label for _, label in out.dead_letters] == [("malformed", "decode")]
    out.truncate(-1, 0)
    assert out.dead_letters == []
