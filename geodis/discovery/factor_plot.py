"""The spectrum of the connection Laplacian with its gap: how many symmetric tensors are parallel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geodis.palette import FOUND, INK, NULL, STILL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from geodis.discovery.manifold_factors import ManifoldFactorization

LOWEST = 1e-5  # ratios below it are drawn there: a logarithm has no zero


def draw_factor_spectrum(result: ManifoldFactorization, ax: Axes | None = None) -> Axes:
    """Eigenvalues on a logarithmic axis, parallel ones filled; the sphere's lowest as a line; the gap as a band."""
    if ax is None:
        from matplotlib.figure import Figure

        ax = Figure(figsize=(5.5, 3.6), layout="constrained").subplots()
    values, count = np.maximum(result.spectrum, LOWEST), result.n_parallel
    places = np.arange(1, len(values) + 1)
    ax.plot(places[:count], values[:count], "o", color=FOUND, label="parallel")
    ax.plot(places[count:], values[count:], "s", color=STILL, markerfacecolor="white", label="not parallel")
    if np.isfinite(result.null):
        ax.axhline(result.null, color=NULL, linestyle="--", label="round sphere, lowest")
    if 0 < count < len(values):
        ax.axhspan(values[count - 1], values[count], color=FOUND, alpha=0.08, linewidth=0)
        middle = float(np.sqrt(values[count - 1] * values[count]))
        ax.annotate(f"gap ×{result.gap:.0f}", (count + 0.5, middle), color=INK, ha="center", va="center")
    ax.set_yscale("log")
    ax.set_ylim(LOWEST / 2, 3.0 * max(float(values.max(initial=0.0)), 1.0))
    ax.set_xticks(places)
    ax.set_xlabel("symmetric tensor without trace")
    ax.set_ylabel("eigenvalue / first of functions")
    ax.set_title(f"{' × '.join(map(str, result.dimensions))}: {result.status}")
    ax.legend(frameon=False, fontsize="small")
    return ax
