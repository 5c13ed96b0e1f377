"""The algebra that vector fields span: matrices where they are linear, else structure constants fitted on points."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from geodis.discovery.algebra_name import AlgebraName, name_algebra, name_structure_constants
from geodis.discovery.vector_fields import AbstractVectorFields, brackets_at
from geodis.errors import NotLinearError
from geodis.groups.algebra import span_basis, span_residual
from geodis.linalg import Array

N_POINTS = 500  # where brackets of fields that are not linear are compared
COMMUTING = 1e-7  # brackets of fields of unit speed below this are zero
ROUNDING = 1e-8  # noise [rad] of spans that are exact
EXACT = 1e-6  # noise of brackets by central differences


class SpanAlgebra(NamedTuple):
    """The name, and the share of the brackets that leaves the span (NaN where there are no brackets)."""

    name: AlgebraName | None
    closure: float


def span_algebra(
    fields: AbstractVectorFields, coefficients: Array, points: Array, *, noise: float = math.nan, seed: int = 0
) -> SpanAlgebra:
    """The algebra of k fields θ (k, p), whose span has the standard error `noise` [rad]; None without fields.

    Affine fields count as homogeneous matrices about the points' centre, in the unit of their spread, so that the
    answer does not depend on units.
    """
    if not len(coefficients):
        return SpanAlgebra(None, math.nan)
    try:
        matrices = _centred(fields.matrices(coefficients), points)
    except NotLinearError:
        c, closure = bracket_constants(fields, coefficients, points)
        miss = max(EXACT, *(value for value in (closure, noise) if not math.isnan(value)), 0.0)
        return SpanAlgebra(name_structure_constants(c, noise=miss, seed=seed), closure)
    return matrix_algebra(matrices, noise=noise, seed=seed)


def matrix_algebra(matrices: Array, *, noise: float = math.nan, seed: int = 0) -> SpanAlgebra:
    """The algebra of matrices (k, d, d)."""
    known = None if math.isnan(noise) else max(noise, ROUNDING)
    return SpanAlgebra(
        name_algebra(matrices, noise=known, seed=seed), span_residual(span_basis(matrices, "generators"))
    )


def bracket_constants(fields: AbstractVectorFields, coefficients: Array, points: Array) -> tuple[Array, float]:
    """c_ijm with [X_i, X_j] ≈ Σ_m c_ijm X_m on points, by least squares; and the share (rms) that is left.

    Examples
    --------
    >>> from geodis.discovery.vector_fields import PolynomialFields
    >>> x = np.random.default_rng(0).normal(size=(50, 1))
    >>> c, left = bracket_constants(PolynomialFields(1, 2), np.eye(3), x)  # ∂, x∂, x²∂: sl(2)
    >>> c[0, 2].round(9) + 0.0, left < 1e-9
    (array([ 0., -2.,  0.]), True)
    """
    some = points[:: max(1, len(points) // N_POINTS)]
    members: list[Any] = [fields.field(theta) for theta in coefficients]
    k = len(members)
    speeds = np.stack([X(some).ravel() for X in members], axis=1)
    found = np.stack([brackets_at(X, Y, some).ravel() for X in members for Y in members], axis=1)
    c = np.linalg.lstsq(speeds, found, rcond=None)[0]
    total = float(np.square(found).sum())
    if total <= COMMUTING**2 * float(np.square(speeds).sum()) * k:
        return np.zeros((k, k, k)), math.nan
    left = math.sqrt(float(np.square(found - speeds @ c).sum()) / total)
    return c.T.reshape(k, k, k), left


def _centred(matrices: Array, points: Array) -> Array:
    """Homogeneous matrices in coordinates (x − mean)/spread; others as they are."""
    d = points.shape[1]
    if matrices.shape[1] == d:
        return matrices
    spread = float(points.std(axis=0).max()) or 1.0
    change = np.eye(d + 1)
    change[:d] /= spread
    change[:d, d] = -points.mean(axis=0) / spread
    return np.asarray(change @ matrices @ np.linalg.inv(change))
