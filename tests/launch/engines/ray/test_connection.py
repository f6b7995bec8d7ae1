from __future__ import annotations

import pytest

from quinoa.launch.engines.ray import connection


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
