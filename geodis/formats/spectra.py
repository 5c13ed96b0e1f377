"""An isotypic spectrum as files: numbers (JSON), a picture (PNG), one page (HTML)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geodis.coordinates import IsotypicSpectrum
from geodis.files import write_atomically
from geodis.formats.writers import writable
from geodis.reports.page import figure, page, paragraph, section, table
from geodis.reports.spectrum_display import SpectrumDisplay

if TYPE_CHECKING:
    import pandas as pd

LIKELY = 0.05  # p-value above which a structure is not called special
FORMAT, VERSION = "geodis.spectrum", 1
CAPTION = (
    "Energies on unseen items with their intervals, hollow where rejected. Dotted: the mean with labels permuted "
    "within items. Band: 90 % of the energies after one common relabelling of the elements."
)
READING = (
    "Energy: the share of a copy's variance that is exactly equivariant on items that the fit has not seen; 1 is "
    "exact, 0 is chance. null and p: labels permuted within items (does the code depend on the element at all?). "
    "relabelled and its p: one common relabelling of the elements and a new fit (is this group's structure special?)."
)


def spectrum_sentence(spectrum: IsotypicSpectrum) -> str:
    """What was found, in a sentence, and in another one where the null reaches as much."""
    acting = {n: k for n, k in spectrum.multiplicities.items() if spectrum.coupling[n] != "trivial"}
    invariant = sum(k for n, k in spectrum.multiplicities.items() if spectrum.coupling[n] == "trivial")
    measure = "skill" if spectrum.limited else "energy"
    if not acting:
        beside = f" {invariant} invariant directions are there." if invariant else ""
        return f"No irrep of {spectrum.group} that acts is found (status {spectrum.status}).{beside}"
    named = ", ".join(f"{k} × {n} ({measure} {spectrum.energies[n][0]:.3f})" for n, k in acting.items())
    beside = f" and {invariant} invariant directions" if invariant else ""
    usual = [name for name in acting if spectrum.structure_p[name] > LIKELY]
    null = f" One random relabelling of the elements does as well for {', '.join(usual)}." if usual else ""
    return f"{spectrum.group} acts linearly on {named}{beside} of this embedding (status {spectrum.status}).{null}"


def spectrum_json(spectrum: IsotypicSpectrum) -> str:
    """The spectrum as JSON text with a version; what is not known is null."""
    content = {
        "format": FORMAT,
        "version": VERSION,
        "group": spectrum.group,
        "status": spectrum.status,
        "limited": spectrum.limited,
        "ridge": float(spectrum.ridge),
        "level": spectrum.level,
        "min_energy": spectrum.min_energy,
        "multiplicities": dict(spectrum.multiplicities),
        "rows": [{str(k): _plain(v) for k, v in row.items()} for row in spectrum.to_frame().to_dict("records")],
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def spectrum_page(spectrum: IsotypicSpectrum) -> str:
    """One self-contained page: what was found, the bars, the table."""
    title = f"How does {spectrum.group} act on this embedding?"
    found = paragraph(spectrum_sentence(spectrum), kind="lead")
    frame = spectrum.to_frame()
    acting = frame[frame.coupling != "trivial"]
    rest = frame[frame.coupling == "trivial"]
    invariant = ""
    if len(rest):
        invariant = f"<details><summary>{len(rest)} invariant directions</summary>{_table(rest)}</details>"
    numbers = _table(acting) + paragraph(READING, "How to read it.", "note") + invariant
    bars = figure(SpectrumDisplay(spectrum).plot().figure_, CAPTION)
    return page(found + bars + section("All numbers", numbers), title)


def write_spectrum(path: str | Path, spectrum: IsotypicSpectrum) -> list[Path]:
    """Write the spectrum to `path`, as its ending says; into a folder, all three kinds. Returns what was written.

    Raises
    ------
    ContentError
        For an ending that is not .json, .png or .html.
    FileNotFoundError
        When the folder does not exist.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis import Orbits, isotypic_spectrum
    >>> from geodis.groups import Cyclic
    >>> params = np.tile(np.arange(3.0)[:, None], (20, 1))
    >>> z = np.random.default_rng(0).normal(size=(60, 4))
    >>> orbits = Orbits.from_arrays(z, params, np.arange(60) // 3, Cyclic(3))
    >>> [str(file) for file in write_spectrum("spectrum.json", isotypic_spectrum(orbits, n_null=19))]
    ['spectrum.json']
    """
    files = spectrum_targets(path)
    for file in files:
        write_atomically(file, partial(WRITERS[file.suffix.lower()], spectrum))
    return files


def spectrum_targets(path: str | Path) -> list[Path]:
    """The files that `write_spectrum` would write; raises its errors before any work is done."""
    target = Path(path)
    if target.is_dir():
        return [target / f"spectrum{ending}" for ending in WRITERS]
    return [writable(target, tuple(WRITERS))]


def _write_json(spectrum: IsotypicSpectrum, path: str) -> None:
    Path(path).write_text(spectrum_json(spectrum), encoding="utf-8")


def _write_page(spectrum: IsotypicSpectrum, path: str) -> None:
    Path(path).write_text(spectrum_page(spectrum), encoding="utf-8")


def _write_picture(spectrum: IsotypicSpectrum, path: str) -> None:
    import matplotlib.pyplot as plt

    drawn = SpectrumDisplay(spectrum).plot().figure_
    try:
        drawn.savefig(path, format="png", dpi=150, bbox_inches="tight")
    finally:
        plt.close(drawn)


WRITERS: dict[str, Callable[[IsotypicSpectrum, str], None]] = {
    ".json": _write_json,
    ".png": _write_picture,
    ".html": _write_page,
}


def _table(frame: pd.DataFrame) -> str:
    header = ["irrep", "copy", "energy", "low", "high", "null", "p", "relabelled", "its p", "kept"]
    columns = ["irrep", "copy", "energy", "ci_low", "ci_high", "null_mean", "p", "structure_mean", "structure_p"]
    rows: list[Sequence[Any]] = [
        [*(row[name] for name in columns), "yes" if row["kept"] else "no"] for row in frame.to_dict("records")
    ]
    return table(header, rows)


def _plain(value: Any) -> Any:
    if isinstance(value, (str, bool, int)):
        return value
    return float(value) if math.isfinite(value) else None
