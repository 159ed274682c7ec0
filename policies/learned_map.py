"""Learning the map of questions: usual measures, main directions, questions to remember."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .packed_table import packed
from .prior import NEARNESS, MeasureScale, QuestionMap, question_inputs
from .question_features import BUCKETS, MEASURES, Features

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["inputs_of", "learned_map", "nearness_of"]

_AXES = 12
_REMEMBERED = 128
_SPARED = 4  # a question is remembered for every 4: more only memorize
_ENOUGH = 2000  # questions for the directions; more cost time and move them little
_STEPS = 10
_DIGITS = 6


def learned_map(questions: Sequence[Features], distinct: Sequence[int], seed: int) -> QuestionMap:
    """The map of these questions; their outcomes have no part in it.

    Measures are centered on their means. The axes are the leading principal directions of the
    hashed words and measures (latent semantic analysis), so that questions about the same matter
    lie near each other although they share few words. Some questions are remembered where they
    lie, drawn without regard to anything.

    Args:
        questions: in an order of their own, not the caller's, so that it has no influence.
        distinct: places of questions of which no two are the same; at least two.

    Source: Deerwester et al. 1990, "Indexing by Latent Semantic Analysis".
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    drawn = rng.permutation(np.asarray(distinct))
    scales = _scales(questions)
    sample = inputs_of(scales, [questions[i] for i in sorted(drawn[:_ENOUGH])])
    mean = sample.mean(axis=0)
    axes = packed(_directions(sample - mean, min(_AXES, len(sample) - 1), rng))
    origin = tuple(round(float(x), _DIGITS) for x in mean @ axes.values())
    kept = drawn[: min(_REMEMBERED, len(drawn) // _SPARED)]
    inputs = inputs_of(scales, [questions[i] for i in kept])
    remembered = packed(_unit(inputs @ axes.values() - np.asarray(origin)))
    return QuestionMap(scales, axes, origin, remembered)


def inputs_of(
    scales: Sequence[MeasureScale], questions: Sequence[Features], room: int = 0
) -> Floats:
    """`question_inputs` of each as a row, and `room` more columns of zeros.

    Shape (questions, BUCKETS + measures + room).
    """
    import numpy as np

    rows: list[int] = []
    columns: list[int] = []
    values: list[float] = []
    for row, question in enumerate(questions):
        found = question_inputs(question, scales)
        rows += [row] * len(found)
        columns += found.keys()
        values += found.values()
    inputs = np.zeros((len(questions), BUCKETS + len(MEASURES) + room))
    inputs[rows, columns] = values
    return inputs


def nearness_of(map_: QuestionMap, inputs: Floats) -> Floats:
    """How near each is to the remembered questions, in [0, 1], shape (questions, remembered)."""
    import numpy as np

    places = inputs @ map_.axes.values() - np.asarray(map_.origin)
    somewhere = np.linalg.norm(places, axis=1, keepdims=True) > 0.0
    directions, remembered = _unit(places), map_.remembered.values()
    squares = (directions**2).sum(axis=1)[:, None] + (remembered**2).sum(axis=1)
    distances = np.maximum(squares - 2.0 * directions @ remembered.T, 0.0)
    near: Floats = np.exp(-0.5 * NEARNESS * distances) * somewhere
    return near


def _scales(questions: Sequence[Features]) -> tuple[MeasureScale, ...]:
    import numpy as np

    measures = np.asarray([question.measures for question in questions])
    centers, deviations = measures.mean(axis=0), measures.std(axis=0)
    return tuple(
        # A measure that never varied says nothing of a question in which it does.
        MeasureScale(round(float(c), _DIGITS), round(float(d), _DIGITS) if d > 1e-4 else 1e6)
        for c, d in zip(centers, deviations, strict=True)
    )


def _directions(centered: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Leading principal directions as columns, by subspace iteration."""
    import numpy as np

    covariance = centered.T @ centered
    axes: Floats = rng.standard_normal((len(covariance), count))
    for _ in range(_STEPS):
        axes = np.linalg.qr(covariance @ axes)[0]
    return axes


def _unit(places: Floats) -> Floats:
    import numpy as np

    lengths = np.linalg.norm(places, axis=1, keepdims=True)
    unit: Floats = places / np.where(lengths > 0.0, lengths, 1.0)
    return unit
