"""The report of a replay says what the replay found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from surefoot.policies.certificates import Certificate, HowTested
from surefoot.policies.policy_curve import policy_curve
from surefoot.policies.profile import FittedRung, FittedTier, Profile
from surefoot.policies.replay import replay_report, serve_table, served_arrays
from surefoot.policies.replay_bootstrap import replay_differences
from surefoot.policies.report_content import ABSTAINED, ANSWERED, ASKED, UNGATED, Flow
from surefoot.policies.report_html import write_report
from surefoot.policies.report_of_replay import Against, Replayed, replay_content
from surefoot.router.decisions import Action
from surefoot.router.risk.targets import RiskTarget

from .worlds import outcome, table_of

TABLE = table_of(
    outcome(
        f"q{number}",
        tier,
        loss=float(number % 5 == 0 and tier == 0),
        cost=1.0 + 9.0 * tier,
        signals={"s": number / 20},
    )
    for number in range(20)
    for tier in (0, 1)
)
TESTED = HowTested("exact binomial", "fixed sequence", "0f" * 32, "the rows' own scores", 3, 0, 0)
CERTIFICATE = Certificate(
    RiskTarget("selective", 0.25, 0.1), 300, 150, 20.0, 20 / 150, 0.2, 0.01, TESTED, id="abc123"
)


def profile(threshold: float = 0.5, certificate: Certificate | None = None) -> Profile:
    up = (Action.ESCALATE,)
    small = FittedRung(0, False, threshold, up, (), (), "s")
    large = FittedRung(1, False, 0.0, (), (), (), gated=False)
    both = tuple(replace(one, retrieved=seen) for one in (small, large) for seen in (False, True))
    tiers = (FittedTier("small"), FittedTier("<large>"))
    return Profile(tiers, both, certificate=certificate, advice=("asking small: pays",))


def replayed(certificate: Certificate | None = None) -> Replayed:
    ours = profile(certificate=certificate)
    served = serve_table(TABLE, ours)
    other = serve_table(TABLE, profile(0.0))
    differences = replay_differences(served_arrays(served), served_arrays(other), seed=0)
    return Replayed(
        TABLE,
        ours,
        served,
        replay_report(TABLE, served),
        policy_curve(TABLE, ours, served),
        "the promise" if certificate else None,
        Against("other.json", differences),
        (("questions", "20"),),
        "surefoot replay o.jsonl --profile p.json --json",
    )


def test_the_numbers_are_those_of_the_replay() -> None:
    done = replayed()
    content = replay_content(done)
    shown = {one.name: one for one in content.headline}

    assert content.questions == 20
    assert shown["let through by a gate"].value == pytest.approx(0.5)
    # Of the ten that pass, 10 and 15 are wrong.
    assert shown["selective risk"].value == pytest.approx(0.2)
    assert shown["selective risk"].interval == done.report.intervals["selective_risk"]
    assert shown["joint risk"].value == pytest.approx(0.1)
    assert shown["cost per question"].value == pytest.approx((20 * 1 + 10 * 10) / 20)
    nauc = done.curve.numbers["nauc"]
    assert (shown["nAUC"].value, shown["nAUC"].interval) == (nauc.value, nauc.interval)  # type: ignore[union-attr] # it is defined
    assert content.cost_quality is not None
    assert content.cost_quality.chosen.quality == pytest.approx(0.9)
    assert content.cost_quality.curve == tuple(sorted(done.curve.points))
    assert {one.name for one in content.cost_quality.baselines} == set(done.report.baselines)


def test_traffic_goes_where_the_questions_went() -> None:
    content = replay_content(replayed())

    assert content.traffic is not None
    assert set(content.traffic.flows) == {
        Flow(ASKED, "small", 1.0),
        Flow("small", ANSWERED, 0.5),
        Flow("small", "<large>", 0.5),
        Flow("<large>", UNGATED, 0.5),
    }
    assert ABSTAINED not in {flow.target for flow in content.traffic.flows}


def test_a_gate_on_a_raw_signal_shows_its_spread_about_the_threshold() -> None:
    content = replay_content(replayed())

    (spread,) = content.estimates
    assert spread.rung == "small, by s" and spread.threshold == 0.5
    assert sum(spread.right) == 16 and sum(spread.wrong) == 4
    assert content.reliability == ()


def test_nothing_is_promised_without_a_certificate() -> None:
    content = replay_content(replayed())

    assert content.certificate is None and content.targets == ()
    assert content.risk_coverage is not None and content.risk_coverage.alpha is None
    assert content.risk_coverage.point is not None and not content.risk_coverage.point.certified


def test_a_certificate_stands_beside_the_risk_of_these_questions() -> None:
    content = replay_content(replayed(CERTIFICATE))

    assert content.certificate is not None and content.certificate.certified
    assert content.certificate.statement == "the promise"
    details = dict(content.certificate.details)
    assert details["alpha"] == "0.25" and details["certificate"] == "abc123"
    (target,) = content.targets
    assert target.target == 0.25
    assert target.achieved == pytest.approx(0.2)
    assert target.met is None  # 2 of 10: the interval has .25 inside
    assert content.risk_coverage is not None and content.risk_coverage.alpha == 0.25


def test_the_other_replay_is_compared_number_by_number() -> None:
    content = replay_content(replayed())
    cost = next(one for one in content.comparison if one.name == "cost")

    assert content.compared_with == "other.json"
    assert cost.first == pytest.approx(6.0)
    assert cost.second == pytest.approx(1.0)
    assert cost.interval[0] <= 5.0 <= cost.interval[1] and cost.share_above == 1.0


def test_the_page_has_the_numbers_and_no_markup_from_names(tmp_path: Path) -> None:
    done = replayed(CERTIFICATE)
    write_report(replay_content(done), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()

    assert "<large>" not in page and "&lt;large&gt;" in page
    for words in ("the promise", "other.json", "20.0 %", "90.0 %", "always-large", "oracle"):
        assert words in page, words
    assert page.count("<svg") >= 4
    assert done.profile.fingerprint in page
