"""Sentences: is "a month later" a rotation of their embeddings? Measured, edited, drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from geodis.coordinates import IsotypicSpectrum, LinearCoordinates, isotypic_spectrum
from geodis.demo.domain import Domain, Entry, cell, entry, percent
from geodis.encoders import encode, load_minilm
from geodis.orbits import Orbits
from geodis.reports import OrbitDisplay, Report, SpectrumDisplay, verify
from geodis.reports.edits import Edits, edit_unseen, edited_top1
from geodis.reports.page import figure, paragraph, pictures, section, table, tables
from geodis.sampling import sample_orbits
from geodis.simulators import Sentences, month_sentences, weekday_sentences

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEPS = (1, 3, 5)  # of the edits that are scored
MAX_ORDER = 6
SPECIAL = 0.05  # p-value up to which an order is called special
UNSEEN = 1 / 3  # share of the subjects that no fit sees
SHOWN, SHOWN_WRONG = 6, 4  # edits in the tables
LAYER = "sentence embedding"
TITLE = "Is “later” a rotation of sentence embeddings?"


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked: that stepping through a slot of sentences acts linearly on their embeddings.

    Attributes
    ----------
    name, unit : str
        What is stepped through (``"months"``), and one step of it (``"month"``).
    sentences : Sentences
        Items, subjects and the action.
    """

    name: str
    unit: str
    sentences: Sentences

    @property
    def values(self) -> tuple[str, ...]:
        """What stands in the slot."""
        return self.sentences.action.values


@dataclass(frozen=True, eq=False)
class Finding:
    """All that was measured for one question."""

    question: Question
    unseen: Orbits
    n_fitted: int
    spectrum: IsotypicSpectrum
    report: Report
    edits: Edits

    def sentence(self, row: int) -> str:
        """The text of a row of the unseen orbits."""
        text = self.question.sentences.texts[int(self.unseen.items[row])]
        return str(self.question.sentences.action.act(self.unseen.params[row : row + 1], [text])[0])

    def null(self, block: int) -> tuple[float, float]:
        """Mean energy and p-value of a block's irrep under relabellings, on the fitted subjects (first copies)."""
        name = self.report.coordinates.blocks[block].irrep.name
        first = self.report.rows.block.iloc[block] == name
        return (self.spectrum.structure_mean[name], self.spectrum.structure_p[name]) if first else (math.nan, math.nan)


def default_questions() -> tuple[Question, ...]:
    """Months as Z₁₂ and weekdays as Z₇, in 36 subjects × 6 templates."""
    return Question("months", "month", month_sentences()), Question("weekdays", "day", weekday_sentences())


def text_domain(
    seed: int,
    verbose: bool,
    console: Console,
    *,
    encoder: Callable[[Any], Any] | None = None,
    questions: Sequence[Question] | None = None,
    n_null: int = 199,
) -> Domain:
    """Months and weekdays in sentence embeddings: fit on some subjects, verify and edit on the others.

    Parameters
    ----------
    seed, verbose, console
        As in `run_demo`.
    encoder : callable, optional
        Texts → embeddings `(n, D)`; all-MiniLM-L6-v2 by default.
    questions : sequence of Question, optional
        What is asked; months and weekdays by default.
    n_null : int
        Common relabellings behind each p-value.

    Raises
    ------
    MissingExtraError
        Without `encoder`, when the extra ``text`` is not installed.
    """
    if encoder is None:
        console.print("Loading all-MiniLM-L6-v2 …")
        encoder = encode(load_minilm())
    findings = []
    for question in default_questions() if questions is None else questions:
        findings.append(investigate(question, encoder, seed, verbose, n_null))
        _print_finding(findings[-1], console)
    return Domain(
        title=TITLE,
        entries=[row for finding in findings for row in _entries(finding)],
        html="".join(_part(finding) for finding in findings),
        pictures={f"{finding.question.name}_circle.png": _draw_circle(finding) for finding in findings},
    )


# --- measuring --------------------------------------------------------------------------------------------------------
def investigate(
    question: Question, encoder: Callable[[Any], Any], seed: int = 0, verbose: bool = False, n_null: int = 199
) -> Finding:
    """Embed, fit on some subjects, verify and edit on the others."""
    sentences, n = question.sentences, len(question.values)
    orbits = sample_orbits(
        encoder, sentences.texts, sentences.action, n, seed, clusters=sentences.subjects, verbose=verbose
    )
    fitted, unseen = orbits.split(UNSEEN, seed=seed)
    est = LinearCoordinates(orbits.group, max_order=MAX_ORDER, random_state=seed, verbose=verbose).fit_orbits(fitted)
    spectrum = isotypic_spectrum(fitted, max_order=MAX_ORDER, n_null=n_null, seed=seed, verbose=verbose)
    report = verify(unseen, est.coordinates_, seed=seed, n_null=n_null, verbose=verbose)
    edits = edit_unseen(est.coordinates_, fitted, unseen, STEPS)
    return Finding(question, unseen, fitted.n_items, spectrum, report, edits)


# --- numbers ----------------------------------------------------------------------------------------------------------
def _entries(finding: Finding) -> list[Entry]:
    report, coords = finding.report, finding.report.coordinates
    acting = [i for i, b in enumerate(coords.blocks) if not b.irrep.trivial]
    entries = []
    for i in [*acting, len(report.rows) - 1]:
        total = i == len(report.rows) - 1
        mean, p = (math.nan, math.nan) if total else finding.null(i)
        top1 = finding.edits.top1 if total else edited_top1(coords.only(i), finding.unseen, STEPS)
        entries.append(entry("text", LAYER, report, i, null_mean=1 - mean, null_p=p, retrieval_top1=top1))
    return entries


# --- words ------------------------------------------------------------------------------------------------------------
def _asked(finding: Finding) -> str:
    question, unseen = finding.question, finding.unseen
    n = len(question.values)
    return (
        f"Is “one {question.unit} later” a linear map of the embedding that goes round in {n} steps? Fitted on "
        f"{finding.n_fitted} sentences × {n} {question.name}, tested on {unseen.n_items} × {n} about "
        f"{len(np.unique(unseen.clusters))} subjects that the fit has never seen."
    )


def _found(finding: Finding) -> str:
    block = _circle(finding.report)
    if block is None:
        return f"No. {finding.report.summary}"
    row, edits = finding.report.rows.iloc[block], finding.edits
    interval = edits.interval()
    low, high = percent(max(interval.low, 0.0)), percent(min(interval.high, 1.0))
    return (
        f"In one plane of the embedding ({row.block}) one {finding.question.unit} later is a rotation by "
        f"{_angle(finding, block)}, which explains {percent(1 - row.value)} of the plane's variance (95 % interval "
        f"{percent(1 - row.ci_high)} to {percent(1 - row.ci_low)}). Sentences edited with all blocks have the right "
        f"sentence as nearest neighbour in {percent(edits.top1)} of {len(edits.source)} edits ({low} to {high}; a "
        f"free ridge map for each step: {percent(edits.ridge_top1)}; chance: {percent(1 / len(finding.unseen))})."
    )


def _sure(finding: Finding) -> str:
    block = _circle(finding.report)
    if block is None:
        return "Nothing was found, so there is nothing to be sure of."
    mean, p = finding.null(block)
    row, question = finding.report.rows.iloc[block], finding.question
    if not math.isfinite(p):
        return f"No relabelling test is possible for {row.block}."
    own = finding.spectrum.energies[finding.report.coordinates.blocks[block].irrep.name][0]
    verdict = "special" if p <= SPECIAL else "not shown to be special"
    return (
        f"Any {len(question.values)} points in general position can nearly be put on a circle: with the "
        f"{question.name} in a random order the same fit reaches energy {mean:.2f} on average, against {own:.2f} in "
        f"their own order (fitted subjects, cross-fitted, p = {p:.3f}; refitted on the unseen subjects "
        f"{1 - row.null_mean:.2f}, p = {row.null_p:.3f}). The order is {verdict}; that there is a circle alone proves "
        f"little.{_others(finding, block)}"
    )


def _others(finding: Finding, drawn: int) -> str:
    """Which further blocks a random order gives as well."""
    rows = finding.report.rows.block
    blocks = finding.report.coordinates.blocks
    plain = [
        rows[i] for i, b in enumerate(blocks) if i != drawn and not b.irrep.trivial and finding.null(i)[1] > SPECIAL
    ]
    if not plain:
        return ""
    return f" A random order gives {', '.join(plain)} as well: useful for edits, no evidence of their own."


def _angle(finding: Finding, block: int) -> str:
    k = int(finding.report.coordinates.blocks[block].irrep.name.split("=")[1])
    return f"{360 * k / len(finding.question.values):.3g}°"


def _circle(report: Report) -> int | None:
    """Which block is drawn: k = 1 if it was kept, else the first plane."""
    planes = [i for i, b in enumerate(report.coordinates.blocks) if not b.irrep.trivial and b.irrep.dim == 2]
    first = [i for i in planes if report.coordinates.blocks[i].irrep.name == "k=1"]
    return next(iter(first + planes), None)


def _shown(finding: Finding) -> list[int]:
    """Some edits drawn at random from all, then some of the wrong ones."""
    rng = np.random.default_rng(0)
    edits = finding.edits
    drawn = rng.choice(len(edits.source), min(SHOWN, len(edits.source)), replace=False).tolist()
    wrong = np.setdiff1d(np.flatnonzero(~edits.right), drawn)
    return drawn + rng.choice(wrong, min(SHOWN_WRONG, len(wrong)), replace=False).tolist()


def _edit_rows(finding: Finding) -> list[tuple[str, str, str, str]]:
    edits, unit = finding.edits, finding.question.unit
    return [
        (
            finding.sentence(edits.source[i]),
            f"+ {edits.step[i]} {unit}{'s' if edits.step[i] > 1 else ''}",
            finding.sentence(edits.found[i]),
            "✓" if edits.right[i] else "✗",
        )
        for i in _shown(finding)
    ]


# --- terminal ---------------------------------------------------------------------------------------------------------
def _print_finding(finding: Finding, console: Console) -> None:
    console.print(f"\n[bold]{finding.question.name}[/bold]  {_asked(finding)}\n")
    out = Table(box=None, header_style="bold", pad_edge=False)
    header = (
        "block",
        "energy",
        "95 % interval",
        "error",
        "not acting",
        "ceiling",
        "null energy",
        "p",
        "p unseen",
        "status",
    )
    for name in header:
        out.add_column(name, justify="left" if name in ("block", "status") else "right", no_wrap=True)
    for i, row in enumerate(finding.report.rows.itertuples()):
        last = i == len(finding.report.rows) - 1
        if not last and finding.report.coordinates.blocks[i].irrep.trivial:
            continue
        mean, p = (math.nan, math.nan) if last else finding.null(i)
        span = f"{cell(1 - row.ci_high)} – {cell(1 - row.ci_low)}"
        numbers = (1 - row.value, span, row.value, row.identity, row.ceiling, mean, p, row.null_p)
        out.add_row(row.block, *(x if isinstance(x, str) else cell(x) for x in numbers), row.status)
    console.print(out)
    console.print(f"\n{_found(finding)}\n{_sure(finding)}\n")
    sentences = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("unseen sentence", "edit", "nearest neighbour of the edited embedding", ""):
        sentences.add_column(name)
    for cells in _edit_rows(finding):
        sentences.add_row(*cells)
    sentences.caption = _caption(finding)
    console.print(sentences)


def _caption(finding: Finding) -> str:
    edits = finding.edits
    return (
        f"{int(edits.right.sum())} of {len(edits.right)} edits are right. Shown: {min(SHOWN, len(edits.right))} drawn "
        f"at random, then up to {SHOWN_WRONG} of the wrong ones."
    )


# --- pictures and the page --------------------------------------------------------------------------------------------
def _draw_circle(finding: Finding) -> Figure:
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(5.2, 5.2))
    block = _circle(finding.report)
    if block is None:
        ax.text(0.5, 0.5, "no plane was kept", ha="center", va="center")
        ax.set_axis_off()
        return fig
    names = [value[:3] for value in finding.question.values]
    OrbitDisplay.from_report(finding.report, block, labels=names).plot(ax)
    return fig


def _part(finding: Finding) -> str:
    """The part of the page on one question: asked, found, how sure, pictures, edits, tables."""
    caption = (
        f"The {finding.question.name} in the plane of the leading rotation: each dot is a sentence about an unseen "
        f"subject, the dark line joins the means of the {finding.question.name}."
    )
    bars = (
        "Energies on the fitted subjects, cross-fitted; hollow bars are rejected copies. Band and dashed line: 90 % of "
        "the draws, and their mean, after one random order common to all sentences; dotted: labels shuffled within "
        "each sentence; gray: the threshold."
    )
    header = ["unseen sentence", "edit", "nearest neighbour of the edited embedding", ""]
    return section(
        f"{finding.question.name.capitalize()}: {finding.report.group}",
        paragraph(_asked(finding), "Asked.")
        + paragraph(_found(finding), "Found.", "lead")
        + paragraph(_sure(finding), "How sure.")
        + figure(_draw_circle(finding), caption)
        + figure(SpectrumDisplay.from_spectrum(finding.spectrum).plot().figure_, bars)
        + pictures(finding.report)
        + "<h3>Edited sentences</h3>"
        + table(header, _edit_rows(finding), kind="sentences")
        + paragraph(_caption(finding), kind="note")
        + "<h3>All numbers</h3>"
        + tables(finding.report),
    )
