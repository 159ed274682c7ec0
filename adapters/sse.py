"""Server-sent events out of raw bytes, whatever pieces they arrive in."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Event", "EventParser"]

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `data` is its lines of data joined by line feeds; `name` is "" unless it has one.

    llama.cpp writes an error as a field of that name instead of an event: here it is one.
    """

    data: bytes
    name: str = ""


class EventParser:
    """Feed it bytes, and it returns the events that they complete.

    Lines may end in CR, LF or both; comments, ids and unknown fields are skipped, and so are events
    without data. Nothing is decoded, so a piece may end inside a character as well.

    Source: WHATWG, HTML Living Standard, section 9.2.6 (interpreting an event stream). One
    departure: an event that the end of the stream leaves without its empty line is not dropped but
    returned by `finish`, since some endpoints end so.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []  # of a line that is not complete
        self._data: list[bytes] = []
        self._name = ""
        self._ends_in_cr = False
        self._is_first = True
        self._line_size = 0
        self._event_size = 0

    @property
    def pending(self) -> int:
        """Bytes that are held of the line and of the event that are not complete."""
        return self._line_size + self._event_size

    def feed(self, piece: bytes) -> list[Event]:
        """The events that this piece completes, in order."""
        events: list[Event] = []
        for line in self._lines(piece):
            if line:
                self._field(line)
            elif (event := self._dispatched()) is not None:
                events.append(event)
        return events

    def finish(self) -> list[Event]:
        """The event that stands at the end of the stream without an empty line; one at most."""
        line = b"".join(self._parts)
        self._parts, self._line_size = [], 0
        if line:
            self._field(self._without_mark(line))
        event = self._dispatched()
        return [] if event is None else [event]

    def _lines(self, piece: bytes) -> list[bytes]:
        """The lines that the piece completes."""
        if not piece:
            return []
        ends_in_cr = piece[-1:] == b"\r"
        if self._ends_in_cr and piece[:1] == b"\n":
            piece = piece[1:]
        self._ends_in_cr = ends_in_cr
        if b"\r" in piece:
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if b"\n" not in piece:
            # Kept apart: joining a long line at every piece would take quadratic time.
            self._parts.append(piece)
            self._line_size += len(piece)
            return []
        lines = piece.split(b"\n")
        lines[0] = self._without_mark(b"".join([*self._parts, lines[0]]))
        rest = lines.pop()
        self._parts, self._line_size = [rest], len(rest)
        return lines

    def _without_mark(self, line: bytes) -> bytes:
        if self._is_first:
            self._is_first = False
            return line.removeprefix(_BOM)
        return line

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if value[:1] == b" ":
            value = value[1:]
        if name == b"event":
            self._name = value.decode("utf-8", "replace")
            return
        if name == b"error":
            self._name = "error"
        elif name != b"data":
            return
        self._data.append(value)
        self._event_size += len(line)

    def _dispatched(self) -> Event | None:
        name, data = self._name, self._data
        self._name, self._data, self._event_size = "", [], 0
        return Event(b"\n".join(data), name) if data else None
