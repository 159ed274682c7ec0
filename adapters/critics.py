"""Opening a critic by its name or folder."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from ..router.critic.critics import Critic
from ..router.critic.feature_critic import FeatureCritic
from ..router.critic.feature_critic_file import FEATURES_KIND, critic_kind, parse_feature_critic
from ..router.critic.feature_reference import FeatureReference
from ..router.critic.states import AcceptLabel
from ..router.errors import ConfigurationError

__all__ = [
    "CRITIC_FILE",
    "DEFAULT_CRITIC",
    "default_critic",
    "label_of",
    "open_critic",
    "reference_of",
]

DEFAULT_CRITIC = "default"
"""The name of the critic that ships with the package."""

CRITIC_FILE = "critic.json"
"""What every critic's folder holds; what else it holds depends on the kind."""


def open_critic(name: str, *, device: str | None = None) -> Critic:
    """The critic that ships, or the one in a folder.

    Args:
        device: where a torch critic runs; the GPU where there is one by default.

    Raises:
        ConfigurationError: there is no critic in the folder, or of a kind that is not known here.
        BadInput: its file is damaged.
        MissingExtra: it is a torch critic, and torch is not installed.
    """
    if name == DEFAULT_CRITIC:
        return default_critic()
    file = Path(name) / CRITIC_FILE
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{file} cannot be read: {error}; make a critic with `surefoot critic train`, or name "
            f"the one that ships: '{DEFAULT_CRITIC}'",
            field="critic.model",
        ) from error
    if critic_kind(text, str(file)) == FEATURES_KIND:
        return parse_feature_critic(text, str(file))
    from .critic_torch_files import load_torch_critic

    return load_torch_critic(Path(name), device=device)


def label_of(critic: Critic) -> AcceptLabel:
    """What counted as right when the critic was trained."""
    card = critic.card if isinstance(critic, FeatureCritic) else {}
    return "em" if card.get("accept_label") == "em" else "accept"


def reference_of(critic: Critic) -> FeatureReference | None:
    """What the states that it was fitted on looked like; None where nobody kept it."""
    return critic.reference if isinstance(critic, FeatureCritic) else None


def default_critic() -> FeatureCritic:
    """The critic that ships with the package."""
    file = files("surefoot.router.critic").joinpath("default_critic.json")
    return parse_feature_critic(file.read_text(encoding="utf-8"), "the shipped critic")
