from __future__ import annotations

from pathlib import Path

import pytest

from callboard.agents.extraction import extract
from callboard.agents.passages import MAX_BYTES, passages_of, read_passages
from callboard.errors import InvalidInput

PAGE = """<!doctype html>
<html><head><title>Not shown</title><style>p { color: red }</style></head>
<body>
<nav><a href="/">Home</a></nav>
<h1>Returns &amp; refunds</h1>
<p>Goods come back within <b>30</b> days.<!-- for editors --></p>
<ul><li>Open the box.</li><li>Close it.</li></ul>
<h2>Costs</h2>
<table><tr><th>Weight</th><th>Price</th></tr><tr><td>1 kg</td><td>4 €</td></tr></table>
<pre>line one
line two</pre>
<script>alert("never")</script>
</body></html>
"""


def pdf(*pages: str) -> bytes:
    """Return a PDF with one line of text on each page."""
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, text in enumerate(pages):
        drawn = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET" if text else ""
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * number} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>",
            f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream",
        ]
    body, places = b"%PDF-1.4\n", []
    for number, one in enumerate(objects, start=1):
        places.append(len(body))
        body += f"{number} 0 obj\n{one}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    return (
        body
        + (
            f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
            f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(body)}\n%%EOF\n"
        ).encode()
    )


def test_of_html_what_is_shown_is_read_under_its_headings() -> None:
    passages = passages_of("page.html", PAGE.encode())
    assert [(one.headings, one.text) for one in passages] == [
        (
            ("Returns & refunds",),
            "Goods come back within 30 days.\n\n- Open the box.\n\n- Close it.",
        ),
        (
            ("Returns & refunds", "Costs"),
            "Weight Price\n\n1 kg 4 €\n\n```\nline one\nline two\n```",
        ),
    ]
    assert not any("never" in one.text or "Home" in one.text for one in passages)


def test_a_pdf_is_cited_by_its_pages() -> None:
    passages = passages_of("guide.pdf", pdf("The key is under the mat.", "", "Feed the cat."))
    assert [(one.source, one.text) for one in passages] == [
        ("guide.pdf#page 1", "The key is under the mat."),
        ("guide.pdf#page 3", "Feed the cat."),
    ]


def test_a_pdf_of_pictures_is_refused_with_the_fix() -> None:
    with pytest.raises(InvalidInput, match=r"scan\.pdf.*OCR"):
        extract("scan.pdf", pdf(""))


@pytest.mark.parametrize("content", [b"", b"no pdf at all", b"%PDF-1.4\ntrailer nonsense"])
def test_what_is_no_pdf_is_refused_by_name(content: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"broken\.pdf"):
        extract("broken.pdf", content)


def test_a_binary_file_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match=r"photo\.md.*HTML and PDF can be read"):
        extract("photo.md", b"\xff\xfe\x00\x01")


def test_a_file_that_is_too_large_is_refused_and_not_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "large.txt"
    file.write_bytes(b"x" * (MAX_BYTES + 1))
    with pytest.raises(InvalidInput, match="larger than"):
        read_passages([str(file)])


def test_agents_read_html_and_pdf_beside_markdown(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# A\n\nFirst.\n", encoding="utf-8")
    (tmp_path / "b.html").write_text(PAGE, encoding="utf-8")
    (tmp_path / "c.pdf").write_bytes(pdf("Third."))
    sources = {one.source for one in read_passages([f"{tmp_path}/*"])}
    assert sources == {"a.md#A", "b.html#Returns & refunds", "b.html#Costs", "c.pdf#page 1"}
