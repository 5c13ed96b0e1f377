"""The application, its exit codes, and the options that several commands share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from geodis import __version__
from geodis.errors import AliasingError, GeodisError, MissingExtraError

if TYPE_CHECKING:
    from rich.console import Console

# 0 is success, 1 an error that geodis did not foresee.
BAD_INPUT, MISSING_EXTRA, REFUSED, INTERRUPTED = 2, 3, 4, 130
WIDTH = 118  # of tables that go to a file or a pipe
MAX_ORDER = 4
Solved = TypeVar("Solved")

app = typer.Typer(
    name="geodis",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)

# --- options ----------------------------------------------------------------------------------------------------------
File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="Embeddings with group elements and items: .npz (z, params, items), .parquet (z or z_0 …, params or "
        "param_0 …, item), .npy (with --params and --items), or orbits that geodis saved (.safetensors).",
        show_default=False,
    ),
]
Coordinates = Annotated[Path, typer.Argument(metavar="COORDS", help="What `geodis fit` saved.", show_default=False)]
Group = Annotated[
    str | None,
    typer.Option("--group", help='The group that acts, e.g. "SO2", "Cyclic(12)", "SO2 * Cyclic(3)".'),
]
Z = Annotated[str | None, typer.Option("--z", help="Key or columns of the embeddings.", rich_help_panel="Names")]
Params = Annotated[
    str | None,
    typer.Option("--params", help="Key, columns or .npy file of the group elements.", rich_help_panel="Names"),
]
Items = Annotated[
    str | None, typer.Option("--items", help="Key, column or .npy file of the items.", rich_help_panel="Names")
]
Clusters = Annotated[
    str | None,
    typer.Option(
        "--clusters",
        help="Key, column or .npy file of what is drawn independently, when coarser than items.",
        rich_help_panel="Names",
    ),
]
MaxOrder = Annotated[
    int | None,
    typer.Option(
        "--max-order", min=0, help="Irreps up to this order.", show_default="4, less where the elements tell no more"
    ),
]
MinEnergy = Annotated[
    float, typer.Option("--min-energy", min=0.0, max=1.0, help="Energy that a block has to exceed on unseen items.")
]
Null = Annotated[int, typer.Option("--null", min=19, help="Draws of each null.")]
Level = Annotated[float, typer.Option("--level", help="Confidence level of intervals.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of all that is random.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Write the files and print nothing.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"geodis {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Coordinates of any embedding in which a group acts linearly, with the evidence that it does.

    [bold]From your embeddings to a report[/bold]

    [cyan]geodis fit mine.npz --group "SO2" --out mine.safetensors[/cyan]

    [cyan]geodis verify mine.npz mine.safetensors --out report.html[/cyan]

    mine.npz holds z (N, D), params (N, p) and items (N,): embeddings, the group element of each, and whose they are.

    [bold]Exit codes[/bold]

    0 done; 1 an error that geodis did not foresee; 2 bad input or usage; 3 a package is missing;

    4 a certificate was asked for and refused; 130 interrupted, no file is left half written
    """


# --- running ----------------------------------------------------------------------------------------------------------
@contextmanager
def exit_codes() -> Iterator[None]:
    """Errors that a user can act on, as one message on stderr and an exit code."""
    try:
        yield
    except BrokenPipeError:
        raise  # the reader of our output went away: no fault of the input
    except (GeodisError, OSError) as error:
        typer.echo(f"geodis: {error}", err=True)
        raise typer.Exit(MISSING_EXTRA if isinstance(error, MissingExtraError) else BAD_INPUT) from error
    except KeyboardInterrupt:
        typer.echo("geodis: interrupted; no file is left half written.", err=True)
        raise typer.Exit(INTERRUPTED) from None


def console(quiet: bool = False) -> Console:
    """Where a command prints: as wide as the terminal, of a fixed width into files and pipes."""
    from rich.console import Console

    made = Console(quiet=quiet, highlight=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = WIDTH
    return made


def shows_progress(quiet: bool) -> bool:
    """Whether bars are shown: to a person who looks at a terminal, not into a log."""
    return not quiet and sys.stderr.isatty()


def solved(solve: Callable[[int], Solved], max_order: int | None, screen: Console) -> Solved:
    """`solve(max_order)`; where no order was asked for, the highest up to 4 that the elements can tell apart."""
    if max_order is not None:
        return solve(max_order)
    try:
        return solve(MAX_ORDER)
    except AliasingError as error:
        if error.usable < 1:
            raise
        screen.print(
            f"So few elements an item tell irreps up to order {error.usable} apart: higher ones are not sought."
        )
        return solve(error.usable)
