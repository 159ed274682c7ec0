"""From recorded outcomes to a profile whose risk is certified, or to the reason why it is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from ..router.decisions import Action
from ..router.errors import UsageError
from ..router.risk.targets import RiskTarget
from ..router.risk.tie_break import tie_break
from .advising import advice_on_risk
from .calibrating import CalibratedRung, calibrate_rungs
from .certificates import NotCertified
from .certifying import Certified, Gates, certify_gate, certify_paths
from .choosing import Calibrating
from .entry import FixedEntry
from .fit import FitSettings, fitted_rungs
from .fit_advice import advice_on_table
from .fit_basis import fit_basis
from .label_draws import repeats_in_words, unfair_label
from .ladders import Ladders, ladders_of
from .outcomes import OutcomeTable
from .path_search import candidate_paths
from .paths import Path, RungKind, RungScores, Stages, path_rules, stages_of
from .profile import Profile
from .recorded import Replayer
from .risk_of_walks import Served, tested_risk, upper_limit
from .score_summaries import with_scores
from .scores import applied_scores, bought_parts, raw_scores, usable_signals, with_signals
from .threshold import RungRule

if TYPE_CHECKING:
    from .ladders import Flags

__all__ = ["CertifiedFit", "Fallback", "Promise", "fit_certified"]

Fallback = Literal["abstain", "last-tier"]
"""What happens to requests that no gate answers: an abstention, or whatever the last tier says,
which nothing vouches for."""

_TUNE_SHARE = 0.25
_QUICK = Calibrating(("platt",))  # what advice rests on
_MOST_SCORED = 2000  # questions that predictions are made on

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Promise:
    """What is to be certified, and on what terms.

    Attributes:
        fallback: None chooses: abstain where the last tier has a signal to judge it by.
        group: name of the groups in each of which the promise is to hold.
        traffic: questions whose labels are not read; they make the grid of thresholds.
        tune: questions to choose on; a quarter of the table where None, if any are needed.
        signals: those that gates may read; all where None.
    """

    target: RiskTarget
    fallback: Fallback | None = None
    group: str | None = None
    traffic: OutcomeTable | None = None
    tune: OutcomeTable | None = None
    signals: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class CertifiedFit:
    """The profile, and what it is worth.

    Attributes:
        profile: with its certificate; where nothing was certified, one that does the safe thing.
        outcome: the certificate, or what is missing.
        tested: the questions whose labels were tested.
        fallback: what happens to requests that no gate answers.
    """

    profile: Profile
    outcome: Certified | NotCertified
    tested: tuple[str, ...]
    fallback: Fallback


def fit_certified(
    table: OutcomeTable,
    settings: FitSettings,
    promise: Promise,
    fitted_on: Mapping[str, Any],
    progress: Progress | None = None,
) -> CertifiedFit:
    """Choose, test and recompute through the loop.

    Raises:
        UsageError: no gate has a signal, questions overlap between parts that must not, labels are
            no plain sample of the requests, a row is missing, or a loss does not fit the target.
    """
    _check_parts(table, promise)
    fitting = _Fitting(table, settings, promise, fitted_on)
    advice = fitting.advice()
    gates = fitting.gates()
    single = gates.tune is None
    outcome = certify_gate(gates) if single else certify_paths(gates)
    if isinstance(outcome, NotCertified):
        missing = tuple(one.words for one in advice_on_risk(outcome))
        safe = replace(fitting.safe_profile(), advice=missing + advice)
        return CertifiedFit(safe, outcome, fitting.tested_questions, fitting.fallback)
    profile = replace(fitting.profile(outcome), advice=advice)
    outcome = replace(outcome, certificate=fitting.recomputed(profile, outcome))
    profile = replace(profile, certificate=outcome.certificate)
    profile = with_scores(profile, table.only(fitting.tested_questions))
    return CertifiedFit(profile, outcome, fitting.tested_questions, fitting.fallback)


def _check_parts(table: OutcomeTable, promise: Promise) -> None:
    unfair = unfair_label(table)
    if unfair is not None:
        row = unfair.row
        raise UsageError(f"query {row.query_id!r}, tier {row.tier}: {unfair.field} {unfair.why}")
    if promise.tune is None:
        return
    both = sorted(table.queries.keys() & promise.tune.queries.keys())
    if both:
        raise UsageError(
            f"query_id: {both[0]!r} stands among the rows to choose on and among those to certify "
            f"on ({len(both)} such questions); a certificate needs rows that nothing was fitted on"
        )


class _Fitting:
    """One certified fit on its way."""

    def __init__(
        self,
        table: OutcomeTable,
        settings: FitSettings,
        promise: Promise,
        fitted_on: Mapping[str, Any],
    ) -> None:
        self.settings, self.promise, self.fitted_on = settings, promise, fitted_on
        self.names = tuple(tier.name for tier in settings.tiers)
        judged, unjudged = _judged(table)
        if not judged:
            raise UsageError("no question has a loss in each of its rows: there is nothing to test")
        self.table = table
        self.usable = usable_signals(table, promise.signals)
        self.fallback = promise.fallback or self._fallback()
        self.is_raw = all(len(names) == 1 for kind, names in self.usable.items() if names)
        self.paths = self._paths()
        gates = {stage for path in self.paths for stage in self._gated(path)}
        self.is_single = self.is_raw and len(self.paths) == 1 and len(gates) == 1
        self.tuned, self.tested_questions = self._split(judged)
        self.unjudged = unjudged
        self.rungs = self._calibrated()

    def _fallback(self) -> Fallback:
        last = len(self.names) - 1
        return "abstain" if any(n for k, n in self.usable.items() if k[0] == last) else "last-tier"

    def _paths(self) -> tuple[Path, ...]:
        last = len(self.names) - 1
        found = candidate_paths(len(self.names), self.table.rounds)
        if self.fallback == "last-tier":
            found = tuple(path for path in found if path[-1].tier == last)
        # A stage without a signal can only hand on, which costs a draft for nothing.
        found = tuple(path for path in found if self._gated(path) and self._can_gate(path))
        if not found:
            raise UsageError(
                "signals: no tier has a signal with two values or more, so nothing can be gated; "
                "record signals with the outcomes (`surefoot record`, or any score of your own)"
            )
        return found

    def _gated(self, path: Path) -> Path:
        return path if self.fallback == "abstain" else path[:-1]

    def _can_gate(self, path: Path) -> bool:
        return all(self.usable.get((s.tier, s.round > 0)) for s in self._gated(path))

    def _split(self, judged: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The questions to choose on and those to test on, by name and seed."""
        if self.is_single:
            return (), tuple(judged)
        if self.promise.tune is not None:
            return tuple(_judged(self.promise.tune)[0]), tuple(judged)
        import numpy as np

        order = np.random.default_rng(self.settings.seed).permutation(len(judged))
        count = max(1, round(_TUNE_SHARE * len(judged)))
        tuned = [judged[i] for i in order[:count]]
        return tuple(sorted(tuned)), tuple(sorted(judged[i] for i in order[count:]))

    def _calibrated(self) -> tuple[CalibratedRung, ...]:
        """Where thresholds are on a raw signal, estimates are for display and may see every row."""
        if self.is_raw:
            table = (
                self.table.only(self.tuned + self.tested_questions)
                if (self.promise.tune is None)
                else self.table.only(self.tested_questions)
            )
        else:
            table = self._tune_table()
        return self._calibrated_on(table, needed=not self.is_raw)

    def _calibrated_on(self, table: OutcomeTable, *, needed: bool) -> tuple[CalibratedRung, ...]:
        date = self.fitted_on.get("date")
        return calibrate_rungs(
            with_signals(table, self.promise.signals),
            self.settings.versions,
            seed=self.settings.seed,
            choice=self.settings.calibrating,
            date=None if date is None else str(date),
            needed=needed,
        )

    def _tune_table(self) -> OutcomeTable:
        source = self.table if self.promise.tune is None else self.promise.tune
        return source.only(self.tuned)

    def advice(self) -> tuple[str, ...]:
        """What the labels say of tiers and signals; no promise rests on it."""
        table = self.table.only(sorted({*self.tested_questions, *self._own_tuned()}))
        table = with_signals(table, self.promise.signals)
        # Those that the gate uses may be fitted on the part that was set aside alone.
        rungs = self.rungs
        if not self.is_raw:
            rungs = calibrate_rungs(table, {}, seed=self.settings.seed, choice=_QUICK, needed=False)
        basis = fit_basis(table, rungs, seed=self.settings.seed)
        found = advice_on_table(basis, self.names, seed=self.settings.seed)[0]
        repeats = repeats_in_words(self.table)
        return found if repeats is None else (repeats, *found)

    def _own_tuned(self) -> tuple[str, ...]:
        return self.tuned if self.promise.tune is None else ()

    def gates(self) -> Gates:
        """Everything that the test needs, in columns."""
        tested = self.table.only(self.tested_questions)
        stages = self._stages(tested)
        scored, source = self._scored()
        date = self.fitted_on.get("date")
        return Gates(
            self.promise.target,
            self.settings.prices,
            stages,
            stages if scored is None else self._stages(scored, gate_alone=self.is_single),
            source,
            self.settings.seed,
            None if self.is_single else self._stages(self._tune_table()),
            self._groups(tested),
            len(self.tested_questions) / (len(self.tested_questions) + len(self.tuned)),
            None if date is None else str(date),
        )

    def _scored(self) -> tuple[OutcomeTable | None, str]:
        """Questions of which only scores are read; None stands for the tested ones."""
        if self.promise.traffic is not None:
            if self.promise.traffic.tiers < len(self.names) and not self.is_single:
                raise UsageError(
                    "the traffic has rows of some tiers only; with more than one gate, or several "
                    "signals to choose from (--signal names one), it needs rows of every tier"
                )
            return self.promise.traffic, "quantiles of the scores of unlabeled traffic"
        if self.is_single:
            return None, "the tested rows' own scores, their labels unseen"
        asked = sorted({*self.tested_questions, *self.unjudged})
        step = max(1, len(asked) // _MOST_SCORED)
        return self.table.only(asked[::step]), "quantiles of the rows' own scores"

    def _stages(self, table: OutcomeTable, *, gate_alone: bool = False) -> dict[Path, Stages]:
        import numpy as np

        ladders = ladders_of(table)
        scores = self._scores(table, ladders)
        u = np.array([tie_break(self.settings.seed, query) for query in ladders.queries])
        gated = self.fallback == "abstain"
        if gate_alone:
            return {path: stages_of(ladders, scores, path[:1], u) for path in self.paths}
        return {
            path: stages_of(ladders, scores, path, u, last_is_gated=gated) for path in self.paths
        }

    def _scores(self, table: OutcomeTable, ladders: Ladders) -> RungScores:
        bought = self.table.bought
        if self.is_raw:
            named = {kind: names[0] for kind, names in self.usable.items() if names}
            return raw_scores(ladders, named, bought)
        return applied_scores(table, ladders, self.rungs, bought)

    def _groups(self, tested: OutcomeTable) -> dict[tuple[str, str], Flags] | None:
        name = self.promise.group
        if name is None:
            return None
        import numpy as np

        values = []
        for query_id in sorted(tested.queries):
            row = next(iter(tested.queries[query_id].values()))
            group = row.extra.get("group")
            if not isinstance(group, dict) or name not in group:
                raise UsageError(f"group: query {query_id!r} names no {name!r}")
            values.append(str(group[name]))
        column = np.array(values)
        return {(name, value): column == value for value in sorted(set(values))}

    def profile(self, certified: Certified) -> Profile:
        """The certified configuration as it will run."""
        scores: dict[RungKind, str | None] = {}
        signals: dict[RungKind, str | None] = {}
        bought = self.table.bought
        for kind, names in self.usable.items():
            if self.is_raw and names:
                scores[kind] = names[0]
                signals[kind] = names[0] if names[0] in bought else None
        if not self.is_raw:
            signals = bought_parts(self.rungs, bought)
        rules = path_rules(
            certified.path,
            certified.cuts,
            signals=signals,
            scores=scores,
            last_is_gated=self.fallback == "abstain",
        )
        return self._profile_of(rules, certified.path[0].tier)

    def safe_profile(self) -> Profile:
        """Where nothing was certified: abstain, or the last tier without a certificate."""
        last = len(self.names) - 1
        if self.fallback == "abstain":
            return self._profile_of((RungRule(0, 1.0, False, (), tie=1.0),), 0)
        return self._profile_of((RungRule(last, 1.0, False, (), gated=False),), last)

    def _profile_of(self, rules: Sequence[RungRule], first: int) -> Profile:
        calibrators = {(rung.tier, rung.retrieved): rung.calibrators for rung in self.rungs}
        prices = self.settings.prices
        return Profile(
            tiers=self.settings.tiers,
            rungs=fitted_rungs(rules, calibrators, len(self.names)),
            estimators=self.settings.estimators,
            prices={"error": prices.error, "abstain": prices.abstain},
            fitted_on={
                **self.fitted_on,
                "tuned_on": len(self.tuned),
                "tested_on": len(self.tested_questions),
            },
            entry=FixedEntry(first, self.names[first]) if first else None,
            tie_seed=self.settings.seed,
        )

    def recomputed(self, profile: Profile, certified: Certified) -> Any:
        """The certificate with the numbers that the loop itself gives on the tested questions."""
        import numpy as np

        table = self.table.only(self.tested_questions)
        replayer = Replayer(table, profile.names, profile.policy(), profile.assessor())
        replayer.plan = replace(replayer.plan, entry=profile.entry_policy())
        gated, served, losses = [], [], []
        for query_id in sorted(table.queries):
            result = replayer.replay(query_id)
            answered = result.action is Action.ANSWER and result.best is not None
            row = table.row(query_id, result.best.rung) if answered and result.best else None
            gated.append(result.gated)
            served.append(answered)
            loss = None if row is None else row.loss
            losses.append(float("nan") if loss is None else loss)
        ended = Served(np.array(gated), np.array(served), np.array(losses))
        found = tested_risk(
            self.promise.target,
            ended,
            seed=self.settings.seed,
            groups=self._groups(table),
        )
        certificate = certified.certificate
        if (found.n_accepted, round(found.losses, 9)) != (
            certificate.n_accepted,
            round(certificate.losses, 9),
        ):
            raise AssertionError(
                f"the loop answers {found.n_accepted} questions with a loss of {found.losses}, the "
                f"search {certificate.n_accepted} with {certificate.losses}: please report this"
            )
        if found.p_value > self.promise.target.delta:
            raise AssertionError(
                f"the loop's p-value is {found.p_value}, the search certified at "
                f"{certificate.p_value}: please report this"
            )
        upper = upper_limit(self.promise.target, found, ended, seed=self.settings.seed)
        return replace(
            certificate,
            p_value=found.p_value,
            losses=found.losses,
            groups=found.groups,
            upper=min(upper, certificate.upper),
        ).signed(profile.fingerprint)


def _judged(table: OutcomeTable) -> tuple[list[str], list[str]]:
    """Questions of which every row was judged, and the others, sorted."""
    whole: list[str] = []
    rest: list[str] = []
    for query_id in sorted(table.queries):
        rows = table.queries[query_id].values()
        (whole if all([row.loss is not None for row in rows]) else rest).append(query_id)
    return whole, rest
