"""What `surefoot monitor` does, from a log to a status."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..router.errors import BadInput, UsageError

if TYPE_CHECKING:
    from ..policies.monitor import MonitorSettings
    from ..policies.monitor_evidence import Promise
    from ..policies.monitor_report import MonitorReport
    from ..policies.monitor_state import MonitorState
    from ..policies.outcomes import OutcomeTable
    from ..policies.profile import Profile

__all__ = ["Asked", "promise_of", "run"]

_DAY_S = 86_400.0
_REVOKED = 3
_STATE = "monitor.db"
_LEVEL = 0.05
_MAX_AGE_DAYS = 90.0
_SERVING = ("valid", "unverified", "stale")


@dataclass(frozen=True, slots=True)
class Asked:
    """All options of the command."""

    log: Path
    profile: Path
    state: Path | None
    key: str | None
    now: str | None
    level: float
    method: str
    between: float
    max_age_days: float
    least_propensity: float | None
    policy_id: str | None
    seed: int


def run(asked: Asked, *, as_json: bool) -> int:
    """Read what is new, keep the state, and say how things stand; returns the exit code.

    Raises:
        UsageError: a file or an option that cannot be used; the state is left as it was.
        StoreError: the state cannot be read or written.
    """
    from ..policies.monitor import run_monitor
    from ..policies.outcomes import read_outcomes
    from ..policies.profile import load_profile
    from ..policies.score_summaries import scores_of_profile

    profile = load_profile(asked.profile)
    promise, now = _promise(asked, profile), _now(asked)
    rungs = scores_of_profile(profile)
    table = read_outcomes(asked.log, tiers=len(profile.tiers), is_log=True)
    settings = _settings(asked, _policy_id(asked, profile, table))
    key = asked.key or asked.profile.name
    reports: list[MonitorReport] = []

    def change(before: MonitorState | None) -> MonitorState:
        _check_level(before, promise)
        after, report = run_monitor(table, promise, rungs, before, now, key=key, settings=settings)
        reports.append(report)
        return after

    path = asked.state or asked.profile.parent / _STATE
    asyncio.run(_updated(path, key, change))
    return _tell(asked, profile, path, reports[-1], as_json=as_json)


async def _updated(
    path: Path, key: str, change: Callable[[MonitorState | None], MonitorState]
) -> None:
    from ..adapters.monitor_store_sqlite import SqliteMonitorStore
    from ..policies.monitor_store import update_state

    store = SqliteMonitorStore(path)
    try:
        await update_state(store, key, change)
    finally:
        await store.aclose()


def promise_of(
    profile: Profile, file: str, level: float = _LEVEL, max_age_s: float = _MAX_AGE_DAYS * _DAY_S
) -> Promise:
    """What a profile's certificate promises, as a monitor watches it.

    Args:
        file: the profile's, for errors.
        level: probability of ever taking back a promise that holds.
        max_age_s: after so long a certificate is stale.

    Raises:
        BadInput: the profile has no certificate, or it has no date.
    """
    from ..policies.monitor_evidence import Promise

    certificate = profile.certificate
    if certificate is None:
        raise BadInput(
            "there is none, so no promise that could be watched: certify a profile "
            "(`surefoot fit OUTCOMES --risk selective --alpha A --out PROFILE`)",
            file=file,
            field="certificate",
        )
    if certificate.date is None:
        raise BadInput(
            "is missing: nobody can tell how old it is; certify anew with a date",
            file=file,
            field="certificate.date",
        )
    try:
        certified_at = _seconds(certificate.date)
    except ValueError as error:
        raise BadInput(f"no ISO 8601: {error}", file=file, field="certificate.date") from error
    target = certificate.target
    return Promise(
        target.alpha,
        target.kind,
        certificate.id,
        certified_at,
        level,
        max_age_s,
        target.abstention_loss,
        tested_on=str(profile.fitted_on.get("sha256") or ""),
    )


def _promise(asked: Asked, profile: Profile) -> Promise:
    if not 0.0 < asked.level < 1.0:
        raise UsageError(f"--level: expected a probability between 0 and 1, got {asked.level}")
    if not asked.max_age_days > 0.0:
        raise UsageError(f"--max-age-days: expected days above 0, got {asked.max_age_days}")
    return promise_of(profile, str(asked.profile), asked.level, asked.max_age_days * _DAY_S)


def _now(asked: Asked) -> float:
    if asked.now is None:
        return datetime.now(UTC).timestamp()
    try:
        return _seconds(asked.now)
    except ValueError as error:
        raise UsageError(f"--now: expected a time in ISO 8601, got {asked.now!r}") from error


def _seconds(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _settings(asked: Asked, policy_id: str | None) -> MonitorSettings:
    from ..policies.monitor import MonitorSettings

    least = asked.least_propensity
    if least is not None and not 0.0 < least <= 1.0:
        raise UsageError(f"--least-propensity: expected a number in (0, 1], got {least}")
    if not 1.0 < asked.between < math.inf:
        raise UsageError(f"--between: expected more than 1 label, got {asked.between}")
    method: Any = asked.method.replace("-", "_")
    return MonitorSettings(
        method, asked.between, least_propensity=least, policy_id=policy_id, seed=asked.seed
    )


def _policy_id(asked: Asked, profile: Profile, table: OutcomeTable) -> str | None:
    """Whose rows to read: what another policy served says nothing of this one's promise."""
    if asked.policy_id is not None:
        return asked.policy_id
    known = {str(row.extra["policy_id"]) for row in table.rows() if row.extra.get("policy_id")}
    if not known:
        return None
    assert profile.certificate is not None
    own = (profile.fingerprint, profile.fingerprint[:12], profile.certificate.id)
    found = next((one for one in own if one in known), None)
    if found is None:
        raise UsageError(
            f"the log's rows were served by {', '.join(sorted(known))}, and none of these is the "
            f"profile's fingerprint {own[1]} or its certificate {own[2]}: name what the profile "
            "served with --policy-id"
        )
    return found


def _check_level(before: MonitorState | None, promise: Promise) -> None:
    """A level that changed halfway would be the promise of no alarm."""
    known = None if before is None or before.evidence is None else before.evidence.promise
    if known and known.certificate == promise.certificate and known.level != promise.level:
        raise UsageError(
            f"--level {promise.level:g}: this certificate has been watched at level "
            f"{known.level:g} from the start; go on with it, or begin under another --key"
        )


def _tell(
    asked: Asked, profile: Profile, path: Path, report: MonitorReport, *, as_json: bool
) -> int:
    from ..router.wire import encode
    from .console import print_json
    from .streams import say

    if as_json:
        document = {"schema": 1, **cast(dict[str, Any], encode(report))}
        print_json({**document, "profile": profile.fingerprint, "state": str(path)})
    else:
        _show(report, path)
    if not report.drift:
        say("warning: scores are not watched: the profile carries none to compare with; fit anew")
    if report.status not in _SERVING:
        return _REVOKED
    if report.status != "valid":
        say(f"warning: {report.status}: {report.reaction.words}")
    elif not report.counts.labelled:
        say("warning: no audited label was read: nothing speaks for or against the promise yet")
    return 0


_STYLES = {"valid": "bold green", "unverified": "bold yellow", "stale": "bold yellow"}


def _show(report: MonitorReport, path: Path) -> None:
    from rich.text import Text

    from .console import out
    from .screen import advice_lines
    from .streams import plain

    console = out()
    first, *rest = report.words
    console.print(Text(plain(first), style=_STYLES.get(report.status, "bold red")))
    console.print(advice_lines(tuple(rest)))
    console.print("what happened:")
    for step in report.transitions:
        at = datetime.fromtimestamp(step.at, UTC).isoformat(timespec="minutes")
        console.print(Text(plain(f"  {at}  {step.after}: {step.reason}")))
    console.print(Text(plain(f"state: {path}, key {report.key}"), style="dim"))
