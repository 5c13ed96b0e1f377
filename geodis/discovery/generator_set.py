"""GeneratorSet: the generators that were found, how sure, which algebra they span; flowed along, printed, plotted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm, qr

from geodis.discovery.algebra_name import AlgebraName
from geodis.discovery.null_space import unseen_share
from geodis.discovery.vector_fields import AbstractVectorFields, VectorField
from geodis.errors import DesignError, NotLinearError, ShapeError
from geodis.linalg import Array, check_finite, real_array, to_numpy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KEPT_POINTS = 400  # of the data, for pictures of flows
LISTED = 12  # generators in the long print
PRECISION = 1e-9  # of the integration of fields that are not linear, relative


@final
@dataclass(frozen=True, eq=False)
class GeneratorSet:
    """Vector fields that were found to be symmetries, with what was asked and how sure the answer is.

    Attributes
    ----------
    fields : AbstractVectorFields
        The family.
    coefficients : array (k, p)
        θ of every generator; generators are orthogonal and of unit mean square speed on the data.
    spectrum : array (m,)
        Defects of all directions in the order of the fit: 0 for an exact symmetry, 1 for a random field of the family.
    intervals : array (m, 2)
        Confidence intervals of these directions' defects, which hold together at `level`.
    floor : array (m,)
        Defect that the noise alone makes; NaN where it is unknown. Nothing is subtracted from `spectrum`.
    beyond : float
        Lower bound of the defect of every field outside the span of the generators; NaN where there is none.
    status : str
        ``"ok"``: these generators and no more; ``"none"``: no field of the family is a symmetry; ``"undecided"``: at
        least these (maybe none); ``"insufficient"``: too few items; ``"degenerate"``: every field is one.
    level, tolerance : float
        Confidence level, and the largest defect of what is called a symmetry.
    n_items, n_vanishing : int
        Independent items; fields of the family that vanish on the data and were removed.
    points : array (m, d)
        Some of the data: where flows are drawn.
    algebra : AlgebraName or None
        What the generators span; None without generators.
    closure : float
        Share of the brackets that leaves the span (root mean square); NaN where everything commutes or k < 2.
    angle : float
        Standard error [rad] of the span, by the jackknife over folds of items.
    unexplained : (float, float, float) or None
        For given tangents: share (root mean square) that no field of the family explains, with its interval.
    output_fields, output_coefficients
        For a map between two spaces: the fields Y on the second that match X.
    notes : tuple of str
        What else to know.
    """

    fields: AbstractVectorFields
    coefficients: Array
    spectrum: Array
    intervals: Array
    floor: Array
    beyond: float
    status: str
    level: float
    tolerance: float
    n_items: int
    n_vanishing: int
    points: Array
    algebra: AlgebraName | None = None
    closure: float = math.nan
    angle: float = math.nan
    unexplained: tuple[float, float, float] | None = None
    output_fields: AbstractVectorFields | None = None
    output_coefficients: Array | None = None
    notes: tuple[str, ...] = ()

    @property
    def n_generators(self) -> int:
        """Number of generators k."""
        return len(self.coefficients)

    def __len__(self) -> int:
        return self.n_generators

    def __getitem__(self, index: int) -> VectorField:
        return self.fields.field(self.coefficients[index])

    @property
    def unseen(self) -> float:
        """A violation confined to a smaller share of items than this may have gone unseen."""
        return unseen_share(self.n_items, len(self.spectrum), self.level)

    @property
    def matrices(self) -> Array:
        """Generators of linear fields (k, d, d), homogeneous ones (k, d + 1, d + 1) of affine fields.

        Raises
        ------
        NotLinearError
            For other fields.
        """
        return self.fields.matrices(self.coefficients)

    @property
    def output_matrices(self) -> Array:
        """The same of the fields on the second space.

        Raises
        ------
        DesignError
            Where there is no second space.
        """
        if self.output_fields is None or self.output_coefficients is None:
            raise DesignError("output_matrices: expected the symmetries of a map with fields on both of its sides.")
        return self.output_fields.matrices(self.output_coefficients)

    def __call__(self, points: Any, t: Any) -> Array:
        """The same as `flow`."""
        return self.flow(points, t)

    def flow(self, points: Any, t: Any) -> Array:
        """Points (n, d) after the flow of Σ_r t_r X_r for unit time; t is a number for one generator, else (k,).

        Raises
        ------
        ShapeError
            For another number of times.
        DesignError
            Where a trajectory leaves every bound within that time, as those of polynomial fields may.
        """
        x = real_array(points, "points", ("n", self.fields.dim))
        times = np.asarray(to_numpy(t), dtype=np.float64).reshape(-1)
        if len(times) != self.n_generators:
            raise ShapeError("t", f"({self.n_generators},), one time a generator", times.shape)
        check_finite(times, "t")
        if not len(times):
            return x
        theta = times @ self.coefficients
        try:
            return _linear_flow(self.fields.matrices(theta[None])[0], x)
        except NotLinearError:
            return _followed(self.fields.field(theta), x)

    def readable(self) -> tuple[str, ...]:
        """The generators in a basis with many zeros (reduced row echelon form), as sums of terms."""
        return tuple(self.fields.describe(row) for row in echelon(self.coefficients))

    def __repr__(self) -> str:
        name = "none" if self.algebra is None else str(self.algebra)
        return f"GeneratorSet(n_generators={self.n_generators}, status={self.status!r}, algebra={name!r})"

    def __str__(self) -> str:
        head = [
            f"{self.n_generators} generator{'s' * (self.n_generators != 1)} in {self.fields!r}: {self.status} "
            f"(level {self.level:g}, tolerance {self.tolerance:g}, {self.n_items} items)"
        ]
        if self.algebra is not None:
            head.append(f"algebra: {self.algebra} ({self.algebra.status}), closure {self.closure:.2g}")
        if self.unexplained is not None:
            head.append("unexplained {:.2g} [{:.2g}, {:.2g}]".format(*self.unexplained))
        rows = [f"  {text}{self._bounds(r)}" for r, text in enumerate(self.readable()[:LISTED])]
        left = [f"  … and {self.n_generators - LISTED} more"] if self.n_generators > LISTED else []
        after = [] if math.isnan(self.beyond) else [f"every other field has a defect above {self.beyond:.2g}"]
        if self.n_generators:
            after.append(f"a violation in less than {self.unseen:.2g} of the items may have gone unseen")
        return "\n".join([*head, *rows, *left, *after, *(f"note: {note}" for note in self.notes)])

    def plot(self, ax: Axes | None = None) -> Axes:
        """The defects with their intervals, the tolerance, and how many generators are claimed."""
        from geodis.discovery.flow_plot import plot_defects

        return plot_defects(self, ax)

    def plot_flow(self, index: int = 0, ax: Axes | None = None) -> Axes:
        """A generator as arrows on the data, in the plane where it moves them most."""
        from geodis.discovery.flow_plot import plot_flow

        return plot_flow(self, index, ax)

    def plot_matrix(self, index: int = 0, ax: Axes | None = None) -> Axes:
        """A generator's matrix as a heat map."""
        from geodis.discovery.flow_plot import plot_matrix

        return plot_matrix(self, index, ax)

    def _bounds(self, r: int) -> str:
        low, high = self.intervals[r]
        return f"   {self.spectrum[r]:.2g} [{low:.2g}, {high:.2g}]"


def echelon(coefficients: Array) -> Array:
    """Rows of the same span in which chosen columns are those of the identity; entries that are rounding are zero."""
    if not len(coefficients):
        return coefficients
    scaled = coefficients / np.maximum(np.linalg.norm(coefficients, axis=1, keepdims=True), 1e-300)
    pivots = qr(scaled, mode="r", pivoting=True)[1][: len(scaled)]
    return np.asarray(np.linalg.solve(scaled[:, np.sort(pivots)], scaled))


def unit_speed(fields: AbstractVectorFields, coefficients: Array, points: Array) -> Array:
    """Generators of the same span (k, p), orthogonal and of unit mean square speed at the points."""
    if not len(coefficients):
        return coefficients
    speeds = fields.velocities(points, coefficients)
    gram = np.einsum("nkd,nld->kl", speeds, speeds) / len(points)
    return np.asarray(np.linalg.solve(np.linalg.cholesky(gram), coefficients))


def thinned(points: Array) -> Array:
    """At most `KEPT_POINTS` of them, evenly."""
    return points[:: max(1, -(-len(points) // KEPT_POINTS))].copy()


def _linear_flow(matrix: Array, x: Array) -> Array:
    step = expm(matrix)
    d = x.shape[1]
    shift = step[:d, d] if len(matrix) > d else 0.0
    return np.asarray(x @ step[:d, :d].T + shift)


def _followed(field: VectorField, x: Array) -> Array:
    def speed(_: float, state: Array) -> Array:
        return field(state.reshape(x.shape)).ravel()

    with np.errstate(over="ignore", invalid="ignore"):
        done = solve_ivp(speed, (0.0, 1.0), x.ravel(), method="DOP853", rtol=PRECISION, atol=PRECISION)
    if not done.success:
        raise DesignError(f"flow: expected a flow that exists for this time, but {done.message} Take a shorter time.")
    return np.asarray(done.y[:, -1].reshape(x.shape))
