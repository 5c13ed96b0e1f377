"""`geodis metrics`: the catalogue of metrics, with what each scores by chance and when not to believe it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geodis.cli.app import Quiet, console, exit_codes

if TYPE_CHECKING:
    from rich.console import Console

    from geodis.metrics.catalogue_entry import MetricEntry


def metrics(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="One metric, in full; all by default.", show_default=False),
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write the entries here.", show_default=False)] = None,
    quiet: Quiet = False,
) -> None:
    """All metrics: formula, range, what chance scores, when not to believe it, where it was published.

    [bold]Example[/bold]

    [cyan]geodis metrics[/cyan]

    [cyan]geodis metrics d_lsbd --json d_lsbd.json[/cyan]

    With a name: this metric, its signature and its documentation. They are functions of geodis.metrics.
    """
    with exit_codes():
        from geodis.errors import UnknownNameError
        from geodis.formats.writers import writable
        from geodis.metrics import CATALOGUE

        if json is not None:
            writable(json, (".json",))
        known = {entry.name: entry for entry in CATALOGUE}
        if name is not None and name not in known:
            raise UnknownNameError("metric", name, ", ".join(known))
        chosen = CATALOGUE if name is None else (known[name],)
        screen = console(quiet)
        if name is None:
            _print_all(screen, chosen)
        else:
            _print_one(screen, known[name])
        if json is not None:
            _write(json, chosen)
            screen.print(f"wrote {json}", soft_wrap=True)


def _print_all(screen: Console, entries: tuple[MetricEntry, ...]) -> None:
    from rich.table import Table

    families = dict.fromkeys(entry.family for entry in entries)
    wide = max(len(entry.name) for entry in entries)
    for family in families:
        table = Table(
            box=None, pad_edge=False, show_header=False, title=family, title_justify="left", width=screen.width
        )
        table.add_column(style="bold", no_wrap=True, width=wide)
        table.add_column(ratio=1)
        for entry in (entry for entry in entries if entry.family == family):
            lines = (
                entry.formula, f"range: {entry.range}; chance: {entry.null}", f"pitfalls: {entry.pitfalls}",
                f"reference: {entry.reference}",
            )  # fmt: skip
            table.add_row(entry.name, "\n".join(lines), end_section=True)
            table.add_row("", "")
        screen.print(table, markup=False)
    screen.print(f"{len(entries)} metrics. One in full: geodis metrics NAME")


def _print_one(screen: Console, entry: MetricEntry) -> None:
    import inspect

    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False, width=screen.width)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(ratio=1)
    for title, text in entry.to_dict().items():
        table.add_row("chance" if title == "null" else title, Text(text))
    screen.print(table)
    signature = inspect.signature(entry.function)
    names = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    called = signature.replace(parameters=names, return_annotation=inspect.Signature.empty)
    screen.print(Text(f"\n{entry.name}{called}\n\n{inspect.getdoc(entry.function)}"))


def _write(path: Path, entries: tuple[MetricEntry, ...]) -> None:
    import json

    from geodis.files import write_text

    content = [entry.to_dict() for entry in entries]
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
