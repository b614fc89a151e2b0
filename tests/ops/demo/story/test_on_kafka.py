"""`walletstream demo --story` as a process, on the embedded broker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ops.demo.story.script import STORY
from tests.ops.demo.test_run import demo

pytestmark = pytest.mark.kafka


def test_the_story_is_told_on_the_real_topics(tmp_path: Path) -> None:
    with demo(tmp_path, "--story", "--json") as process:
        out, err = process.communicate(timeout=200)
    assert process.returncode == 0, f"{out}\n{err}"
    told = json.loads(out)
    assert told["ok"] is True
    assert len(told["steps"]) == len(STORY)
    assert [trial["sum_minor"] for trial in told["trial_balance"]] == [0, 0, 0]
    assert told["verify"]["holds"] is True
    assert told["seconds"] < 60
    assert "She checks in, and the hotel has 120.00 EUR held for the room." in err
    assert "Trial balance" in err
    assert "transfers" not in err, "no load"
    assert list((tmp_path / "tmp").glob("walletstream-*")) == []
