"""What `surefoot fit` does, from its options to the written profile."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..router.errors import BadInput, UsageError
from .fit_asked import Asked, Calibration

if TYPE_CHECKING:
    from ..policies.choosing import Calibrating
    from ..policies.fit import FitSettings
    from ..policies.outcomes import OutcomeTable
    from ..policies.prices import Prices
    from ..policies.profile import Profile
    from .console import ProgressLine

__all__ = ["run_fit"]

NOT_CERTIFIED = 3


def run_fit(asked: Asked, *, as_json: bool) -> int:
    """Fit, write the profile, and say what came of it; returns the exit code.

    Raises:
        UsageError: options that do not go together, or input that cannot be used; nothing is
            written then.
    """
    from ..policies.outcomes import read_outcomes
    from ..policies.profile import save_profile
    from .console import print_json, progress_bar
    from .fit_inputs import check_rows

    _check(asked)
    table = read_outcomes(asked.outcomes, allow_gaps=False)
    check_rows(asked, table, asked.outcomes)
    with progress_bar() as progress:
        if asked.risk.kind is not None:
            done = _certified(asked, table, progress)
        elif not asked.uncertified:
            done = _targeted(asked, table)
        else:
            done = _uncertified(asked, table, progress)
    save_profile(done.profile, asked.target)
    if as_json:
        print_json(done.document)
    else:
        done.show(asked.target)
    return done.code


def _check(asked: Asked) -> None:
    from .fit_inputs import check_options

    given = [
        name
        for name, value in (
            ("--risk", asked.risk.kind),
            ("--quality", asked.quality),
            ("--defer", asked.defer),
            ("--budget", asked.budget),
            ("--uncertified", asked.uncertified or None),
        )
        if value is not None
    ]
    if len(given) != 1:
        raise UsageError(
            "expected one target: --risk KIND --alpha A, --quality Q, --defer S, --budget C, or "
            f"--uncertified; got {' and '.join(given) or 'none'}"
        )
    if asked.policy != "threshold" and not asked.uncertified:
        raise UsageError(f"--policy {asked.policy} goes with --uncertified; targets use thresholds")
    if asked.risk.kind is not None and asked.risk.alpha is None:
        raise UsageError("--risk needs --alpha: the risk that must not be exceeded")
    if asked.risk.kind is None and asked.risk.alpha is not None:
        raise UsageError("--alpha needs --risk: which risk must not exceed it has to be named")
    check_options(asked, given[0])
    for path, what in (
        (asked.outcomes, "the outcome table itself"),
        (asked.tune, "the file to choose on"),
        (asked.traffic, "the traffic"),
        (asked.questions, "the file of questions"),
    ):
        if path is not None and os.path.realpath(asked.target) == os.path.realpath(path):
            raise UsageError(f"--out {asked.target} is {what}; name another file")


def _settings(asked: Asked, table: OutcomeTable, prices: Prices) -> FitSettings:
    from ..policies.table_facts import fit_settings

    settings = fit_settings(table, prices, asked.seed)
    return replace(
        settings,
        calibrating=_calibrating(asked.calibration),
        policy=cast(Any, asked.policy),
        enter=cast(Any, asked.enter),
    )


def _calibrating(asked: Calibration) -> Calibrating:
    from ..policies.choosing import KINDS, Calibrating

    one_of_all = not asked.kinds or "auto" in asked.kinds
    named = KINDS if one_of_all else tuple(dict.fromkeys(asked.kinds))
    return Calibrating(cast(Any, named), cast(Any, asked.combine), one_standard_error=one_of_all)


@dataclass(frozen=True, slots=True)
class _Done:
    """A fit that is to be written and told."""

    profile: Profile
    document: dict[str, Any]
    show: Callable[[Path], None]
    code: int = 0


def _certified(asked: Asked, table: OutcomeTable, progress: ProgressLine) -> _Done:
    from ..policies.certificates import NotCertified
    from ..policies.fit_certified import Promise, fit_certified
    from ..policies.prices import Prices, check_prices, default_prices
    from ..policies.table_facts import fitted_on
    from ..router.perform import utc_now
    from ..router.risk.targets import RiskTarget
    from .documents import certified_document
    from .fit_inputs import blamed_on, traffic_table, tune_table
    from .fit_screen import show_certified

    risk = asked.risk
    assert risk.kind is not None and risk.alpha is not None
    target = RiskTarget(
        cast(Any, risk.kind), risk.alpha, risk.delta, cast(Any, risk.loss), risk.abstention_loss
    )
    # The risk is bounded already: a wrong answer costs what the user says, and nothing by default.
    usual = default_prices(table)
    prices = check_prices(
        Prices(
            asked.error_price or 0.0,
            usual.abstain if asked.abstain_price is None else asked.abstain_price,
        )
    )
    promise = Promise(
        target,
        cast(Any, risk.fallback),
        risk.group,
        traffic_table(asked, table),
        tune_table(asked, table),
        frozenset(asked.signals) or None,
    )
    with blamed_on(asked.outcomes):
        fitted = fit_certified(
            table,
            _settings(asked, table, prices),
            promise,
            fitted_on(table, asked.outcomes, utc_now()),
            progress,
        )
    code = NOT_CERTIFIED if isinstance(fitted.outcome, NotCertified) else 0
    return _Done(
        fitted.profile,
        certified_document(fitted),
        lambda path: show_certified(fitted, path),
        code,
    )


def _targeted(asked: Asked, table: OutcomeTable) -> _Done:
    from ..policies.fit_target import fit_target
    from ..policies.prices import default_prices
    from ..policies.table_facts import fitted_on
    from ..policies.targets import MeanCost, QualityKept, ShareDeferred
    from ..router.perform import utc_now
    from .documents import target_document
    from .fit_inputs import blamed_on, traffic_table
    from .fit_screen import show_targeted

    target: QualityKept | ShareDeferred | MeanCost
    if asked.quality is not None:
        target = QualityKept(asked.quality, asked.risk.delta)
    elif asked.defer is not None:
        target = ShareDeferred(asked.defer)
    else:
        assert asked.budget is not None
        target = MeanCost(asked.budget, asked.risk.delta)
    questions, traffic = _questions(asked, table), traffic_table(asked, table)
    with blamed_on(asked.outcomes):
        fitted = fit_target(
            table,
            _settings(asked, table, default_prices(table)),
            target,
            fitted_on(table, asked.outcomes, utc_now()),
            questions=questions,
            traffic=traffic,
        )
    return _Done(fitted.profile, target_document(fitted), lambda path: show_targeted(fitted, path))


def _questions(asked: Asked, table: OutcomeTable) -> dict[str, str] | None:
    """Texts for a prior. Raises BadInput where a file was given that lacks some of them."""
    from ..policies.question_texts import question_texts, read_question_texts

    if asked.questions is None:
        return question_texts(table)
    found = question_texts(table, read_question_texts(asked.questions))
    if found is None:
        raise BadInput(
            "some questions of the outcome table are not in it", file=str(asked.questions)
        )
    return found


def _uncertified(asked: Asked, table: OutcomeTable, progress: ProgressLine) -> _Done:
    from ..policies.fit import fit_uncertified
    from ..policies.prices import Prices, check_prices, default_prices
    from ..policies.replay import replay_profile
    from ..policies.table_facts import fitted_on
    from ..router.perform import utc_now
    from .documents import fit_document
    from .fit_inputs import blamed_on
    from .fit_screen import show_uncertified

    usual = default_prices(table)
    error = usual.error if asked.error_price is None else asked.error_price
    abstain = error / 2 if asked.abstain_price is None else asked.abstain_price
    prices = check_prices(Prices(error, abstain))
    questions = _questions(asked, table)
    with blamed_on(asked.outcomes):
        profile = fit_uncertified(
            table,
            _settings(asked, table, prices),
            fitted_on(table, asked.outcomes, utc_now()),
            progress,
            questions=questions,
        )
        report = replay_profile(table, profile, seed=asked.seed)
    return _Done(
        profile,
        fit_document(profile, report),
        lambda path: show_uncertified(profile, report, prices, path),
    )
