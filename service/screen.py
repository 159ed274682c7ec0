"""What people see: the trail of a run, growing step by step, and tables of numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ..policies.curve_bootstrap import CurveNumber
from ..policies.policy_curve import PolicyCurve
from ..policies.replay import ReplayReport
from ..policies.report_of_replay import Against
from ..router.decisions import Action, Comparison, Result, TrailStep
from ..router.signals import Estimate, Reading, Signal, Unavailable
from .streams import plain

__all__ = ["advice_lines", "cost_words", "live_text", "replay_table", "result_panel", "show_step"]

_BAR = 24
_STYLES = {
    "answer": "bold green",
    "retrieve": "bold cyan",
    "escalate": "bold magenta",
    "abstain": "bold yellow",
    "buy": "bold blue",
}
_QUIET = ("recall", "record")
_SYMBOLS = {">=": "≥", "<=": "≤"}


def cost_words(cost: float | None) -> str:
    """A cost in the deployment's currency; `free`, `unknown`, or three significant digits."""
    if cost is None:
        return "price unknown"
    if cost == 0:
        return "free"
    if cost >= 1000:
        return f"{cost:,.0f}"
    # Millionths, so that the small prices of a trail can be compared at a glance.
    return f"{cost * 1e6:.3g}e-6" if 1e-9 <= cost < 1e-4 else f"{cost:.3g}"


def show_step(console: Console, step: TrailStep, names: tuple[str, ...]) -> None:
    """Print one step of a trail."""
    failed = step.outcome.startswith("failed")
    if step.request in _QUIET and step.action is None and not failed:
        return
    console.print(_step(step, names, failed))


@contextmanager
def live_text(console: Console) -> Iterator[Callable[[str], None]]:
    """Shows the pieces of an answer as they come; they are gone at the end, where the answer is
    shown whole."""
    told: list[str] = []
    with Live(console=console, transient=True, auto_refresh=False) as screen:

        def show(piece: str) -> None:
            told.append(plain(piece))
            screen.update(Text("".join(told), style="italic", overflow="fold"), refresh=True)

        yield show


def _step(step: TrailStep, names: tuple[str, ...], failed: bool) -> RenderableType:
    who = "" if step.tier is None else f"{names[step.tier]} "
    head = Table.grid(expand=True, padding=(0, 1))
    head.add_column(ratio=1)
    head.add_column(justify="right", style="dim", no_wrap=True)
    left = Text(f"{step.step:>2} ", style="dim")
    left.append(plain(who), style="bold").append(plain(step.request))
    head.add_row(left, f"{step.elapsed_s:.2f} s   {cost_words(step.cost)}")
    body: list[RenderableType] = [
        Text(plain(step.outcome), style="red" if failed else "italic", overflow="fold")
    ]
    if step.signals:
        body.append(_signals(step.signals))
    if isinstance(step.estimate, Estimate):
        body.append(_bar(step.estimate, step.compared, is_sure=step.action == "answer"))
    elif isinstance(step.estimate, Unavailable):
        body.append(Text(plain(f"no estimate: {step.estimate.reason}"), style="yellow"))
    if step.action is not None:
        line = Text("→ ").append(step.action, style=_STYLES.get(step.action, "bold"))
        body.append(line.append(plain(f"  {step.reason}")))
    return Group(head, Padding(Group(*body), (0, 0, 1, 4), expand=False))


def _signals(signals: Mapping[str, Reading]) -> Text:
    line = Text(style="dim")
    missing = []
    for name, reading in signals.items():
        if isinstance(reading, Signal):
            line.append(f"{name} ").append(f"{reading.value:.2f}", style="bold").append("   ")
        else:
            missing.append(name)
    if missing:
        line.append(f"(not available: {', '.join(missing)})")
    return line


def _bar(estimate: Estimate, compared: tuple[Comparison, ...], *, is_sure: bool) -> Text:
    """The estimate as a bar, with a mark at the first number that it was compared with."""
    filled = round(estimate.p * _BAR)
    cells = ["━"] * filled + ["╌"] * (_BAR - filled)
    own = [one for one in compared if one.value == estimate.p]
    for one in own[:1]:
        cells[min(_BAR - 1, int(one.bound * _BAR))] = "┃"
    line = Text("".join(cells), style="green" if is_sure else "yellow")
    line.append(f" {estimate.p:.2f}", style="bold")
    line.append(" and".join(f" {_relation(one)}" for one in own))
    kind = "calibrated" if estimate.calibrated else "not calibrated"
    line.append(f"  {estimate.signal}, {kind}", style="dim")
    if estimate.fallback is not None:
        line.append(f" (unavailable: {estimate.fallback})", style="dim")
    for one in compared:
        if one not in own:  # of another attempt, say
            line.append(f"  {one.name} {one.value:.2f} {_relation(one)}")
    return line


def _relation(compared: Comparison) -> str:
    return f"{_SYMBOLS.get(compared.relation, compared.relation)} {compared.bound:.2f}"


def result_panel(result: Result, names: tuple[str, ...]) -> RenderableType:
    """How the run ended, in a box."""
    if result.action is Action.ANSWER:
        body = Text(plain(result.answer or ""), style="bold")
        title, style = "answer", "green"
    else:
        body = Text("I do not know.", style="bold")
        if result.best is not None:
            body.append(plain(f"\nThe best guess was: {result.best.text}"), style="dim not bold")
        title, style = "abstained", "yellow"
    lines: list[RenderableType] = [
        Panel(body, title=title, title_align="left", border_style=style),
        _summary(result, names),
    ]
    # What failed at the first request often fails at the last: once is enough to read.
    degraded = dict.fromkeys(result.degraded)
    lines += [Text(plain(f"degraded: {what}"), style="red") for what in degraded]
    if result.certificate is None:
        lines.append(Text("uncertified: no error rate is promised", style="dim"))
    return Group(*lines)


def _summary(result: Result, names: tuple[str, ...]) -> Text:
    line = Text()
    if result.tier is not None:
        line.append(names[result.tier], style="bold").append(f" ({result.model})  ")
    if result.confidence is not None:
        line.append(f"{result.confidence:.2f} sure  ")
    line.append(
        f"{_count(result.calls, 'call')}, {_count(result.rounds, 'search', 'searches')}, "
        f"{_count(result.tokens, 'token')}, {result.latency_s:.2f} s, {cost_words(result.cost)}"
    )
    line.append(plain(f"\n{result.reason}"), style="dim")
    return line


def _count(n: int, noun: str, many: str | None = None) -> str:
    return f"{n:,} {noun if n == 1 else many or noun + 's'}"


def advice_lines(advice: tuple[str, ...]) -> RenderableType:
    """Advice, a line each."""
    return Group(*[_bulleted(plain(line)) for line in advice])


def _bulleted(line: str) -> RenderableType:
    """A line that is indented under its bullet where it is broken."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row("•", Text(line))
    return grid


def replay_table(
    report: ReplayReport,
    names: tuple[str, ...],
    curve: PolicyCurve | None = None,
    against: Against | None = None,
) -> RenderableType:
    """The gate beside the baselines, what it did, and how its kind of policy fares throughout."""
    table = Table(title=f"{report.n} questions", title_justify="left")
    for column, justify in (("", "left"), ("quality", "right"), ("cost per question", "right")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type] # a Literal to rich
    table.add_row(
        "gate", _number(report, "quality"), _number(report, "cost", money=True), style="bold"
    )
    for name, baseline in report.baselines.items():
        table.add_row(name, f"{baseline.quality:.3f}", cost_words(baseline.cost))
    facts = Table.grid(padding=(0, 2))
    for label, name in (
        ("let through by a gate", "gated_share"),
        ("wrong among these (selective risk)", "selective_risk"),
        ("let through and wrong (joint risk)", "joint_risk"),
        ("served and wrong (system risk)", "system_risk"),
        ("abstained", "abstained_share"),
        ("asked a larger tier", "deferred_share"),
        ("accuracy of the surer half, less that of all", "selective_gain"),
    ):
        facts.add_row(label, _number(report, name))
    for rung, share in report.served_from.items():
        seen = "with passages" if rung.retrieved else "closed book"
        facts.add_row(f"served by {names[rung.tier]} {seen}", f"{share:.3f}")
    for label, name in _CURVE_LABELS if curve is not None else ():
        facts.add_row(label, _curve_number(curve, name))
    parts: list[RenderableType] = [table, facts]
    if against is not None:
        parts.append(_differences(against))
    return Group(*parts)


_CURVE_LABELS = (
    ("quality over cost at all settings (nAUC, random mix .5)", "nauc"),
    ("order of deferral (APGR, random .5)", "apgr"),
    ("mean quality on the hull (AIQ)", "aiq"),
    ("quality per cost above always-large (IBC lift)", "ibc_lift"),
)


def _curve_number(curve: PolicyCurve | None, name: str) -> str:
    number = None if curve is None else curve.numbers[name]
    if not isinstance(number, CurveNumber):
        return "undefined" if number is None else plain(f"undefined: {number.reason}")
    if number.interval is None:
        return f"{number.value:.3f}"
    low, high = number.interval
    return f"{number.value:.3f} [{low:.3f}, {high:.3f}]"


def _differences(against: Against) -> RenderableType:
    """Both replays' numbers on the same draws of questions."""
    table = Table(title=plain(f"against {against.name}"), title_justify="left")
    table.add_column("")
    for column in ("this", "other", "difference"):
        table.add_column(column, justify="right")
    for name, one in against.differences.items():
        low, high = one.interval
        table.add_row(
            name,
            f"{one.first:.4g}",
            f"{one.second:.4g}",
            f"{one.value:+.3g} [{low:+.3g}, {high:+.3g}]",
        )
    return table


def _number(report: ReplayReport, name: str, *, money: bool = False) -> str:
    value = getattr(report, name)
    if value is None:
        return "undefined"
    words = cost_words(value) if money else f"{value:.3f}"
    interval = report.intervals.get(name)
    if interval is None:
        return words
    low, high = (cost_words(x) if money else f"{x:.3f}" for x in interval)
    return f"{words} [{low}, {high}]"
