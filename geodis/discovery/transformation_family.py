"""TransformationFamily: one operator a batch with its held-out error, beside doing nothing and one operator for all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from geodis.discovery.map_classes import AbstractMapClass
from geodis.errors import ShapeError, UnknownNameError
from geodis.linalg import Array, to_numpy
from geodis.palette import FOUND, NULL, STILL
from geodis.statistics import Estimate, clustered_estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@final
@dataclass(frozen=True, eq=False, repr=False)
class TransformationFamily:
    """The operators z ↦ M_b z + t_b of B batches, each known only from its own pairs.

    Errors are cross-fitted: mean |gz − M z − t|² over pairs of the same batch that the operator has not seen. They hold
    the noise of gz, so they do not fall to 0. One operator for all batches, `pooled_error`, is the null of "each batch
    has a g of its own"; the identity, `identity_error`, the null of "anything moved".

    Parameters
    ----------
    labels, n : array (B,)
        The batches, sorted, and their numbers of pairs.
    operators, offsets : array (B, D, D), (B, D)
        M and t; t is 0 unless affine.
    fold_operators, fold_offsets : array (K, B, D, D), (K, B, D)
        The same fitted without the k-th part of each batch: what intervals of relations between batches come from.
    ranks : array (B,)
        Dimension of the span of a batch's points; outside it an operator is the identity.
    error, identity_error, pooled_error : array (B,)
        Mean squared errors on left-out pairs; NaN for a batch of one pair.
    intervals, gains : array (B, 2)
        Intervals of error / identity_error and of (pooled_error − error) / identity_error, pairs independent.
    gain : Estimate
        Σ (pooled − own error) / Σ identity error over all pairs: what it is worth to tell these batches apart.
    second_moment : array (D + 1, D + 1)
        Mean of (z, 1)(z, 1)ᵀ over all starting points: the metric in which operators are compared.
    batch_status : tuple of str
        ``"ok"``; ``"partial"``: the points span less than the space; ``"still"``: gz = z to rounding;
        ``"insufficient"``: one pair, nothing to leave out; ``"degenerate"``: the points are all zero (affine: equal).
    map_class : AbstractMapClass
        The class of maps, with the constants that were chosen.
    affine : bool
        Whether offsets were fitted.
    level : float
        Confidence level of the intervals.
    """

    labels: Array
    n: Array
    operators: Array
    offsets: Array
    fold_operators: Array
    fold_offsets: Array
    ranks: Array
    error: Array
    identity_error: Array
    pooled_error: Array
    intervals: Array
    gains: Array
    gain: Estimate
    second_moment: Array
    batch_status: tuple[str, ...]
    map_class: AbstractMapClass
    affine: bool
    level: float

    def __call__(self, z: Any, batches: Any) -> Array:
        """Move rows z (N, D) by the operators of their batches (N,).

        Raises
        ------
        ShapeError, UnknownNameError
            For rows of another dimension, or a batch that was not fitted.
        """
        rows, at = to_numpy(z), np.array([self.index(label) for label in to_numpy(batches).tolist()], dtype=int)
        if rows.ndim != 2 or rows.shape != (len(at), self.dim):
            raise ShapeError("z", f"({len(at)}, {self.dim})", rows.shape, "One row and one batch for each point.")
        out = np.empty(rows.shape)
        for b in np.unique(at):
            out[at == b] = rows[at == b] @ self.operators[b].T + self.offsets[b]
        return out

    def index(self, label: Any) -> int:
        """The position of a batch."""
        found = np.flatnonzero(self.labels == label)
        if len(found) != 1:
            raise UnknownNameError("batch", label, ", ".join(map(str, self.labels[:20].tolist())))
        return int(found[0])

    def operator(self, label: Any) -> Array:
        """The operator (D, D) of a batch."""
        return np.asarray(self.operators[self.index(label)])

    @property
    def n_batches(self) -> int:
        """Number of batches B."""
        return len(self.labels)

    @property
    def dim(self) -> int:
        """Dimension D of the embedding."""
        return int(self.operators.shape[-1])

    @property
    def homogeneous(self) -> Array:
        """The operators as (B, D + 1, D + 1) matrices on (z, 1)."""
        return homogeneous(self.operators, self.offsets)

    @property
    def fold_homogeneous(self) -> Array:
        """The same of the fits without one part, (K, B, D + 1, D + 1)."""
        return homogeneous(self.fold_operators, self.fold_offsets)

    @property
    def relative_error(self) -> Estimate:
        """Σ error / Σ identity_error over batches, which are independent; ``.interval()`` gives its t interval."""
        use = np.isfinite(self.error)
        if not use.any() or not self.identity_error[use].sum() > 0.0:
            return Estimate(math.nan, math.nan, math.nan, "item-clustered t, ratio")
        return clustered_estimate(self.error[use], self.identity_error[use])

    @property
    def differ(self) -> bool:
        """Whether it is shown that batches have different transformations; False is no proof that they have one."""
        return self.gain.interval(self.level).low > 0.0

    @property
    def status(self) -> str:
        """``"ok"`` if all batches are; ``"partial"`` if some are not; ``"insufficient"`` if none can be scored."""
        if not np.isfinite(self.relative_error.value):
            return "degenerate" if set(self.batch_status) <= {"degenerate"} else "insufficient"
        return "ok" if set(self.batch_status) <= {"ok", "still"} else "partial"

    def plot(self, ax: Axes | None = None) -> Axes:
        """Held-out error of each batch over that of the identity, with its interval, beside one operator for all."""
        from matplotlib import pyplot as plt

        axes = plt.subplots(figsize=(6.0, 3.2))[1] if ax is None else ax
        where = np.arange(self.n_batches)
        with np.errstate(divide="ignore", invalid="ignore"):
            own, pooled = self.error / self.identity_error, self.pooled_error / self.identity_error
        reach = np.abs(np.nan_to_num(self.intervals - own[:, None])).T
        axes.errorbar(where, own, yerr=reach, fmt="o", ms=3, color=FOUND, label="own operator")
        axes.plot(where, pooled, "_", color=NULL, label="one operator for all")
        axes.axhline(1.0, color=STILL, lw=0.8)
        axes.set(xlabel="batch", ylabel="held-out error / identity", ylim=(0.0, None))
        axes.legend(frameon=False)
        return axes

    def __repr__(self) -> str:
        value, (low, high, *_) = self.relative_error.value, self.relative_error.interval(self.level)
        return (
            f"TransformationFamily(batches={self.n_batches}, dim={self.dim}, relative_error={value:.3g} "
            f"[{low:.3g}, {high:.3g}], gain={self.gain.value:.3g}, status={self.status!r})"
        )


def homogeneous(operators: Array, offsets: Array) -> Array:
    """[[M, t], [0, 1]] of operators (..., D, D) and offsets (..., D)."""
    d = operators.shape[-1]
    out = np.zeros((*operators.shape[:-2], d + 1, d + 1))
    out[..., :d, :d], out[..., :d, d], out[..., d, d] = operators, offsets, 1.0
    return out
