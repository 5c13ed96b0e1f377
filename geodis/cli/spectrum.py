"""`geodis spectrum`: how many copies of which irrep live in the embeddings of a file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geodis.cli.app import (
    Clusters,
    File,
    Group,
    Items,
    Level,
    MaxOrder,
    MinEnergy,
    Null,
    Params,
    Quiet,
    Seed,
    Z,
    console,
    exit_codes,
    shows_progress,
    solved,
)

if TYPE_CHECKING:
    from rich.table import Table

    from geodis.coordinates import IsotypicSpectrum
    from geodis.linalg import Array


def spectrum(
    file: File,
    group: Group = None,
    out: Annotated[
        list[Path] | None,
        typer.Option("--out", help="A .json, .png or .html file, or a folder for all three; may be repeated."),
    ] = None,
    max_order: MaxOrder = None,
    min_energy: MinEnergy = 0.5,
    null: Null = 99,
    level: Level = 0.95,
    seed: Seed = 0,
    quiet: Quiet = False,
    z: Z = None,
    params: Params = None,
    items: Items = None,
    clusters: Clusters = None,
) -> None:
    """How many copies of which irrep live in these embeddings, how sure that is, against which null.

    [bold]Example[/bold]

    [cyan]geodis spectrum mine.npz --group "SO2" --max-order 3 --out spectrum.html --out spectrum.json[/cyan]

    prints a line for each irrep: copies kept, energies of the first ones, and the interval of the first.

    Energy is the share of variance that is exactly equivariant on unseen items: 1 is exact, 0 is chance.

    null: the mean energy with labels permuted within items. relabelled: after one relabelling common to all items.
    """
    with exit_codes():
        from geodis.coordinates import isotypic_spectrum
        from geodis.formats.readers import read_orbits
        from geodis.formats.spectra import spectrum_sentence, spectrum_targets, write_spectrum

        for path in out or []:
            spectrum_targets(path)
        orbits = read_orbits(file, group, z=z, params=params, items=items, clusters=clusters)
        screen = console(quiet)
        screen.print(f"{file.name}: {orbits!r}")
        options: dict[str, Any] = {"min_energy": min_energy, "n_null": null, "level": level, "seed": seed}
        bars = shows_progress(quiet)
        found = solved(lambda k: isotypic_spectrum(orbits, k, verbose=bars, **options), max_order, screen)
        screen.print(_table(found, narrow=screen.width < 100))
        screen.print(spectrum_sentence(found))
        for path in out or []:
            for written in write_spectrum(path, found):
                screen.print(f"wrote {written}", soft_wrap=True)


def _table(found: IsotypicSpectrum, narrow: bool) -> Table:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False, collapse_padding=True)
    table.add_column("irrep")
    table.add_column("kept", justify="right")
    table.add_column("skill" if found.limited else "energy", no_wrap=True)
    for name in (f"{100 * found.level:g} % interval", "null", "p", "relabelled", "p"):
        table.add_column(name, justify="right", no_wrap=not name.startswith("relabelled"))
    table.add_column("status")
    for name, energies in found.energies.items():
        kept = found.kept[name]
        low, high = found.intervals[name][0] if found.intervals[name] else (math.nan, math.nan)
        p = found.p_values[name][0] if len(found.p_values[name]) else math.nan
        table.add_row(
            name,
            str(kept),
            _energies(energies[: max(kept, 1)], 2 if narrow else 4),
            f"{low:.3f}–{high:.3f}" if math.isfinite(high) else "–",
            *(_number(x) for x in (found.null_mean[name], p, found.structure_mean[name], found.structure_p[name])),
            _status(found, name),
        )
    return table


def _energies(energies: Array, most: int) -> str:
    shown = " ".join(f"{energy:.3f}" for energy in energies[:most])
    return shown + (f" +{len(energies) - most}" if len(energies) > most else "")


def _status(found: IsotypicSpectrum, name: str) -> str:
    if found.kept[name]:
        return {"trivial": "invariant", "entangled": "entangled"}.get(found.coupling[name], "kept")
    best = max(found.energies[name], default=math.nan)
    return "not above the null" if best > found.min_energy else f"below {found.min_energy:g}"


def _number(x: float) -> str:
    return f"{x:.3f}" if math.isfinite(x) else "–"
