"""The picture of `fields.py`: error after twenty steps against the number of training simulations.

    python experiments/fields_chart.py

reads `results/fields.json` and writes `docs/fields_runs.png`.
"""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl
import numpy as np

from geodis import palette

ROOT = Path(__file__).parent.parent
RESULTS, PICTURE = ROOT / "experiments" / "results" / "fields.json", ROOT / "docs" / "fields_runs.png"
RUNS = (1, 2, 4, 8, 32)
LINES = {
    "": ("equation found", palette.FOUND, "o-"),
    "net.": ("geometric network", palette.FOUND, "s--"),
    "cnn.": ("plain CNN", palette.SOFT, "o-"),
    "turned.": ("plain CNN, turned data", palette.SOFT, "s--"),
    "fno.": ("Fourier neural operator", palette.SOFT, "^:"),
}
HORIZONS = (1, 20)


def draw() -> None:
    """One panel a horizon, one line an emulator."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    values = {row["key"]: (row["value"], row["sd"]) for row in json.loads(RESULTS.read_text())["rows"]}
    figure, panels = plt.subplots(1, len(HORIZONS), figsize=(9.0, 3.8), layout="constrained", sharey=True)
    for ax, ahead in zip(panels, HORIZONS, strict=True):
        for prefix, (name, color, style) in LINES.items():
            points = [
                (n, *values[f"swe{n}.{prefix}step{ahead}"]) for n in RUNS if f"swe{n}.{prefix}step{ahead}" in values
            ]
            n, mean, sd = (np.array(column, dtype=float) for column in zip(*points, strict=True))
            ax.errorbar(
                n, mean, yerr=[np.minimum(sd, 0.9 * mean), sd], fmt=style, color=color, ms=4, lw=1.2, label=name
            )
        ax.axhline(values[f"swe.persistence.step{ahead}"][0], color=palette.LINE, lw=1, label="nothing moves")
        ax.set(
            xscale="log",
            yscale="log",
            xlabel="simulations to learn from",
            title=f"after {ahead} step{'s' * (ahead > 1)}",
        )
        ax.set_xticks(RUNS, [str(n) for n in RUNS])
        ax.minorticks_off()
        ax.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("relative squared error")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=9)
    figure.savefig(PICTURE, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    draw()
