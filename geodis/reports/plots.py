"""Pictures of a whole report, made of displays: planes of its blocks, their errors, errors by size, edits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from geodis.palette import CEILING, FLOOR, FOUND, INK, NULL, STILL
from geodis.reports.edit_display import EditDisplay
from geodis.reports.error_display import ErrorDisplay, floor_of
from geodis.reports.orbit_display import OrbitDisplay

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from geodis.reports.report import Report

PLANES = 6  # blocks that one picture shows
BARS = 24  # blocks whose errors one picture shows
LONGEST = 28  # letters of a block's name


def acting_blocks(report: Report) -> list[int]:
    """The blocks that the group moves."""
    return [i for i, b in enumerate(report.coordinates.blocks) if not b.irrep.trivial]


def plot_orbits(report: Report, labels: Sequence[str] | None = None) -> Figure:
    """The first acting blocks, those of two rows and more before signs, with one color bar for all."""
    import matplotlib.pyplot as plt

    blocks = sorted(acting_blocks(report), key=lambda i: report.coordinates.blocks[i].irrep.dim < 2)[:PLANES]
    columns = max(1, min(3, len(blocks)))
    lines = max(1, -(-len(blocks) // columns))
    fig, axes = plt.subplots(
        lines, columns, figsize=(3.3 * columns + 0.7, 3.5 * lines), squeeze=False, layout="constrained"
    )
    for ax in axes.ravel()[len(blocks) :]:
        ax.axis("off")
    drawn = [
        OrbitDisplay.from_report(report, block, labels=labels).plot(ax)
        for ax, block in zip(axes.ravel(), blocks, strict=False)
    ]
    if drawn:
        fig.colorbar(drawn[0].scatter_, ax=axes, label=drawn[0].shades.label, shrink=0.7, fraction=0.03)
    return fig


def plot_errors(report: Report) -> Figure:
    """Error of each non-trivial block with its interval, beside not acting, the null, the ceiling and the floor."""
    import matplotlib.pyplot as plt

    shown = [*acting_blocks(report)[:BARS], len(report.rows) - 1]
    rows = report.rows.iloc[shown].reset_index(drop=True)
    fig, ax = plt.subplots(figsize=(7.0, 1.5 + 0.34 * len(rows)))
    y = np.arange(len(rows))
    spread = np.abs(np.stack([rows.value - rows.ci_low, rows.ci_high - rows.value]).astype(float))
    ax.barh(
        y, rows.value, height=0.55, color=FOUND, xerr=np.nan_to_num(spread), capsize=3, ecolor=INK,
        label="error on unseen items",
    )  # fmt: skip
    for column, marker, colour, label in (
        ("identity", "s", STILL, "not acting"),
        ("null_mean", "D", NULL, "null: relabelled"),
        ("ceiling", "v", CEILING, "best free linear map"),
    ):
        _marks(ax, rows[column].astype(float), y, marker, colour, label)
    _marks(ax, [floor_of(report, row) for row in shown], y, "|", FLOOR, "floor: interpolation alone")
    ax.set_yticks(y, [_short(name) for name in rows.block])
    ax.invert_yaxis()
    ax.set_xlabel(str(rows.metric.iloc[0]))
    ax.set_xlim(0, None)
    ax.spines[["top", "right"]].set_visible(False)
    handles, labels = ax.get_legend_handles_labels()
    handles, labels = handles[-1:] + handles[:-1], labels[-1:] + labels[:-1]  # the bars first
    ax.legend(handles, labels, fontsize="small", frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.45, 1.0))
    return fig


def plot_sizes(report: Report) -> Figure:
    """Error of all acting blocks against the size of the group element."""
    return ErrorDisplay.from_report(report).plot().figure_


def plot_edit(report: Report) -> Figure:
    """Some edits of unseen items, in the plane of the first acting block."""
    block = min(acting_blocks(report), key=lambda i: report.coordinates.blocks[i].irrep.dim < 2)
    return EditDisplay.from_report(report, block).plot().figure_


def _marks(ax: Axes, values: Any, y: Any, marker: str, colour: str, label: str) -> None:
    known = np.asarray(values, dtype=np.float64)
    if np.isfinite(known).any():
        ax.scatter(known, y, marker=marker, color=colour, s=46, zorder=3, label=label)


def _short(name: str) -> str:
    """A name that leaves room for the picture; tables have the whole."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 8]}…{name[-7:]}"
