"""How well a confidence ranks answers, and how well a probability tells the truth."""

from .bootstrap import bootstrap_difference, bootstrap_interval
from .brier_parts import BrierParts, brier_parts
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

__all__ = [
    "Bin",
    "BrierParts",
    "ace",
    "auarc",
    "aurc",
    "auroc",
    "bootstrap_difference",
    "bootstrap_interval",
    "brier",
    "brier_parts",
    "coverage_at_risk",
    "ece",
    "equal_mass_bins",
    "equal_width_bins",
    "excess_aurc",
    "log_loss",
    "mce",
    "prr",
    "risk_coverage",
    "selective_accuracy",
    "wilson_interval",
]
