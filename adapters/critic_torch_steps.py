"""The training loop of the torch critic: steps, looks at held-out states, checkpoints.

A step draws its random numbers from seed and number, and a checkpoint holds all else, so that a
training that was interrupted ends with the same weights as one that was not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..router.critic.within_round import auroc_within
from ..router.errors import UsageError
from ..router.metrics import auroc
from ..router.signals import Unavailable
from .critic_torch_checkpoint import Checkpoint
from .critic_torch_data import CriticRows, Progress
from .critic_torch_model import in_batches
from .critic_torch_net import TARGETS, CriticNet
from .critic_torch_settings import TrainingSettings
from .critic_torch_stepper import Stepper

__all__ = ["OUT_OF_TIME", "Course", "Look", "dev_log_odds", "run_steps"]

OUT_OF_TIME = "out of its"
"""How the reason begins where a training ended for lack of time."""

_FLAT = 0.001  # spread of log odds below which a critic says the same of every state
_FLAT_LOOKS = 3  # in a row, behind the warm-up: a fresh head is flat too


@dataclass(frozen=True, slots=True)
class Look:
    """The held-out states, seen after a step.

    Attributes:
        measure: mean over targets of AUROC within round (of plain AUROC, where no round has more
            than 5 held-out states of each class); what the best weights are chosen by.
        loss: mean of the steps since the last look.
        spread: standard deviation of the log odds of the target with the least.
    """

    step: int
    measure: float
    loss: float
    spread: float


@dataclass(slots=True)
class Course:
    """A training under way.

    Attributes:
        step: done so far, of `steps`.
        best: weights at the best look.
        ended: why it ended, in words; "" while under way.
    """

    steps: int
    step: int = 0
    looks: list[Look] = field(default_factory=list)
    best: dict[str, Any] = field(default_factory=dict)
    ended: str = ""

    @property
    def best_look(self) -> Look:
        """The one with the highest measure, the first of equals."""
        return max(self.looks, key=lambda look: look.measure)


def run_steps(
    net: CriticNet,
    rows: CriticRows,
    dev: CriticRows,
    settings: TrainingSettings,
    *,
    pooled: tuple[Any, Any] | None,
    work: str,
    folder: Path | None,
    minutes: Callable[[], float],
    progress: Progress | None = None,
) -> Course:
    """Train; the net ends with the weights of the best look.

    Args:
        dev: held-out rows, judged at every look.
        pooled: what a frozen encoder says of `rows` and of `dev`; None where it is trained too.
        work: a digest of everything that decides on the result.
        folder: for the checkpoint; None keeps none.
        minutes: passed so far.

    Raises:
        UsageError: the critic collapsed, or its loss is no number; says what to change.
        ConfigurationError, StoreError: as `Checkpoint`.
    """
    stepper = Stepper(net, rows, pooled[0] if pooled else None, settings)
    course = _begun(stepper, work, folder)
    losses: list[float] = []
    while not course.ended:
        losses.append(stepper.go(course.step))
        course.step += 1
        if not math.isfinite(losses[-1]):
            raise UsageError(_advice("the loss is no number anymore", settings))
        if progress is not None:
            progress(course.step, course.steps)
        if stepper.look_is_due(course.step):
            _look(stepper, dev, pooled[1] if pooled else None, course, losses)
            losses = []
            course.ended = _end(course, settings, minutes())
            if folder is not None:
                _noted(stepper, course, work).write(folder)
    _put(stepper.weights, course.best)
    return course


def _look(
    stepper: Stepper, dev: CriticRows, pooled: Any, course: Course, losses: Sequence[float]
) -> None:
    odds = dev_log_odds(stepper.net, dev, pooled)
    measure, spread = _measured(dev, odds)
    look = Look(course.step, measure, math.fsum(losses) / max(1, len(losses)), spread)
    if not course.looks or look.measure > course.best_look.measure:
        course.best = {name: one.detach().clone() for name, one in stepper.weights.items()}
    course.looks.append(look)
    warm = course.steps * stepper.settings.warm_up
    last = [one for one in course.looks if one.step > warm][-_FLAT_LOOKS:]
    if len(last) == _FLAT_LOOKS and all(one.spread < _FLAT for one in last):
        what = f"the critic collapsed: its log odds differ by {spread:.0e} from state to state"
        raise UsageError(_advice(what, stepper.settings))


def dev_log_odds(net: CriticNet, rows: CriticRows, pooled: Any) -> list[list[float]]:
    """(states, 2) log odds of rows, in order."""
    import torch

    found = torch.empty(len(rows.forms), len(TARGETS))
    net.encoder.eval()
    with torch.inference_mode():
        for places in in_batches([form.tokens for form in rows.forms], net.device):
            features = torch.tensor([list(rows.features[i]) for i in places], device=net.device)
            own = (
                net.pooled(net.reader.batch([rows.forms[i] for i in places]))
                if pooled is None
                else pooled[places].to(net.device)
            )
            found[torch.tensor(places)] = net.log_odds(own, features).float().cpu()
    listed: list[list[float]] = found.tolist()
    return listed


def _measured(dev: CriticRows, odds: Sequence[Sequence[float]]) -> tuple[float, float]:
    """The mean AUROC within round over targets, and the least spread of log odds."""
    areas, spreads = [], []
    for place in range(len(TARGETS)):
        known = dev.known(place)
        own = [odds[row][place] for row in known]
        if not own:
            continue
        if not all(map(math.isfinite, own)):
            return 0.0, 0.0
        y = [dev.labels[row][place] or 0 for row in known]
        if 0 < sum(y) < len(y):
            within = auroc_within(own, y, [dev.strata[row] for row in known])
            # A few dozen questions have no round with enough of both: then all states are compared.
            areas.append(_known(auroc(own, y)) if isinstance(within, Unavailable) else within)
            center = math.fsum(own) / len(own)
            spreads.append(math.sqrt(math.fsum((one - center) ** 2 for one in own) / len(own)))
    if not areas:
        raise UsageError(
            "expected held-out states of both classes to stop by, and all are of one; record more "
            "questions with `surefoot practice`"
        )
    return math.fsum(areas) / len(areas), min(spreads)


def _known(area: float | Unavailable) -> float:
    assert not isinstance(area, Unavailable)
    return area


def _end(course: Course, settings: TrainingSettings, minutes: float) -> str:
    if course.step >= course.steps:
        return "all steps"
    since = [look for look in course.looks if look.step > course.best_look.step]
    if len(since) >= settings.n_patience:
        return f"no better in {settings.n_patience} looks"
    if settings.max_minutes is not None and minutes >= settings.max_minutes:
        return f"{OUT_OF_TIME} {settings.max_minutes:g} minutes"
    return ""


def _begun(stepper: Stepper, work: str, folder: Path | None) -> Course:
    course = Course(stepper.steps)
    found = Checkpoint.read(folder, work) if folder is not None else None
    if found is None:
        return course
    course.step = int(found.plain["step"])
    ended = str(found.plain["ended"])
    course.ended = "" if ended.startswith(OUT_OF_TIME) else ended  # there is new time now
    course.looks = [Look(*look) for look in found.plain["looks"]]
    course.best = _part(found.tensors, "best")
    _put(stepper.weights, _part(found.tensors, "now"))
    state = stepper.optimizer.state
    moments = {kind: _part(found.tensors, kind) for kind in _MOMENTS}
    for name, weight in stepper.weights.items():
        own = {kind: named[name] for kind, named in moments.items() if name in named}
        if own:  # a weight that no loss depends on has none
            device = weight.device
            state[weight] = {
                kind: one if kind == "step" else one.to(device) for kind, one in own.items()
            }
    return course


_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def _noted(stepper: Stepper, course: Course, work: str) -> Checkpoint:
    tensors = {f"now/{name}": one for name, one in stepper.weights.items()}
    tensors |= {f"best/{name}": one for name, one in course.best.items()}
    for name, weight in stepper.weights.items():
        for kind in _MOMENTS:
            if kind in stepper.optimizer.state.get(weight, {}):
                tensors[f"{kind}/{name}"] = stepper.optimizer.state[weight][kind]
    looks = [[look.step, look.measure, look.loss, look.spread] for look in course.looks]
    return Checkpoint(work, {"step": course.step, "ended": course.ended, "looks": looks}, tensors)


def _part(tensors: Mapping[str, Any], part: str) -> dict[str, Any]:
    start = f"{part}/"
    return {name[len(start) :]: one for name, one in tensors.items() if name.startswith(start)}


def _put(weights: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    import torch

    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(values[name])


def _advice(what: str, settings: TrainingSettings) -> str:
    rate = settings.head_rate if settings.freeze else settings.encoder_rate
    return (
        f"{what}; train with a lower learning rate (now {rate:g}), a longer warm-up (now "
        f"{settings.warm_up:g} of all steps), or on more states"
    )
