"""`geodis discover`: symmetry in a file of embeddings whose group elements nobody knows."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from geodis import __version__
from geodis.cli.app import Level, Quiet, Seed, Z, console, exit_codes, shows_progress
from geodis.cli.discovered import Discovery, Options
from geodis.cli.modes import MODES
from geodis.errors import ContentError, UnknownNameError

if TYPE_CHECKING:
    from rich.table import Table

    from geodis.formats.unlabelled import Unlabelled

FORMAT, VERSION = "geodis.discovery", 1
PICTURES = (".png", ".pdf", ".svg")
NEEDS = {"pairs": ("gz", "batches"), "sequences": ("sequence",), "tangents": ("tangents",), "orbit": (), "factors": ()}
POINTS_ALONE = (
    "--mode orbit asks which rotation group has all points on one of its orbits (one object, turned in many ways); "
    "--mode factors asks which submanifolds a cloud is a product of (several things that vary independently)."
)
USED = ("geodis", "numpy", "scipy", "scikit-learn")


def _named(what: str) -> Any:
    return typer.Option(help=f"Key or column{what}", rich_help_panel="Names")


def discover(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Embeddings without group elements, .npz or .parquet: z with gz and batches, with sequence, or with "
            "tangents; or z alone.",
            show_default=False,
        ),
    ],
    mode: Annotated[
        str | None,
        typer.Option("--mode", help=f"{', '.join(MODES)}.", show_default="what the file holds tells"),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Where the numbers go (.json).")] = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="Where the picture goes (.png, .pdf, .svg).")] = None,
    level: Level = 0.95,
    seed: Seed = 0,
    quiet: Quiet = False,
    z: Z = None,
    gz: Annotated[str | None, _named(" of the embeddings after the transformation.")] = None,
    batches: Annotated[str | None, _named(" of the labels of pairs that share their transformation.")] = None,
    sequence: Annotated[str | None, _named(" of the sequence that each row belongs to.")] = None,
    step: Annotated[str | None, _named(" of each row's time in its sequence.")] = None,
    tangents: Annotated[str | None, _named(" of tangent vectors, or of frames of tangent spaces.")] = None,
) -> None:
    """Find the symmetry in embeddings whose group elements nobody knows.

    [bold]Example[/bold]

    [cyan]geodis discover pairs.npz --out found.json --plot found.png[/cyan]

    pairs.npz holds z and gz (N, D), before and after, and batches (N,): pairs with one label share one unknown
    transformation.

    Other files: z and sequence (with step); z and tangents; z alone, with --mode orbit or --mode factors.

    Prints what was found, how sure that is and beside what it stands, then a sentence.
    """
    with exit_codes():
        from geodis.formats.unlabelled import read_unlabelled
        from geodis.formats.writers import writable

        if mode is not None and mode not in MODES:
            raise UnknownNameError("mode", mode, ", ".join(MODES))
        for path, endings in ((out, (".json",)), (plot, PICTURES)):
            if path is not None:
                writable(path, endings)
        names = {"z": z, "gz": gz, "batches": batches, "sequence": sequence, "step": step, "tangents": tangents}
        data = read_unlabelled(file, **names)
        chosen = mode_of(file, data, mode)
        screen = console(quiet)
        screen.print(f"{file.name}: {' × '.join(map(str, data.z.shape))} numbers; mode {chosen}")
        options = Options(level, seed, shows_progress(quiet))
        found = MODES[chosen](data, options)
        screen.print(_table(found, level))
        screen.print(found.sentence)
        if out is not None:
            _write_json(out, file, chosen, found, options)
            screen.print(f"wrote {out}", soft_wrap=True)
        if plot is not None:
            _write_picture(plot, found)
            screen.print(f"wrote {plot}", soft_wrap=True)


def mode_of(file: Path, data: Unlabelled, mode: str | None) -> str:
    """The mode that was asked for or that the file's parts tell; an error where these do not fit.

    Raises
    ------
    ContentError
        For a part that the mode needs and the file lacks; for points alone, or parts of several modes, without a mode.
    """
    from geodis.formats.unlabelled import missing_part

    tells = {"pairs": data.gz is not None, "tangents": data.tangents is not None}
    tells["sequences"] = data.sequence is not None or data.z.ndim == 3
    told = [name for name, there in tells.items() if there]
    if mode is None and not told:
        raise ContentError(file, "more than points, or a --mode", f"{', '.join(data.held)} alone", POINTS_ALONE)
    if mode is None and len(told) > 1:
        raise ContentError(file, "the parts of one mode", f"those of {' and '.join(told)}", "Say which with --mode.")
    chosen = told[0] if mode is None else mode
    stacked = chosen == "sequences" and data.z.ndim == 3
    for part in () if stacked else NEEDS[chosen]:
        if part not in data.held:
            raise missing_part(file, part, data.held)
    return chosen


# --- the table --------------------------------------------------------------------------------------------------------
def _table(found: Discovery, level: float) -> Table:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("what")
    for name in ("found", f"{100 * level:g} % interval", "beside"):
        table.add_column(name, justify="right")
    table.add_column("")
    table.add_column("status")
    for row in found.rows:
        spread = f"{_number(row.low)} – {_number(row.high)}" if math.isfinite(row.high) else "–"
        beside = _number(row.beside)
        table.add_row(row.what, _number(row.found), spread, beside, row.meaning if beside != "–" else "", row.status)
    return table


def _number(value: float | int | str) -> str:
    if isinstance(value, (int, str)):
        return str(value)
    if not math.isfinite(value):
        return "–"
    return "< 1e-4" if 0.0 <= value < 1e-4 else f"{value:.2g}" if abs(value) < 1.0 else f"{value:.3g}"


# --- files ------------------------------------------------------------------------------------------------------------
def plain(value: Any) -> Any:
    """Anything that a result holds as JSON: arrays are lists, what is not a finite number is null."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    named = getattr(value, "_asdict", None)  # of named tuples
    if named is not None:
        return plain(named())
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(part) for part in value]
    raise TypeError(f"plain: expected numbers, words and containers of them, got {type(value).__name__}")


def _content(file: Path, mode: str, found: Discovery, options: Options) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "file": file.name,
        "mode": mode,
        "level": options.level,
        "seed": options.seed,
        "status": found.status,
        "sentence": found.sentence,
        "rows": [plain(asdict(row)) for row in found.rows],
        "result": plain(found.numbers),
        "versions": {"python": platform.python_version(), **_versions()},
    }


def _versions() -> dict[str, str]:
    return {name: __version__ if name == "geodis" else version(name) for name in USED}


def _write_json(path: Path, file: Path, mode: str, found: Discovery, options: Options) -> None:
    from geodis.files import write_text

    text = json.dumps(_content(file, mode, found, options), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_text(path, text)


def _write_picture(path: Path, found: Discovery) -> None:
    from geodis.files import write_atomically

    write_atomically(path, partial(_draw, found, path.suffix[1:].lower()))


def _draw(found: Discovery, kind: str, path: str) -> None:
    import matplotlib.pyplot as plt

    n = len(found.pictures)
    drawn, axes = plt.subplots(1, n, figsize=(5.5 * n, 4.2), squeeze=False, layout="constrained")
    try:
        for draw, ax in zip(found.pictures, axes[0], strict=True):
            draw(ax)
        drawn.savefig(path, format=kind, dpi=150, bbox_inches="tight")
    finally:
        plt.close(drawn)
