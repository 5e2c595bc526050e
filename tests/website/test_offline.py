"""What a page would fetch from other machines is found, and what people follow is left alone."""

import pytest

from website.offline import outside_of_page, outside_resources


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ('<script src="https://a.org/x.js"></script>', ["https://a.org/x.js"]),
        ('<script src="assets/x.js"></script>', []),
        ('<link rel="stylesheet" href="//a.org/x.css">', ["//a.org/x.css"]),
        ('<link rel="preconnect" href="https://a.org">', ["https://a.org"]),
        ('<link rel="canonical" href="https://a.org/">', []),
        ('<img src="http://a.org/x.png">', ["http://a.org/x.png"]),
        ('<img src="data:image/png;base64,AAAA">', []),
        ('<a href="https://a.org">a</a>', []),
        ("<style>@import 'https://a.org/x.css';</style>", ["https://a.org/x.css"]),
        ('<p style="background: url(https://a.org/x.png)">', ["https://a.org/x.png"]),
        ('<pre class="mermaid">', ["//mermaid"]),
        ("<p>https://a.org/x.js</p>", []),
    ],
)
def test_a_page(html, found):
    assert outside_of_page(html) == found


def test_a_site(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "x.css").write_text("a { background: url('https://a.org/x.png') }")
    (tmp_path / "y.html").write_text('<img src="//a.org/y.png">')
    (tmp_path / "z.html").write_text('<img src="z.png">')
    assert outside_resources(tmp_path) == [
        "deep/x.css: https://a.org/x.png",
        "y.html: //a.org/y.png",
    ]
