"""Question: which layers of a network hold which irreps, and what does the same scan say of a network without training.

    python experiments/layer_scans.py             writes results/layer_scans.json, docs/scan_digits.png, scan_minilm.png
    python experiments/layer_scans.py --only vit  one of the scans, without pictures; --quick writes nothing

The digits' encoder sees digits of writers that it was not trained on, turned. MiniLM sees sentences whose month,
weekday or hour turns, whose number steps, whose verb is negated; folds and splits go by subject. The control is a
vision transformer with random weights on the same digits, beside its pixels: turning is linear on pixels, so that a
scan has to find it there too. What layers add or lose is to be read against that line and against the null.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from harness import run
from rich.console import Console
from torch import Tensor, nn

from geodis import LayerScan, scan_layers
from geodis.actions import ImageRotation
from geodis.encoders import load_digits_encoder, load_minilm
from geodis.linalg import Array
from geodis.reports import ScanDisplay
from geodis.simulators import (
    Sentences,
    digit_images,
    digit_split,
    hour_sentences,
    month_sentences,
    negation_sentences,
    number_sentences,
    weekday_sentences,
)

HERE = Path(__file__).parent
RESULTS, DOCS = HERE / "results" / "layer_scans.json", HERE.parent / "docs"
SEED, N_NULL = 0, 199
N_DIGITS, N_ANGLES, MAX_ORDER = 150, 16, 3


def digits() -> LayerScan:
    net = load_digits_encoder()
    layers = ["conv1.0", "conv1", "conv2.0", "conv2", "conv3.0", "conv3", "dense.1", "dense", "logits"]
    return scan_layers(net, _digits(), ImageRotation(), layers, **_turning())


def vit() -> LayerScan:
    return scan_layers(RandomViT(), _digits(), ImageRotation(), ["pixels", "patches", "blocks.*"], **_turning())


def months() -> LayerScan:
    return _sentences(month_sentences())


def weekdays() -> LayerScan:
    return _sentences(weekday_sentences())


def hours() -> LayerScan:
    return _sentences(hour_sentences(), n_elements=24)


def numbers() -> LayerScan:
    # A line's frequencies are sought by a scan of their own: a part of the items and of the steps keeps it short.
    return _sentences(number_sentences(), layers=[0, 3, 6], every=2, n_elements=8, max_components=24, n_null=99)


def negation() -> LayerScan:
    return _sentences(negation_sentences())


SCANS: dict[str, Callable[[], LayerScan]] = {
    "digits": digits, "vit": vit, "months": months, "weekdays": weekdays, "hours": hours, "numbers": numbers,
    "negation": negation,
}  # fmt: skip


def _digits() -> Array:
    rng = np.random.default_rng(SEED)
    return digit_images()[0][rng.choice(digit_split()[1], N_DIGITS, replace=False)]


def _turning() -> dict[str, int]:
    return {"n_elements": N_ANGLES, "max_order": MAX_ORDER, "n_null": N_NULL, "seed": SEED}


def _sentences(sentences: Sentences, every: int = 1, **options) -> LayerScan:
    part = slice(None, None, every)
    given = {"max_order": MAX_ORDER, "n_null": N_NULL, "seed": SEED, "clusters": sentences.subjects[part]} | options
    return scan_layers(load_minilm(), sentences.texts[part], sentences.action, **given)


class RandomViT(nn.Module):
    """A small vision transformer on digits upsampled to 56 × 56, patches of 7, as its weights are drawn."""

    def __init__(self, width: int = 64, depth: int = 4, patch: int = 7) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(SEED)
            self.pixels = nn.AvgPool2d(4)
            self.patches = nn.Conv2d(1, width, patch, stride=patch)
            self.places = nn.Parameter(torch.randn(1, (56 // patch) ** 2, width))
            self.blocks = nn.ModuleList(
                nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
                for _ in range(depth)
            )

    def forward(self, images: Tensor) -> Tensor:
        """Tokens of the last block."""
        large = nn.functional.interpolate(images[:, None], size=(56, 56), mode="bilinear", align_corners=False)
        self.pixels(large)
        h = self.patches(large).flatten(2).mT + self.places
        for block in self.blocks:
            h = block(h)
        return h


# --- results ----------------------------------------------------------------------------------------------------------
@cache
def scanned(name: str) -> LayerScan:
    torch.set_num_threads(1)
    scan = SCANS[name]()
    console = Console(width=118)
    console.print(f"[bold]{name}[/bold]")
    console.print(scan.table())
    console.print(scan.summary)
    return scan


def numbers_of(name: str, seed: int) -> dict[str, float]:
    """How many lines hold an irrep, and energy and null of every line: ``months.hidden6.k1.energy``."""
    scan = scanned(name)
    out = {f"{name}.held": float(len(scan.held)), f"{name}.tested": float(scan.rows.q.notna().sum())}
    for row in scan.rows.itertuples():
        key = f"{name}.{row.layer}.{row.irrep}".replace(" ", "").replace("=", "")
        out |= {f"{key}.{what}": getattr(row, what) for what in ("copies", "energy", "null_mean", "null_p", "q")}
    return {key: float(value) for key, value in out.items() if np.isfinite(value)}


def main(argv: list[str] | None = None) -> None:
    record = run({name: partial(numbers_of, name) for name in SCANS}, results=RESULTS, seeds=[SEED], argv=argv)
    flags = sys.argv[1:] if argv is None else argv
    if "--quick" not in flags and "--only" not in flags and record["rows"]:
        shown = {"digit classifier": scanned("digits"), "vision transformer, random weights": scanned("vit")}
        draw(shown, DOCS / "scan_digits.png")
        draw({name: scanned(name) for name in ("months", "weekdays", "hours", "negation")}, DOCS / "scan_minilm.png")


def draw(scans: dict[str, LayerScan], path: Path) -> None:
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(scans), figsize=(4.6 * len(scans), 4.6), layout="constrained")
    for ax, (name, scan) in zip(axes, scans.items(), strict=True):
        ScanDisplay.from_scan(scan).plot(ax)
        ax.set_title(name, fontsize=10)
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
