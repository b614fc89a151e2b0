"""One secured broker for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.security.secured import Secured, secured


@pytest.fixture(scope="session")
def secured_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A broker with listeners of every kind."""
    with secured(tmp_path_factory.mktemp("secured")) as kafka:
        yield kafka
