"""`geodis edit`: move the embeddings of a file by group elements."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geodis.cli.app import Clusters, Coordinates, File, Items, Params, Quiet, Z, console, exit_codes

if TYPE_CHECKING:
    from geodis.groups import AbstractGroup
    from geodis.linalg import Array


def edit(
    file: File,
    coords: Coordinates,
    out: Annotated[
        Path, typer.Option("--out", help="Where the edited embeddings go (.npz, .npy or .parquet).", show_default=False)
    ],
    by: Annotated[
        str | None,
        typer.Option("--by", help="One element for all rows, its parameters separated by commas.", show_default=False),
    ] = None,
    by_column: Annotated[
        str | None,
        typer.Option("--by-column", help="Key, columns or .npy file of an element for each row.", show_default=False),
    ] = None,
    quiet: Quiet = False,
    z: Z = None,
    params: Params = None,
    items: Items = None,
    clusters: Clusters = None,
) -> None:
    """Apply the linear action of group elements to embeddings: z goes to the embedding of the moved item.

    Rows keep their order, items and clusters; params, if FILE has any, become those of the moved rows.

    [bold]Example[/bold]

    [cyan]geodis fit mine.npz --group "SO2" --out mine.safetensors[/cyan]

    [cyan]geodis edit mine.npz mine.safetensors --by "1.5708" --out edited.npz[/cyan]
    """
    with exit_codes():
        from dataclasses import replace

        from geodis.coordinates import LatentCoordinates
        from geodis.errors import ContentError, ParameterError
        from geodis.formats.readers import existing, read_array, read_rows
        from geodis.formats.writers import writable, write_rows
        from geodis.orbits import as_params

        writable(out)
        if (by is None) == (by_column is None):
            raise ParameterError("edit", "either --by or --by-column", "both" if by is not None else "none")
        coordinates = LatentCoordinates.load(existing(coords))
        group = coordinates.group
        rows = read_rows(file, z=z, params=params, items=items, clusters=clusters)
        if rows.group not in (None, group):
            raise ContentError(file, f"rows of {group!r}, the group of {coords}", repr(rows.group))
        if by is not None:
            elements = _element(by, group)
        elif str(by_column).endswith(".npy"):
            elements = as_params(read_array(str(by_column)), group)
        else:
            elements = as_params(read_rows(file, z=z, params=by_column, items=items, clusters=clusters).params, group)
        edited = replace(rows, z=coordinates.edit(rows.z, elements), group=group)
        if rows.params is not None:
            edited = replace(edited, params=group.compose(elements, as_params(rows.params, group)))
        write_rows(out, edited)
        screen = console(quiet)
        blocks = [block.irrep.name for block in coordinates.blocks if not block.irrep.trivial]
        screen.print(
            f"Moved {len(rows.z)} rows of {file.name} in {len(blocks)} blocks ({', '.join(blocks) or 'none'})."
        )
        screen.print(f"wrote {out}", soft_wrap=True)


def _element(text: str, group: AbstractGroup) -> Array:
    """One element `(1, p)` out of numbers separated by commas."""
    import numpy as np

    from geodis.errors import ParameterError

    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != group.n_params:
        raise ParameterError(
            "--by", f"{group.n_params} numbers separated by commas, an element of {group!r}", repr(text)
        )
    element = np.array([numbers])
    group.check(element, "--by")
    return element
