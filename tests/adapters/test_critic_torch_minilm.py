"""The torch critic on the encoder that installs as a package, and on real retrieval states."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot.adapters.critic_torch_encoder import check_libraries
from surefoot.adapters.critic_torch_files import load_torch_critic, save_torch_critic
from surefoot.adapters.critic_torch_model import log_odds_of
from surefoot.adapters.critic_torch_settings import DEFAULT_BASE, TrainingSettings
from surefoot.adapters.critic_torch_training import train_torch_critic
from surefoot.adapters.encoder_files import find_encoder
from surefoot.adapters.weights import default_cache_dir
from surefoot.router.critic.states_file import read_states
from surefoot.router.errors import ConfigurationError
from surefoot.router.metrics import auroc

from .critic_practice import practice

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

STATES = (
    Path(__file__).parents[3] / "shared" / "data" / "rag" / "states_2wikimultihopqa_dev.jsonl.gz"
)


@pytest.fixture(autouse=True)
def _installed() -> None:
    try:
        check_libraries()
        find_encoder(DEFAULT_BASE, default_cache_dir())
    except ConfigurationError as error:
        pytest.skip(str(error))


def test_fine_tuning_learns_64_states_by_heart() -> None:
    settings = TrainingSettings(
        freeze=False,
        limit=48,
        epochs=10,
        batch=16,
        encoder_rate=1e-4,
        false_accept_cost=1.0,
        dev_share=0.25,
        looks=1,
        patience=10,
    )
    records = practice(28)
    trained = train_torch_critic(records, settings, device="cpu")
    assert trained.report.states == 63
    net = trained.net
    odds = log_odds_of(net, [net.reader.form(one.state) for one in records], [()] * len(records))
    right = [int(bool(one.labels.em)) for one in records]
    sufficient = [int(bool(one.labels.sufficient)) for one in records]
    for place, labels in enumerate((right, sufficient)):
        assert auroc(odds[:, place].tolist(), labels) == pytest.approx(1.0, abs=0.02)


def test_the_frozen_encoder_learns_something_of_real_states(tmp_path: Path) -> None:
    if not STATES.exists():
        pytest.skip(f"the retrieval states are not on this machine: {STATES}")
    records = list(read_states(STATES))[: 9 * 100]
    settings = TrainingSettings(limit=128, dev_share=0.3)
    trained = train_torch_critic(records, settings, device="cpu")
    (target,) = trained.report.targets
    assert target.target == "sufficient"
    assert target.auroc_within is not None and target.auroc_within > 0.6
    assert target.brier is not None and target.brier < target.base_rate * (1 - target.base_rate)
    assert save_torch_critic(trained, tmp_path) == load_torch_critic(tmp_path).version
    assert (tmp_path / "model.safetensors").stat().st_size < 1_000_000
