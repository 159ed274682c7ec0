"""PDF files written by hand, a few hundred bytes each: nothing but text, and what a test needs."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence


def pdf(pages: Sequence[str], *, title: str | None = None) -> bytes:
    """A whole document; every line of a page's text is one line on the page, "" an empty page."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", _FONT]
    kids = list[int]()
    for text in pages:
        content = _content(text)
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>" % len(objects)
        )
        kids.append(len(objects))
    listed = b" ".join(b"%d 0 R" % kid for kid in kids)
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), listed)
    trailer = b""
    if title is not None:
        objects.append(b"<< /Title (%s) >>" % title.encode("latin-1"))
        trailer = b" /Info %d 0 R" % len(objects)
    return _file(objects, trailer)


_FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"


def _content(text: str) -> bytes:
    if not text:
        return b"0 0 100 100 re f"  # a black square: what a scanner sees
    shown = [
        b"(%s) Tj T*" % line.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(")
        for line in text.replace(")", "]").split("\n")
    ]
    return b"BT /F1 12 Tf 14 TL 72 720 Td " + b" ".join(shown) + b" ET"


def _file(objects: Sequence[bytes], trailer: bytes) -> bytes:
    out, places = bytearray(b"%PDF-1.4\n"), list[int]()
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    out += b"trailer\n<< /Size %d /Root 1 0 R%s >>\n" % (size, trailer)
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % start)


def encrypted(data: bytes, password: str) -> bytes:
    """The same document behind a password; "" for one that any reader opens."""
    import pypdf

    writer = pypdf.PdfWriter(clone_from=io.BytesIO(data))
    writer.encrypt(user_password=password, owner_password="owner", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def endless() -> bytes:
    """A page of 200,000 pieces of text in some kilobytes: many seconds of work for any reader."""
    draw = zlib.compress(b"BT /F1 12 Tf (deep) Tj ET\n" * 200_000)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count 1 /Kids [5 0 R] >>",
        _FONT,
        b"<< /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream" % (len(draw), draw),
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 3 0 R >> >> >>",
        b"<< >>",
    ]
    return _file(objects, b"")
