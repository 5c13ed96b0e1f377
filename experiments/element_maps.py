"""The error ratio of a method without a representation: the best cross-fitted ridge map of each element.

Codes (objects, side, p) lie on a regular grid of the circle that starts at a random element, so that view j + k is h_k
times view j: every view is a random base pose and every one a target, and all maps share one Gram matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from error_ratio import ErrorRatio, stacked

from geodis.errors import ParameterError
from geodis.linalg import Array

SIDE = 24  # poses of an object on a grid: steps of 15°
STEPS = (1, 4, 7, 10, 13, 16, 19, 22)  # h = 15° + k·45°: eight evenly spread elements, none of them the identity
PRIORS = (0.0, 1.0)  # maps are shrunk to this multiple of the identity
RIDGES = 10.0 ** np.arange(-8, 3)  # shares of tr(Gram)/p
FOLDS = 4
TINY = float(np.finfo(np.float64).tiny) * 1e16


@dataclass(frozen=True)
class ElementMaps:
    """The best affine map of each element on the grid: c(h_k·x) ≈ matrices[k] c(x) + offsets[k].

    `errors` and `motions` (K,) are the cross-validated error of each and the motion that it is compared with.
    """

    steps: tuple[int, ...]
    matrices: Array
    offsets: Array
    errors: Array
    motions: Array
    power: float

    @property
    def crossfitted(self) -> ErrorRatio:
        """The ratio on the objects of the fit, each scored by maps of the other folds."""
        return ErrorRatio(float(self.errors.mean()), float(self.motions.mean()), self.power)

    def of_steps(self, steps: Sequence[int]) -> ElementMaps:
        """Some of the maps."""
        chosen = [self.steps.index(step) for step in steps]
        return ElementMaps(
            tuple(steps), self.matrices[chosen], self.offsets[chosen], self.errors[chosen], self.motions[chosen],
            self.power,
        )  # fmt: skip


def per_element_ratio(train: Array, test: Array, steps: Sequence[int] = STEPS) -> ErrorRatio:
    """The best ridge map of each h fitted on `train` objects, scored on `test` objects; means pooled over h.

    Both (n, side, p) hold codes on a regular grid of the circle that starts at a random element: view j + k is h_k
    times view j, so that all base poses are random and every one is used.
    """
    return element_ratio(test, fit_element_maps(train, steps))


def element_ratio(codes: Array, maps: ElementMaps) -> ErrorRatio:
    """Error of fitted maps over that of the identity, on codes (n, side, p) of objects that they were not fitted on."""
    c = stacked(codes)
    error = motion = 0.0
    for step, matrix, offset in zip(maps.steps, maps.matrices, maps.offsets, strict=True):
        after = np.roll(c, -step, axis=1)
        error += float(((after - c @ matrix.T - offset) ** 2).sum(axis=-1).mean())
        motion += float(((after - c) ** 2).sum(axis=-1).mean())
    return ErrorRatio(error / len(maps.steps), motion / len(maps.steps), float((c**2).sum(axis=-1).mean()))


def fit_element_maps(
    codes: Array, steps: Sequence[int] = STEPS, ridges: Array = RIDGES, folds: int = FOLDS
) -> ElementMaps:
    """Ridge map with an intercept for every step of the grid, shrunk to 0 or to the identity.

    The ridge, and which of the two, are chosen for each step by cross-validation over objects: codes that hardly move
    ask for the identity. All maps share one Gram matrix and one eigenbasis a fold; folds come from sums over objects.
    """
    c = stacked(codes)
    n, side, _ = c.shape
    if n < folds or folds < 2:
        raise ParameterError("objects", f"{folds} at least, and two folds", n)
    if any(step % side == 0 for step in steps):
        raise ParameterError("steps", "none that is the identity", tuple(steps))
    shift = c.mean(axis=(0, 1))
    parts = [_moments(c[fold] - shift, steps) for fold in shuffled_folds(n, folds)]
    total = _Moments.sum(parts)
    candidates = [(prior, ridge) for prior in PRIORS for ridge in ridges]
    errors = np.sum([_ridge_errors(total - part, part, ridges) for part in parts], axis=0)
    best = [candidates[i] for i in errors.argmin(axis=0)]
    fitted = [total.ridge_map(k, prior, ridge) for k, (prior, ridge) in enumerate(best)]
    matrices, centre = np.stack(fitted), shift + total.mean
    motion = 2 * (np.trace(total.gram) - np.trace(total.cross, axis1=1, axis2=2))
    return ElementMaps(
        tuple(steps), matrices, centre - matrices @ centre, np.maximum(errors.min(axis=0), 0.0) / total.count,
        np.maximum(motion, 0.0) / total.count, float((c**2).sum(axis=-1).mean()),
    )  # fmt: skip


def shuffled_folds(n: int, folds: int) -> list[Array]:
    """Indices of each fold. Not every 4th object: families take turns, and a fold of whole families is another test."""
    return np.array_split(np.random.default_rng(0).permutation(n), folds)


@dataclass(frozen=True)
class _Moments:
    """Sums over views on the grid: count, Σc, Σccᵀ, Σ c(x)c(h_k x)ᵀ for every k."""

    count: int
    total: Array
    gram: Array
    cross: Array

    @staticmethod
    def sum(parts: Sequence[_Moments]) -> _Moments:
        return _Moments(
            sum(part.count for part in parts),
            np.sum([part.total for part in parts], axis=0),
            np.sum([part.gram for part in parts], axis=0),
            np.sum([part.cross for part in parts], axis=0),
        )

    def __sub__(self, other: _Moments) -> _Moments:
        return _Moments(
            self.count - other.count, self.total - other.total, self.gram - other.gram, self.cross - other.cross
        )

    @property
    def mean(self) -> Array:
        """The mean before and after: both run over the whole grid."""
        return self.total / self.count

    def about(self, mean: Array) -> tuple[Array, Array]:
        """Gram and cross sums about `mean`."""
        correction = np.outer(self.total, mean) + np.outer(mean, self.total) - self.count * np.outer(mean, mean)
        return self.gram - correction, self.cross - correction

    def ridge_map(self, k: int, prior: float, ridge: float) -> Array:
        """The map of step k: prior·1 + ridge regression of c(h_k x) − prior·c(x) on c(x)."""
        gram, cross = self.about(self.mean)
        identity = np.eye(len(gram))
        wanted = cross[k] - prior * gram
        return (
            prior * identity
            + np.linalg.solve(gram + ridge * _unit(float(np.trace(gram)) / len(gram)) * identity, wanted).T
        )


def _moments(c: Array, steps: Sequence[int]) -> _Moments:
    p = c.shape[-1]
    rows = c.reshape(-1, p)
    cross = np.stack([rows.T @ np.roll(c, -step, axis=1).reshape(-1, p) for step in steps])
    return _Moments(len(rows), rows.sum(axis=0), rows.T @ rows, cross)


def _unit(mean_variance: float) -> float:
    """What a ridge of 1 adds to the Gram matrix; never 0, so that a constant code is fitted as one."""
    return max(mean_variance, TINY)


def _ridge_errors(fit: _Moments, held: _Moments, ridges: Array) -> Array:
    """Summed squared error on the held fold (priors · ridges, steps), from its moments about the fitted mean."""
    gram, cross = fit.about(fit.mean)
    held_gram, held_cross = held.about(fit.mean)
    values, basis = np.linalg.eigh(gram)
    values = np.maximum(values, 0.0)
    weights = 1.0 / (values + ridges[:, None] * _unit(float(values.mean())))  # (ridges, p)
    inner = basis.T @ held_gram @ basis
    out = []
    for own, wanted in zip(cross, held_cross, strict=True):
        column = []
        for prior in PRIORS:
            ours = basis.T @ (own - prior * gram)
            linear = weights @ (ours * (basis.T @ (wanted - prior * held_gram))).sum(axis=1)
            quadratic = np.einsum("ri,ij,rj->r", weights, inner * (ours @ ours.T), weights, optimize=True)
            still = (1 + prior) * np.trace(held_gram) - 2 * prior * np.trace(wanted)
            column.append(still - 2 * linear + quadratic)
        out.append(np.concatenate(column))
    return np.stack(out, axis=1)
