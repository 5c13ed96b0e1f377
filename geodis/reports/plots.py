"""Pictures of a report: orbits in a block's plane, and errors beside their baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from geodis.coordinates.latent import Block
from geodis.coordinates.spectrum import IsotypicSpectrum
from geodis.linalg import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

    from geodis.reports.report import Report

PLANES = 6  # blocks that one picture shows
ITEMS = 40  # items drawn in a plane


def plot_orbits(report: Report, labels: Sequence[str] | None = None) -> Figure:
    """Each non-trivial block in its first two coordinates, unseen items coloured by the group's parameter."""
    import matplotlib.pyplot as plt

    blocks = [b for b in report.coordinates.blocks if not b.irrep.trivial and b.irrep.dim >= 2][:PLANES]
    columns = max(1, min(3, len(blocks)))
    lines = max(1, -(-len(blocks) // columns))
    fig, axes = plt.subplots(lines, columns, figsize=(3.6 * columns, 3.6 * lines), squeeze=False)
    for ax in axes.ravel()[len(blocks) :]:
        ax.axis("off")
    for ax, block in zip(axes.ravel(), blocks, strict=False):
        plot_plane(report, block, ax, labels)
    fig.tight_layout()
    return fig


def plot_plane(report: Report, block: Block, ax: Axes, labels: Sequence[str] | None = None) -> Axes:
    """One block in its first two coordinates; `labels` name the elements of a crossed design round the plane."""
    codes = report.codes
    plane = codes.z[:, [block.rows[0], block.rows[1]]]
    colour = codes.params[:, 0]
    low, high = _turn(colour)
    for label in codes.labels[:: max(1, codes.n_items // ITEMS)]:
        mine = codes.items == label
        order = np.argsort(colour[mine])
        path, shade = plane[mine][order], colour[mine][order]
        ax.plot(path[:, 0], path[:, 1], color="#9fb3c1", linewidth=0.4, alpha=0.3, zorder=1)
        ax.scatter(path[:, 0], path[:, 1], c=shade, cmap=_wheel(), s=12, zorder=2, vmin=low, vmax=high, linewidths=0)
    radius = float(np.abs(plane).max(initial=0.0)) or 1.0
    if codes.crossed:
        _annotate(plane.reshape(codes.n_items, -1, 2).mean(axis=0), radius, ax, labels)
    ax.set(xlim=(-1.15 * radius, 1.15 * radius), ylim=(-1.15 * radius, 1.15 * radius), aspect="equal")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_color("#c9d6df")
    ax.set_title(f"{block.irrep.name}   error {_error_of(report, block):.3f}", fontsize=10)
    return ax


def _turn(values: Array) -> tuple[float, float]:
    """The first value and, one gap behind the last, the value where a cycle closes."""
    distinct = np.unique(values)
    gap = (distinct[-1] - distinct[0]) / max(len(distinct) - 1, 1)
    return float(distinct[0]), float(distinct[-1] + gap) or 1.0


def _wheel() -> ListedColormap:
    """A cyclic colour map without the near-white and near-black of matplotlib's own."""
    from matplotlib.colors import ListedColormap, hsv_to_rgb

    hue = np.linspace(0.0, 1.0, 256, endpoint=False)
    return ListedColormap(hsv_to_rgb(np.stack([(hue + 0.58) % 1.0, np.full(256, 0.6), np.full(256, 0.85)], axis=1)))


def _annotate(means: Array, radius: float, ax: Any, labels: Sequence[str] | None) -> None:
    closed = np.concatenate([means, means[:1]])
    ax.plot(*closed.T, color="#1d2b36", linewidth=1.3, marker="o", markersize=3.5, zorder=3)
    if labels is None:
        return
    for name, point in zip(labels, means, strict=False):
        # Outside all dots, in the direction of the mean code, with a thin line to it.
        place = 1.06 * radius * point / max(float(np.linalg.norm(point)), 1e-12)
        ax.plot(*np.stack([point, 0.93 * place]).T, color="#1d2b36", linewidth=0.5, alpha=0.5, zorder=3)
        ax.annotate(name, place, ha="center", va="center", fontsize=9, fontweight="bold", zorder=4)


def _error_of(report: Report, block: Block) -> float:
    index = next(i for i, b in enumerate(report.coordinates.blocks) if b is block)
    return float(report.rows.value.iloc[index])


def plot_spectrum(spectrum: IsotypicSpectrum) -> Figure:
    """The energies of all irreps that act, with their nulls; invariant blocks, often hundreds, are left out."""
    import matplotlib.pyplot as plt

    acting = {name: e for name, e in spectrum.energies.items() if spectrum.coupling[name] != "trivial"}
    n_bars = sum(len(e) for e in acting.values())
    fig, ax = plt.subplots(figsize=(min(12.0, max(5.5, 0.45 * n_bars + 0.4 * len(acting))), 3.6))
    replace(spectrum, energies=acting).plot(ax)
    handles, labels = ax.get_legend_handles_labels()
    if handles:
        unique = dict(zip(labels, handles, strict=True))
        ax.legend(
            unique.values(),
            unique.keys(),
            fontsize="small",
            frameon=False,
            ncols=2,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.2),
        )
    return fig


def plot_errors(report: Report) -> Figure:
    """Error of each non-trivial block with its interval, beside identity, null and ceiling."""
    import matplotlib.pyplot as plt

    trivial = np.array([b.irrep.trivial for b in report.coordinates.blocks] + [False])
    rows = report.rows[~trivial].reset_index(drop=True)
    fig, ax = plt.subplots(figsize=(max(5.0, 0.9 * len(rows) + 2.5), 3.4))
    x = np.arange(len(rows))
    spread = np.abs(np.stack([rows.value - rows.ci_low, rows.ci_high - rows.value]).astype(float))
    ax.bar(
        x,
        rows.value,
        width=0.55,
        color="#2a6f97",
        yerr=np.nan_to_num(spread),
        capsize=3,
        ecolor="#1d2b36",
        label="error on unseen items",
    )
    marks = (
        ("identity", "s", "#8d99a6", "not acting"),
        ("null_mean", "D", "#d1495b", "null: relabelled"),
        ("ceiling", "v", "#f2a541", "best free linear map"),
    )
    for column, marker, colour, label in marks:
        ax.scatter(x, rows[column].astype(float), marker=marker, color=colour, s=48, zorder=3, label=label)
    ax.set_xticks(x, rows.block, rotation=30, ha="right")
    ax.set_ylabel(str(rows.metric.iloc[0]))
    ax.set_ylim(0, None)
    ax.legend(fontsize="small", frameon=False, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    fig.tight_layout()
    return fig
