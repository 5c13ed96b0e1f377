"""`geodis emulate`: emulators of trajectories that users have, fitted, tested on unseen runs, and rolled out."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import numpy as np
import typer

from geodis.cli.app import Quiet, Seed, console, exit_codes, shows_progress
from geodis.cli.discover import PICTURES

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from geodis.cli.emulated import PointsReport

emulate = typer.Typer(
    help="Emulate particles by a law that can be read, or fields by a network; tested on unseen runs.",
    no_args_is_help=True,
)

Runs = Annotated[
    Path,
    typer.Argument(
        metavar="RUNS",
        help="Trajectories, .npz or .zarr: positions and velocities (runs, times, bodies, d), times (times,), and "
        "scalars (runs, bodies, k) if bodies carry charges or masses.",
        show_default=False,
    ),
]
Positions = Annotated[str | None, typer.Option("--positions", help="Key of the positions.", rich_help_panel="Names")]
Velocities = Annotated[str | None, typer.Option("--velocities", help="Key of the velocities.", rich_help_panel="Names")]
Scalars = Annotated[str | None, typer.Option("--scalars", help="Key of what bodies carry.", rich_help_panel="Names")]
Times = Annotated[str | None, typer.Option("--times", help="Key of the times.", rich_help_panel="Names")]


@emulate.command()
def points(
    runs: Runs,
    out: Annotated[Path, typer.Option("--out", help="Write the emulator (.safetensors) here.", show_default=False)],
    json: Annotated[Path | None, typer.Option("--json", help="Write the numbers here.", show_default=False)] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw orbits, predicted and true (.png, .pdf, .svg).")
    ] = None,
    test_size: Annotated[
        float, typer.Option("--test-size", min=0.05, max=0.9, help="Share of the runs that only the test sees.")
    ] = 0.25,
    any_axes: Annotated[
        bool, typer.Option("--any-axes/--no-axes", help="Also try a cap on components, which breaks rotations.")
    ] = False,
    seed: Seed = 0,
    quiet: Quiet = False,
    positions: Positions = None,
    velocities: Velocities = None,
    scalars: Scalars = None,
    times: Times = None,
) -> None:
    """Find the law by which bodies in RUNS pull each other, and the integrator to follow it with.

    One step of the emulator is one step of `times`. What is printed was measured on runs that the fit has not seen.

    [bold]Example[/bold]

    [cyan]geodis emulate points runs.npz --out emulator.safetensors --plot orbits.png[/cyan]

    [cyan]geodis emulate rollout emulator.safetensors runs.npz --steps 50 --out predicted.npz[/cyan]

    Scalars that are all positive are taken as masses, others as charges.
    """
    with exit_codes():
        from geodis.cli.emulated import fitted_points
        from geodis.formats.trajectories import read_trajectories
        from geodis.formats.writers import writable

        for path, endings in ((out, (".safetensors",)), (json, (".json",)), (plot, PICTURES)):
            if path is not None:
                writable(path, endings)
        data = read_trajectories(runs, positions=positions, velocities=velocities, scalars=scalars, times=times)
        screen = console(quiet)
        screen.print(f"{runs.name}: {data}")
        found = fitted_points(data, test_size, any_axes, seed, shows_progress(quiet))
        screen.print(_table(found))
        screen.print(found.sentence, soft_wrap=True)
        found.dynamics.save(out)
        write_report(found, json, plot)
        print_written(screen, out, json, plot)


@emulate.command()
def rollout(
    emulator: Annotated[
        Path, typer.Argument(metavar="EMULATOR", help="What `geodis emulate points` saved.", show_default=False)
    ],
    start: Annotated[
        Path, typer.Argument(metavar="START", help="Trajectories whose first frames are the start.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", help="Write the trajectories (.npz) here.", show_default=False)],
    steps: Annotated[int, typer.Option("--steps", min=1, help="How many steps.")] = 10,
    quiet: Quiet = False,
    positions: Positions = None,
    velocities: Velocities = None,
    scalars: Scalars = None,
    times: Times = None,
) -> None:
    """Follow bodies for many steps of an emulator, and say what should be conserved and how far it is.

    [bold]Example[/bold]

    [cyan]geodis emulate points runs.npz --out emulator.safetensors[/cyan]

    [cyan]geodis emulate rollout emulator.safetensors runs.npz --steps 100 --out predicted.npz[/cyan]
    """
    with exit_codes():
        from geodis.emulators import NBodyDynamics
        from geodis.formats.readers import existing
        from geodis.formats.trajectories import read_trajectories, write_trajectories
        from geodis.formats.writers import writable
        from geodis.simulators import ParticleTrajectories

        writable(out, (".npz",))
        dynamics = NBodyDynamics.load(existing(emulator))
        data = read_trajectories(start, positions=positions, velocities=velocities, scalars=scalars, times=times)
        found = dynamics.rollout(data.positions[:, 0], data.velocities[:, 0], data.scalars, steps)
        later = data.times[0] + dynamics.span * np.arange(steps + 1)
        write_trajectories(
            out, ParticleTrajectories(found.positions, found.velocities, data.scalars, later, data.names)
        )
        screen = console(quiet)
        screen.print(str(dynamics), soft_wrap=True)
        screen.print(repr(found), soft_wrap=True)
        screen.print(f"wrote {out}", soft_wrap=True)


def _table(found: PointsReport) -> Table:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("what")
    for name in ("found", "beside"):
        table.add_column(name, justify="right")
    table.add_column("")
    for row in found.rows:
        table.add_row(row.what, f"{row.found:.2g}", "–" if row.beside is None else f"{row.beside:.2g}", row.meaning)
    return table


class Report(Protocol):
    """What an emulator's tests found."""

    def numbers(self) -> dict[str, Any]:
        """As JSON holds it."""

    def draw(self, path: Path) -> None:
        """As a picture."""


def write_report(found: Report, json: Path | None, plot: Path | None) -> None:
    """Write the numbers and the picture, where they are asked for."""
    from geodis.files import write_text

    if json is not None:
        text = json_text.dumps(found.numbers(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        write_text(json, text)
    if plot is not None:
        found.draw(plot)


def print_written(screen: Console, *paths: Path | None) -> None:
    """A line for every file that was asked for."""
    for path in paths:
        if path is not None:
            screen.print(f"wrote {path}", soft_wrap=True)
