"""Testing that a policy keeps a share of the last tier's quality, and how far it may be leaned on.

A policy of loss l_i that serves a share w of the requests, the last tier of loss r_i the others,
keeps the share Q of the last tier's quality iff the mean of

    D_i = (1 - r_i) (1 - Q) - w (l_i - r_i)

is at least 0. At w = 0 it always is. The lot that picks the share knows nothing of the question,
so D_i is taken in its mean over the lot: a small share is judged with little noise.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .ladders import Floats

__all__ = ["SHARES", "Moments", "largest_share", "moments_of", "shares_predicted", "shortfall_p"]

SHARES = tuple(i / 100 for i in range(101))
"""Shares that are tried, from the safest up."""

_FLOOR = 1e-12


class Moments(NamedTuple):
    """Of slack s = (1 - r)(1 - Q) and of the excess e = l - r over n questions.

    The moments of e may be arrays, one number per policy.
    """

    n: int
    slack: float
    slack_variance: float
    excess: Floats
    excess_variance: Floats
    covariance: Floats


def moments_of(excess: Floats, reference_loss: Floats, kept: float) -> Moments:
    """Args:
    excess: loss above that of the last tier, (policies, questions) or (questions,).
    reference_loss: of the last tier, (questions,).
    kept: Q.
    """
    slack = (1.0 - reference_loss) * (1.0 - kept)
    mean = excess.mean(axis=-1)
    covariance = (excess * (slack - slack.mean())).mean(axis=-1)
    variance = excess.var(axis=-1)
    return Moments(len(slack), float(slack.mean()), float(slack.var()), mean, variance, covariance)


def shortfall_p(moments: Moments, share: Floats, kept: float) -> Floats:
    """p-value of "less than Q is kept", one per policy and share: shapes are broadcast.

    The normal tail of the mean of D over its standard error, after one more question was added for
    which the worst happened: the last tier right, the policy wrong. Without it, a policy that lost
    few questions is judged by a variance that is too small for the same reason; for a loss of 0
    and 1 without gains it then stays within the exact binomial test. An approximation otherwise:
    from about 60 questions up, and simulated to hold its level.

    Source: the added observation is that of Agresti and Coull 1998, "Approximate is Better than
    'Exact' for Interval Estimation of Binomial Proportions", on the side that matters alone.
    """
    import numpy as np

    n = moments.n
    mean = moments.slack - share * moments.excess
    variance = (
        moments.slack_variance
        - 2.0 * share * moments.covariance
        + share * share * moments.excess_variance
    )
    worst = (1.0 - kept) - share
    mean_ = (n * mean + worst) / (n + 1)
    variance_ = (n * (variance + mean * mean) + worst * worst) / (n + 1) - mean_ * mean_
    z = mean_ / np.sqrt(np.maximum(variance_, _FLOOR) / n)
    tail = np.array([0.5 * math.erfc(one / math.sqrt(2.0)) for one in np.ravel(z).tolist()])
    return tail.reshape(np.shape(z))


def largest_share(excess: Floats, reference_loss: Floats, kept: float, delta: float) -> float:
    """The largest share of requests that a policy may serve, by fixed-sequence testing.

    Shares are tested at level delta from the least up; the first failure ends it.

    Args:
        excess: of the one policy, (questions,).
    """
    import numpy as np

    p = shortfall_p(moments_of(excess, reference_loss, kept), np.array(SHARES[1:]), kept)
    failed = np.flatnonzero(p > delta)
    return SHARES[int(failed[0])] if len(failed) else 1.0


def shares_predicted(moments: Moments, kept: float, delta: float) -> Floats:
    """The share that each policy may be expected to pass the test with, (policies,)."""
    import numpy as np

    z = NormalDist().inv_cdf(1.0 - delta)
    share = np.array(SHARES[1:])[:, None]
    mean = moments.slack - share * moments.excess
    variance = (
        moments.slack_variance
        - 2.0 * share * moments.covariance
        + share * share * moments.excess_variance
    )
    fails = mean < z * np.sqrt(np.maximum(variance, _FLOOR) / moments.n)
    first = np.where(fails.any(axis=0), fails.argmax(axis=0), len(share))
    return np.array(SHARES)[first]
