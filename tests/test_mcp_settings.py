from __future__ import annotations

from pathlib import Path

import pytest

from callboard.config import load_settings
from callboard.errors import ConfigurationError
from callboard.mcp_settings import McpSettings, includes


def read(tmp_path: Path, text: str) -> McpSettings:
    file = tmp_path / "callboard.toml"
    file.write_text(text, encoding="utf-8")
    return load_settings(file).mcp["files"]


def test_a_server_is_a_command_or_an_address(tmp_path: Path) -> None:
    program = read(
        tmp_path,
        '[mcp.files]\ncommand = "npx"\nargs = ["-y", "server"]\nenv = ["FILES_KEY"]\n'
        'approve = ["delete"]\nidempotent = true\n',
    )
    assert (program.command, program.args, program.env) == ("npx", ("-y", "server"), ("FILES_KEY",))
    assert [includes(program.approve, tool) for tool in ("delete", "read")] == [True, False]
    assert includes(program.idempotent, "read")
    address = read(tmp_path, '[mcp.files]\nurl = "https://files.example/mcp"\n')
    assert (address.timeout_s, address.idempotent, address.approve) == (30.0, False, False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[mcp.files]", "either a command or a url"),
        ('[mcp.files]\ncommand = "a"\nurl = "http://b"', "either a command or a url"),
        ('[mcp.files]\nurl = "http://b"\nargs = ["x"]', "args belongs to a command"),
        ('[mcp.files]\ncommand = "a"\nheaders_env = "X"', "headers_env belongs to a url"),
        ('[mcp.files]\nurl = "files.example/mcp"', "url is no address"),
        ('[mcp.files]\nurl = "http://me:pw@files/mcp"', "headers_env"),
        ('[mcp.files]\nurl = "http://b"\ntimeout_s = 0', "greater than 0"),
        ('[mcp.files]\nurl = "http://b"\napproved = true', "did you mean 'approve'"),
        ('[mcp."my/files"]\nurl = "http://b"', "a server is called 'my/files'"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, text)
    assert said in str(caught.value)
    assert "pw" not in str(caught.value)


def test_secrets_are_read_from_the_environment_and_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FILES_KEY", "canary-program")
    monkeypatch.setenv("FILES_HEADERS", "Authorization=Bearer canary-token, X-Mode=a=b")
    program = McpSettings(command="files", args=("--key=sk-canary123",), env=("FILES_KEY",))
    assert program.environment("files") == {"FILES_KEY": "canary-program"}
    address = McpSettings(url="http://files/mcp?key=canary-query", headers_env="FILES_HEADERS")
    assert address.headers("files") == {"Authorization": "Bearer canary-token", "X-Mode": "a=b"}
    assert "canary" not in f"{program!r} {address!r} {program} {address}"
    assert "canary-program" in program.secrets()
    assert {"canary-token", "Bearer canary-token", "key=canary-query"} <= set(address.secrets())
    assert "a=b" not in address.secrets()  # so short that it may stand in any text


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"\[mcp\.files\] env names .*'NO_KEY'"):
        McpSettings(command="files", env=("NO_KEY",)).environment("files")
    with pytest.raises(ConfigurationError, match=r"\[mcp\.files\] headers_env: .*'NO_HEADERS'"):
        McpSettings(url="http://files", headers_env="NO_HEADERS").headers("files")
