"""Local equivariance: the Lie derivative of an encoder, L f(x) = d/dt ρ(exp(−tX)) f(exp(tX)x) at t = 0.

With m = d/dt f(exp(tX)x) how the code moves and Y the generator of ρ on codes, L f = m − Y f: two vectors a step apart
that are equal if and only if the code follows the flow. A linear encoder A of items with generator X and second moment
Σ has E|L f|² = tr[(AX − YA) Σ (AX − YA)ᵀ].
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from geodis.errors import ParameterError, ShapeError
from geodis.groups.options import count
from geodis.linalg import Array, check_finite, to_numpy
from geodis.metrics.generators import square_matrix
from geodis.metrics.result import MetricResult, Status
from geodis.metrics.tangents import Tangents
from geodis.statistics import Interval, check_level, clustered_t, permutation_p, ratio_clustered_t

RIDGES = (1e-8, 1e-4, 1e-2, 1.0)  # fractions of the codes' mean square
FOLDS = 5
MAX_ITEMS = 1024  # of the ceiling, whose cost grows with their cube
DOUBTFUL = 0.1  # an uncertainty of more than this share of the tangents is said

Generator = Any  # array (D, D) | Callable codes → Y codes | None for Y = 0


def lie_derivative_error(
    tangents: Tangents, generator: Generator, *, level: float = 0.95, n_draws: int = 99, seed: int = 0
) -> MetricResult:
    """E|m − Yf|² / E(|m|² + |Yf|²): 0 if and only if the code follows the flow, 1 for tangents that are unrelated.

    See :doc:`/catalogue` for the flow that fools the published code.

    Parameters
    ----------
    tangents : Tangents
        Of `tangents_by_jvp`, `tangents_by_central_differences` or `tangents_by_spectral_generator`.
    generator : array (D, D), callable or None
        Y as a matrix on codes `(n, D)`, as a function of codes `(n, ...)`, or None for the claim of invariance, which
        scores 1 unless it is exactly true, and then 0/0.
    level : float
        Level of the t interval over items.
    n_draws : int
        Permutations behind the p-value: does Yf belong to *its* item's tangent?
    seed : int
        Seed of the permutations and folds.

    Returns
    -------
    MetricResult
        `baselines` has ``chance`` (Yf of other items), ``identity`` (Y = 0) and, for codes `(n, D)`, ``best_linear``,
        the best affine generator of *other* items; `floor` what the flow's own inexactness makes. Status
        ``degenerate`` where nothing moves (an invariant code), or less than its numerical error.

    Raises
    ------
    ParameterError, ShapeError, FiniteError
        For something else than tangents, a generator that does not act on the codes, NaN, options out of range.

    References
    ----------
    Gruver, Finzi, Goldblum, Wilson, "The Lie derivative for measuring learned equivariance", ICLR 2023,
    arXiv:2210.02984.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(50, 2))
    >>> turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    >>> tangents = Tangents(x, x @ turn.T, np.zeros(50), np.zeros(0))
    >>> lie_derivative_error(tangents, turn).value, lie_derivative_error(tangents, -turn).value
    (0.0, 2.0)
    """
    check_level(level)
    count(n_draws, "n_draws", 1)
    parts = _parts(tangents, generator)
    moved, acted = _squares(parts.moved), _squares(parts.acted)
    size = float((moved + acted).mean())
    why = parts.nothing(size)
    if why:
        return _empty("lie_derivative_error", parts, level, why)
    error = _squares(parts.moved - parts.acted)
    baselines = {"chance": _mismatch(parts.moved, parts.acted) / size, "identity": float(moved.mean()) / size}
    if parts.flat and len(moved) >= 2 * FOLDS:
        baselines["best_linear"] = _ceiling(parts.codes, parts.moved, seed) / size
    return _result(
        "lie_derivative_error", parts, float(error.mean()) / size, ratio_clustered_t(error, moved + acted, level=level),
        error / size, size, baselines, _belongs(parts, n_draws, seed),
    )  # fmt: skip


def local_equivariance_error(tangents: Tangents, generator: Generator, *, level: float = 0.95) -> MetricResult:
    """E|m − Yf|², not normalized: in squared units of the code per squared unit of the flow's time.

    Values of encoders with codes of another size, or of flows in other units, do not compare; `lie_derivative_error`
    does. The right one for the claim of invariance (Y = 0), where it is 0 for an invariant code that varies over items.
    See :doc:`/catalogue` for a code that has every symmetry.

    Parameters
    ----------
    tangents, generator, level
        As in `lie_derivative_error`.

    Returns
    -------
    MetricResult
        `baselines` has ``chance`` and ``identity`` in the same unit. Status ``degenerate`` for codes that are the same
        for all items.

    Raises
    ------
    ParameterError, ShapeError, FiniteError
        As `lie_derivative_error`.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(50, 2))
    >>> still = Tangents(x, np.zeros((50, 2)), np.zeros(50), np.zeros(0))
    >>> local_equivariance_error(still, None).value
    0.0
    """
    check_level(level)
    parts = _parts(tangents, generator)
    varying = float(_squares(parts.codes - parts.codes.mean(axis=0)).mean())
    if varying <= parts.rounding:
        return _empty("local_equivariance_error", parts, level, "the code is the same for all items")
    error = _squares(parts.moved - parts.acted)
    baselines = {"chance": _mismatch(parts.moved, parts.acted), "identity": float(_squares(parts.moved).mean())}
    return _result(
        "local_equivariance_error", parts, float(error.mean()), clustered_t(error, level), error, 1.0, baselines, None
    )


class _Parts(NamedTuple):
    """Codes, how they move and how ρ would move them, all (n, D); flat if the codes came so."""

    codes: Array
    moved: Array
    acted: Array
    uncertainty: Array
    floor: float
    flat: bool

    @property
    def rounding(self) -> float:
        """Mean squares below are rounding of the codes."""
        return 1e-20 * float(_squares(self.codes).mean())

    def nothing(self, size: float) -> str:
        """Why there is nothing to compare, or an empty text."""
        if not size > self.rounding:
            return "the code does not move: 0/0 (`local_equivariance_error` judges invariance)"
        if float(np.square(self.uncertainty).mean()) >= size:
            return "the tangents are smaller than their numerical error"
        return ""

    def doubts(self) -> tuple[str, ...]:
        """What the reader must know of the tangents."""
        moved, error = float(_squares(self.moved).mean()), float(np.square(self.uncertainty).mean())
        if error > DOUBTFUL**2 * max(moved, self.rounding):
            share = math.sqrt(error / moved) if moved > 0 else math.inf
            return (f"the tangents are uncertain by {share:.0%} of their size: a kink at t = 0, or too few digits",)
        return ()


def _parts(tangents: Tangents, generator: Generator) -> _Parts:
    if not isinstance(tangents, Tangents):
        raise ParameterError("tangents", "Tangents (tangents_by_jvp(encoder, flow, items))", type(tangents).__name__)
    codes, moved = np.asarray(tangents.codes, dtype=np.float64), np.asarray(tangents.moved, dtype=np.float64)
    if codes.shape != moved.shape or codes.ndim < 2 or codes.size == 0:
        raise ShapeError("tangents", "codes and moved of one shape (n, ...)", (codes.shape, moved.shape))
    acted = _acted(generator, codes)
    for what, values in (("codes", codes), ("tangents", moved), ("generator of the codes", acted)):
        check_finite(values, what)
    n = len(codes)
    uncertainty = np.asarray(tangents.uncertainty, dtype=np.float64)
    if uncertainty.shape != (n,):
        raise ShapeError("tangents.uncertainty", f"({n},)", uncertainty.shape)
    return _Parts(
        codes.reshape(n, -1), moved.reshape(n, -1), acted.reshape(n, -1), uncertainty, tangents.floor, codes.ndim == 2
    )


def _acted(generator: Generator, codes: Array) -> Array:
    if generator is None:
        return np.zeros_like(codes)
    if callable(generator):
        acted = to_numpy(generator(codes)).astype(np.float64)
        if acted.shape != codes.shape:
            raise ShapeError("generator(codes)", str(codes.shape), acted.shape)
        return acted
    if codes.ndim != 2:
        raise ParameterError("generator", f"a function of codes {codes.shape}", "a matrix", "It acts on codes (n, D).")
    Y = square_matrix(generator, "generator")
    if len(Y) != codes.shape[1]:
        raise ShapeError("generator", str((codes.shape[1], codes.shape[1])), Y.shape)
    return np.asarray(codes @ Y.T)


def _result(
    name: str, parts: _Parts, value: float, interval: Interval, per_item: Array, size: float,
    baselines: dict[str, float], p_value: float | None,
) -> MetricResult:  # fmt: skip
    n, notes = len(per_item), parts.doubts()
    status: Status = "ok" if n > 1 else "insufficient"
    if n < 2:
        notes = (*notes, "one item says nothing of others")
    floor = None if math.isnan(parts.floor) else parts.floor / size
    return MetricResult(
        name, value, (max(interval.low, 0.0) if n > 1 else math.nan, interval.high), "t over items", interval.level,
        n, 1, {key: x for key, x in baselines.items() if math.isfinite(x)}, floor=floor,
        skill=_skill(value, baselines), status=status, notes=notes, per_item=per_item, p_value=p_value,
    )  # fmt: skip


def _empty(name: str, parts: _Parts, level: float, why: str) -> MetricResult:
    n = len(parts.codes)
    return MetricResult(
        name, math.nan, (math.nan, math.nan), "none", level, n, 1, status="degenerate" if n > 1 else "insufficient",
        notes=(why,),
    )  # fmt: skip


def _skill(value: float, baselines: dict[str, float]) -> float | None:
    room = baselines["identity"] - baselines.get("best_linear", math.nan)
    return (baselines["identity"] - value) / room if room > 0 else None


def _squares(x: Array) -> Array:
    return np.einsum("nd,nd->n", x, x)


def _mismatch(moved: Array, acted: Array) -> float:
    """E|m_i − a_k|² over items i ≠ k; NaN for one item."""
    n = len(moved)
    if n < 2:
        return math.nan
    cross = n * n * float(moved.mean(axis=0) @ acted.mean(axis=0)) - float(np.einsum("nd,nd->", moved, acted))
    return float((_squares(moved) + _squares(acted)).mean()) - 2 * cross / (n * (n - 1))


def _belongs(parts: _Parts, n_draws: int, seed: int) -> float | None:
    """Permutation p-value of Σ m_i·a_i over items; None where ρ moves nothing."""
    if len(parts.moved) < 2 or not parts.acted.any():
        return None
    rng = np.random.default_rng([seed, 13])
    scale = math.sqrt(float(_squares(parts.moved).sum()) * float(_squares(parts.acted).sum())) or 1.0

    def match(order: Array) -> float:
        return float(np.einsum("nd,nd->", parts.moved, parts.acted[order])) / scale

    n = len(parts.moved)
    return permutation_p(match(np.arange(n)), np.array([match(rng.permutation(n)) for _ in range(n_draws)]))


def _ceiling(codes: Array, moved: Array, seed: int) -> float:
    """Mean square that the best affine function of the code leaves of the tangent, on items that it has not seen."""
    rng = np.random.default_rng([seed, 17])
    chosen = rng.permutation(len(codes))[:MAX_ITEMS]
    x, y = codes[chosen], moved[chosen]
    # Rows of a Gram matrix, not features: codes of layers have more features than items.
    scale = max(float(_squares(x - x.mean(axis=0)).mean()), 1e-300)
    gram = (x - x.mean(axis=0)) @ (x - x.mean(axis=0)).T / scale
    left = np.zeros(len(RIDGES))
    for fold in range(FOLDS):
        test = np.arange(len(x)) % FOLDS == fold
        train = ~test
        values, vectors = np.linalg.eigh(gram[np.ix_(train, train)] + 1.0)  # + 1: the offset
        projected = vectors.T @ y[train]
        across = (gram[np.ix_(test, train)] + 1.0) @ vectors
        for i, ridge in enumerate(RIDGES):
            predicted = across @ (projected / (np.maximum(values, 0.0) + ridge)[:, None])
            left[i] += float(_squares(y[test] - predicted).sum())
    return float(left.min()) / max(float(_squares(y).sum()), 1e-300) * float(_squares(moved).mean())
