"""Cause and isolate: an edit should change what it is meant to change, and nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from geodis.errors import LengthError
from geodis.linalg import Array
from geodis.metrics.result import MetricResult, Status
from geodis.orbits import as_items
from geodis.statistics import check_level, clustered_t


@dataclass(frozen=True, eq=False)
class CauseIsolate:
    """How often edits cause, how often they isolate, and the mean of both.

    Attributes
    ----------
    cause : MetricResult
        Share of edits after which the model gives the source's attribute.
    isolate : MetricResult
        Mean over the other attributes of the share of edits after which the model gives the base's.
    disentangle : MetricResult
        ½(cause + isolate).
    """

    cause: MetricResult
    isolate: MetricResult
    disentangle: MetricResult

    def __str__(self) -> str:
        """Three lines."""
        return "\n".join(map(str, (self.cause, self.isolate, self.disentangle)))


def cause_isolate(
    caused: Any,
    wanted: Any,
    isolated: Any,
    kept: Any,
    *,
    unedited: Any,
    attributes: Any = None,
    level: float = 0.95,
) -> CauseIsolate:
    """Cause, isolate and disentangle = ½(cause + isolate) of edits of one attribute, from a model's answers.

    See :doc:`/catalogue` for what fools the published score.

    Parameters
    ----------
    caused, wanted : array (N,)
        Answers on the edited attribute after the edit, and what they should be (the source's attribute).
    isolated, kept : array (M,)
        Answers on other attributes after the edit, and what they should be (the base's attribute).
    unedited : array (N,)
        Answers on the edited attribute without the edit, for the baseline.
    attributes : array (M,), optional
        The attribute of each entry of `isolated`, each of which counts alike; one by default.
    level : float
        Confidence level of the intervals over edits.

    Returns
    -------
    CauseIsolate
        Higher is better. Baselines of `disentangle`: ``identity``, no edit at all, which isolates perfectly and so has
        at least ½; ``chance``, the answers dealt to other edits; `skill` is 0 at the better of them. Status
        ``degenerate`` where every wanted answer is given without the edit. Shares are not rounded: as published, they
        are cut to two decimals before they are averaged.

    Raises
    ------
    LengthError, ShapeError, ParameterError
        For arrays of different lengths, or that are no lists of answers.

    References
    ----------
    Huang, Wu, Potts, Geva and Geiger, "RAVEL: Evaluating interpretability methods on disentangling language model
    representations", ACL 2024, arXiv:2402.17700.

    Examples
    --------
    >>> wanted = np.array(["Asia", "Africa", "Asia"])
    >>> found = cause_isolate(wanted, wanted, ["French", "Thai"], ["French", "Lao"], unedited=np.roll(wanted, 1))
    >>> found.cause.value, found.isolate.value, found.disentangle.value
    (1.0, 0.5, 0.75)
    """
    check_level(level)
    said, want, rest, keep, plain = (as_items(x) for x in (caused, wanted, isolated, kept, unedited))
    kinds = np.zeros(len(rest)) if attributes is None else as_items(attributes)
    if not len(said) == len(want) == len(plain):
        raise LengthError(caused=len(said), wanted=len(want), unedited=len(plain))
    if not len(rest) == len(keep) == len(kinds):
        raise LengthError(isolated=len(rest), kept=len(keep), attributes=len(kinds))
    if not len(said) or not len(rest):
        raise LengthError(caused=len(said), isolated=len(rest))
    nothing = bool(np.all(plain == want))
    # Each attribute counts alike: the mean of its own hits times its weight.
    known, index = np.unique(kinds, return_inverse=True)
    weights = len(rest) / (len(known) * np.bincount(index)[index])
    hits, held = (said == want).astype(np.float64), (rest == keep).astype(np.float64)
    chances = (
        answers_dealt(said, want),
        float(np.mean([answers_dealt(rest[kinds == k], keep[kinds == k]) for k in known])),
    )
    identity = float((plain == want).mean())
    cause = _share("cause", hits, {"identity": identity, "chance": chances[0]}, level, nothing)
    isolate = _share("isolate", held * weights, {"identity": 1.0, "chance": chances[1]}, level, False)
    return CauseIsolate(cause, isolate, _mean_of(cause, isolate, identity, chances, hits, held * weights, level))


def disentangle_score(cause: float, isolate: Array) -> float:
    """½(cause + mean over attributes of isolate), nothing rounded.

    Examples
    --------
    >>> disentangle_score(0.5, np.array([1.0, 0.5]))
    0.625
    """
    return 0.5 * (cause + float(np.mean(isolate)))


def answers_dealt(said: Array, wanted: Array) -> float:
    """How often what was said of one edit is what was wanted of any.

    Examples
    --------
    >>> answers_dealt(np.array([0, 1]), np.array([0, 1]))
    0.5
    """
    kinds = np.unique(np.concatenate([said, wanted]))
    return float(sum((said == kind).mean() * (wanted == kind).mean() for kind in kinds))


def _share(name: str, hits: Array, baselines: dict[str, float], level: float, nothing: bool) -> MetricResult:
    interval = clustered_t(hits, level)
    status: Status = "degenerate" if nothing else "ok" if len(hits) > 1 else "insufficient"
    value = math.nan if nothing else float(hits.mean())
    chance = baselines["chance"]
    return MetricResult(
        name, value, _clipped(interval.low, interval.high) if not nothing else (math.nan, math.nan), interval.method,
        level, len(hits), 1, baselines, skill=None if nothing or chance >= 1.0 else (value - chance) / (1.0 - chance),
        lower_is_better=False, status=status,
        notes=("every wanted answer is given without the edit: nothing is tested",) if nothing else (),
    )  # fmt: skip


def _mean_of(
    cause: MetricResult, isolate: MetricResult, identity: float, chances: tuple[float, float], hits: Array, held: Array,
    level: float,
) -> MetricResult:  # fmt: skip
    value = disentangle_score(cause.value, np.array([isolate.value]))
    baselines = {"identity": 0.5 * (identity + 1.0), "chance": 0.5 * sum(chances)}
    n, m = len(hits), len(held)
    ci = (math.nan, math.nan)
    if n > 1 and m > 1 and math.isfinite(value):
        # The two shares come from different prompts.
        spread = 0.5 * math.sqrt(hits.var(ddof=1) / n + held.var(ddof=1) / m)
        half = float(stats.t.ppf((1 + level) / 2, min(n, m) - 1)) * spread
        ci = _clipped(value - half, value + half)
    best = max(baselines.values())
    return MetricResult(
        "disentangle", value, ci, "t over edits", level, n + m, 1, baselines,
        skill=(value - best) / (1.0 - best) if best < 1.0 and math.isfinite(value) else None, lower_is_better=False,
        status=cause.status if cause.status != "ok" else isolate.status, notes=cause.notes,
    )  # fmt: skip


def _clipped(low: float, high: float) -> tuple[float, float]:
    return (max(0.0, low), min(1.0, high)) if math.isfinite(low) and math.isfinite(high) else (math.nan, math.nan)
