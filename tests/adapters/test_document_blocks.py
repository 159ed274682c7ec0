"""Headings, paragraphs and code are found in plain text, Markdown and HTML."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.adapters.document_blocks import Block, html_blocks, text_blocks


def markdown(text: str) -> list[tuple[str, str]]:
    return [(block.kind, block.text) for block in text_blocks(text, markdown=True)]


def plain(text: str) -> list[tuple[str, str]]:
    return [(block.kind, block.text) for block in text_blocks(text)]


def html(text: str) -> list[tuple[str, str]]:
    return [(block.kind, block.text) for block in html_blocks(text)[1]]


def test_markdown_headings_of_both_forms() -> None:
    assert markdown("# One #\n\ntext\n\nTwo\n===\nmore\n### Three") == [
        ("heading", "One"),
        ("text", "text"),
        ("heading", "Two"),
        ("text", "more"),
        ("heading", "Three"),
    ]


def test_hard_wrapped_lines_are_joined_and_lists_are_not() -> None:
    text = "A paragraph that somebody wrapped\nby hand at some column:\n- one\n- two\n  goes on"
    assert markdown(text) == [
        (
            "text",
            "A paragraph that somebody wrapped by hand at some column:\n- one\n- two goes on",
        )
    ]


def test_a_line_that_ends_early_was_not_wrapped() -> None:
    text = (
        "Name: Ada\nBorn: 1815\nThe first programmer, as is often said of her without much thought"
    )
    assert plain(text)[0][1].split("\n")[:2] == ["Name: Ada", "Born: 1815"]


def test_table_rows_keep_their_lines() -> None:
    assert markdown("| a | b |\n|---|---|\n| 1 | 2 |") == [
        ("text", "| a | b |\n|---|---|\n| 1 | 2 |")
    ]


def test_fenced_code_is_one_block_with_its_blank_lines_and_hashes() -> None:
    text = "before\n```py\n# no heading\n\nx = [1](2)\n```\nafter"
    assert markdown(text) == [
        ("text", "before"),
        ("code", "# no heading\n\nx = [1](2)"),
        ("text", "after"),
    ]


def test_a_longer_fence_holds_a_shorter_one_and_an_open_fence_ends_with_the_text() -> None:
    assert markdown("````\n```\ninside\n```\n````\nout") == [
        ("code", "```\ninside\n```"),
        ("text", "out"),
    ]
    assert markdown("~~~\nnever closed") == [("code", "never closed")]


def test_indented_paragraphs_are_code_without_their_indentation() -> None:
    assert plain("text\n\n    if x:\n        y()\n") == [
        ("text", "text"),
        ("code", "if x:\n    y()"),
    ]


def test_markdown_marks_that_cost_tokens_are_dropped() -> None:
    text = '---\ntitle: x\n---\nSee [the **guide**](http://a/b "t").<!-- not\nthis --> End.'
    assert markdown(text) == [("text", "See the guide. End.")]


def test_plain_text_keeps_what_is_markdown() -> None:
    assert plain("# not a heading\n\n[a](b) **c**") == [
        ("text", "# not a heading"),
        ("text", "[a](b) **c**"),
    ]


def test_rules_are_no_headings() -> None:
    line = "A line of text that is much longer than the rule below it"
    assert plain(f"-----\n\n{line}\n---\nnext") == [("text", line), ("text", "next")]
    assert markdown(f"{line}\n---\nnext") == [("heading", line), ("text", "next")]
    assert markdown(f"{line}, {line}\n---\nnext") == [("text", f"{line}, {line}"), ("text", "next")]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_all_line_ends_are_alike(newline: str) -> None:
    text = newline.join(["# T", "", "one", "", "two"])
    assert markdown(text) == [("heading", "T"), ("text", "one"), ("text", "two")]


def test_html_text_without_scripts_styles_and_menus() -> None:
    page = (
        "<html><head><title> A\n page </title><style>p { color: red }</style></head><body>"
        "<nav>Home About</nav><h1>One <em>two</em></h1><p>a &amp; <b>b</b></p>"
        "<script>alert('x')</script><ul><li>first<li>second</ul><!-- hidden -->tail</body></html>"
    )
    title, blocks = html_blocks(page)
    assert title == "A page"
    assert [(block.kind, block.text) for block in blocks] == [
        ("heading", "One two"),
        ("text", "a & b"),
        ("text", "first"),
        ("text", "second"),
        ("text", "tail"),
    ]


def test_html_code_keeps_its_lines() -> None:
    assert html("<p>x<pre>if a:\n    b()<br>c()</pre>y") == [
        ("text", "x"),
        ("code", "if a:\n    b()\nc()"),
        ("text", "y"),
    ]


def test_html_cells_are_apart() -> None:
    assert html("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>") == [
        ("text", "a b"),
        ("text", "c"),
    ]


def test_html_without_a_title_or_a_body() -> None:
    assert html_blocks("") == ("", [])
    assert html_blocks("just text") == ("", [Block("text", "just text")])


def test_deeply_nested_html_does_not_recurse() -> None:
    began = time.process_time()
    assert html("<div>" * 5_000 + "deep") == [("text", "deep")]
    assert time.process_time() - began < 5


@given(st.text())
def test_any_text_gives_blocks_that_say_something(text: str) -> None:
    found = [*text_blocks(text, markdown=True), *text_blocks(text), *html_blocks(text)[1]]
    assert all(block.text.strip() for block in found)
