"""`run_demo`: every domain one after the other, then demo.json, the pictures and one page."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from geodis.demo.domain import Domain, DomainMaker, Entry
from geodis.demo.fields import fields_domain
from geodis.demo.images import images_domain
from geodis.demo.text import text_domain
from geodis.errors import ParameterError, UnknownNameError
from geodis.files import write_atomically, write_text
from geodis.reports.page import page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOMAINS: Mapping[str, DomainMaker] = {"text": text_domain, "images": images_domain, "fields": fields_domain}
TITLE = "Which symmetries do these encoders hold?"
WIDTH = 118  # of tables where the terminal does not tell


def run_demo(
    out: str | Path,
    seed: int = 0,
    verbose: bool = True,
    *,
    only: Collection[str] | None = None,
    domains: Mapping[str, DomainMaker] = DOMAINS,
) -> list[Entry]:
    """Fit, verify, edit and draw in every domain; write demo.json, report.html and the pictures into `out`.

    Parameters
    ----------
    out : path
        Folder to write into, made if it is not there.
    seed : int
        Seed of splits, folds and nulls.
    verbose : bool
        Whether to print tables and progress.
    only : names, optional
        Which domains; all by default.
    domains : mapping
        Name → maker: sentences in MiniLM, digits in a convolutional network, turbulence in a forecasting network.

    Returns
    -------
    list of dict
        What demo.json holds: one entry a block that acts and one "all" for each question. `error` with its interval
        `ci_low … ci_high`, `identity_error` and `energy` = 1 − error are of unseen items; `null_mean` and `null_p` are
        the error and p-value under relabellings.

    Raises
    ------
    UnknownNameError
        When `only` names no domain.
    MissingExtraError
        For the sentences, when the extra ``text`` is not installed.
    ParameterError
        When `out` is a file.
    """
    start = time.perf_counter()
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise ParameterError("out", "a folder", f"the file {folder}")
    console = Console(quiet=not verbose, highlight=False)
    if not console.is_terminal:
        console.width = WIDTH
    found = [maker(seed, verbose, console) for maker in _chosen(domains, only)]
    folder.mkdir(parents=True, exist_ok=True)
    entries = [entry for domain in found for entry in domain.entries]
    for path in _write(folder, found, entries):
        console.print(f"wrote {path}", soft_wrap=True)
    console.print(f"{time.perf_counter() - start:.0f} s in all")
    return entries


def _chosen(domains: Mapping[str, DomainMaker], only: Collection[str] | None) -> list[DomainMaker]:
    names = list(domains) if not only else list(dict.fromkeys(only))
    for name in names:
        if name not in domains:
            raise UnknownNameError("domain", name, ", ".join(domains))
    return [domains[name] for name in names]


def _write(folder: Path, found: Sequence[Domain], entries: list[Entry]) -> list[Path]:
    paths = []
    for domain in found:
        for name, fig in domain.pictures.items():
            _write_picture(folder / name, fig)
            paths.append(folder / name)
    texts = {
        "demo.json": json.dumps(entries, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "report.html": page("".join(domain.html for domain in found), TITLE),
    }
    for name, text in texts.items():
        write_text(folder / name, text)
        paths.append(folder / name)
    return paths


def _write_picture(path: Path, fig: Figure) -> None:
    import matplotlib.pyplot as plt

    try:
        write_atomically(path, partial(fig.savefig, format="png", dpi=150, bbox_inches="tight"))
    finally:
        plt.close(fig)
