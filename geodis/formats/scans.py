"""A layer scan as a file: numbers (JSON), a picture (PNG), one page (HTML)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from geodis.files import write_atomically
from geodis.formats.writers import writable
from geodis.reports.layer_scan import LayerScan
from geodis.reports.scan_display import ScanDisplay

DPI = 150


def write_scan(path: str | Path, scan: LayerScan) -> Path:
    """Write the scan to `path`, as its ending says.

    Raises
    ------
    ContentError
        For an ending that is not .json, .png or .html.
    FileNotFoundError
        When the folder does not exist.

    Examples
    --------
    >>> import pandas as pd
    >>> from geodis.reports.layer_scan import COLUMNS
    >>> row = dict.fromkeys(COLUMNS, 0.0) | {"layer": "a", "irrep": "m=1", "copies": 1, "energy": 0.9}
    >>> str(write_scan("scan.json", LayerScan(pd.DataFrame([row]), ("a",), "SO2()", 40, 20, 20, 12, 0.95, 0.5)))
    'scan.json'
    """
    target = writable(path, SCAN_ENDINGS)
    _WRITERS[target.suffix.lower()](scan, target)
    return target


def _json(scan: LayerScan, path: Path) -> None:
    scan.to_json(path)


def _page(scan: LayerScan, path: Path) -> None:
    scan.to_html(path)


def _picture(scan: LayerScan, path: Path) -> None:
    import matplotlib.pyplot as plt

    drawn = ScanDisplay.from_scan(scan).plot().figure_
    try:
        write_atomically(path, lambda temporary: drawn.savefig(temporary, format="png", dpi=DPI, bbox_inches="tight"))
    finally:
        plt.close(drawn)


_WRITERS: dict[str, Callable[[LayerScan, Path], None]] = {".json": _json, ".png": _picture, ".html": _page}
SCAN_ENDINGS = tuple(_WRITERS)
