"""`walletstream broker --secured-port`: a listener with TLS and a login, and a file that lets clients in."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from ops.broker import BrokerError
from ops.broker.secured import Credentials
from ops.cli import main

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="certificates are made by `openssl`")


@needs_openssl
def test_files_are_made_once_and_are_ours_alone(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path / "security", "127.0.0.1")
    credentials.make()
    listener, password = credentials.listener(9093), credentials.password_file.read_text()
    credentials.make()
    assert credentials.listener(9093) == listener
    assert (listener.protocol, listener.port) == ("SASL_SSL", 9093)
    assert stat.S_IMODE(credentials.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(credentials.password_file.stat().st_mode) == 0o600
    environment = credentials.write_environment("127.0.0.1:9093").read_text()
    assert password not in environment
    assert f"export WALLETSTREAM_TLS_CA_FILE={credentials.authority}\n" in environment


def test_without_openssl_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BrokerError, match="needs the program `openssl`"):
        Credentials(tmp_path / "security", "127.0.0.1").make()
    refused = CliRunner().invoke(main, ["broker", "--data-dir", str(tmp_path), "--secured-port", "0"])
    assert (refused.exit_code, refused.stderr.startswith("Error: a secured listener needs")) == (1, True)


@needs_openssl
@pytest.mark.kafka
def test_clients_come_in_by_the_file(tmp_path: Path) -> None:
    walletstream = [sys.executable, "-m", "ops"]
    arguments = ["broker", "--port", "0", "--secured-port", "0", "--data-dir", str(tmp_path)]
    broker = subprocess.Popen([*walletstream, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert broker.stdout is not None
        assert "ready on" in broker.stdout.readline()
        said = re.fullmatch(r"TLS and login on (\S+); settings of clients: \. (\S+)\n", broker.stdout.readline())
        assert said is not None
        assert stat.S_IMODE((tmp_path / "server.properties").stat().st_mode) == 0o600
        script = f'. "{said[2]}"; exec "$@"'
        environ = {name: value for name, value in os.environ.items() if not name.startswith("WALLETSTREAM_")}
        for command in (["topics", "apply"], ["doctor", "--read-only"]):
            done = subprocess.run(
                ["sh", "-c", script, "sh", *walletstream, *command], capture_output=True, text=True, env=environ
            )
            assert done.returncode == 0, done.stdout + done.stderr
        assert f"1 at {said[1]}" in done.stdout
        assert "SASL_SSL, user walletstream by PLAIN" in done.stdout
    finally:
        broker.terminate()
        broker.communicate(timeout=30)
