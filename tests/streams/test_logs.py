from __future__ import annotations

import logging
import re

import pytest

from streams.logs import LogfmtFormatter, Throttle, configure_logging, fields, quoted


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain-1.2_x/y:z", "plain-1.2_x/y:z"),
        (7, "7"),
        ("", '""'),
        ("two words", '"two words"'),
        ('a "quote" \\', '"a \\"quote\\" \\\\"'),
        ("line\nbreak\ttab\r", '"line\\nbreak\\ttab\\r"'),
        ("a=b", '"a=b"'),
    ],
)
def test_values_cannot_break_a_line(value: object, text: str) -> None:
    assert quoted(value) == text


def test_a_line_has_its_fields_and_a_traceback_follows(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        configure_logging("info")
        log = logging.getLogger("streams.test")
        log.info("a %s", "message", extra=fields(partition=3, note="x y"))
        log.debug("unheard")
        logging.getLogger("aiokafka.client").info("unheard")
        try:
            raise ValueError("bad")
        except ValueError:
            log.exception("failed")
    finally:
        root.handlers[:], root.level = before
    lines = capsys.readouterr().err.splitlines()
    assert re.fullmatch(
        r"time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=info logger=streams.test "
        r'msg="a message" partition=3 note="x y"',
        lines[0],
    )
    assert "level=error" in lines[1]
    assert lines[2].startswith("Traceback")
    assert lines[-1] == "ValueError: bad"


def test_logfmt_needs_no_fields() -> None:
    record = logging.LogRecord("n", logging.WARNING, "f", 1, "m", (), None)
    assert LogfmtFormatter().format(record).endswith("level=warning logger=n msg=m")


def test_a_library_that_repeats_itself_is_held_back() -> None:
    now = [0.0]
    throttle = Throttle(lambda: now[0])

    def said(name: str, message: str, *args: object) -> logging.LogRecord | None:
        record = logging.LogRecord(name, logging.ERROR, "f", 1, message, args, None)
        return record if throttle.filter(record) else None

    assert said("aiokafka", "no node %d", 1) is not None
    assert said("aiokafka", "no node %d", 2) is None
    assert said("aiokafka.client", "no node %d", 2) is not None
    assert said("aiokafka", "other") is not None
    assert all(said("streams.worker", "waiting") for _ in range(3))
    now[0] = 10.0
    passed = said("aiokafka", "no node %d", 3)
    assert passed is not None
    assert "held_back=1" in LogfmtFormatter().format(passed)
    now[0] = 20.0
    passed = said("aiokafka", "no node %d", 3)
    assert passed is not None
    assert "held_back" not in LogfmtFormatter().format(passed)
