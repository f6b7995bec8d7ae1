from __future__ import annotations

import os
import socket
import sys
import types

import portpicker
import pytest

from quinoa.launch.engines.ray import connection
from quinoa.launch.errors import ExperimentError
from tests.launch.engines.ray import fake_ray


@pytest.mark.parametrize(
    ("variables", "mode"),
    [
        ({}, None),
        ({"RAY_AUTH_TOKEN": "secret"}, "token"),
        ({"RAY_AUTH_TOKEN_PATH": "/a/file"}, "token"),
        ({"RAY_AUTH_TOKEN": "secret", "RAY_AUTH_MODE": "disabled"}, "disabled"),
    ],
)
def test_a_token_that_is_given_is_used(tmp_path, variables, mode):
    environment = {"HOME": str(tmp_path), **variables}
    connection.use_token(environment)
    assert environment.get("RAY_AUTH_MODE") == mode


def test_the_token_that_ray_keeps_for_the_user_is_used(tmp_path):
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("secret")
    environment = {"HOME": str(tmp_path)}
    connection.use_token(environment)
    assert environment["RAY_AUTH_MODE"] == "token"


def test_ray_is_imported_when_the_token_is_already_to_be_used(tmp_path, monkeypatch):
    """It reads then, and never again, whether there is one."""
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "__init__.py").write_text(
        "import os\nmode = os.environ.get('RAY_AUTH_MODE')\nis_initialized = lambda: True\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    try:
        with connection.connected("auto"):
            assert vars(sys.modules["ray"])["mode"] == "token"
    finally:
        sys.modules.pop("ray", None)
        os.environ.pop("RAY_AUTH_MODE", None)


@pytest.fixture
def ray(monkeypatch):
    """Ray, which finds a cluster at `ray.found` and notes its connections in `ray.calls`."""
    made = fake_ray.install(monkeypatch)
    calls: list[str] = []

    def find(address: str) -> str | None:
        assert address == "auto"
        return vars(made)["found"]

    services = types.ModuleType("ray._private.services")
    vars(services).update(canonicalize_bootstrap_address=find)
    private = types.ModuleType("ray._private")
    vars(private).update(services=services)
    for module in (private, services):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    vars(made).update(
        calls=calls,
        is_initialized=lambda: False,
        init=lambda **settings: calls.append("init"),
        shutdown=lambda: calls.append("shutdown"),
    )
    return made


def test_a_head_that_accepts_connections_is_connected_to(ray):
    with socket.create_server(("127.0.0.1", 0)) as head:
        ray.found = f"127.0.0.1:{head.getsockname()[1]}"
        with connection.connected("auto"):
            assert ray.calls == ["init"]
    assert ray.calls == ["init", "shutdown"]


@pytest.mark.parametrize("found", ["127.0.0.1:{unused}", None, "somewhere"])
def test_the_address_of_a_cluster_that_is_gone_is_an_error_at_once(ray, monkeypatch, found):
    """Such as one that was killed, and has left its address in /tmp/ray."""
    monkeypatch.setattr(connection, "_ANSWER_S", 0.5)
    ray.found = found and found.format(unused=portpicker.pick_unused_port())
    why = {"somewhere": "'somewhere' is not an address", None: "that is no address"}.get(
        found, f"{ray.found}: Connection refused"
    )
    with (
        pytest.raises(ExperimentError, match=rf"--ray_address=auto \({why}.*start one with"),
        connection.connected("auto"),
    ):
        pass
    assert ray.calls == []
