"""`geodis encode`: orbits out of a folder of images, lines of text or fields, through any model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geodis.cli.app import Quiet, Seed, console, exit_codes, shows_progress

if TYPE_CHECKING:
    from rich.console import Console

    from geodis.actions import AbstractAction
    from geodis.formats.sources import Source

ACTIONS = (
    "images: rotation, shift, scaling, hue, quarter-turns, square; texts: slot, ordered, pairs; fields: cube, shift, "
    "rotation; or none"
)


def encode(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="A folder of images; a text file (a sentence or template a line) or a folder of them; .npy fields "
            "(n, channels, *grid) or a folder of them; for pairs a table with two columns (.csv, .tsv).",
            show_default=False,
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            help="minilm, digits, turbulence (shipped), what `geodis train` saved (.safetensors), an .onnx file, or a "
            "folder of a transformers or sentence-transformers model.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", help="Where the embeddings go (.npz, .parquet, .safetensors).", show_default=False),
    ],
    action: Annotated[str, typer.Option("--action", help=f"How the group moves items: {ACTIONS}.")] = "none",
    n_elements: Annotated[int, typer.Option("--n-elements", min=1, help="Elements an item, at most.")] = 24,
    layer: Annotated[
        str | None, typer.Option("--layer", help="Which layer of the model to read.", show_default="its output")
    ] = None,
    pool: Annotated[
        str | None,
        typer.Option(
            "--pool",
            help="One row of a layer: flatten, mean-grid (of a convolution), mean-tokens or first-token.",
            show_default="what suits the model",
        ),
    ] = None,
    values: Annotated[
        str | None,
        typer.Option("--values", help="What {slot} runs through: months, weekdays, a,b,c or a file (one a line)."),
    ] = None,
    types: Annotated[
        str | None,
        typer.Option("--types", help="Channels of a field: order and parity, e.g. 0+ (scalar), 1+ (vector), 0-:2."),
    ] = None,
    size: Annotated[
        int | None, typer.Option("--size", min=1, help="Scale and crop images to this many pixels a side.")
    ] = None,
    grey: Annotated[bool, typer.Option("--grey", help="Read images as one channel.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="A random so many of the items.")] = None,
    store: Annotated[
        Path | None, typer.Option("--store", help="Folder that keeps embeddings: a stopped run goes on from there.")
    ] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Items a call of the model.")] = 64,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Embed items moved by a group, ready for `geodis spectrum` and `geodis fit`.

    [bold]Example[/bold]

    [cyan]geodis encode photos --model digits --size 28 --grey --action rotation --out photos.npz[/cyan]

    [cyan]geodis encode templates.txt --model minilm --action slot --values months --out months.npz[/cyan]

    [cyan]geodis encode flows --model turbulence --layer bottleneck --action cube --types 1+ --out flows.npz[/cyan]

    [cyan]geodis fit photos.npz --out photos.safetensors[/cyan]

    Each image, line of text or field is an item, called after its file.

    Lines of one of several text files are a cluster, fitted or held out together; so are the fields of one file.

    Images are red, green, blue (or grey) in 0 … 1. Component i of a vector field points along grid axis i.

    --types names the channels of a field: tensor order, parity (- for what a mirror reverses), :n for n of them.
    """
    with exit_codes():
        from geodis.formats.writers import ENDINGS, writable

        writable(out, (*ENDINGS, ".safetensors"))
        screen = console(quiet)
        found, mover, items = asked(source, action, values, types, size, grey, limit, seed)
        screen.print(f"{source}: {len(found.labels)} items" + f" ({found.ignored} other files)" * bool(found.ignored))
        encoder = _encoder(model, layer, pool, batch_size)
        if mover is None:
            _embedded(encoder, found, out, store, screen)
            return
        from geodis.formats.writers import write_orbits
        from geodis.sampling import sample_orbits

        orbits = sample_orbits(
            encoder,
            items,
            mover,
            n_elements,
            seed,
            item_ids=found.labels,
            clusters=found.clusters,
            batch_size=batch_size,
            verbose=shows_progress(quiet),
            store=store,
        )
        write_orbits(out, orbits)
        screen.print(f"wrote {out}: {orbits!r}", soft_wrap=True)
        ending = out.with_name(f"{out.stem}-coordinates").with_suffix(".safetensors")
        screen.print(f"Next: geodis spectrum {out}", soft_wrap=True)
        screen.print(f"      geodis fit {out} --out {ending}", soft_wrap=True)


def asked(
    source: Path,
    action: str,
    values: str | None,
    types: str | None,
    size: int | None,
    grey: bool,
    limit: int | None,
    seed: int,
) -> tuple[Source, AbstractAction | None, Any]:
    """The items with their labels, the action (None for none), and the items as it moves them."""
    from geodis.cli.names import Wish, action_called
    from geodis.formats.sources import read_fields, read_images, read_texts, reader_of

    if action == "pairs":
        return _pairs(source, limit, seed)
    reader = reader_of(source)
    kind = {read_images: "images", read_texts: "texts", read_fields: "fields"}[reader]
    found = (read_images(source, size, grey) if kind == "images" else reader(source)).some(limit, seed)
    if action == "none":
        return found, None, found.items
    return found, *action_called(action, kind, Wish(found, values, types))


def _pairs(source: Path, limit: int | None, seed: int) -> tuple[Source, AbstractAction, Any]:
    import numpy as np

    from geodis.actions import MinimalPairs
    from geodis.formats.readers import existing
    from geodis.formats.sources import Source

    mover = MinimalPairs.read_csv(existing(source))
    labels = np.array([f"{source.name}:{number}" for number in range(1, len(mover.firsts) + 1)])
    found = Source(mover.firsts, labels).some(limit, seed)
    return found, mover, list(found.items)


def _encoder(model: str, layer: str | None, pool: str | None, batch_size: int) -> Any:
    from geodis.cli.names import layer_called, model_called, pooling_called
    from geodis.encoders import encode as wrapped

    pooling = None if pool is None else pooling_called(pool)  # told before a large model is loaded
    loaded = model_called(model)
    return wrapped(loaded, layer_called(layer, loaded), pool=pooling, batch_size=batch_size)


def _embedded(encoder: Any, found: Source, out: Path, store: Path | None, screen: Console) -> None:
    """Write the items' embeddings as they are, unmoved."""
    from geodis.errors import ContentError, ParameterError
    from geodis.formats.readers import Rows
    from geodis.formats.writers import ENDINGS, write_rows

    if store is not None:
        raise ParameterError("--store", "none without an action", str(store))
    if out.suffix.lower() not in ENDINGS:
        raise ContentError(out, f"a name ending in {', '.join(ENDINGS)}", out.suffix, "Orbits need an --action.")
    rows = Rows(encoder(found.items), items=found.labels)
    write_rows(out, rows if found.clusters is None else replace(rows, clusters=found.clusters))
    screen.print(f"wrote {out}: {len(rows.z)} embeddings of {rows.z.shape[1]} features, not moved by a group")
    screen.print(f"Next, with coordinates that were fitted on others: geodis edit {out} COORDS --by …", soft_wrap=True)
