"""How well a confidence ranks, how well a probability tells the truth, what routing is worth."""

from .bootstrap import bootstrap_difference, bootstrap_interval
from .brier_parts import BrierParts, brier_parts
from .cost_quality import aiq, ibc_lift, nauc, pgr, router_arena_score, save_at
from .ranking import (
    auarc,
    aurc,
    auroc,
    coverage_at_risk,
    excess_aurc,
    prr,
    risk_coverage,
    selective_accuracy,
)
from .reliability import (
    Bin,
    ace,
    brier,
    ece,
    equal_mass_bins,
    equal_width_bins,
    log_loss,
    mce,
    wilson_interval,
)
from .routing_order import DeferralPoint, apgr, cpt, deferral_curve

__all__ = [
    "Bin",
    "BrierParts",
    "DeferralPoint",
    "ace",
    "aiq",
    "apgr",
    "auarc",
    "aurc",
    "auroc",
    "bootstrap_difference",
    "bootstrap_interval",
    "brier",
    "brier_parts",
    "coverage_at_risk",
    "cpt",
    "deferral_curve",
    "ece",
    "equal_mass_bins",
    "equal_width_bins",
    "excess_aurc",
    "ibc_lift",
    "log_loss",
    "mce",
    "nauc",
    "pgr",
    "prr",
    "risk_coverage",
    "router_arena_score",
    "save_at",
    "selective_accuracy",
    "wilson_interval",
]
