"""One secured broker for the tests of this folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.security.secured import Secured, secured


@pytest.fixture(scope="session")
def secured_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A broker with listeners of every kind."""
    if shutil.which("openssl") is None:
        pytest.skip("certificates are made by `openssl`, which is not there")
    with secured(tmp_path_factory.mktemp("secured")) as kafka:
        yield kafka
