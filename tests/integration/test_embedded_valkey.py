"""The embedded Valkey: a cache behind a password that lives no longer than whoever started it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from taskqueue_project.embedded.errors import EmbeddedServerError
from taskqueue_project.embedded.valkey import ValkeyServer
from tests.processes import ROOT, is_alive
from tests.waiting import eventually


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    server = ValkeyServer(tmp_path / "valkey")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def client(server: ValkeyServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server.url) as client:
        yield client


def test_it_is_a_valkey_that_keeps_what_it_is_given(client: redis.Redis) -> None:
    client.set("key", "value")
    assert client.get("key") == b"value"
    assert client.info("server")["server_name"] == "valkey"


def test_it_listens_on_loopback_only_and_writes_nothing_to_disk(client: redis.Redis) -> None:
    assert client.config_get("bind") == {"bind": "127.0.0.1"}
    assert client.config_get("save") == {"save": ""}
    assert client.config_get("appendonly") == {"appendonly": "no"}
    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "allkeys-lru"}


def test_nobody_gets_in_without_the_password(client: redis.Redis) -> None:
    port = client.connection_pool.connection_kwargs["port"]
    for password in (None, "wrong"):
        with (
            redis.Redis(port=port, password=password, retry=Retry(NoBackoff(), 0)) as stranger,
            pytest.raises(redis.AuthenticationError),
        ):
            stranger.ping()


def test_its_url_is_for_our_account_only_and_not_on_the_command_line(server: ValkeyServer) -> None:
    assert stat.S_IMODE(server.url_file.stat().st_mode) == 0o600
    command = Path(f"/proc/{server.pid}/cmdline").read_text()
    password = server.url.split(":")[2].split("@")[0]
    assert len(password) >= 32
    assert password not in command


def test_after_a_stop_the_url_and_the_process_are_gone(server: ValkeyServer) -> None:
    pid = server.pid
    assert pid is not None
    assert os.getsid(pid) == pid
    server.stop()
    assert not server.url_file.exists()
    assert not is_alive(pid)
    server.stop()  # once more does no harm


def test_a_restart_takes_the_same_port_and_another_password(server: ValkeyServer) -> None:
    before = server.url
    server.stop()
    server.start()
    assert server.url.rpartition("@")[2] == before.rpartition("@")[2]
    assert server.url != before


def test_one_that_outlived_its_starter_is_shut_down_by_the_next_start(server: ValkeyServer) -> None:
    old = server.pid
    assert old is not None
    following = ValkeyServer(server.directory)
    following.start()
    assert following.pid != old
    eventually(lambda: not is_alive(old))
    following.stop()


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells children of their parent's death"
)
def test_it_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; "
        "from taskqueue_project.embedded.valkey import ValkeyServer; "
        "server = ValkeyServer(Path(sys.argv[1])); server.start(); print(server.pid, flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", script, tmp_path / "valkey"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    with starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        assert is_alive(pid)
        starter.send_signal(signal.SIGKILL)
    eventually(lambda: not is_alive(pid))


def test_a_start_without_the_package_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskqueue_project.embedded.valkey.find_spec", lambda name: None)
    with pytest.raises(EmbeddedServerError, match="make install"):
        ValkeyServer(tmp_path / "valkey").start()
