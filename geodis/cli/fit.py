"""`geodis fit`: coordinates out of a file of embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

    from geodis.coordinates import LatentCoordinates
    from geodis.orbits import Orbits

INVARIANT_SHOWN = 2


def fit(
    file: File,
    out: Annotated[Path, typer.Option("--out", help="Where the coordinates go (.safetensors).", show_default=False)],
    group: Group = None,
    test_size: Annotated[
        float, typer.Option("--test-size", help="Share of the items (whole clusters) held out for `geodis verify`.")
    ] = 0.3,
    all_items: Annotated[bool, typer.Option("--all-items", help="Fit on everything and hold nothing out.")] = False,
    max_order: MaxOrder = None,
    min_energy: MinEnergy = 0.5,
    isometric: Annotated[
        bool, typer.Option("--isometric", help="An orthonormal frame: edits keep norms and distances.")
    ] = False,
    ridge: Annotated[
        float | None,
        typer.Option("--ridge", help="Fraction of the mean variance added to it.", show_default="chosen on folds"),
    ] = None,
    null: Null = 99,
    level: Level = 0.95,
    seed: Seed = 0,
    quiet: Quiet = False,
    z: Z = None,
    params: Params = None,
    items: Items = None,
    clusters: Clusters = None,
) -> None:
    """Find coordinates in which the group acts linearly, on a random share of the items, and save them.

    The items that are held out are what `geodis verify` scores: nobody believes an error on fitted items.

    [bold]Example[/bold]

    [cyan]geodis fit mine.npz --group "SO2" --out mine.safetensors[/cyan]

    [cyan]geodis verify mine.npz mine.safetensors --out report.html[/cyan]
    """
    with exit_codes():
        from geodis.coordinates import LinearCoordinates
        from geodis.formats.readers import read_orbits
        from geodis.formats.writers import writable

        writable(out, (".safetensors",))
        orbits = read_orbits(file, group, z=z, params=params, items=items, clusters=clusters)
        train, test = (orbits, None) if all_items else orbits.split(test_size, seed)
        screen = console(quiet)
        screen.print(f"{file.name}: {orbits!r}, of which {train.n_items} items are fitted")
        estimator = LinearCoordinates(
            orbits.group,
            min_energy=min_energy,
            isometric=isometric,
            ridge="auto" if ridge is None else ridge,
            n_null=null,
            level=level,
            random_state=seed,
            verbose=shows_progress(quiet),
        )
        solved(lambda k: estimator.set_params(max_order=k).fit_orbits(train), max_order, screen)
        coordinates = estimator.coordinates_
        coordinates.save(out)
        screen.print(_table(coordinates, level))
        screen.print(_found(coordinates, estimator.max_order, min_energy))
        screen.print(f"wrote {out}", soft_wrap=True)
        screen.print(_next(file, out, train, test), soft_wrap=True)


def _table(coordinates: LatentCoordinates, level: float) -> Table:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("block")
    for name in ("rows", "skill" if coordinates.limited else "energy", f"{100 * level:g} % interval"):
        table.add_column(name, justify="right")
    table.add_column("status")
    invariant = [block for block in coordinates.blocks if block.irrep.trivial]
    for block in coordinates.blocks:
        if block.irrep.trivial and block in invariant[INVARIANT_SHOWN:]:
            continue
        low, high = block.interval
        span = f"{low:.3f} – {high:.3f}" if high == high else "–"
        table.add_row(block.irrep.name, str(block.irrep.dim), f"{block.energy:.3f}", span, block.status)
    if len(invariant) > INVARIANT_SHOWN:
        table.caption = f"{len(invariant)} invariant blocks, {len(invariant) - INVARIANT_SHOWN} not shown"
    return table


def _found(coordinates: LatentCoordinates, max_order: int, min_energy: float) -> str:
    acting = sum(not block.irrep.trivial for block in coordinates.blocks)
    if acting:
        size = f"{coordinates.n_coordinates} of {coordinates.n_features} dimensions"
        blocks = f"{len(coordinates.blocks)} blocks, {acting} of which the group moves"
        return f"{blocks}, in {size}; status {coordinates.status}."
    return (
        f"No block that the group moves linearly up to order {max_order} with energy above {min_energy:g} "
        f"(status {coordinates.status}): see what comes nearest with `geodis spectrum`."
    )


def _next(file: Path, out: Path, train: Orbits, test: Orbits | None) -> str:
    if test is None:
        return f"All items were fitted. Verify on a file with others: geodis verify OTHER {out} --out report.html"
    few = ", ".join(str(label) for label in test.labels[:5].tolist()) + (" …" if test.n_items > 5 else "")
    return f"{test.n_items} items were held out ({few}). Verify on them: geodis verify {file} {out} --out report.html"
