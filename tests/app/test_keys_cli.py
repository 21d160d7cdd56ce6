"""`callboard keys`: made, listed, rotated, revoked, and who did it."""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner, Result

from callboard.app.cli import app


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["keys", *arguments], catch_exceptions=False)


def as_json(*arguments: str) -> Any:
    result = call(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_a_key_is_told_once_and_listed_without_its_secret() -> None:
    granted = ("--tenant", "acme", "--roles", "ask,runs", "--agents", "billing", "--expires", "30")
    made = call("create", "ann", *granted, "--name", "the shop")
    secret = made.stdout.strip()
    assert secret.startswith("cb_")
    assert "Keep it now" in made.stderr
    assert secret not in made.stderr
    listed = call("list", "--tenant", "acme")
    assert secret[:13] in listed.stdout
    assert secret not in listed.stdout
    assert "the shop" in listed.stdout
    (key,) = as_json("list", "--tenant", "acme")["keys"]
    assert (key["user"], key["roles"], key["agents"]) == ("ann", ["ask", "runs"], ["billing"])
    assert key["expires_at"] is not None
    assert "There are none" in call("list").stderr


def test_a_key_is_rotated_and_revoked_and_the_audit_log_tells() -> None:
    old = as_json("create", "ann")
    new = as_json("rotate", old["id"])
    assert new["secret"] != old["secret"]
    assert call("revoke", new["id"]).exit_code == 0
    assert all(key["revoked_at"] for key in as_json("list")["keys"])
    unknown = CliRunner().invoke(app, ["keys", "revoke", "cb_nothing"])
    assert unknown.exit_code == 1
    changes = as_json("audit")["changes"]
    assert [(one["action"], one["outcome"], one["key"]) for one in changes] == [
        ("revoke key", "refused", None),
        ("revoke key", "done", None),
        ("rotate key", "done", None),
        ("create key", "done", None),
    ]
    assert new["id"] in call("audit").stdout


def test_a_wrong_role_is_wrong_usage() -> None:
    assert call("create", "ann", "--roles", "boss").exit_code == 2
    assert call("create", "ann", "--per-minute", "0").exit_code == 2
