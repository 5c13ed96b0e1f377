"""`geodis verify`: how true it is on items that the fit has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geodis.cli.app import (
    REFUSED,
    Clusters,
    Coordinates,
    File,
    Items,
    Level,
    Null,
    Params,
    Quiet,
    Seed,
    Z,
    console,
    exit_codes,
    shows_progress,
)

if TYPE_CHECKING:
    from geodis.coordinates import LatentCoordinates
    from geodis.orbits import Orbits


def verify(
    file: File,
    coords: Coordinates,
    out: Annotated[Path | None, typer.Option("--out", help="Write the page (.html) here.", show_default=False)] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write the numbers here.", show_default=False)] = None,
    delta: Annotated[
        float | None,
        typer.Option("--delta", help="Ask for a certificate that the error is below it.", show_default=False),
    ] = None,
    level: Level = 0.95,
    null: Null = 99,
    seed: Seed = 0,
    quiet: Quiet = False,
    z: Z = None,
    params: Params = None,
    items: Items = None,
    clusters: Clusters = None,
) -> None:
    """Measure coordinates on the items of FILE that were not fitted: errors, intervals, baselines, nulls.

    Fitted items, and others of the same clusters, are left out; it is an error when none remain.

    [bold]Example[/bold]

    [cyan]geodis fit mine.npz --group "SO2" --out mine.safetensors[/cyan]

    [cyan]geodis verify mine.npz mine.safetensors --out report.html --json report.json --delta 0.2[/cyan]
    """
    with exit_codes():
        from geodis.coordinates import LatentCoordinates
        from geodis.formats.readers import existing, read_orbits
        from geodis.formats.writers import writable
        from geodis.reports import verify as measured

        for path, ending in ((out, ".html"), (json, ".json")):
            if path is not None:
                writable(path, (ending,))
        coordinates = LatentCoordinates.load(existing(coords))
        orbits = read_orbits(file, coordinates.group, z=z, params=params, items=items, clusters=clusters)
        screen = console(quiet)
        unseen = _unseen(file, orbits, coordinates)
        if unseen.n_items < orbits.n_items:
            left_out = orbits.n_items - unseen.n_items
            screen.print(f"{left_out} of {orbits.n_items} items were left out: they, or their clusters, were fitted.")
        report = measured(unseen, coordinates, level, delta, seed, n_null=null, verbose=shows_progress(quiet))
        screen.print(report.summary)
        screen.print(report.table())
        if report.certificate is not None:
            screen.print(str(report.certificate))
        if out is not None:
            report.to_html(out)
        if json is not None:
            report.to_json(json)
        for path in (out, json):
            if path is not None:
                screen.print(f"wrote {path}", soft_wrap=True)
    if report.certificate is not None and not report.certificate.granted:
        raise typer.Exit(REFUSED)


def _unseen(file: Path, orbits: Orbits, coordinates: LatentCoordinates) -> Orbits:
    """The items that are in no cluster with a fitted one."""
    import numpy as np

    from geodis.coordinates.latent import fingerprints
    from geodis.errors import ContentError

    fitted = np.isin(orbits.items, orbits.labels[np.isin(fingerprints(orbits.labels), coordinates.fitted)])
    keep = ~np.isin(orbits.clusters, np.unique(orbits.clusters[fitted]))
    if not keep.any():
        raise ContentError(
            file, "items that the fit has not seen", f"{orbits.n_items} items that, or whose clusters, were all fitted",
            "Fit again without --all-items, or verify on another file.",
        )  # fmt: skip
    return orbits.select(np.unique(orbits.items[keep]))
