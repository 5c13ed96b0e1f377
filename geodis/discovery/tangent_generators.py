"""TangentGenerators: which vector fields explain tangents of unknown transformations, or tangent spaces of data."""

from __future__ import annotations

from typing import Any, Self, final

import numpy as np
from sklearn.base import BaseEstimator

from geodis.discovery.field_conditions import AbstractConditions, RowConditions
from geodis.discovery.generator_set import GeneratorSet, thinned, unit_speed
from geodis.discovery.null_space import TOLERANCE, null_space
from geodis.discovery.span_algebra import SpanAlgebra, span_algebra
from geodis.discovery.tangent_regression import regress_tangents
from geodis.discovery.vector_fields import AbstractVectorFields
from geodis.errors import ParameterError, ShapeError
from geodis.linalg import Array, check_finite, real_array, to_numpy

DEPENDENT = 1e-6  # frame vectors below this share of the longest direction count for nothing


@final
class TangentGenerators(BaseEstimator):
    """The generators X_θ = Σ θ_a X_a of a family that tangents of the data reveal.

    Two situations, told apart by the shape of what is given:

    * *tangent vectors* (n, d): every row is the velocity v = X_θ(x) under one unknown transformation (a Jacobian-vector
      product of an encoder, a difference of neighbouring frames). Regression of v on the fields gives θ, and the rank
      of all transformations' θ the number of generators.
    * *tangent frames* (n, k, d): only the tangent space of the data at x is known, as the span of k vectors. Sought are
      all fields tangent to the data, the null space of Σ|N(x) X_θ(x)|² with N the projector onto the normals.

    Parameters
    ----------
    fields : AbstractVectorFields
        The family, e.g. ``LinearFields(d)``.
    level : float
        Confidence of all statements together.
    tolerance : float
        Largest defect (root mean square, in units of a random field's) of a symmetry; for tangent vectors the largest
        share that may stay unexplained.
    n_folds : int
        Folds of items for cross-fitting.
    random_state : int
        Seed of the folds.

    Attributes
    ----------
    generators_ : GeneratorSet
        The frozen result.
    n_generators_, status_
        The two most wanted of it.

    Examples
    --------
    >>> from geodis.discovery.vector_fields import LinearFields
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(200, 3)) * [1.0, 1.0, 3.0]
    >>> frames = np.stack([np.cross(x, axis) for axis in np.eye(3)], axis=1)  # tangent to spheres
    >>> TangentGenerators(LinearFields(3)).fit(x, frames).generators_
    GeneratorSet(n_generators=3, status='ok', algebra='so(3)')
    """

    def __init__(
        self,
        fields: AbstractVectorFields,
        *,
        level: float = 0.95,
        tolerance: float = TOLERANCE,
        n_folds: int = 5,
        random_state: int = 0,
    ) -> None:
        self.fields = fields
        self.level = level
        self.tolerance = tolerance
        self.n_folds = n_folds
        self.random_state = random_state

    def fit(
        self, points: Any, tangents: Any, *, items: Any = None, transformations: Any = None, repeat: Any = None
    ) -> Self:
        """Find the generators.

        Parameters
        ----------
        points : array (n, d)
            x.
        tangents : array (n, d) or (n, k, d)
            Tangent vectors, or frames of tangent spaces: k vectors that span the space, of no particular
            length or angle; noisy ones should be no more than its dimension, since they span more then.
        items : array (n,), optional
            What was drawn independently, when that is coarser than rows (a trajectory, a neighbourhood).
        transformations : array (n,), optional
            For tangent vectors: which unknown transformation a row belongs to; all the same one by default.
        repeat : array like `tangents`, optional
            A second, independent measurement of the tangents: the mean of both is used, and their difference gives the
            noise floor.

        Raises
        ------
        ParameterError, ShapeError, FiniteError, LengthError
            For something else than a family, arrays that do not fit together, NaN.
        """
        self._check_fields()
        x = real_array(points, "points", ("n", self.fields.dim))
        given = _tangents(tangents, x, "tangents")
        other = None if repeat is None else _tangents(repeat, x, "repeat")
        if other is not None and other.shape != given.shape:
            raise ShapeError("repeat", f"{given.shape}, that of the tangents", other.shape)
        if given.ndim == 2:
            self.generators_ = regress_tangents(
                self.fields, x, given, transformations=transformations, items=items, repeat=other, level=self.level,
                tolerance=self.tolerance, n_folds=self.n_folds, seed=self.random_state,
            )  # fmt: skip
        elif transformations is not None:
            raise ParameterError("transformations", "none with tangent frames (n, k, d)", "an array")
        else:
            conditions = tangency(self.fields, x, given, other)
            self.generators_ = generators_of(
                conditions, self.fields, x, items, self.level, self.tolerance, self.n_folds, self.random_state
            )
        self.n_generators_, self.status_ = self.generators_.n_generators, self.generators_.status
        return self

    def _check_fields(self) -> None:
        if not isinstance(self.fields, AbstractVectorFields):
            raise ParameterError("fields", "a family such as LinearFields(3)", repr(self.fields))


def tangency(fields: AbstractVectorFields, points: Array, frames: Array, repeat: Array | None = None) -> RowConditions:
    """The conditions N(x) X(x) = 0 for frames (n, k, d) of tangent spaces."""
    ones = np.ones(len(points))
    if repeat is None:
        return RowConditions(fields, points, normals(frames), ones)
    one, two = (_projectors(normals(f)) for f in (frames, repeat))
    return RowConditions(fields, points, (one + two) / 2, ones, (one - two) / 2)


def normals(frames: Array) -> Array:
    """Orthonormal rows (n, q, d) that complete the span of frames (n, k, d); zero rows where there are fewer."""
    n, _, d = frames.shape
    _, sizes, axes = np.linalg.svd(frames, full_matrices=True)
    padded = np.zeros((n, d))
    padded[:, : sizes.shape[1]] = sizes
    free = padded <= DEPENDENT * padded[:, :1]
    least = int((~free).sum(axis=1).min())
    return np.asarray((axes * free[:, :, None])[:, least:])


def generators_of(
    conditions: AbstractConditions, fields: AbstractVectorFields, points: Array, items: Any, level: float,
    tolerance: float, n_folds: int, seed: int,
) -> GeneratorSet:  # fmt: skip
    """The null space of conditions on one family as a result, its algebra named."""
    null = null_space(conditions, items, level=level, tolerance=tolerance, n_folds=n_folds, seed=seed)
    found = unit_speed(fields, null.directions[: null.n_generators], points)
    algebra: SpanAlgebra = span_algebra(fields, found, points, noise=null.angle, seed=seed)
    return GeneratorSet(
        fields, found, null.spectrum, np.stack([null.low, null.high], axis=1), null.floor, null.beyond, null.status,
        level, tolerance, null.n_items, null.n_vanishing, thinned(points), algebra.name, algebra.closure, null.angle,
        notes=null.notes,
    )  # fmt: skip


def _projectors(rows: Array) -> Array:
    return np.swapaxes(rows, 1, 2) @ rows


def _tangents(given: Any, points: Array, what: str) -> Array:
    array = np.asarray(to_numpy(given), dtype=np.float64)
    n, d = points.shape
    if array.ndim not in (2, 3) or len(array) != n or array.shape[-1] != d or 0 in array.shape:
        raise ShapeError(what, f"({n}, {d}) or ({n}, k, {d})", array.shape)
    check_finite(array, what)
    return array
