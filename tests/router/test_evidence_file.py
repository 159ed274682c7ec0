"""Reading evidence files: what is taken, what is refused by name, and that nothing else happens."""

from __future__ import annotations

import gzip
import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.adapters.evidence_shapes import normalized_evidence
from surefoot.router.errors import BadInput
from surefoot.router.evidence import Alternative, Evidence, Token
from surefoot.router.evidence_file import EvidenceFile, Recorded, parse_evidence
from surefoot.router.wire import encode

PLAIN: dict[str, Any] = {"id": "a", "question": "Which city?", "greedy": {"text": "Paris"}}


def parse(row: object, *, raw: bytes | None = None) -> Recorded:
    line = json.dumps(row).encode() if raw is None else raw
    return parse_evidence(line, "f.jsonl", 7, normalized_evidence)


def with_token(**fields: object) -> dict[str, Any]:
    token = {"token": "Paris", "logprob": -0.5, **fields}
    return {**PLAIN, "greedy": {"text": "Paris", "tokens": [token]}}


def only_token(record: Recorded) -> Token:
    (token,) = record.evidence.greedy.tokens
    return token


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


# --- what is taken ------------------------------------------------------------------------------


def test_everything_in_the_documented_form_is_read() -> None:
    row = {
        **PLAIN,
        "greedy": {
            "text": "Paris",
            "tokens": [
                {
                    "token": "Paris",
                    "logprob": -0.5,
                    "top_logprobs": [{"token": "Paris", "logprob": -0.5}],
                    "special": False,
                }
            ],
        },
        "samples": [{"text": "Rome"}],
        "nli": [[[0, 0, 1], [1, 0, 0]], [[1, 0, 0], [0, 0, 1]]],
        "greedy_similarity": [0.25],
        "sample_similarity": [[1]],
        "asked": {"p_true": [{"text": "True"}]},
        "passages": [{"id": "p", "title": "t", "text": "x", "score": 2}],
        "previous_answers": ["Oslo"],
        "peers": {"m": {"text": "Rome"}},
        "without_context": {"text": "Oslo"},
        "correct": 1,
        "a field of a later version": [1, 2],
    }
    record = parse(row)
    found = record.evidence
    assert (record.line, record.id, record.correct) == (7, "a", True)
    assert found.greedy.tokens == (Token("Paris", -0.5, (Alternative("Paris", -0.5),), False),)
    assert found.nli is not None and found.nli[0][1] == (1.0, 0.0, 0.0)
    assert (found.greedy_similarity, found.sample_similarity) == ((0.25,), ((1.0,),))
    assert found.asked["p_true"][0].text == "True"
    assert found.passages[0].score == 2.0
    assert found.previous_answers == ("Oslo",)
    assert found.peers["m"].text == "Rome"
    assert found.without_context is not None and found.without_context.text == "Oslo"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("-9999", -9999.0),
        ("-Infinity", -math.inf),
        ("Infinity", math.inf),
        ("-1e999", -math.inf),
        ("0", 0.0),
        ("0.1", 0.1),
        ("null", None),
    ],
)
def test_numbers_that_are_no_confidence_are_read_and_left_to_hygiene(
    written: str, read: float | None
) -> None:
    line = json.dumps(with_token(logprob="HERE")).replace('"HERE"', written)
    assert only_token(parse(None, raw=line.encode())).logprob == read


@pytest.mark.parametrize("written", ["NaN", "null"])
def test_an_alternative_without_a_number_is_kept_as_nan(written: str) -> None:
    line = json.dumps(with_token(top_logprobs=[{"token": "x", "logprob": "HERE"}]))
    (other,) = only_token(parse(None, raw=line.replace('"HERE"', written).encode())).top_logprobs
    assert math.isnan(other.logprob)


def test_a_nan_logprob_is_read() -> None:
    line = json.dumps(with_token(logprob="HERE")).replace('"HERE"', "NaN")
    logprob = only_token(parse(None, raw=line.encode())).logprob
    assert logprob is not None and math.isnan(logprob)


@pytest.mark.parametrize(
    ("given_id", "kept", "text"),
    [("q1", "q1", "q1"), (17, 17, "17"), (1.5, 1.5, "1.5"), ("17", "17", "17"), (None, "", "")],
)
def test_ids_keep_their_type_for_the_output(given_id: object, kept: object, text: str) -> None:
    record = parse({**PLAIN, "id": given_id})
    assert (record.id, type(record.id)) == (kept, type(kept))
    assert record.evidence.id == text


def test_an_id_that_is_no_number_of_json_becomes_a_text() -> None:
    line = json.dumps({**PLAIN, "id": "HERE"}).replace('"HERE"', "-Infinity")
    assert parse(None, raw=line.encode()).id == "-inf"


@pytest.mark.parametrize(
    ("label", "read"),
    [(0, False), (1, True), (0.0, False), (True, True), (False, False), (None, None)],
)
def test_labels(label: object, read: bool | None) -> None:
    assert parse({**PLAIN, "correct": label}).correct is read


def test_half_of_a_surrogate_pair_becomes_a_replacement_character() -> None:
    line = b'{"question": "q", "greedy": {"text": "\\ud83d", "tokens": [{"token": "\\ud83d"}]}}'
    record = parse(None, raw=line)
    assert (record.evidence.greedy.text, only_token(record).token) == ("\ufffd", "\ufffd")


def test_bytes_are_joined_only_where_the_tokens_do_not_spell_the_text() -> None:
    pieces = [{"token": "\\xc3", "bytes": [195]}, {"token": "\\xa9", "bytes": [169]}]
    split = parse({**PLAIN, "greedy": {"text": "é", "tokens": pieces}})
    assert "".join(token.token for token in split.evidence.greedy.tokens) == "é"
    whole = parse({**PLAIN, "greedy": {"text": "A", "tokens": [{"token": "A", "bytes": [66]}]}})
    assert only_token(whole).token == "A"


def test_without_a_normalizer_other_shapes_are_refused() -> None:
    line = json.dumps({**PLAIN, "greedy": "Paris"}).encode()
    with pytest.raises(BadInput, match="field 'greedy'"):
        parse_evidence(line, "f", 1)


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "field", "words"),
    [
        ({"greedy": {"text": "x"}}, "question", "is missing"),
        ({"question": "q"}, "greedy", "is missing"),
        ({**PLAIN, "greedy": {}}, "greedy.text", "is missing"),
        ({**PLAIN, "greedy": {"text": 5}}, "greedy.text", "got 5"),
        ({**PLAIN, "greedy": 5}, "greedy", "got 5"),
        ({**PLAIN, "id": [1]}, "id", "got [1]"),
        ({**PLAIN, "id": True}, "id", "got True"),
        ({**PLAIN, "correct": 2}, "correct", "expected 0 or 1, got 2"),
        ({**PLAIN, "correct": 0.5}, "correct", "0.5"),
        ({**PLAIN, "correct": "yes"}, "correct", "yes"),
        ({**PLAIN, "samples": {"text": "x"}}, "samples", "array"),
        ({**PLAIN, "samples": ["x", {"text": None}, 3]}, "samples.2", "got 3"),
        ({**PLAIN, "nli": [[[1, 2]]]}, "nli.0.0.2", "is missing"),
        (with_token(logprob="abc"), "greedy.tokens.0.logprob", "got 'abc'"),
        (with_token(token=None), "greedy.tokens.0.token", "got None"),
        (with_token(top_logprobs=[{"token": "a"}, 7]), "greedy.tokens.0.top_logprobs.1", "got 7"),
    ],
)
def test_a_wrong_field_is_named_with_file_and_line(
    row: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(BadInput) as refused:
        parse(row)
    error = refused.value
    assert (error.file, error.line, error.field) == ("f.jsonl", 7, field)
    assert str(error).startswith(f"f.jsonl:7: field '{field}': ")
    assert words in str(error)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"question": "q", "greedy"', "not JSON"),
        (b"[1]", "expected an object, got list"),
        (b'"x"', "expected an object, got str"),
        (b'{"question": "\xff"}', "not UTF-8"),
        (b"[" * 100_000, "not JSON"),
        (b'{"id": ' + b"1" * 5000 + b"}", "not JSON"),
    ],
)
def test_what_is_no_json_object_is_refused(line: bytes, words: str) -> None:
    with pytest.raises(BadInput, match=f"f.jsonl:7: {words}"):
        parse(None, raw=line)


# --- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_is_read_in_order_gzipped_or_not(tmp_path: Path, zipped: bool) -> None:
    data = b"\xef\xbb\xbf" + b"\n\n".join(
        json.dumps({**PLAIN, "id": f"é{i}"}, ensure_ascii=False).encode() for i in range(5)
    )
    path = tmp_path / "evidence.jsonl"  # gzip is told by the content, whatever the name
    path.write_bytes(gzip.compress(data) if zipped else data)
    file = EvidenceFile(path)
    assert file.done == 0
    assert [(r.line, r.id) for r in file] == [(2 * i + 1, f"é{i}") for i in range(5)]
    assert file.done == file.total == path.stat().st_size


def test_a_stream_is_read_as_a_file_is() -> None:
    line = json.dumps(PLAIN).encode()
    for data in (line, gzip.compress(line)):
        file = EvidenceFile(io.BufferedReader(io.BytesIO(data)))
        assert [record.id for record in file] == ["a"]
        assert (file.total, file.done) == (0, 0)


def test_a_bad_line_stops_or_is_told_and_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "e.jsonl", PLAIN, {"id": "b"}, {**PLAIN, "id": "c"})
    with pytest.raises(BadInput, match="2: field 'question'"):
        list(EvidenceFile(path))
    told: list[BadInput] = []
    kept = list(EvidenceFile(path, on_bad=told.append))
    assert [(record.line, record.id) for record in kept] == [(1, "a"), (3, "c")]
    assert [(error.line, error.field) for error in told] == [(2, "question")]


def test_a_file_that_breaks_off_is_an_error_even_where_bad_lines_are_left_out(
    tmp_path: Path,
) -> None:
    path = tmp_path / "e.jsonl.gz"
    whole = gzip.compress(b"".join(json.dumps(PLAIN).encode() + b"\n" for _ in range(2000)))
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match="cannot be read"):
        list(EvidenceFile(path, on_bad=lambda _: None))
    with pytest.raises(BadInput, match="cannot be read"):
        list(EvidenceFile(tmp_path / "none"))


# --- whatever comes -----------------------------------------------------------------------------

_any_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["text", "tokens", "token", "logprob", "top_logprobs", "content", "bytes", "id"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
_fields = st.sampled_from([*Evidence.__dataclass_fields__, "correct", "other"])


@given(st.dictionaries(_fields, _any_json, max_size=6), st.booleans())
def test_any_object_is_evidence_or_bad_input(row: dict[str, Any], whole: bool) -> None:
    base = {**PLAIN, **row} if whole else row
    try:
        record = parse(base)
    except BadInput as error:
        assert (error.file, error.line) == ("f.jsonl", 7)
        return
    assert isinstance(record.evidence, Evidence)
    json.dumps(record.id, allow_nan=False)
    encode(record.evidence)  # no text is left that UTF-8 cannot hold


@given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_any_bytes_are_bad_input(line: bytes) -> None:
    with pytest.raises(BadInput):
        parse(None, raw=line)
