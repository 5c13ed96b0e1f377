"""The picture of `text_transformations.py`: transformations × energy, with intervals, null bands and verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl

from geodis import palette

VERDICTS = {2: "linear", 1: "needs a lift", 0: "not there"}
LIFTS = (
    ("quadratic", "^", palette.FLOOR, "after squares and products"),
    ("fourier", "s", palette.CEILING, "after random Fourier features"),
)
FLOOR = -0.3  # energies below are drawn here: far worse than nothing


def draw(rows: Mapping[str, float], names: Sequence[str], path: Path) -> None:
    """One line a transformation, those without rows left out."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    shown = [name for name in names if f"{name}.energy" in rows]
    figure, ax = plt.subplots(figsize=(9.2, 0.46 * max(3, len(shown)) + 2.0), layout="constrained")
    for y, name in enumerate(shown):
        _line(ax, y, name, rows)
    ax.set_yticks(range(len(shown)), [name.replace("_", " ") for name in shown])
    ax.invert_yaxis()
    ax.axvline(0.5, color=palette.LINE, lw=1, zorder=0)
    ax.set_xlim(FLOOR - 0.03, 1.42)
    ax.set_xticks([-0.25, 0, 0.25, 0.5, 0.75, 1])
    ax.set_xlabel("energy on unseen subjects in unseen templates")
    ax.spines[["top", "right"]].set_visible(False)
    ax.text(1.05, -0.75, "verdict", color=palette.SOFT, fontsize=9)
    ax.text(1.3, -0.75, "edit top-1", color=palette.SOFT, fontsize=9)
    handles, labels = ax.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside lower center", ncol=3, fontsize=8, frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _line(ax, y: int, name: str, rows: Mapping[str, float]) -> None:
    def value(key: str) -> float:
        return max(FLOOR, rows[f"{name}.{key}"])

    if f"{name}.null_mean" in rows:
        ax.barh(
            y,
            value("null_high"),
            height=0.7,
            left=0,
            color=palette.NULL,
            alpha=0.18,
            label="95 % of relabellings are below",
        )
    ax.plot([value("low"), min(1, value("high"))], [y, y], color=palette.FOUND, lw=2)
    ax.plot(value("energy"), y, "o", color=palette.FOUND, ms=7, label="linear, with its interval")
    ax.plot(
        value("known_templates"), y, "o", mfc="none", color=palette.SOFT, ms=7, label="in templates that were fitted"
    )
    for lift, marker, color, label in LIFTS:
        if f"{name}.{lift}.energy" in rows:
            ax.plot(value(f"{lift}.energy"), y + 0.22, marker, color=color, ms=4, label=label)
    if f"{name}.null_energy" in rows:
        ax.plot(value("null_energy"), y, "|", color=palette.NULL, ms=14, mew=2, label="the true labels beside them")
    ax.text(1.05, y, VERDICTS.get(rows.get(f"{name}.verdict"), ""), va="center", fontsize=9, color=palette.INK)
    if f"{name}.edit_top1" in rows:
        ax.text(1.34, y, f"{rows[f'{name}.edit_top1']:.2f}".lstrip("0"), va="center", fontsize=9, color=palette.INK)
