"""Bars of an isotypic spectrum with their nulls: the one drawing behind `IsotypicSpectrum.plot` and its display."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from geodis.linalg import Array
from geodis.palette import FOUND, INK, NULL, REJECTED, STILL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from geodis.coordinates.spectrum import IsotypicSpectrum

LOWEST = -0.2  # energies of candidates below it are not worth a bar
COLUMNS = 3  # of the legend
LONG = 8  # letters from which on names are upright
GAP = 0.8  # between irreps, in bars


class SpectrumArtists(NamedTuple):
    """What was drawn: bars, lines of null N1, lines and bands of null N2, the threshold."""

    bars: Any
    label_null: list[Any]
    structure_null: list[Any]
    bands: list[Any]
    threshold: Any


def bar_width(spectrum: IsotypicSpectrum) -> float:
    """A width in inches at which bars and names can be read."""
    n_bars = len(_shown(spectrum))
    return float(min(12.0, max(5.5, 0.45 * n_bars + 0.4 * len(spectrum.energies))))


def draw_spectrum(spectrum: IsotypicSpectrum, ax: Axes) -> SpectrumArtists:
    """Bars of energy for each copy, with intervals; hollow where rejected; the nulls' means, and the band of N2."""
    frame = _shown(spectrum)
    names = list(dict.fromkeys(frame.irrep))
    x = np.arange(len(frame)) + GAP * np.array([names.index(name) for name in frame.irrep])
    bars = _bars(frame, x, ax)
    one, two, bands = [], [], []
    for name in names:
        mine = x[(frame.irrep == name).to_numpy()]
        left, right = mine[0] - 0.5, mine[-1] + 0.5
        low, high = spectrum.structure_band.get(name, (np.nan, np.nan))
        if np.isfinite(low):
            bands.append(ax.fill_between([left, right], low, high, color=NULL, alpha=0.22, linewidth=0, zorder=2.5))
        if np.isfinite(spectrum.structure_mean[name]):
            two.append(ax.hlines(spectrum.structure_mean[name], left, right, color=NULL, linestyle="--", zorder=3))
        if np.isfinite(spectrum.null_mean[name]):
            one.append(ax.hlines(spectrum.null_mean[name], left, right, color=INK, linestyle=":", zorder=3))
    threshold = ax.axhline(spectrum.min_energy, color=STILL, linewidth=0.8)
    turn = 90 if max(map(len, names), default=0) > LONG else 45
    places = [x[(frame.irrep == n).to_numpy()].mean() for n in names]
    ax.set_xticks(places, names, rotation=turn, ha="center" if turn == 90 else "right")
    ax.set_ylabel("skill on unseen items" if spectrum.limited else "energy on unseen items")
    ax.set_ylim(min(-0.05, float(frame.energy.to_numpy().min(initial=0.0))), 1.05)
    artists = SpectrumArtists(bars, one, two, bands, threshold)
    n_entries = _legend(frame, artists, ax)
    ax.set_title(f"Isotypic spectrum, {spectrum.group}", pad=8 + 16 * -(-n_entries // COLUMNS))
    return artists


def _shown(spectrum: IsotypicSpectrum) -> pd.DataFrame:
    frame = spectrum.to_frame()
    return frame[frame.energy > LOWEST].reset_index(drop=True)


def _bars(frame: pd.DataFrame, x: Array, ax: Axes) -> Any:
    error = np.abs(np.stack([frame.energy - frame.ci_low, frame.ci_high - frame.energy]))
    bars = ax.bar(
        x,
        frame.energy,
        color=np.where(frame.kept, FOUND, REJECTED),
        edgecolor=np.where(frame.kept, FOUND, STILL),
        width=0.85,
        yerr=np.nan_to_num(error),
        ecolor=INK,
        capsize=2,
    )
    for bar, kept in zip(bars, frame.kept, strict=True):
        bar.set_linestyle("-" if kept else "--")
    return bars


def _legend(frame: pd.DataFrame, artists: SpectrumArtists, ax: Axes) -> int:
    """Between the bars and the title, where no irrep's name is in the way; returns the number of entries."""
    entries: list[tuple[Any, str]] = []
    for kept, label in ((True, "kept"), (False, "rejected")):
        places = np.flatnonzero(frame.kept.to_numpy(dtype=bool) == kept)
        if len(places):
            entries.append((artists.bars[int(places[0])], label))
    entries += [(lines[0], label) for lines, label in (
        (artists.bands, "one relabelling: 5–95 % of draws"),
        (artists.structure_null, "one relabelling: mean"),
        (artists.label_null, "labels permuted: mean"),
    ) if lines]  # fmt: skip
    if not entries:
        return 0
    handles, labels = zip(*[*entries, (artists.threshold, "threshold")], strict=True)
    ax.legend(
        handles, labels, fontsize="small", frameon=False, ncols=COLUMNS, loc="lower center", bbox_to_anchor=(0.5, 1)
    )
    return len(handles)
