from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.agents.passages import (
    PASSAGE_CHARS,
    below,
    find_documents,
    passages_of,
    read_passages,
    sentences,
)
from callboard.errors import InvalidInput

PAGE = """---
title: A page
---
Before any heading.

# Returns

<!-- for editors only -->
Goods come back within
30 days. See Dr. Smith, e.g. in Berlin. Bring the receipt!

1. Open the box.
2. Close it. Then wait.

## Costs
```
# not a heading
```

Free
====
| a | b |
|---|---|
| 1 | 2 |

```
the last block
```
"""


def test_passages_stand_under_their_headings_word_by_word() -> None:
    passages = passages_of("page.md", PAGE.encode())
    assert [passage.headings for passage in passages] == [
        (),
        ("Returns",),
        ("Returns", "Costs"),
        ("Free",),
    ]
    assert [passage.source for passage in passages][:3] == [
        "page.md",
        "page.md#Returns",
        "page.md#Costs",
    ]
    assert all(passage.text in PAGE for passage in passages)
    assert passages[1].text.startswith("Goods come back within\n30 days.")
    assert passages[1].searchable.startswith("Returns\nGoods")
    assert "# not a heading" in passages[2].text
    assert passages[3].text.endswith("the last block\n```")
    assert not any("editors" in passage.text or "title" in passage.text for passage in passages)


def test_headings_of_a_skipped_level_do_not_hang_below_their_sisters() -> None:
    text = "### Deep\na\n## Higher\nb\n### Below\nc\n# Top\nd\n"
    assert [passage.headings for passage in passages_of("x.md", text.encode())] == [
        ("Deep",),
        ("Higher",),
        ("Higher", "Below"),
        ("Top",),
    ]


def test_plain_text_has_no_headings() -> None:
    passages = passages_of("notes.txt", (b"# one\n\ntwo\r\nthree\n"))
    assert [(passage.headings, passage.text) for passage in passages] == [
        ((), "# one\n\ntwo\nthree")
    ]


def test_sentences_and_items_are_cut_and_abbreviations_are_not() -> None:
    returns = passages_of("page.md", PAGE.encode())[1]
    assert sentences(returns.text) == [
        "Goods come back within\n30 days.",
        "See Dr. Smith, e.g. in Berlin.",
        "Bring the receipt!",
        "1. Open the box.",
        "2. Close it.",
        "Then wait.",
    ]


text_like = st.text(st.sampled_from("ab .!?\n#-*|1`ÄÜ"), max_size=3000)


@given(text_like, st.sampled_from(["x.md", "x.txt"]))
def test_passages_are_pieces_of_the_text_that_are_short_enough(text: str, name: str) -> None:
    position = 0
    for passage in passages_of(name, text.encode()):
        position = text.index(passage.text, position) + len(passage.text)
        assert 0 < len(passage.text) <= PASSAGE_CHARS
        cut = sentences(passage.text)
        assert cut
        assert "".join("".join(cut).split()) == "".join(passage.text.split())


@given(text_like)
def test_plain_text_is_kept_whole(text: str) -> None:
    kept = "".join(passage.text for passage in passages_of("x.txt", text.encode()))
    assert "".join(kept.split()) == "".join(text.split())


def test_documents_are_paths_globs_and_files_in_packages(tmp_path: Path) -> None:
    for name in ("help/a.md", "help/deep/b.md", "notes [old].txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("Text.", encoding="utf-8")
    assert list(find_documents([f"{tmp_path}/help/**/*.md"])) == ["a.md", "deep/b.md"]
    assert list(find_documents([f"{tmp_path}/notes [old].txt"])) == ["notes [old].txt"]
    both = find_documents([f"{tmp_path}/help/*.md", f"{tmp_path}/notes [old].txt"])
    assert list(both) == ["help/a.md", "notes [old].txt"]
    assert list(find_documents(["callboard:values.py"])) == ["values.py"]
    assert list(find_documents(["callboard.agents:prompts/*.yaml"]))


def test_relative_documents_lie_below_a_folder_and_others_stay(tmp_path: Path) -> None:
    given = ("help/*.md", "/srv/a.md", "shop:help/*.md")
    assert below(tmp_path, given) == (f"{tmp_path}/help/*.md", "/srv/a.md", "shop:help/*.md")


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "binary.md").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "empty.md").write_text("\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"'binary\.md' can't be read as UTF-8"):
        read_passages([f"{tmp_path}/binary.md"])
    with pytest.raises(InvalidInput, match="hold no text"):
        read_passages([f"{tmp_path}/empty.md"])
