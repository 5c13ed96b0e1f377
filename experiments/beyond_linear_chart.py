"""The picture of the out-of-plane part of `beyond_linear.py`: error ratio against content of every method.

    python experiments/beyond_linear_chart.py

reads `results/beyond_linear.json` and writes `docs/out_of_plane.png`. Good is the upper left.
"""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl

from geodis import palette

ROOT = Path(__file__).parent.parent
RESULTS, PICTURE = ROOT / "experiments" / "results" / "beyond_linear.json", ROOT / "docs" / "out_of_plane.png"
NAMES = {
    "simclr": "SimCLR", "care": "CARE", "msp": "MSP type", "lsbd": "LSBD type", "quessard": "Quessard type",
    "pca8": "PCA-8", "pca16": "PCA-16", "pca32": "PCA-32", "random": "random network",
}  # fmt: skip


def draw() -> None:
    """One point a method."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    values = {row["key"]: row["value"] for row in json.loads(RESULTS.read_text())["rows"]}
    figure, ax = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
    for key, name in NAMES.items():
        if f"outofplane.{key}.ratio" in values:
            _point(ax, values, f"outofplane.{key}", name, palette.SOFT)
    _point(ax, values, "outofplane", "geodis", palette.FOUND)
    ax.axvline(1.0, color=palette.LINE, lw=1, zorder=0)
    ax.text(1.0, 0.02, "not acting at all", color=palette.SOFT, fontsize=8, rotation=90, va="bottom", ha="right",
            transform=ax.get_xaxis_transform())  # fmt: skip
    ax.set_xlim(0, 1.08)
    ax.set_xlabel("error ratio on unseen objects and poses (less is better)")
    ax.set_ylabel("nearest neighbour is the same object")
    ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(PICTURE, dpi=110)
    plt.close(figure)


def _point(ax, values: dict[str, float], prefix: str, name: str, color: str) -> None:
    x, y = values[f"{prefix}.ratio"], values[f"{prefix}.content"]
    ax.plot(x, y, "o", color=color, ms=8)
    ax.annotate(name, (x, y), xytext=(6, -3), textcoords="offset points", fontsize=9, color=color)


if __name__ == "__main__":
    draw()
