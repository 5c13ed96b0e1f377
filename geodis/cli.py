"""The command `geodis`: parses and calls, nothing more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from geodis import __version__
from geodis.errors import GeodisError, MissingExtraError

BAD_INPUT, MISSING_EXTRA = 2, 3  # exit codes; 0 is success, 1 an error that geodis did not foresee

app = typer.Typer(
    name="geodis",
    help="Coordinates of any embedding in which a group acts linearly, with the evidence that it does.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)


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
    """Coordinates of any embedding in which a group acts linearly, with the evidence that it does."""


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for the page, the pictures and the numbers.")],
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of splits, folds and nulls.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Write the files and print nothing.")] = False,
) -> None:
    """Is "a month later" a rotation of sentence embeddings? Measure, edit, draw.

    Embeds 36 subjects × 6 templates × 12 months (and × 7 weekdays) with all-MiniLM-L6-v2.

    Fits coordinates on 24 subjects, verifies them and edits sentences on the 12 others.

    Needs the extra "text" and about a minute.

    [bold]Example[/bold]

    [cyan]geodis demo --out out --seed 0[/cyan]

    writes out/report.html, out/demo.json, out/months_circle.png and out/weekdays_circle.png.
    """
    from geodis.demo import run_demo

    with _exit_codes():
        run_demo(out, seed=seed, verbose=not quiet)


@contextmanager
def _exit_codes() -> Iterator[None]:
    """Errors that a user can act on, as one message on stderr and an exit code."""
    try:
        yield
    except (GeodisError, OSError) as error:
        typer.echo(f"geodis: {error}", err=True)
        raise typer.Exit(MISSING_EXTRA if isinstance(error, MissingExtraError) else BAD_INPUT) from error
