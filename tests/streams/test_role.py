from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from streams.settings import Settings
from tests.streams.toy import COMMANDS, EVENTS, OUTCOMES, REQUESTS, ROLE, TOPICS


def test_names_follow_the_namespace() -> None:
    settings = Settings(namespace="w.")
    assert ROLE.group_id(settings) == "w.toy"
    assert ROLE.input_names(settings) == {COMMANDS: "w.toy-commands.v1", REQUESTS: "w.toy-requests.v1"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"owner_input": EVENTS}, "toy-events is not an input"),
        ({"topics": (*TOPICS[:2], *TOPICS[3:])}, "toy-events not among its topics"),
        ({"topics": TOPICS[:-1]}, "toy-settings not among its topics"),
        ({"reference": (OUTCOMES,)}, "toy-outcomes has not one partition"),
        ({"logs": frozenset({EVENTS})}, "toy-events not an input"),
        ({"inputs": {REQUESTS: 0.7, COMMANDS: 0.4}}, "more than 1"),
    ],
)
def test_a_role_whose_parts_do_not_fit_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(ROLE, **change)
