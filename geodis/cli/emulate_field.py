"""`geodis emulate field`: an emulator of flows and other fields on a grid, tested on unseen runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geodis.cli.app import Quiet, Seed, console, exit_codes, shows_progress
from geodis.cli.discover import PICTURES
from geodis.cli.emulate import print_written, write_report

if TYPE_CHECKING:
    from rich.table import Table

    from geodis.cli.emulated_field import FieldReport

File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="Runs of fields: NetCDF (.nc), .zarr, or .npz with an array (runs, times, *grid) a variable. Variables "
        "without times drive a run.",
        show_default=False,
    ),
]
Names = "What the variables are"
Scalars = Annotated[
    str, typer.Option("--scalars", help="Names, comma between.", rich_help_panel=Names, show_default=False)
]
Pseudoscalars = Annotated[
    str,
    typer.Option(
        "--pseudoscalars", help="Those that change sign in a mirror, such as a Coriolis parameter.",
        rich_help_panel=Names, show_default=False,
    ),
]  # fmt: skip
Vectors = Annotated[
    list[str] | None,
    typer.Option(
        "--vectors", help="Components of one, comma between, in the order of the axes; may be repeated.",
        rich_help_panel=Names, show_default=False,
    ),
]  # fmt: skip
Fixed = Annotated[
    str,
    typer.Option(
        "--fixed", help="Those of the above that have times and do not change.", rich_help_panel=Names,
        show_default=False,
    ),
]  # fmt: skip
Grid = Annotated[
    str,
    typer.Option(
        "--grid", help="Dimensions that components of a vector point along, in their order.", rich_help_panel=Names,
        show_default="x,y,z or lon,lat,level",
    ),
]  # fmt: skip
Run = Annotated[str | None, typer.Option("--run", help="Dimension of the runs.", rich_help_panel=Names)]
Time = Annotated[str | None, typer.Option("--time", help="Dimension of the times.", rich_help_panel=Names)]


def field(
    file: File,
    out: Annotated[Path, typer.Option("--out", help="Write the emulator (.safetensors) here.", show_default=False)],
    scalars: Scalars = "",
    vectors: Vectors = None,
    pseudoscalars: Pseudoscalars = "",
    fixed: Fixed = "",
    grid: Grid = "",
    run: Run = None,
    time: Time = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write the numbers here.", show_default=False)] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw truth, prediction and difference (.png, .pdf, .svg).")
    ] = None,
    page: Annotated[Path | None, typer.Option("--page", help="Write a page (.html) here.", show_default=False)] = None,
    ahead: Annotated[
        Path | None,
        typer.Option("--ahead", help="Write the predictions of the unseen runs here (.nc, .zarr, .npz)."),
    ] = None,
    cut: Annotated[
        int | None, typer.Option("--cut", min=2, help="Cut runs into pieces of so many times, runs of their own.")
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="Of CPU, for the training.")] = 60.0,
    test_size: Annotated[
        float, typer.Option("--test-size", min=0.05, max=0.9, help="Share of the runs that only the test sees.")
    ] = 0.25,
    history: Annotated[int, typer.Option("--history", min=1, help="Frames that a step looks at.")] = 1,
    channels: Annotated[int, typer.Option("--channels", min=1, help="Of every hidden type.")] = 4,
    blocks: Annotated[int, typer.Option("--blocks", min=1, help="Of the network.")] = 3,
    noise: Annotated[float, typer.Option("--noise", min=0.0, help="In training, in units of a step's spread.")] = 0.05,
    conserve: Annotated[
        bool, typer.Option("--conserve/--no-conserve", help="Keep the mean of every scalar, as mass is kept.")
    ] = False,
    walls: Annotated[bool, typer.Option("--walls/--periodic", help="Whether nothing lies beyond the grid.")] = False,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Learn one step of the fields in FILE by a network that commutes with the symmetries of their grid.

    What is printed was measured on runs that the training has not seen, beside what it makes to say that nothing moves.

    [bold]Example[/bold]

    [cyan]geodis emulate field water.npz --scalars h --vectors u,v --pseudoscalars f --out water.safetensors[/cyan]

    Relative MSE is the squared error over the variance of the truth, VRMSE the root of the same at each time.
    """
    with exit_codes():
        from geodis.cli.emulated_field import FieldOptions, fitted_field
        from geodis.formats import read_field_runs, write_field_runs
        from geodis.formats.field_sources import ENDINGS
        from geodis.formats.writers import writable

        for path, endings in ((out, (".safetensors",)), (json, (".json",)), (plot, PICTURES), (page, (".html",))):
            if path is not None:
                writable(path, endings)
        if ahead is not None and ahead.suffix.lower() != ".zarr":
            writable(ahead, ENDINGS)
        data = read_field_runs(
            file, scalars=listed(scalars), pseudoscalars=listed(pseudoscalars), fixed=listed(fixed),
            vectors=[listed(vector) for vector in vectors or []], grid=listed(grid) or None, run=run, time=time,
        )  # fmt: skip
        data = data if cut is None else data.cut(cut)
        screen = console(quiet)
        screen.print(f"{file.name}: {data}", soft_wrap=True)
        found = fitted_field(
            data,
            FieldOptions(
                seconds, channels, blocks, history, "zero" if walls else "circular", noise, conserve, test_size, seed,
                shows_progress(quiet),
            ),
        )  # fmt: skip
        screen.print(_table(found))
        screen.print(found.sentence, soft_wrap=True)
        found.save(out)
        write_report(found, json, plot)
        if page is not None:
            found.write_page(page)
        if ahead is not None:
            write_field_runs(ahead, found.predicted())
        print_written(screen, out, json, plot, page, ahead)


def listed(names: str) -> list[str]:
    """Names between commas."""
    return [name.strip() for name in names.split(",") if name.strip()]


def _table(found: FieldReport) -> Table:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("step", "relative MSE", "nothing moves", "VRMSE", "spectrum error"):
        table.add_column(name, justify="right")
    for row in found.rows:
        cells = (row[name] for name in ("relative_mse", "persistence", "vrmse", "spectrum_error"))
        table.add_row(f"{row['step']:g}", *(f"{cell:.2g}" for cell in cells))
    return table
