"""DiscoveredAlgebra: generators of an unknown group, what algebra they span, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from scipy.linalg import expm

from geodis.discovery.algebra_name import AlgebraName
from geodis.discovery.commutant import Commutant
from geodis.discovery.generator_span import NoiseEdge
from geodis.discovery.span_uncertainty import HeldOut
from geodis.errors import ShapeError
from geodis.linalg import Array, check_finite, to_numpy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = 4  # singular values beyond the last generator in a plot, times the number of generators


@final
@dataclass(frozen=True, eq=False, repr=False)
class DiscoveredAlgebra:
    """Generators from batches of pairs that share an unknown element, gz ≈ exp(Σ_k t_k L_k) z.

    Attributes
    ----------
    generators : array (k, p, p)
        Orthonormal basis of the span. Linear: p = D, on z. Affine: p = D + 1, on (z − centre, 1), last row zero.
    elements : array (B', k)
        Coefficients t of the batches in `labels`.
    labels : array (B',)
        The batches that the fit rests on.
    skipped : dict of str to int
        How many batches were left out, and why.
    affine : bool
        Whether there are translations.
    translation_p : float
        The p-value of "no batch translates".
    centre : array (D,)
        Zero for linear generators.
    spectrum : array (B',)
        Singular values of the logarithms of the batches' operators about their mean, in units of their noise.
    edge : NoiseEdge
        The law of the largest singular value of noise alone.
    p_moves : float
        P(noise alone differs as much between batches): small if there is any generator.
    p_more : float
        P(noise alone leaves as much as these generators do): small if there are more.
    replication : float
        cos² of the worst principal angle between the spans of two halves of the batches (median over splits).
    angle : float
        Median of the bootstrap of the largest principal angle [rad] between this span and the true one.
    angle_interval : (float, float)
        Its quantiles at `level`. NaN without generators.
    algebra : AlgebraName or None
        The name of the algebra, None without generators.
    closure : float
        √(mean ‖[L_i, L_j] off the span‖²) over pairs; 0 for a closed span, about the angle for a noisy one.
    commutant : Commutant or None
        What commutes with all generators, in coordinates where the points are white: the room for copies. None where
        it was not looked for.
    on_orbit : bool
        Whether the generators were fitted as one conjugate in their double commutant.
    held_out : HeldOut
        Errors on pairs that fitted nothing, as shares of the identity's.
    level : float
        Confidence.
    status : str
        ``ok``; ``degenerate``: no batch moves its points beyond the noise; ``insufficient``: too few batches or pairs;
        ``undecided``: the tests disagree, and `generators` are what is sure at most.
    notes : tuple of str
        Why.
    """

    generators: Array
    elements: Array
    labels: Array
    skipped: dict[str, int]
    affine: bool
    translation_p: float
    centre: Array
    spectrum: Array
    edge: NoiseEdge
    p_moves: float
    p_more: float
    replication: float
    angle: float
    angle_interval: tuple[float, float]
    algebra: AlgebraName | None
    closure: float
    commutant: Commutant | None
    on_orbit: bool
    held_out: HeldOut
    level: float
    status: str
    notes: tuple[str, ...] = ()

    @property
    def n_generators(self) -> int:
        """Their number k."""
        return len(self.generators)

    @property
    def name(self) -> str:
        """The algebra's name; "none" without generators."""
        return "none" if self.algebra is None else str(self.algebra)

    def operator(self, t: Any) -> Array:
        """exp(Σ_k t_k L_k): coefficients `(..., k)` → `(..., p, p)`."""
        coefficients = to_numpy(t).astype(np.float64)
        if coefficients.ndim == 0 or coefficients.shape[-1] != self.n_generators:
            raise ShapeError("t", f"(..., {self.n_generators})", coefficients.shape)
        check_finite(coefficients, "t")
        return np.asarray(expm(np.tensordot(coefficients, self.generators, axes=1)))

    def act(self, z: Any, t: Any) -> Array:
        """Points moved by exp(Σ_k t_k L_k): z `(N, D)`, t `(k,)` → `(N, D)`."""
        points, M, d = to_numpy(z), self.operator(t), len(self.centre)
        if points.ndim != 2 or points.shape[1] != d or M.ndim != 2:
            raise ShapeError("z and t", f"(N, {d}) and ({self.n_generators},)", (points.shape, np.shape(t)))
        check_finite(points, "z")
        moved = (points - self.centre) @ M[:d, :d].T + self.centre
        return np.asarray(moved + M[:d, d] if self.affine else moved)

    def plot(self, ax: Axes | None = None) -> Axes:
        """The spectrum with its gap and the edge of noise; see `plot_generators` for the matrices."""
        import matplotlib.pyplot as plt

        from geodis.palette import FOUND, NULL, REJECTED, STILL

        if ax is None:
            _, ax = plt.subplots(figsize=(5.5, 3.2))
        k = self.n_generators
        values = self.spectrum[: max(SHOWN * k, k + SHOWN)]
        place = np.arange(1, len(values) + 1)
        ax.plot(place[:k], values[:k], "o", color=FOUND, label="generators")
        ax.plot(place[k:], values[k:], "o", markerfacecolor=REJECTED, color=STILL, label="rest")
        ax.axhline(self.edge.threshold(self.level), color=NULL, linestyle="--", label=f"noise alone, {self.level:.0%}")
        if values.size and values.min() > 0.0:
            ax.set_yscale("log")
        ax.set_xlabel("direction")
        ax.set_ylabel("singular value / noise")
        ax.set_title(f"{self.name}: {k} generators ({self.status})")
        ax.legend(frameon=False, fontsize="small")
        return ax

    def plot_generators(self, axes: Any = None) -> Any:
        """The generators as matrices, one picture each, on one color scale; returns the array of Axes."""
        import matplotlib.pyplot as plt

        k = self.n_generators
        if axes is None:
            _, axes = plt.subplots(1, max(k, 1), figsize=(2.2 * max(k, 1), 2.4), squeeze=False)
        flat = np.ravel(axes)
        scale = float(np.abs(self.generators).max()) if k else 1.0
        for i, ax in enumerate(flat):
            ax.set_axis_off()
            if i < k:
                ax.imshow(self.generators[i], cmap="PuOr", vmin=-scale, vmax=scale)
                ax.set_title(f"L{i + 1}")
        return axes

    def __repr__(self) -> str:
        low, high = self.angle_interval
        sure = f"angle {self.angle:.2g} rad [{low:.2g}, {high:.2g}], " if self.n_generators else ""
        return (
            f"DiscoveredAlgebra({self.name}: {self.n_generators} generators, "
            f"{sure}held-out error {self.held_out.model:.3g} of the identity's (free {self.held_out.free:.3g}), "
            f"{len(self.labels)} batches, status {self.status!r})"
        )
