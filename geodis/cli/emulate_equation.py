"""`geodis emulate equation`: the equation that fields obey, found in a few runs and tested on others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from geodis.cli.app import Quiet, Seed, console, exit_codes, shows_progress
from geodis.cli.discover import PICTURES
from geodis.cli.emulate import print_written, write_report
from geodis.cli.emulate_field import File, Fixed, Grid, Pseudoscalars, Run, Scalars, Time, Vectors, listed


def equation(
    file: File,
    out: Annotated[Path, typer.Option("--out", help="Write the equation (.json) here.", show_default=False)],
    scalars: Scalars = "",
    vectors: Vectors = None,
    pseudoscalars: Pseudoscalars = "",
    fixed: Fixed = "",
    grid: Grid = "",
    run: Run = None,
    time: Time = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write the numbers here.", show_default=False)] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw the coefficients with their errors (.png, .pdf, .svg).")
    ] = None,
    derivatives: Annotated[
        str,
        typer.Option("--derivatives", help="Most derivatives in linear terms, in products of two, of three, …"),
    ] = "2,1",
    test_size: Annotated[
        float, typer.Option("--test-size", min=0.05, max=0.9, help="Share of the runs that only the test sees.")
    ] = 0.25,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Find the equation of the fields in FILE among all terms that rotations and mirrors allow.

    For a periodic square or cube, equal times between frames, and an equation of first order in time.

    [bold]Example[/bold]

    [cyan]geodis emulate equation water.npz --scalars h --vectors u,v --pseudoscalars f --out water.json[/cyan]

    Of a vector u,v the equation says u; an index that occurs twice is summed over.
    """
    with exit_codes():
        from geodis.cli.emulated_equation import found_equation
        from geodis.formats import read_field_runs
        from geodis.formats.writers import writable

        for path, endings in ((out, (".json",)), (json, (".json",)), (plot, PICTURES)):
            if path is not None:
                writable(path, endings)
        data = read_field_runs(
            file, scalars=listed(scalars), pseudoscalars=listed(pseudoscalars), fixed=listed(fixed),
            vectors=[listed(vector) for vector in vectors or []], grid=listed(grid) or None, run=run, time=time,
        )  # fmt: skip
        screen = console(quiet)
        screen.print(f"{file.name}: {data}", soft_wrap=True)
        found = found_equation(data, derivatives, test_size, seed, shows_progress(quiet))
        screen.print(str(found.law), soft_wrap=True, highlight=False)
        screen.print(found.sentence, soft_wrap=True)
        found.law.save(out)
        write_report(found, json, plot)
        print_written(screen, out, json, plot)
