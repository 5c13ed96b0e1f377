"""The picture of `catalogue.py`: what published scores and geodis say of inputs that know nothing, or are perfect.

    python experiments/catalogue_chart.py

reads `results/catalogue.json` and writes `docs/catalogue.png`. Every score is drawn on the scale from its chance (0) to
its best value (1).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl

from geodis import palette

ROOT = Path(__file__).parent.parent
RESULTS, PICTURE = ROOT / "experiments" / "results" / "catalogue.json", ROOT / "docs" / "catalogue.png"


@dataclass(frozen=True)
class Line:
    """A row of results: its label, and the values of the published formula that mean best and nothing.

    Attributes
    ----------
    key, label : str
        Of the results, and as drawn.
    best, nothing : float
        Of the published formula.
    ours : float
        The best value of geodis' metric; its chance stands in the results.
    blocks : str
        The row with the score of blocks, where that is what geodis offers instead.
    """

    key: str
    label: str
    best: float
    nothing: float
    ours: float
    blocks: str = ""


HALF = math.sqrt(0.5)  # EMLP's error of independent codes
BROKEN = (
    Line("cswm_mrr_constant", "C-SWM's MRR: constant predictor", 1, 0, 1),
    Line("cswm_mrr_collapsed", "C-SWM's MRR: collapsed encoder", 1, 0, 1),
    Line("sie_r2_columns", "SIE's R²: codes that know no parameter", 1, 0, 1),
    Line("emlp_zero", "EMLP's error: output 0", 0, HALF, 0),
    Line("emlp_offset", "EMLP's error: random codes, offset 10", 0, HALF, 0),
    Line("uncentred_offset", "uncentred error: random codes, offset 10", 0, 2, 0),
    Line("cosine_offset", "1 − cos: random codes, offset 10", 0, 1, 0),
    Line("e3nn_constant", "e3nn's check: constant output", 0, 1, 0),
    Line("escnn_constant", "escnn's check: constant output", 0, 1, 0),
    Line("psnr_constant", "EQ-T, EQ-R: one image for all inputs", math.inf, 0, 0),
    Line("liegg_constant", "LieGG's variance: constant output", 0, 1, 0),
    Line("lee_stretch", "LEE under the published stretch", 0, 1, 0),
    Line("care_gamma_independent", "CARE's γ: independent codes in R¹⁶", 0, 1, 0),
    Line("care_wahba_invariant", "CARE's W: invariant encoder", 0, 1, 0),
    Line("care_wahba_in_sample", "CARE's W in sample: independent codes", 0, 2, 0),
    Line("linear_in_sample", "linear map in sample: independent codes", 0, 1, 0),
    Line("dlsbd_superposed", "D_LSBD: both factors on one plane", 0, 1, 1),
    Line("dlsbd_radius", "D_LSBD: a factor of radius 1e-6", 0, 1, 0),
    Line("cka_biased", "CKA: independent codes", 1, 0, 1),
    Line("mcc_noise", "MCC: noise", 1, 0, 1),
    Line("explicitness_noise", "explicitness in sample: noise", 1, 0.5, 1),
    Line("independence_random_displacements", "independence: random displacements", 1, 0.575, 1),
)
PERFECT = (
    Line("mig_exact_torus", "MIG: exact torus in R⁴", 1, 0, 1, "aligned.mig"),
    Line("mig_rotated_torus", "MIG: the torus, rotated", 1, 0, 1, "aligned.mig"),
    Line("sap_torus_at_45", "SAP: the torus, planes turned by 45°", 1, 0, 1, "aligned.sap"),
    Line("dci_completeness_exact_torus", "DCI completeness: exact torus", 1, 0, 1, "aligned.completeness"),
    Line("modularity_rotated_torus", "modularity: the torus, rotated", 1, 0, 1, "aligned.modularity"),
)


def draw() -> None:
    """Two panels: inputs that know nothing, and perfect ones."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    values = {row["key"]: row["value"] for row in json.loads(RESULTS.read_text())["rows"]}
    figure, panels = plt.subplots(
        2, 1, figsize=(8.6, 8.4), layout="constrained", sharex=True,
        height_ratios=[len(BROKEN) + 2, len(PERFECT) + 2],
    )  # fmt: skip
    titles = ("broken codes: the score should be at chance", "perfect codes: the score should be 1")
    for ax, lines, title in zip(panels, (BROKEN, PERFECT), titles, strict=True):
        _panel(ax, lines, values)
        ax.set_title(title, loc="left", fontsize=10)
    panels[1].set_xlim(-0.06, 1.06)
    panels[1].set_xticks([0, 0.25, 0.5, 0.75, 1], ["chance", "", "", "", "best value"])
    handles = [handle for ax in panels for handle in ax.get_legend_handles_labels()[0]]
    labels = [label for ax in panels for label in ax.get_legend_handles_labels()[1]]
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside lower center", ncol=2, fontsize=9, frameon=False)
    figure.savefig(PICTURE, dpi=110)
    plt.close(figure)


def _panel(ax, lines: tuple[Line, ...], values: dict[str, float]) -> None:
    for y, line in enumerate(lines):
        published = _published(line, values)
        ours, ok = _geodis(line, values)
        ax.plot([ours, published], [y, y], color=palette.LINE, lw=1, zorder=0)
        ax.plot(published, y, "o", color=palette.NULL, ms=7, label="as published")
        marker = {"color": palette.FOUND, "ms": 7} if ok else {"color": palette.FOUND, "ms": 8, "mew": 2}
        label = "geodis" if ok else "geodis: no value, or one that its status marks"
        ax.plot(ours, y, "D" if ok else "x", label=label, **marker)
        if line.blocks:
            ax.plot(
                values[line.blocks], y, "s", color=palette.FLOOR, ms=7, label="geodis, blocks of fitted coordinates"
            )
    ax.set_yticks(range(len(lines)), [line.label for line in lines], fontsize=9)
    ax.set_ylim(len(lines) - 0.4, -0.6)
    ax.axvline(0, color=palette.LINE, lw=1, zorder=0)
    ax.axvline(1, color=palette.LINE, lw=1, zorder=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)


def _published(line: Line, values: dict[str, float]) -> float:
    """Between nothing and best; what is not finite has no row, and is best here."""
    value = values.get(f"failures.{line.key}.published", line.best)
    return 1.0 if value == line.best else _between(value, line.nothing, line.best)


def _geodis(line: Line, values: dict[str, float]) -> tuple[float, bool]:
    """Where geodis' value lies, chance where it gives none, and whether its status is ok."""
    prefix = f"failures.{line.key}"
    ok = values[f"{prefix}.ok"] == 1.0
    value, chance = values.get(f"{prefix}.geodis"), values.get(f"{prefix}.chance")
    degenerate = value is None or chance is None or (not ok and value == line.ours)
    return (0.0, ok) if degenerate else (_between(value, chance, line.ours), ok)


def _between(value: float, nothing: float, best: float) -> float:
    return min(1.0, max(0.0, (value - nothing) / (best - nothing)))


if __name__ == "__main__":
    draw()
