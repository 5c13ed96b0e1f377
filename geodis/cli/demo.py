"""`geodis demo`: the main job on real input."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from geodis.cli.app import Quiet, Seed, exit_codes


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for the page, the pictures and the numbers.")],
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="Only this domain: text, images or fields; may be repeated.", show_default="all"),
    ] = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Measure, edit and draw three pretrained encoders: sentences, images, a physical field.

    [bold]text[/bold]: is "a month later" a rotation of sentence embeddings? (all-MiniLM-L6-v2; needs the extra "text")

    [bold]images[/bold]: do the layers of a digit classifier turn with the digit?

    [bold]fields[/bold]: does a network that forecasts turbulence know the symmetries of the square, and shifts?

    [bold]Example[/bold]

    [cyan]geodis demo --out out --seed 0[/cyan]

    writes out/report.html, out/demo.json and the pictures. The three domains take about three minutes.
    """
    from geodis.demo import run_demo

    with exit_codes():
        run_demo(out, seed=seed, verbose=not quiet, only=tuple(only) if only else None)
