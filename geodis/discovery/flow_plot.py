"""Pictures of generators: their defects, their matrices, and their flow on the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from geodis.errors import ParameterError
from geodis.linalg import Array
from geodis.palette import FAINT, FOUND, INK, LINE, NULL, SOFT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from geodis.discovery.generator_set import GeneratorSet

SHOWN = 40  # defects
ARROWS = 150
TIMES = np.linspace(-0.4, 0.4, 17)  # of the flow lines, in units where a generator has mean square speed 1 on the data
LINES = 12
LETTERS = 60  # of a title


def plot_defects(found: GeneratorSet, ax: Axes | None = None) -> Axes:
    """Defects in their order with simultaneous intervals; filled ones are claimed, the dashed line is the tolerance."""
    axes = _axes(ax)
    shown = min(SHOWN, len(found.spectrum))
    order, k = np.arange(1, shown + 1), found.n_generators
    low, high = found.intervals[:shown].T
    axes.vlines(order, low, high, color=LINE, linewidth=4)
    axes.plot(order[:k], found.spectrum[:k], "o", color=FOUND, label="generators")
    axes.plot(order[k:], found.spectrum[k:shown], "s", color=SOFT, markerfacecolor="none", label="not claimed")
    if np.isfinite(found.floor[:shown]).any():
        axes.plot(order, found.floor[:shown], "_", color=NULL, label="noise alone")
    axes.axhline(found.tolerance, color=INK, linestyle="--", linewidth=1, label="tolerance")
    axes.set(xlabel="direction", ylabel="defect (1: random field)", title=f"{k} generators: {found.status}")
    axes.set_ylim(bottom=0.0)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False)
    return axes


def plot_matrix(found: GeneratorSet, index: int = 0, ax: Axes | None = None) -> Axes:
    """The matrix of a linear or affine generator, largest entry 1.

    Raises
    ------
    NotLinearError, ParameterError
        For other fields, and for an index without generator.
    """
    _check_index(found, index)
    matrix = found.matrices[index]
    scaled = matrix / max(float(np.abs(matrix).max()), 1e-300)
    axes = _axes(ax)
    axes.imshow(scaled, cmap="PuOr", vmin=-1.0, vmax=1.0)
    if len(matrix) <= 8:
        for (i, j), value in np.ndenumerate(scaled):
            axes.text(j, i, f"{value:.2f}", ha="center", va="center", color=INK, fontsize=8)
    axes.set(xticks=range(len(matrix)), yticks=range(len(matrix)), title=f"generator {index}")
    return axes


def plot_flow(found: GeneratorSet, index: int = 0, ax: Axes | None = None) -> Axes:
    """Arrows of a generator on the data and lines of its flow, in the plane where it moves the data most.

    Raises
    ------
    ParameterError
        For an index without generator.
    """
    _check_index(found, index)
    x = found.points[:: max(1, -(-len(found.points) // ARROWS))]
    velocity = found[index](x)
    plane = _plane(x, velocity)
    axes = _axes(ax)
    for line in _lines(found, index, x[:: max(1, len(x) // LINES)]):
        axes.plot(*(line @ plane.T).T, color=FAINT, linewidth=1)
    at, arrow = x @ plane.T, velocity @ plane.T
    axes.quiver(*at.T, *arrow.T, color=FOUND, angles="xy", width=0.004)
    axes.set(xlabel=_label(plane[0]), ylabel=_label(plane[-1]), title=_title(found, index))
    axes.set_aspect("equal", adjustable="datalim")
    return axes


def _lines(found: GeneratorSet, index: int, x: Array) -> Array:
    """Trajectories (n, times, 2 or d) of some points; those of fields that are not linear as straight pieces."""
    unit = np.eye(found.n_generators)[index]
    try:
        return np.stack([found.flow(x, t * unit) for t in TIMES], axis=1)
    except ValueError:  # a polynomial flow that leaves every bound: arrows alone
        return np.zeros((0, len(TIMES), x.shape[1]))


def _plane(x: Array, velocity: Array) -> Array:
    """Orthonormal rows (2, d): coordinate axes for plane data, else the leading directions of the velocities."""
    d = x.shape[1]
    if d == 1:
        return np.array([[1.0], [0.0]])
    if d == 2:
        return np.eye(2)
    return np.asarray(np.linalg.svd(velocity, full_matrices=False)[2][:2])


def _title(found: GeneratorSet, index: int) -> str:
    text = found.fields.describe(found.coefficients[index])
    return text if len(text) <= LETTERS else f"generator {index}"


def _label(row: Array) -> str:
    if not row.any():
        return ""
    largest = int(np.abs(row).argmax())
    return f"x{largest}" if abs(row[largest]) > 1 - 1e-9 else "direction of motion"


def _check_index(found: GeneratorSet, index: int) -> None:
    if not 0 <= index < found.n_generators:
        raise ParameterError("index", f"one of {found.n_generators} generators, from 0", index)


def _axes(ax: Axes | None) -> Any:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained")[1]
