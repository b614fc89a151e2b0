"""What is told about a broker that died."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.broker.diagnosis import explain


def test_the_last_lines_are_told_without_stack_frames(tmp_path: Path) -> None:
    log = tmp_path / "broker.log"
    log.write_bytes(b"x" * 200_000 + b"\n" + b"".join(b"line %d \xff\n\tat some.Class\n" % n for n in range(100)))
    first, *shown = explain("it died", log).splitlines()
    assert first == "it died"
    assert [line.split()[1] for line in shown[1:]] == [str(number) for number in range(85, 100)]


def test_lines_of_an_earlier_start_do_not_count(tmp_path: Path) -> None:
    log = tmp_path / "broker.log"
    log.write_text("No space left on device\n")
    message = explain("it died", log, since=log.stat().st_size)
    assert message.endswith("broker.log: none")
    assert "full" not in message


def test_no_log_is_no_error(tmp_path: Path) -> None:
    assert explain("it died", tmp_path / "gone").endswith("gone: none")


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("java.io.IOException: No space left on device", "make room"),
        ("java.lang.OutOfMemoryError: Java heap space", "raise --heap-mb"),
        ("KafkaException: Failed to acquire lock on file .lock in /d", "another broker"),
        ("UnsupportedClassVersionError: x", "17 or newer"),
    ],
)
def test_known_causes_come_with_advice(tmp_path: Path, line: str, advice: str) -> None:
    log = tmp_path / "broker.log"
    log.write_text(f"first\n{line}\n" + "\tat some.Class\n" * 50)
    message = explain("the broker ended with exit code 1", log)
    assert message.startswith("the broker ended with exit code 1: ")
    assert advice in message.splitlines()[0]
    assert message.endswith(line)
