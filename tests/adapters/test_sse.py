from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from surefoot.adapters.sse import Event, EventParser


def parsed(body: bytes, *cuts: int) -> list[Event]:
    """The events of a body that arrives in pieces."""
    parser, found, start = EventParser(), list[Event](), 0
    for cut in [*sorted(cuts), len(body)]:
        found += parser.feed(body[start:cut])
        start = max(start, cut)
    return found + parser.finish()


def data(*texts: str) -> list[Event]:
    return [Event(text.encode()) for text in texts]


def test_the_cases_of_the_standard() -> None:
    assert parsed(b"data: one\n\ndata: two\n\n") == data("one", "two")
    assert parsed(b"data: YHOO\ndata: +2\ndata: 10\n\n") == data("YHOO\n+2\n10")
    assert parsed(b": test\n\ndata: first\nid: 1\n\ndata:second\nid\n\ndata:  third\n\n") == data(
        "first", "second", " third"
    )
    assert parsed(b"data:test\n\ndata: test\n\n") == data("test", "test")
    assert parsed(b"\xef\xbb\xbfdata: marked\n\n") == data("marked")
    assert parsed(b"event: error\ndata: x\n\n") == [Event(b"x", "error")]
    assert parsed(b"event: lonely\n\n: nothing\n\nretry: 10\n\n") == []


def test_where_it_leaves_the_standard() -> None:
    assert parsed(b"data: unfinished") == data("unfinished")
    assert parsed(b"error: {}\n\n") == [Event(b"{}", "error")]


LINES = st.lists(
    st.sampled_from(
        ["data: a", "data:b ", "data", ": c", "event: e", "id: 7", "", "x", "data: \u00e9"]
    ),
    max_size=12,
)


@given(LINES, st.sampled_from(["\n", "\r", "\r\n"]), st.data())
def test_neither_pieces_nor_line_ends_matter(
    lines: list[str], end: str, data: st.DataObject
) -> None:
    whole = "".join(line + end for line in lines).encode()
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=8))
    assert parsed(whole, *cuts) == parsed("".join(line + "\n" for line in lines).encode())


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=6))
def test_any_bytes_in_any_pieces_are_read_alike(body: bytes, cuts: list[int]) -> None:
    assert parsed(body, *[min(cut, len(body)) for cut in cuts]) == parsed(body)


def test_what_is_held_is_told() -> None:
    parser = EventParser()
    parser.feed(b"data: " + b"x" * 1000)
    assert parser.pending == 1006
    parser.feed(b"\ndata: y")
    assert parser.pending == 1006 + 7
    parser.feed(b"\n\n")
    assert parser.pending == 0
