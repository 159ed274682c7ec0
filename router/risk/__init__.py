"""Risks: tests, thresholds to test and labels needed to certify one, and watching it afterwards."""

from .adaptive_threshold import AdaptiveThreshold
from .audit_log import AuditLog, LoggedDraft
from .betting import betting_p_value, betting_p_values, wsr_p_value
from .binomial import clopper_pearson, largest_k, lower_tail, lower_tails, upper_limit
from .e_detector import EDetector
from .e_process import EProcess
from .fixed_sequence import bonferroni, fixed_sequence, holm, least_accepted, start_index
from .off_policy import (
    NoOverlap,
    OffPolicyEstimate,
    OffPolicyTest,
    certify_off_policy,
    estimate_off_policy,
)
from .p_values import exact_binomial, hoeffding_bentkus, plain_hoeffding
from .sample_size import accepted_labels_needed, critical_counts, labels_to_collect
from .score_drift import ScoreDrift
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
from .source_target import SourceTarget
from .targets import LossKind, RiskKind, RiskTarget
from .tie_break import tie_break

__all__ = [
    "COVERAGES",
    "AdaptiveThreshold",
    "AuditLog",
    "Cut",
    "EDetector",
    "EProcess",
    "GridPoint",
    "LoggedDraft",
    "LossKind",
    "NoOverlap",
    "OffPolicyEstimate",
    "OffPolicyTest",
    "RiskKind",
    "RiskTarget",
    "ScoreDrift",
    "SourceTarget",
    "accepted",
    "accepted_labels_needed",
    "betting_p_value",
    "betting_p_values",
    "bonferroni",
    "certify_off_policy",
    "clopper_pearson",
    "count_grid",
    "coverage_cut",
    "coverage_grid",
    "critical_counts",
    "estimate_off_policy",
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
