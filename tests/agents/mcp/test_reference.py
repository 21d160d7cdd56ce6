from __future__ import annotations

import re

import pytest

from callboard import Agent, InvalidInput
from callboard.agents.mcp.reference import Reference, check_servers, model_name, references


def test_tools_of_servers_are_told_from_functions() -> None:
    found = references(("shop.orders:find", "mcp:files/read", "mcp:files"))
    assert found == (
        Reference(server="files", tool="read"),
        Reference(server="files", tool=None),
    )
    assert [str(ref) for ref in found] == ["mcp:files/read", "mcp:files"]


@pytest.mark.parametrize("ref", ["mcp:", "mcp:Files/read", "mcp:files/", "mcp:/read", "mcp:a:b"])
def test_a_reference_that_names_no_server_is_refused_with_the_form_that_it_needs(ref: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape("write it as 'mcp:SERVER/tool'")):
        Agent(name="clerk", description="Does what it is asked to do.", tools=(ref,))


def test_a_server_that_is_not_configured_is_named_with_the_nearest() -> None:
    check_servers(("mcp:files/read", "a.b:c"), ("files",))
    with pytest.raises(InvalidInput, match="did you mean 'files'"):
        check_servers(("mcp:file/read",), ("files",))
    with pytest.raises(InvalidInput, match="none is configured"):
        check_servers(("mcp:file/read",), ())


@pytest.mark.parametrize(
    ("tool", "taken", "name"),
    [
        ("read_file", (), "files_read_file"),
        ("read.file", (), "files_read_file"),
        ("read.file", ("files_read_file",), "files_read_file_2"),
        ("read.file", ("files_read_file", "files_read_file_2"), "files_read_file_3"),
        ("x" * 128, (), "files_" + "x" * 58),
        ("x" * 128, ("files_" + "x" * 58,), "files_" + "x" * 54 + "_2"),
    ],
)
def test_names_are_those_that_a_model_can_call(
    tool: str, taken: tuple[str, ...], name: str
) -> None:
    assert model_name("files", tool, taken) == name
    assert len(name) <= 64
