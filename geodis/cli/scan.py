"""`geodis scan`: which layers of a network hold which irreps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from geodis.cli.app import Level, MaxOrder, MinEnergy, Null, Quiet, Seed, console, exit_codes, shows_progress, solved
from geodis.cli.encode import ACTIONS


def scan(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE", help="Images, texts, fields or a table of pairs, as `geodis encode`.", show_default=False
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            help="minilm, digits, turbulence (shipped), what `geodis train` saved (.safetensors), or a folder of a "
            "transformers or sentence-transformers model.",
            show_default=False,
        ),
    ],
    action: Annotated[str, typer.Option("--action", help=f"How the group moves items: {ACTIONS}.", show_default=False)],
    out: Annotated[
        list[Path] | None, typer.Option("--out", help="A .json, .png or .html file; may be repeated.")
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            "--layer",
            help='A layer, a pattern such as "conv*", or the number of a hidden state; may be repeated.',
            show_default="at most 16 that compute",
        ),
    ] = None,
    pool: Annotated[
        str | None,
        typer.Option(
            "--pool",
            help="One row of a layer: flatten, mean-grid (of a convolution), mean-tokens or first-token.",
            show_default="the mean over tokens of texts, else all numbers",
        ),
    ] = None,
    n_elements: Annotated[int, typer.Option("--n-elements", min=2, help="Elements an item, at most.")] = 24,
    max_order: MaxOrder = None,
    min_energy: MinEnergy = 0.5,
    null: Null = 99,
    level: Level = 0.95,
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
    """Which layers of a network hold which irreps of a group, on unseen items, each beside its null.

    [bold]Example[/bold]

    [cyan]geodis scan templates.txt --model minilm --action slot --values months --out scan.html[/cyan]

    [cyan]geodis scan photos --model digits --size 28 --grey --action rotation --layer "conv*" --out scan.png[/cyan]

    Every moved item runs through the network once. In each layer the best copy of every irrep is found on two thirds of
    the items (or clusters), and measured on the others.

    null: the mean energy after one random relabelling of the elements and a new fit. q: the rate of false discoveries.
    """
    with exit_codes():
        from geodis.cli.encode import asked
        from geodis.cli.names import layer_called, model_called, pooling_called
        from geodis.errors import ParameterError
        from geodis.formats.scans import SCAN_ENDINGS, write_scan
        from geodis.formats.writers import writable
        from geodis.scanning import scan_layers

        for path in out or []:
            writable(path, SCAN_ENDINGS)
        screen = console(quiet)
        found, mover, items = asked(source, action, values, types, size, grey, limit, seed)
        if mover is None:
            raise ParameterError("--action", "how the group moves items", "none", f"Known: {ACTIONS}.")
        pooling = None if pool is None else pooling_called(pool)
        loaded = model_called(model)
        options: dict[str, Any] = {
            "pool": pooling, "n_elements": n_elements, "min_energy": min_energy, "n_null": null, "level": level,
            "seed": seed, "item_ids": found.labels, "clusters": found.clusters, "batch_size": batch_size,
            "verbose": shows_progress(quiet), "store": store,
        }  # fmt: skip
        screen.print(f"{source}: {len(found.labels)} items" + f" ({found.ignored} other files)" * bool(found.ignored))
        called = [layer_called(name, loaded) for name in layer or []]
        layers = [name for name in called if name is not None] or None
        scanned = solved(lambda k: scan_layers(loaded, items, mover, layers, max_order=k, **options), max_order, screen)
        screen.print(scanned.table())
        screen.print(scanned.summary)
        for path in out or []:
            write_scan(path, scanned)
            screen.print(f"wrote {path}", soft_wrap=True)
