"""Integer relations between the frequencies of planes: which torus do all sequences together run on.

Planes r = 1 … R advance by ω_{s,r} a step in sequence s. Each integer vector k with k·ω_s ≡ 0 (mod 2π) for *all* s is a
relation; the relations form a lattice K ⊂ Z^R, and the closure of the group that all sequences generate is the dual of
Z^R/K: a torus of dimension R − rank K, times a finite group where Z^R/K has torsion. In a basis of Z^R/K the planes
have integer weights, ω_s = W v_s, with v_s the speed of sequence s on the torus.

A relation is accepted when it holds within the frequencies' standard errors *and* would be a surprise: when ω_r and
the speeds are matched with other sequences, residuals as small are rare. Slow or noisy sequences satisfy many relations
at once; then the answer is ``"undecided"``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import Any, NamedTuple, final

import numpy as np
from scipy import stats

from geodis.discovery.frequency_peaks import wrapped
from geodis.discovery.integer_lattices import left_inverse, weights_of
from geodis.errors import ParameterError, ShapeError
from geodis.groups.options import count
from geodis.linalg import Array, check_finite, to_numpy
from geodis.statistics import check_level

FLOOR = 1e-7  # rad; frequencies of exact data are known to rounding and to the last step of an alternation
LOOSE = 3.0  # residuals in units of their standard errors, root mean square, up to which a relation holds
OUTLIER = 16.0  # what one sequence adds to χ² at most: a peak of the periodogram is sometimes the wrong one
RIVAL = 9.0  # twice the difference in log-likelihood, within which a second relation leaves the choice open
N_DRAWS = 40
MAX_RANK = 4  # beyond, a search over all integer vectors is hopeless; further planes are taken as independent


@final
@dataclass(frozen=True, eq=False)
class FrequencyLattice:
    """ω_s ≡ W v_s (mod 2π): integer weights of the planes and speeds of the sequences on the torus of all of them.

    Attributes
    ----------
    weights : ndarray (R, k) of int
        W. The first `rank` columns belong to circles, the others to finite cyclic factors.
    rank : int
        Dimension of the torus.
    orders : tuple of int
        Orders of the cyclic factors, whose speeds are multiples of 2π/order.
    speeds : ndarray (n, k)
        v_s in [−π, π), by weighted least squares over all planes.
    relations : ndarray (l, R) of int
        The accepted relations.
    p_values : tuple of float
        For each of them, the chance of residuals as small among sequences that are matched at random, times the
        number of relations tried.
    status : str
        ``"ok"``, or ``"undecided"`` if for some plane several relations, or relations that chance could make, hold
        within the errors; such a plane is taken as independent. ``"insufficient"`` without planes or sequences.
    open_planes : tuple of int
        The planes that are undecided.
    """

    weights: Array
    rank: int
    orders: tuple[int, ...]
    speeds: Array
    relations: Array
    p_values: tuple[float, ...]
    status: str
    open_planes: tuple[int, ...] = ()

    def __str__(self) -> str:
        factors = " × ".join([f"T^{self.rank}", *(f"C{m}" for m in self.orders)])
        return f"FrequencyLattice({factors}, weights {self.weights.tolist()}, {self.status})"

    __repr__ = __str__


class Relation(NamedTuple):
    """An integer vector over the planes, the likelihood of its residuals, how many were tried, how surprising it is."""

    vector: tuple[int, ...]
    likelihood: float
    tried: int
    surprise: Callable[[], float]

    @property
    def p_value(self) -> float:
        """The p-value, times the number of relations tried."""
        return min(1.0, self.tried * self.surprise())


@dataclass
class _Search:
    """The lattice of the planes seen so far, which grows plane by plane."""

    frequencies: Array
    errors: Array
    max_weight: int
    level: float
    rng: np.random.Generator
    relations: list[Relation] = field(default_factory=list)
    open_planes: list[int] = field(default_factory=list)


def frequency_lattice(
    frequencies: Any, errors: Any = None, *, max_weight: int = 4, level: float = 0.95, seed: int = 0
) -> FrequencyLattice:
    """The lattice of integer relations of frequencies (n, R), known with standard errors, and the torus it leaves.

    Parameters
    ----------
    frequencies : array (n, R)
        Radians a step of each sequence in each plane, signs consistent over sequences.
    errors : array (n, R), optional
        Standard errors; rounding by default.
    max_weight : int
        Relations c·ω_r ≡ m·v are sought with |c|, |m| up to it, v being a basis of the speeds so far.
    level : float
        1 − the accepted chance of any false relation.
    seed : int
        Seed of the random matching.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For arrays that do not fit together, NaN, options outside their ranges.

    References
    ----------
    Lenstra, Lenstra and Lovász, "Factoring polynomials with rational coefficients", Mathematische Annalen 1982.

    Examples
    --------
    >>> v = np.random.default_rng(0).uniform(-3.0, 3.0, size=(20, 2))
    >>> frequency_lattice(wrapped(v @ np.array([[1, 0], [0, 1], [1, 1], [2, 0]]).T))
    FrequencyLattice(T^2, weights [[1, 0], [0, 1], [1, 1], [2, 0]], ok)
    >>> frequency_lattice(wrapped(v[:, :1] @ np.array([[2, 3]])))
    FrequencyLattice(T^1, weights [[2], [3]], ok)
    """
    omega, sigma = _checked(frequencies, errors)
    count(max_weight, "max_weight", 1)
    check_level(level)
    n, r = omega.shape
    if not n or not r:
        return FrequencyLattice(np.eye(r, dtype=np.int64), r, (), omega, np.zeros((0, r), int), (), "insufficient")
    search = _Search(omega, np.maximum(sigma, FLOOR), max_weight, level, np.random.default_rng([seed, 11]))
    order = np.argsort(np.median(search.errors, axis=0), kind="stable")  # well-known planes first
    seen: list[int] = []
    for plane in order.tolist():
        _grow(search, seen, plane)
        seen.append(plane)
    return _lattice(search, np.arange(r))


def _grow(search: _Search, seen: list[int], plane: int) -> None:
    """Add the relation of one more plane to those before, if there is one."""
    so_far = _lattice(search, np.array(seen, dtype=np.int64)) if seen else None
    if so_far is not None and so_far.weights.shape[1] > MAX_RANK:
        return
    dual = np.zeros((0, 0), dtype=np.int64) if so_far is None else left_inverse(so_far.weights)
    held = _primitive(_tried(search, so_far, dual, seen, plane))
    if not held:
        return
    best, *others = sorted(held, key=lambda found: -found.likelihood)
    rivals = [x for x in others if 2.0 * (best.likelihood - x.likelihood) < RIVAL]
    if rivals or (p := best.p_value) >= 1.0 - search.level:
        search.open_planes.append(plane)
    else:
        search.relations.append(best._replace(tried=1, surprise=lambda: p))


def _primitive(held: list[Relation]) -> list[Relation]:
    """Of relations that are multiples of each other, the shortest alone: it implies the others."""
    shortest: dict[tuple[int, ...], Relation] = {}
    for relation in held:
        divisor = math.gcd(*relation.vector)
        direction = tuple(k // divisor for k in relation.vector)
        if direction not in shortest or divisor < math.gcd(*shortest[direction].vector):
            shortest[direction] = relation
    return list(shortest.values())


def _tried(
    search: _Search, so_far: FrequencyLattice | None, dual: Array, seen: list[int], plane: int
) -> list[Relation]:
    """All c·ω_plane ≡ m·v that hold within the errors."""
    omega, sigma = search.frequencies, search.errors
    speeds = np.zeros((len(omega), 0)) if so_far is None else so_far.speeds
    spread = _speed_errors(so_far, sigma[:, seen]) if so_far is not None else np.zeros((len(omega), 0, 0))
    reach = range(-search.max_weight, search.max_weight + 1)
    grid = np.array(list(product(reach, repeat=speeds.shape[1])), dtype=np.int64)
    tried = search.max_weight * len(grid) * omega.shape[1]
    found: list[Relation] = []
    for c in range(1, search.max_weight + 1):
        residual = wrapped(c * omega[:, plane, None] - speeds @ grid.T)
        variance = (c * sigma[:, plane, None]) ** 2 + np.einsum("nab,ma,mb->nm", spread, grid, grid)
        chi2 = np.minimum(residual**2 / variance, OUTLIER).sum(axis=0)
        likelihood = -0.5 * (chi2 + np.log(variance).sum(axis=0))
        for j in np.flatnonzero(chi2 <= LOOSE**2 * len(omega)):
            vector = np.zeros(omega.shape[1], dtype=np.int64)
            vector[plane] = c
            if seen:
                vector[seen] = -(grid[j] @ dual)
            p = partial(_surprise, search, speeds, grid[j], c, plane, residual[:, j], np.sqrt(variance[:, j]))
            found.append(Relation(tuple(vector.tolist()), float(likelihood[j]), tried, p))
    return found


def _surprise(search: _Search, speeds: Array, m: Array, c: int, plane: int, residual: Array, sigma: Array) -> float:
    """The chance of as many coincidences, when the plane is matched with the speeds of other sequences.

    A coincidence is a residual below LOOSE standard errors. Sequences of the same speeds, within errors, are one piece
    of evidence; speeds that few have, where most share theirs with many, are mistaken peaks and none. A relation of the
    plane with itself alone (m = 0) is compared with uniform phases, on sequences that are not still.
    """
    own, wide = search.frequencies[:, plane], np.minimum(LOOSE * sigma, math.pi)
    classes = _classes(np.column_stack([own, speeds]), 2.0 * max(float(np.median(sigma)), FLOOR))
    if m.any():
        draws = [c * search.rng.permutation(own) - speeds @ m for _ in range(N_DRAWS)]
        met = sum(int((np.abs(wrapped(x)) <= wide).sum()) for x in draws)
        chance = (met + 1.0) / (N_DRAWS * len(own) + 1.0)
    else:
        chance = float(wide.mean()) / math.pi
        classes = [k for k in classes if float(np.median(np.abs(own[k]))) > float(np.median(wide[k]))]
    hits = sum(float(np.median(np.abs(residual[k]))) <= float(np.median(wide[k])) for k in classes)
    return float(stats.binom.sf(hits - 1, len(classes), min(chance, 1.0)))


def _classes(points: Array, radius: float) -> list[Array]:
    """Rows within `radius` of a leader, on the torus: a greedy choice, without classes far smaller than is usual."""
    left, found = np.ones(len(points), dtype=bool), []
    for i in range(len(points)):
        if left[i]:
            near = left & (np.abs(wrapped(points - points[i])).max(axis=1) <= radius)
            found.append(np.flatnonzero(near))
            left &= ~near
    sizes = np.array([len(k) for k in found])
    usual = float(np.median(np.repeat(sizes, sizes)))
    return [k for k in found if 4 * len(k) >= usual]


# --- the lattice of given relations -----------------------------------------------------------------------------------
def _lattice(search: _Search, planes: Array) -> FrequencyLattice:
    """Weights and speeds of some planes under the accepted relations, which involve only them."""
    relations = [x for x in search.relations if not set(np.flatnonzero(x.vector)) - set(planes.tolist())]
    rows = np.array([x.vector for x in relations], dtype=np.int64).reshape(-1, search.frequencies.shape[1])[:, planes]
    weights, orders = weights_of(rows, len(planes))
    omega, sigma = search.frequencies[:, planes], search.errors[:, planes]
    speeds = fitted_speeds(omega, sigma, weights)
    open_planes = tuple(sorted(search.open_planes))
    return FrequencyLattice(
        weights, weights.shape[1] - len(orders), orders, speeds, rows, tuple(x.p_value for x in relations),
        "undecided" if open_planes else "ok", open_planes,
    )  # fmt: skip


# --- speeds -----------------------------------------------------------------------------------------------------------
def fitted_speeds(frequencies: Array, errors: Array, weights: Array) -> Array:
    """Speeds v (n, k) with ω ≡ W v: integer combinations of the frequencies, then weighted least squares."""
    if not weights.shape[1]:
        return np.zeros((len(frequencies), 0))
    v = frequencies @ left_inverse(weights).T
    precision = 1.0 / errors**2
    normal = np.einsum("ra,nr,rb->nab", weights, precision, weights)
    for _ in range(2):
        left = wrapped(frequencies - v @ weights.T)
        v = v + np.linalg.solve(normal, np.einsum("ra,nr->na", weights, precision * left)[..., None])[..., 0]
    return wrapped(v)


def _speed_errors(lattice: FrequencyLattice, errors: Array) -> Array:
    """Covariance of the speeds (n, k, k)."""
    w = lattice.weights
    return np.asarray(np.linalg.inv(np.einsum("ra,nr,rb->nab", w, 1.0 / errors**2, w)))


def _checked(frequencies: Any, errors: Any) -> tuple[Array, Array]:
    omega = to_numpy(frequencies).astype(np.float64)
    if omega.ndim != 2:
        raise ShapeError("frequency_lattice: frequencies", "(n, R)", omega.shape)
    sigma = np.zeros_like(omega) if errors is None else to_numpy(errors).astype(np.float64)
    if sigma.shape != omega.shape:
        raise ShapeError("frequency_lattice: errors", str(omega.shape), sigma.shape)
    check_finite(omega, "frequency_lattice: frequencies")
    check_finite(sigma, "frequency_lattice: errors")
    if (sigma < 0).any():
        raise ParameterError("frequency_lattice: errors", "numbers ≥ 0", float(sigma.min()))
    return omega, sigma
