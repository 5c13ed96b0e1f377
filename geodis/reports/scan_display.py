"""ScanDisplay: a heat map of energies, layers × irreps, with what the null reaches in every cell."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np

from geodis.errors import ParameterError
from geodis.palette import INK, LINE, SOFT, ramp
from geodis.reports.layer_scan import RATE, LayerScan

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = (
    "Energy of the best copy of every irrep on unseen items. Bold in a frame: a copy was found and it beats its null, "
    "whose mean stands below; all others are not found, whatever their color."
)
CELL, ROW = 0.95, 0.42  # inches
DARK = 0.6  # energies below it are drawn so dark that their text is white
STRENGTH = 0.35  # of the color of what was not found


@final
class ScanDisplay:
    r"""Heat map of a layer scan, in scikit-learn's convention for displays.

    Every cell shows the energy of an irrep's best copy on unseen items, and below it the mean energy of its null. Bold
    and framed are those that count: a copy on the fitted items, and q ≤ .05; the others are pale.

    Parameters
    ----------
    scan : LayerScan
        What is drawn.

    Attributes
    ----------
    image_ : AxesImage
        Energies, clipped to 0 … 1; unknown ones are masked.
    texts_ : list of Text
        One a cell.
    frames_ : list of Rectangle
        Around what was found.
    ax_, figure_
        Where it was drawn.

    Examples
    --------
    >>> import pandas as pd
    >>> from geodis.reports.layer_scan import COLUMNS
    >>> row = dict.fromkeys(COLUMNS, 0.0) | {"layer": "a", "irrep": "m=1", "copies": 1, "energy": 0.9}
    >>> scan = LayerScan(pd.DataFrame([row]), ("a",), "SO2()", 40, 20, 20, 12, 0.95, 0.5)
    >>> display = ScanDisplay.from_scan(scan).plot()
    >>> len(display.frames_), display.texts_[0].get_text()
    (1, '.90\nnull .00')
    """

    image_: Any
    texts_: list[Any]
    frames_: list[Any]
    ax_: Axes
    figure_: Figure

    def __init__(self, scan: LayerScan) -> None:
        self.scan = scan

    @classmethod
    def from_scan(cls, scan: LayerScan) -> Self:
        """Of what `geodis.scan_layers` found.

        Raises
        ------
        ParameterError
            For something else.
        """
        if not isinstance(scan, LayerScan):
            raise ParameterError("ScanDisplay: scan", "LayerScan", type(scan).__name__, "See geodis.scan_layers.")
        return cls(scan)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw into `ax`, or into a new figure."""
        import matplotlib.pyplot as plt

        layers, irreps = list(dict.fromkeys(self.scan.rows.layer)), self.scan.irreps
        energies = np.full((len(layers), len(irreps)), np.nan)
        found = np.zeros(energies.shape, dtype=bool)
        lines = np.full(energies.shape, "–", dtype=object)
        for row in self.scan.rows.itertuples():
            place = layers.index(row.layer), irreps.index(row.irrep)
            energies[place] = row.energy
            found[place] = row.copies > 0 and row.q <= RATE
            lines[place] = _lines(row)
        if ax is None:
            size = (2.6 + CELL * len(irreps), 1.3 + ROW * len(layers))
            _, ax = plt.subplots(figsize=size, layout="constrained")
        shown = np.ma.masked_invalid(np.clip(energies, 0.0, 1.0))
        self.image_ = ax.imshow(
            shown, cmap=ramp(), vmin=0.0, vmax=1.0, aspect="auto", alpha=np.where(found, 1.0, STRENGTH)
        )
        self._write(ax, lines, found, energies)
        ax.set_xticks(range(len(irreps)), irreps)
        ax.set_yticks(range(len(layers)), layers)
        ax.set_xticks(np.arange(len(irreps) + 1) - 0.5, minor=True)
        ax.set_yticks(np.arange(len(layers) + 1) - 0.5, minor=True)
        ax.grid(which="minor", color=LINE, linewidth=0.8)
        ax.tick_params(which="both", length=0)
        ax.set_xlabel(f"irreps of {self.scan.group}")
        ax.set_title("energy on unseen items; framed: beats its null", fontsize=10)
        self.ax_, self.figure_ = ax, ax.get_figure(root=True)  # type: ignore[assignment]
        self.figure_.colorbar(self.image_, ax=ax, label="energy (1 exact, 0 chance)", alpha=1.0)
        return self

    def _write(self, ax: Axes, lines: np.ndarray, found: np.ndarray, energies: np.ndarray) -> None:
        from matplotlib.patches import Rectangle

        self.texts_, self.frames_ = [], []
        for (i, j), told in np.ndenumerate(found):
            color = ("white" if energies[i, j] < DARK else INK) if told else SOFT
            weight = "bold" if told else "normal"
            text = ax.text(j, i, str(lines[i, j]), ha="center", va="center", fontsize=7, color=color, weight=weight)
            self.texts_.append(text)
            if told:
                frame = Rectangle((j - 0.47, i - 0.45), 0.94, 0.9, fill=False, edgecolor=INK, linewidth=1.6)
                self.frames_.append(ax.add_patch(frame))


def _lines(row: Any) -> str:
    """Energy and the null's mean below it."""
    if not math.isfinite(row.energy):
        return "–"
    null = f"\nnull {_short(row.null_mean)}" if math.isfinite(row.null_mean) else ""
    return f"{_short(row.energy)}{null}"


def _short(x: float) -> str:
    """Two decimals without the leading zero."""
    return f"{x:.2f}".replace("0.", ".", 1) if abs(x) < 1 else f"{x:.2f}"
