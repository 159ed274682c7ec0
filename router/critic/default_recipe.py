"""How the critic that ships was trained, and how `surefoot critic train` does it."""

from __future__ import annotations

from .fit_critic import CriticRecipe
from .fit_heads import HeadRecipe
from .states import AcceptLabel

__all__ = ["default_recipe"]

_RAISES = (
    "s1 s1_len gapmax dom_mean sstd ic1 ic_top ic_gap lc1 lc_gap lc_top lc_union cov1 cov_top "
    "cov_union cov_low cov_cap bg1 win1 win_top win_gap best_is_first excl rest_union rest_best "
    "rest_anchor rest_bridge pair_any pair_link bridge_cov bridge_gain ent_title_mean "
    "ent_title_min or_min tf1 tf2 w_cov_title n_anchor_bridged cue_ok ugap uslope"
)
"""What may only speak for sufficiency, all else being equal: coverage, links, a leading first hit.
Without these bounds trees learn from multi-hop questions that a leading hit is a bad sign, and fail
where one passage is enough."""

_LOWERS = "u1 skr smean cue_bad missing miss_len cap_uncov_title unbridged"

_DOMINANCE = ("u1", "skr", "s1_len", "s1", "gapmax", "dom_mean", "ic_top", "lc_top", "bg1")
"""What the line looks at: how far the first hit leads, which carries over between corpora."""


def default_recipe(
    accept_weight: float = 1.0, seed: int = 0, label: AcceptLabel = "accept"
) -> CriticRecipe:
    """The recipe.

    Args:
        accept_weight: as in `CriticRecipe`.
        seed: of the draws of features and of the folds.
        label: what counts as a right answer.
    """
    signs = {name: 1 for name in _RAISES.split()} | {name: -1 for name in _LOWERS.split()}
    return CriticRecipe(
        accept=HeadRecipe(
            trees=120,
            rate=0.1,
            leaves=6,
            features_share=0.35,
            l2=3.0,
            line_penalty=80.0,
            seed=seed,
        ),
        sufficient=HeadRecipe(
            trees=150,
            rate=0.06,
            leaves=8,
            rows_a_leaf=30,
            features_share=0.3,
            # The line is for questions of whose subject no title speaks.
            line_weight=0.4,
            gate="n_anchor",
            gated_weight=1.2,
            line_penalty=1.0,
            line_names=_DOMINANCE,
            signs=signs,
            seed=seed,
        ),
        label=label,
        accept_weight=accept_weight,
        seed=seed,
    )
