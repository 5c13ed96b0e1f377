"""The orbit of a compact group as a frozen result: type, generators, frame, distances with their nulls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, final

import numpy as np

from geodis.discovery.closest_representation import skew_exp
from geodis.discovery.torus_weights import Weights
from geodis.errors import ParameterError, ShapeError
from geodis.linalg import Array, check_finite, to_numpy
from geodis.palette import FAINT, FOUND, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DRAWN = 2000  # points of the orbit in a picture


class OrbitDistance(NamedTuple):
    """How far a cloud and an orbit are from each other, in the cloud's units.

    Attributes
    ----------
    mean : float
        Mean distance of points from the orbit fitted to the other half of the cloud.
    rms : float
        Root mean square of that distance over the directions across the orbit: to be compared with `noise`.
    noise : float
        Standard deviation of the cloud across its own equations, no group assumed; NaN where there are none.
    hausdorff : float
        The larger of the greatest distance of a point from the orbit and of a point of the orbit from the cloud.
    coverage : float
        Mean distance of Haar points of the orbit from the cloud.
    coverage_null : float
        The same for as many points drawn from the orbit with noise of size `rms`: what it is if the cloud fills it.
    runner_up : float
        `rms` of the best other candidate that does not hold the orbit by its dimension; NaN where none fits.
    runner_up_type : str
        Its name.
    radius : float
        The cloud's root-mean-square radius.
    """

    mean: float
    rms: float
    noise: float
    hausdorff: float
    coverage: float
    coverage_null: float
    runner_up: float
    runner_up_type: str
    radius: float


@final
@dataclass(frozen=True, eq=False)
class OrbitRepresentation:
    """The orbit {centre + frame · ρ(t) · point} that a cloud lies on.

    Attributes
    ----------
    group : str
        ``"SO(2)"``, ``"T²"``, ``"SO(3)"``; ``"none"`` where there is no orbit.
    weights : tuple
        SO(2): ascending ints without common divisor. T²: two rows, canonical under GL(2, Z) and signed permutations of
        the planes (`canonical_weights`). SO(3): the spins l, descending, with a 0 for each fixed direction.
    generators : ndarray (k, d, d)
        Skew, acting on x − centre. T^k: exp(2πJ) = 1; SO(3): [J_x, J_y] = J_z.
    frame : ndarray (d, r)
        Orthonormal columns: the span of the orbit, in the standard basis of the representation.
    centre : ndarray (d,)
        The fixed point.
    point : ndarray (r,)
        A point of the orbit, in the frame.
    dimension : int
        The orbit's; below the group's where a subgroup fixes the point.
    distance : OrbitDistance
    confidence : float
        1 − p of the paired one-sided t test that the runner-up is farther from the points than the orbit is; NaN
        without a runner-up.
    status : str
        ``"ok"``; ``"undecided"``: the runner-up is as near; ``"partial"``: the cloud lies on the orbit and does not
        fill it, so that the group may be smaller or have weights that were not allowed, or draws are far from Haar;
        ``"no orbit"``: no candidate fits; ``"insufficient"``: too few points; ``"degenerate"``: they coincide.
    cloud : ndarray (≤ 500, d)
        Some of the points, for the picture.
    """

    group: str
    weights: tuple[int, ...] | Weights
    generators: Array
    frame: Array
    centre: Array
    point: Array
    dimension: int
    distance: OrbitDistance
    confidence: float
    status: str
    cloud: Array

    @property
    def n_fixed(self) -> int:
        """Directions of the space that the group does not move."""
        return self.frame.shape[0] - self.frame.shape[1]

    @property
    def margin(self) -> float:
        """How many times farther the runner-up is; NaN without one."""
        return self.distance.runner_up / self.distance.rms if self.distance.rms > 0 else np.nan

    @property
    def type(self) -> str:
        """Group and weights in words."""
        return type_name(self.group, self.weights)

    def orbit(self, t: Any) -> Array:
        """The points centre + exp(Σ t_a J_a)(x₀ − centre): parameters (n, k) → points (n, d).

        For SO(2) and T² angles in radians, for SO(3) rotation vectors.

        Raises
        ------
        ShapeError, FiniteError, ParameterError
            For parameters of another group, NaN, where there is no orbit.
        """
        if not len(self.generators):
            raise ParameterError("orbit", "a fitted orbit", f"status {self.status!r}", "There is nothing to generate.")
        params = np.asarray(to_numpy(t), dtype=np.float64)
        if params.ndim != 2 or params.shape[1] != len(self.generators):
            raise ShapeError("t", f"(n, {len(self.generators)})", params.shape, "One element of the group a row.")
        check_finite(params, "t")
        standard = np.einsum("dr,ade,es->ars", self.frame, self.generators, self.frame, optimize=True)
        elements = skew_exp(np.einsum("na,ars->nrs", params, standard))
        return np.asarray(self.centre + elements @ self.point @ self.frame.T)

    def plot(self, ax: Axes | None = None) -> Axes:
        """The cloud and its orbit on the cloud's two leading principal directions."""
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(figsize=(4.2, 4.0))
        plane = np.linalg.svd(self.cloud - self.cloud.mean(axis=0), full_matrices=False)[2][:2]
        if len(self.generators):
            x, y = plane @ (self._drawn() - self.centre).T
            style = "-" if len(self.generators) == 1 else "."
            ax.plot(x, y, style, color=FAINT, markersize=3, linewidth=1.5, label="orbit", zorder=1)
        x, y = plane @ (self.cloud - self.centre).T
        ax.plot(x, y, "o", color=FOUND, markersize=2.5, label="cloud", zorder=2)
        ax.set_title(f"{self.type} ({self.status})", fontsize=9, color=INK)
        ax.set(aspect="equal", xlabel="first direction", ylabel="second direction")
        ax.legend(fontsize=8, frameon=False)
        return ax

    def _drawn(self) -> Array:
        k = len(self.generators)
        if k == 1:
            return self.orbit(np.linspace(0.0, 2 * np.pi, DRAWN)[:, None])
        return self.orbit(np.random.default_rng(0).uniform(-np.pi, np.pi, (DRAWN, k)))

    def __repr__(self) -> str:
        d = self.distance
        best = f"{d.runner_up_type} {d.runner_up:.2g}" if d.runner_up_type else "none"
        return (
            f"OrbitRepresentation({self.type} in R^{len(self.centre)}; distance {d.rms:.2g}, noise {d.noise:.2g}, "
            f"runner-up {best}; status {self.status})"
        )


def type_name(group: str, weights: tuple[int, ...] | Weights) -> str:
    """Group and weights in words, such as ``"SO(2) (1, 2, 3)"`` and ``"SO(3) l=2 + l=0"``."""
    if group == "none":
        return "no orbit"
    if group == "SO(3)":
        return f"SO(3) {' + '.join(f'l={degree}' for degree in weights)}"
    return f"{group} {weights}"
