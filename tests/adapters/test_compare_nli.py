"""Cross-encoders: the order of their labels, temperature, long and hostile texts, broken files."""

from __future__ import annotations

import json
import math
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from surefoot.adapters.compare_nli import NliComparer, label_order
from surefoot.adapters.encoder_files import find_encoder
from surefoot.router.errors import ConfigurationError, UpstreamMalformed, UpstreamUnavailable

from ..local_models import cache_dir
from ..tiny_encoders import POSITIONS, tiny_nli, tiny_sentence

PAIRS = (("Paris", "Rome"), ("Rome", "Paris"), ("it is Paris , a city", "a city"))


def opened(folder: Path, **how: Any) -> NliComparer:
    return NliComparer(find_encoder(f"transformers:{folder}", cache_dir()), **how)


def change(folder: Path, **keys: Any) -> Path:
    config = folder / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **keys}))
    return folder


def logits(folder: Path, pair: tuple[str, str]) -> list[float]:
    """What the model itself says of one pair."""
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        found: list[float] = model(**tokenizer(*pair, return_tensors="pt")).logits[0].tolist()
    return found


def softmax(numbers: list[float], temperature: float = 1.0) -> list[float]:
    powers = [math.exp(number / temperature) for number in numbers]
    return [power / sum(powers) for power in powers]


@pytest.mark.parametrize(
    "labels",
    [
        ("contradiction", "neutral", "entailment"),
        ("ENTAILMENT", "NEUTRAL", "CONTRADICTION"),
        ("Neutral", " Contradiction", "Entailment"),
    ],
)
def test_labels_are_read_in_whatever_order_they_stand(
    tmp_path: Path, labels: tuple[str, str, str]
) -> None:
    folder = tiny_nli(tmp_path / "model", labels)
    place = {label.strip().lower(): i for i, label in enumerate(labels)}
    for pair, found in zip(PAIRS, opened(folder).compare(PAIRS), strict=True):
        by_index = softmax(logits(folder, pair))
        wanted = [by_index[place[name]] for name in ("contradiction", "neutral", "entailment")]
        assert list(found) == pytest.approx(wanted, abs=1e-5)
        assert max(found) - min(found) > 0.05  # or no order could be told from another


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}, "labels LABEL_0, LABEL_1, LABEL_2"),
        ({"0": "entailment", "1": "not_entailment"}, "labels entailment, not_entailment"),
        ({"0": "neutral", "1": "entailment", "2": "contradiction", "3": "neutral"}, "neutral"),
        (None, "labels none"),
    ],
)
def test_a_model_with_other_labels_is_refused(
    tmp_path: Path, labels: dict[str, str] | None, words: str
) -> None:
    files = find_encoder(
        f"transformers:{change(tiny_nli(tmp_path / 'model'), id2label=labels)}", cache_dir()
    )
    with pytest.raises(ConfigurationError, match=words):
        label_order(files)


def test_a_temperature_softens_and_is_part_of_the_name(tmp_path: Path) -> None:
    folder = tiny_nli(tmp_path / "model")
    found = opened(folder, temperature=3.0).compare(PAIRS[:1])[0]
    assert list(found) == pytest.approx(softmax(logits(folder, PAIRS[0]), 3.0), abs=1e-5)
    assert opened(folder, temperature=3.0).name == f"{opened(folder).name},temperature=3"


def test_long_texts_are_cut_to_what_the_model_can_take(tmp_path: Path) -> None:
    comparer = opened(tiny_nli(tmp_path / "model"))
    long = "paris " * 100
    first, second, third = comparer.compare(
        [(long, "rome"), (f"{long} oslo", "rome"), (f"oslo {long}", "rome")]
    )
    assert first == pytest.approx(second, abs=1e-6)  # the hypothesis is whole, the end is cut
    assert first != pytest.approx(third, abs=1e-3)
    assert first == pytest.approx(comparer.compare([("paris " * (POSITIONS - 4), "rome")])[0])


def test_a_model_is_loaded_at_its_first_pair(tmp_path: Path) -> None:
    folder = tiny_nli(tmp_path / "model")
    comparer = opened(folder)
    (folder / "model.safetensors").write_bytes(b"rubbish")
    assert comparer.compare(()) == []
    with pytest.raises(UpstreamUnavailable, match="cannot be loaded: SafetensorError"):
        comparer.compare(PAIRS)


def test_weights_that_were_not_trained_are_refused(tmp_path: Path) -> None:
    """transformers would make up a classifier of random numbers."""
    bare = tiny_sentence(tmp_path / "bare")
    with pytest.raises(UpstreamUnavailable, match=r"lack 2 weights .* classifier\.bias"):
        opened(bare).compare(PAIRS)


def test_a_device_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    comparer = opened(tiny_nli(tmp_path / "model"), device="cuda:77")
    with pytest.raises(UpstreamUnavailable, match="cannot be loaded"):
        comparer.compare(PAIRS)


def test_numbers_that_are_none_are_a_failure(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    folder = tiny_nli(tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    weights["classifier.bias"] = torch.full((3,), math.nan)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UpstreamMalformed, match="not finite"):
        opened(folder).compare(PAIRS)


def test_threads_may_share_it(tmp_path: Path) -> None:
    comparer = opened(tiny_nli(tmp_path / "model"))
    wanted = opened(tmp_path / "model").compare(PAIRS)
    found: list[Any] = [None] * 6

    def ask(place: int) -> None:
        found[place] = comparer.compare(PAIRS)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(found))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
    assert found == [wanted] * len(found)


def test_terminals_are_left_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tiny_nli(tmp_path / "model")
    capfd.readouterr()
    opened(folder).compare(PAIRS)
    sys.stdout.flush()
    assert capfd.readouterr() == ("", "")
