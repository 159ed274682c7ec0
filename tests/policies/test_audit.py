"""The audit draw: the same everywhere, uniform, blind to the outcome, with true propensities."""

from __future__ import annotations

import inspect
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from surefoot.policies.audit import AuditBand, AuditDraw, AuditPlan, audit_uniform, draw
from surefoot.router.decisions import Action
from surefoot.router.errors import ConfigurationError
from surefoot.router.risk.tie_break import tie_break

KNOWN = (0.7205546780613953, 0.607678702424948, 0.4111178709725437)
PLAN = AuditPlan(
    0.1,
    (AuditBand(0.5, 0.7, 0.4), AuditBand(0.6, 0.8, 0.3), AuditBand(0.6, 1.0, 0.2, Action.ESCALATE)),
    escalated_share=0.05,
    abstained_share=0.02,
)


@pytest.mark.parametrize(
    ("action", "score", "propensity"),
    [
        (Action.ANSWER, 0.9, 0.1),
        (Action.ANSWER, 0.5, 0.4),
        (Action.ANSWER, 0.65, 0.4),  # the first band that holds
        (Action.ANSWER, 0.7, 0.3),
        (Action.ANSWER, None, 0.1),
        (Action.ESCALATE, 0.65, 0.2),
        (Action.ESCALATE, 0.5, 0.05),
        (Action.RETRIEVE, 0.65, 0.05),
        (Action.ABSTAIN, 0.65, 0.02),
    ],
)
def test_propensities_by_action_and_score(
    action: Action, score: float | None, propensity: float
) -> None:
    assert PLAN.propensity(action, score) == propensity
    assert draw(PLAN, "run", action, score, secret="s").propensity == propensity


def test_known_draws() -> None:
    """Fixed numbers: another version or machine that draws otherwise breaks every logged audit."""
    assert audit_uniform("secret", "run-1") == pytest.approx(KNOWN[0], abs=1e-15)
    assert audit_uniform("secret", "run-1", "tier 1") == pytest.approx(KNOWN[1], abs=1e-15)
    assert audit_uniform("other", "run-1") == pytest.approx(KNOWN[2], abs=1e-15)


def test_a_draw_hangs_on_nothing_but_its_arguments_and_no_argument_is_a_loss() -> None:
    named = set(inspect.signature(draw).parameters)

    assert named == {"plan", "run_id", "action", "score", "secret", "part"}
    first = [draw(PLAN, f"q{i}", Action.ANSWER, 0.6, secret="s") for i in range(50)]
    again = [draw(PLAN, f"q{i}", Action.ANSWER, 0.6, secret="s") for i in reversed(range(50))]
    assert first == again[::-1]
    other = [draw(PLAN, f"q{i}", Action.ANSWER, 0.6, secret="t") for i in range(50)]
    assert [one.audited for one in first] != [one.audited for one in other]


def test_a_draw_is_logged_as_the_table_wants_it() -> None:
    assert dict(AuditDraw(True, 0.25).fields()) == {"audited": True, "propensity": 0.25}


def test_hashes_are_uniform_over_ids_parts_and_secrets() -> None:
    n = 20_000
    for values in (
        [audit_uniform("s", f"run-{i}") for i in range(n)],
        [audit_uniform("s", "run", f"{i}") for i in range(n)],
        [audit_uniform(f"{i}", "run") for i in range(n)],
    ):
        assert stats.kstest(values, "uniform").pvalue > 0.001
        assert 0.0 <= min(values) and max(values) < 1.0


def test_draws_of_parts_and_tie_breaks_are_independent() -> None:
    n = 5_000
    one = [audit_uniform("0", f"run-{i}", "a") for i in range(n)]
    two = [audit_uniform("0", f"run-{i}", "b") for i in range(n)]
    ties = [tie_break(0, f"run-{i}") for i in range(n)]

    assert abs(stats.pearsonr(one, two).statistic) < 4 / math.sqrt(n)
    assert abs(stats.pearsonr(one, ties).statistic) < 4 / math.sqrt(n)
    assert audit_uniform("s", "ab", "c") != audit_uniform("s", "a", "bc")


def test_each_score_band_is_drawn_as_often_as_it_says() -> None:
    n = 20_000
    for score, share in ((0.9, 0.1), (0.6, 0.4), (0.75, 0.3)):
        hits = sum(
            draw(PLAN, f"run-{i}", Action.ANSWER, score, secret="s").audited for i in range(n)
        )
        assert stats.binomtest(hits, n, share).pvalue > 0.001


@given(st.text(max_size=20), st.text(max_size=5))
def test_any_text_is_an_id_and_the_rarer_draw_is_a_subset(run_id: str, secret: str) -> None:
    rare = draw(PLAN, run_id, Action.ABSTAIN, 0.5, secret=secret)
    often = draw(PLAN.raised(5.0), run_id, Action.ABSTAIN, 0.5, secret=secret)

    assert often.propensity == pytest.approx(0.1)
    assert often.audited or not rare.audited


def test_half_a_surrogate_pair_is_an_id_too() -> None:
    assert 0.0 <= audit_uniform("\ud800", "\udfff") < 1.0


def test_a_raised_plan_never_passes_certainty() -> None:
    raised = PLAN.raised(8.0)

    assert raised.share == pytest.approx(0.8)
    assert [band.share for band in raised.bands] == [1.0, 1.0, 1.0]
    assert AuditPlan(0.1).raised(3.0).escalated_share == 0.0
    with pytest.raises(ConfigurationError, match="factor"):
        PLAN.raised(0.5)


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        ({"share": 0.0}, "audit.share"),
        ({"share": 1.1}, "audit.share"),
        ({"share": float("nan")}, "audit.share"),
        ({"share": 0.1, "pi_min": 0.0}, "audit.pi_min"),
        ({"share": 0.1, "pi_min": 0.2}, "audit.share"),
        ({"share": 0.1, "escalated_share": 0.001}, "audit.escalated_share"),
        ({"share": 0.1, "abstained_share": -0.1}, "audit.abstained_share"),
        ({"share": 0.1, "bands": (AuditBand(0.0, 0.5, 0.001),)}, "audit.bands.0.share"),
        ({"share": 0.1, "bands": (AuditBand(0.5, 0.5, 0.1),)}, "audit.bands.0"),
    ],
)
def test_a_plan_that_cannot_be_names_its_field(plan: dict[str, object], field: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        AuditPlan(**plan)  # type: ignore[arg-type]  # the point of the test
    assert raised.value.field == field
