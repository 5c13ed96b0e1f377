"""Polynomials that vanish on a point cloud, up to its noise: the equations of the orbit, found all at once.

An orbit of a compact group is an algebraic variety. Where x is a point of it with noise of standard deviation σ in each
coordinate, a polynomial q that vanishes there takes values of size σ|∇q|, and every other one takes far larger ones.
Hence the generalized eigenproblem Cov(m) c = ε² E[∇m ∇mᵀ] c on the monomials m of low degree: ε is the
root-mean-square distance of the cloud from {q = const}, to first order, in the units of the cloud.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import final

import numpy as np
from scipy.linalg import eigh

from geodis.errors import ParameterError
from geodis.linalg import Array, real_array

SINGULAR = 1e-12  # share of the largest gradient below which monomials count as dependent


@final
@dataclass(frozen=True, eq=False)
class VanishingPolynomials:
    """The polynomials of a degree that are constant on a cloud, and how far the others are from being so.

    Attributes
    ----------
    degree : int
        Their highest degree.
    coefficients : ndarray (p, m)
        One polynomial a row, on the monomials of degree 1, …, `degree`; E|∇q|² = 1, uncorrelated gradients.
    distances : ndarray (m,)
        ε of every eigenvector, ascending, in the units of the cloud; the first p belong to `coefficients`.
    noise : float
        Root mean square of the first p distances: the cloud's standard deviation across the variety in each direction;
        NaN where nothing vanishes.
    """

    degree: int
    coefficients: Array
    distances: Array
    noise: float

    def gradients(self, points: Array) -> Array:
        """∇q_i(x): `(n, r) → (n, p, r)`, normal to the variety at its points."""
        return np.asarray(np.einsum("pm,nmj->npj", self.coefficients, _slopes(points, self.degree), optimize=True))

    @property
    def gap(self) -> float:
        """The ratio of the first distance that was rejected to the last that was taken."""
        p = len(self.coefficients)
        return float(self.distances[p] / self.distances[p - 1]) if 0 < p < len(self.distances) else np.nan

    def __repr__(self) -> str:
        return (
            f"VanishingPolynomials({len(self.coefficients)} of {len(self.distances)} of degree ≤ {self.degree}; "
            f"noise {self.noise:.2g}, gap {self.gap:.1f})"
        )


def vanishing_polynomials(points: Array, degree: int = 2, *, tolerance: float = 0.08) -> VanishingPolynomials:
    """The polynomials q of a degree with Cov(q) ≤ ε²E|∇q|² on a cloud, ε up to the largest gap below `tolerance`.

    Parameters
    ----------
    points : array (n, r)
        A cloud that spans its space.
    degree : int
        At least 1; the C(r + degree, degree) − 1 monomials have to be fewer than the points.
    tolerance : float
        No polynomial vanishes from which the cloud is farther than this share of its root-mean-square radius.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For something else than points, NaN, fewer points than monomials, options outside their range.

    Notes
    -----
    Noise shifts the mean of a polynomial of degree 2 by a constant, which is free here; for degree 3 the bias is of
    order σ². Smallest distances are low by √(1 − m/n), as much as the eigenvectors fit the sample.

    References
    ----------
    Taubin, Estimation of planar curves, surfaces and nonplanar space curves defined by implicit equations (1991).

    Examples
    --------
    >>> t = np.random.default_rng(0).uniform(0, 2 * np.pi, 200)
    >>> vanishing_polynomials(np.stack([np.cos(t), 2 * np.sin(t)], axis=1)).coefficients.shape
    (1, 5)
    """
    x = real_array(points, "points", ("n", "d"))
    if degree < 1:
        raise ParameterError("degree", "at least 1", degree)
    if not 0.0 < tolerance < 1.0:
        raise ParameterError("tolerance", "a share between 0 and 1", tolerance)
    needed = n_monomials(x.shape[1], degree)
    if len(x) <= needed:
        raise ParameterError("points", f"more points than the {needed} monomials", len(x), "Lower the degree.")
    values, slopes = _values(x, degree), _slopes(x, degree)
    below = np.einsum("naj,nbj->ab", slopes, slopes, optimize=True) / len(x)
    below += SINGULAR * np.trace(below) * np.eye(needed)
    squared, vectors = eigh(np.cov(values.T, bias=True).reshape(needed, needed), below)
    distances = np.sqrt(np.maximum(squared, 0.0))
    radius = float(np.sqrt(np.square(x - x.mean(axis=0)).sum(axis=1).mean()))
    p = gap_count(distances, tolerance * radius, SINGULAR**0.5 * radius)
    noise = float(np.sqrt(np.square(distances[:p]).mean())) if p else np.nan
    return VanishingPolynomials(degree, vectors[:, :p].T.copy(), distances, noise)


def gap_count(ascending: Array, highest: float, floor: float) -> int:
    """How many values come before the largest jump, as a ratio, from below `highest`; jumps below `floor` are none."""
    few = int((ascending < highest).sum())
    if few == 0 or few == len(ascending):
        return few
    raised = np.maximum(ascending[: few + 1], floor)
    return 1 + int(np.argmax(raised[1:] / raised[:-1]))


def n_monomials(r: int, degree: int) -> int:
    """How many monomials of degree 1, …, `degree` in r variables."""
    return len(_monomials(r, degree))


def _monomials(r: int, degree: int) -> list[tuple[int, ...]]:
    """The variables of every monomial, with repetition: (0, 0, 2) is x₀²x₂."""
    return [m for k in range(1, degree + 1) for m in combinations_with_replacement(range(r), k)]


def _values(x: Array, degree: int) -> Array:
    return np.stack([x[:, list(m)].prod(axis=1) for m in _monomials(x.shape[1], degree)], axis=1)


def _slopes(x: Array, degree: int) -> Array:
    """∂m/∂x_j: `(n, r) → (n, monomials, r)`."""
    monomials = _monomials(x.shape[1], degree)
    out = np.zeros((len(x), len(monomials), x.shape[1]))
    for a, m in enumerate(monomials):
        for place, j in enumerate(m):
            out[:, a, j] += x[:, list(m[:place] + m[place + 1 :])].prod(axis=1)
    return out
