"""Certifying a risk: tests, procedures over many of them, thresholds to test, labels needed."""

from .betting import betting_p_value, betting_p_values, wsr_p_value
from .binomial import clopper_pearson, largest_k, lower_tail, lower_tails, upper_limit
from .fixed_sequence import bonferroni, fixed_sequence, holm, least_accepted, start_index
from .p_values import exact_binomial, hoeffding_bentkus, plain_hoeffding
from .sample_size import accepted_labels_needed, critical_counts, labels_to_collect
from .score_grid import (
    COVERAGES,
    Cut,
    GridPoint,
    accepted,
    count_grid,
    coverage_cut,
    coverage_grid,
    grid_hash,
    largest_block,
)
from .targets import LossKind, RiskKind, RiskTarget
from .tie_break import tie_break

__all__ = [
    "COVERAGES",
    "Cut",
    "GridPoint",
    "LossKind",
    "RiskKind",
    "RiskTarget",
    "accepted",
    "accepted_labels_needed",
    "betting_p_value",
    "betting_p_values",
    "bonferroni",
    "clopper_pearson",
    "count_grid",
    "coverage_cut",
    "coverage_grid",
    "critical_counts",
    "exact_binomial",
    "fixed_sequence",
    "grid_hash",
    "hoeffding_bentkus",
    "holm",
    "labels_to_collect",
    "largest_block",
    "largest_k",
    "least_accepted",
    "lower_tail",
    "lower_tails",
    "plain_hoeffding",
    "start_index",
    "tie_break",
    "upper_limit",
    "wsr_p_value",
]
