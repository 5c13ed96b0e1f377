"""Trajectories of particles: positions and velocities at some times, and the numbers that each particle carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from geodis.errors import LengthError, ShapeError
from geodis.linalg import Array, check_finite

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@final
@dataclass(frozen=True, repr=False, eq=False)
class ParticleTrajectories:
    """Runs of a particle system: positions and velocities `(n, times, bodies, d)`, scalars `(n, bodies, k)`.

    Attributes
    ----------
    positions, velocities : ndarray (n, times, bodies, d)
        At each of `times`.
    scalars : ndarray (n, bodies, k)
        What each body carries and does not change: charges, masses.
    times : ndarray (times,)
        When, in the simulator's unit of time.
    names : tuple of str
        Of the k scalars.

    Raises
    ------
    ShapeError, LengthError, FiniteError
        For arrays that do not fit together, NaN or infinity.
    """

    positions: Array
    velocities: Array
    scalars: Array
    times: Array
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.positions.ndim != 4 or self.velocities.shape != self.positions.shape:
            got = f"{self.positions.shape} and {self.velocities.shape}"
            raise ShapeError("positions and velocities", "(n, times, bodies, d) both", got)
        n, times, bodies, _ = self.positions.shape
        if self.scalars.shape != (n, bodies, len(self.names)):
            raise ShapeError("scalars", f"({n}, {bodies}, {len(self.names)})", self.scalars.shape)
        if self.times.shape != (times,):
            raise LengthError(times=len(self.times), positions=times)
        for name in ("positions", "velocities", "scalars", "times"):
            check_finite(getattr(self, name), name)

    def __len__(self) -> int:
        return len(self.positions)

    def __repr__(self) -> str:
        n, times, bodies, d = self.positions.shape
        carried = ", ".join(self.names)
        return f"ParticleTrajectories({n} runs, {times} times, {bodies} bodies in R^{d}, scalars: {carried})"

    def plot(self, run: int = 0, ax: Axes | None = None) -> Axes:
        """The paths of one run, first two coordinates; the axes come back."""
        from matplotlib.figure import Figure

        axes = Figure(figsize=(4, 4)).subplots() if ax is None else ax
        paths = self.positions[run]
        for body in range(paths.shape[1]):
            axes.plot(paths[:, body, 0], paths[:, body, min(1, paths.shape[-1] - 1)], "-", lw=0.9, color=f"C{body}")
            axes.plot(*(paths[-1, body, [0, min(1, paths.shape[-1] - 1)]]), "o", ms=4, color=f"C{body}")
        axes.set_aspect("equal")
        axes.set(xlabel="x₀", ylabel="x₁")
        return axes
