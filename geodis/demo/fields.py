"""A physical field: the symmetries of the square in a network that forecasts turbulence. Measured, edited, drawn."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table
from torch import nn

from geodis.demo.domain import Domain, Entry, cell, entry, percent
from geodis.demo.flows import LAYER, Finding, acting_rows, investigate, move_unseen, snapshots, symmetries
from geodis.encoders import load_turbulence_encoder
from geodis.reports import EditDisplay, OrbitDisplay, SpectrumDisplay
from geodis.reports.page import figure, paragraph, pictures, section, table, tables
from geodis.simulators import vorticity

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SPECIAL = 0.05  # p-value up to which a structure is called special
COLUMNS = 4  # of a picture of flows
EDITS = 6  # in a picture
TITLE = "Which symmetries does a forecast of turbulence hold?"
HEADER = (
    "block", "like", "copies", "energy", "95 % interval", "error", "not acting", "ceiling", "null energy", "p",
)  # fmt: skip


def fields_domain(
    seed: int, verbose: bool, console: Console, *, n_runs: int = 48, n_null: int = 99, network: nn.Module | None = None
) -> Domain:
    """Symmetries of the square, and periodic shifts, in the bottleneck of a network that forecasts turbulence.

    Parameters
    ----------
    seed, verbose, console
        As in `run_demo`.
    n_runs : int
        Simulated runs, two snapshots each; a third of them is not fitted.
    n_null : int
        Common relabellings behind each p-value.
    network : nn.Module, optional
        What is read at its layer ``bottleneck``; the trained network by default.
    """
    console.print(f"Simulating {n_runs} turbulent flows …")
    flows, runs = snapshots(n_runs, seed)
    net = load_turbulence_encoder() if network is None else network
    findings = []
    for symmetry in symmetries():
        findings.append(investigate(symmetry, net, flows, runs, seed, verbose, n_null))
        _print_finding(findings[-1], console)
    drawn = {f"flow_{finding.symmetry.name}.png": _draw_flows(finding) for finding in findings}
    edited = {f"flow_{finding.symmetry.name}_edits.png": _draw_edits(finding) for finding in findings}
    return Domain(
        title=TITLE,
        entries=[row for finding in findings for row in _entries(finding)],
        html="".join(_part(finding) for finding in findings),
        pictures=drawn | edited,
    )


# --- numbers ----------------------------------------------------------------------------------------------------------
def _entries(finding: Finding) -> list[Entry]:
    entries = []
    for i in [*finding.acting, len(finding.report.rows) - 1]:
        total = i == len(finding.report.rows) - 1
        mean, p = (math.nan, math.nan) if total else finding.null(i)
        entries.append(
            entry(
                "fields", LAYER, finding.report, i, null_mean=1 - mean, null_p=p,
                retrieval_top1=finding.moves.top1 if total else _top1(finding, i),
            )
        )  # fmt: skip
    return entries


def _top1(finding: Finding, block: int) -> float:
    """The same edit by one block alone."""
    return move_unseen(finding.report.coordinates.only(block), finding.unseen, finding.symmetry).top1


# --- words ------------------------------------------------------------------------------------------------------------
def _asked(finding: Finding) -> str:
    unseen, m = finding.unseen, int(finding.unseen.sizes.max())
    return (
        f"Does {finding.symmetry.words} act linearly on the {unseen.n_features} numbers through which a convolutional "
        "network forecasts the flow? On the grid it does by definition; the network has free filters, and nothing in "
        f"it makes its numbers follow. Fitted on {finding.n_fitted} simulated snapshots × {m} elements, tested on "
        f"{unseen.n_items} × {m} of {len(np.unique(unseen.clusters))} runs that neither the fit nor the network has "
        "seen."
    )


def _found(finding: Finding) -> str:
    report, moves = finding.report, finding.moves
    if not finding.acting:
        return f"No. {report.summary}"
    row, interval = report.rows.iloc[-1], moves.interval()
    low, high = percent(max(interval.low, 0.0)), percent(min(interval.high, 1.0))
    untrained = (
        f"they are {finding.untrained_rows} with {percent(finding.untrained_energy)}"
        if finding.untrained_rows
        else "there are none"
    )
    return (
        f"In {acting_rows(report.coordinates)} coordinates ({len(finding.acting)} blocks) the group acts by its own "
        f"matrices, which explain {percent(1 - row.value)} of their variance (95 % interval {percent(1 - row.ci_high)} "
        f"to {percent(1 - row.ci_low)}); in the same network without training {untrained}. Latents edited by "
        f"{finding.symmetry.step_words} have the latent of the flow that was really moved as nearest neighbour in "
        f"{percent(moves.top1)} of {len(moves.wanted)} edits (95 % interval {low} to {high}; chance: "
        f"{percent(1 / len(moves.wanted))})."
    )


def _sure(finding: Finding) -> str:
    if not finding.acting:
        return "Nothing was found, so there is nothing to be sure of."
    return " ".join(text for text in (_null_words(finding), _floor_words(finding)) if text)


def _null_words(finding: Finding) -> str:
    nulls = {i: finding.null(i) for i in finding.leading if math.isfinite(finding.null(i)[1])}
    if not nulls:
        return "No relabelling test is possible here."
    names = [finding.report.coordinates.blocks[i].irrep.name for i in nulls]
    random, own = [mean for mean, _ in nulls.values()], [finding.spectrum.energies[name][0] for name in names]
    start = (
        "With the elements in a random order, common to all flows, the same fit reaches on average an energy of "
        f"{min(random):.2f} to {max(random):.2f} for the first copies of the {len(nulls)} irreps found, against "
        f"{min(own):.3f} to {max(own):.3f} in their own order (fitted runs, cross-fitted)."
    )
    plain = [f"{finding.report.rows.block[i]} (p = {p:.2f})" for i, (_, p) in nulls.items() if p > SPECIAL]
    if not plain:
        return f"{start} Their own order does better for each of them (p ≤ {max(p for _, p in nulls.values()):.3f})."
    return f"{start} Some random orders do as well for {', '.join(plain)}: useful for edits, weak evidence alone."


def _floor_words(finding: Finding) -> str:
    floor = float(finding.report.details["floor"].iloc[-1])
    if not math.isfinite(floor):
        return "The action moves cells onto cells: no interpolation takes part."
    return f"Interpolation between cells alone makes an error of {floor:.1g}."


# --- terminal ---------------------------------------------------------------------------------------------------------
def _print_finding(finding: Finding, console: Console) -> None:
    console.print(f"\n[bold]flow, {finding.symmetry.name}[/bold]  {_asked(finding)}\n")
    out = Table(box=None, header_style="bold", pad_edge=False)
    for name in HEADER:
        out.add_column(name, justify="left" if name in ("block", "like") else "right", no_wrap=True)
    for cells in _rows(finding):
        out.add_row(*cells)
    console.print(out)
    console.print(f"\n{_found(finding)}\n{_sure(finding)}\n")


def _rows(finding: Finding) -> list[tuple[str, ...]]:
    """The first copy of every irrep, and all blocks together."""
    rows = []
    for i in [*finding.leading, len(finding.report.rows) - 1]:
        row, total = finding.report.rows.iloc[i], i == len(finding.report.rows) - 1
        mean, p = (math.nan, math.nan) if total else finding.null(i)
        n = len(finding.acting) if total else finding.copies[row.block]
        span = f"{cell(1 - row.ci_high)} – {cell(1 - row.ci_low)}"
        numbers = (row.value, row.identity, row.ceiling, mean, p)
        like = finding.symmetry.meanings.get(row.block, "")
        rows.append((row.block, like, str(n), cell(1 - row.value), span, *(cell(x) for x in numbers)))
    return rows


# --- pictures and the page --------------------------------------------------------------------------------------------
def _draw_flows(finding: Finding) -> Figure:
    """The vorticity of one flow, moved by some elements."""
    import matplotlib.pyplot as plt

    elements = np.array(finding.symmetry.drawn)
    moved = finding.symmetry.action.act(elements, np.repeat(finding.flows[:1], len(elements), axis=0))
    swirls = vorticity(moved)
    limit = float(np.abs(swirls).max()) or 1.0
    lines = -(-len(elements) // COLUMNS)
    fig, axes = plt.subplots(lines, COLUMNS, figsize=(8.0, 2.2 * lines), squeeze=False)
    for ax, swirl, element in zip(axes.ravel(), swirls, elements, strict=True):
        ax.imshow(swirl, cmap="RdBu_r", vmin=-limit, vmax=limit)
        ax.set_title(f"element ({', '.join(f'{x:g}' for x in element)})", fontsize=8)
        ax.set_xticks([])
        ax.set_yticks([])
    fig.tight_layout()
    return fig


def _draw_edits(finding: Finding) -> Figure:
    """Unseen flows before, truly moved, and those whose latents are nearest to the edited latents."""
    if not finding.acting:
        return _empty("no block was kept")
    swirls = vorticity(finding.unseen_flows)
    display = EditDisplay.from_coordinates(finding.report.coordinates, finding.unseen, images=swirls, n_edits=EDITS)
    return display.plot_images().figure_


def _draw_plane(finding: Finding) -> Figure:
    """The orbits of unseen flows in one plane."""
    if finding.plane is None:
        return _empty("no plane was kept")
    return OrbitDisplay.from_report(finding.report, finding.plane).plot().figure_


def _empty(words: str) -> Figure:
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(4.0, 1.0))
    ax.text(0.5, 0.5, words, ha="center", va="center")
    ax.set_axis_off()
    return fig


def _part(finding: Finding) -> str:
    """The part of the page on one group: asked, found, how sure, pictures, tables."""
    flows = (
        f"Vorticity of one flow under {finding.symmetry.words}: red and blue turn in opposite senses. The network sees "
        "the velocity."
    )
    bars = (
        "Energies on the fitted runs, cross-fitted; hollow bars are rejected copies. Band and dashed line: 90 % of the "
        "draws, and their mean, after one random order common to all flows; dotted: labels shuffled within each flow; "
        "gray: the threshold."
    )
    edits = (
        "Random edits of unseen flows, by all blocks: the vorticity before, truly moved, and of the flow whose latent "
        "is nearest to the edited latent."
    )
    plane = "Unseen flows in one plane of the bottleneck, colored by the group element; lines join one flow's orbit."
    return section(
        f"Turbulence, {finding.symmetry.name}: {finding.report.group}",
        paragraph(_asked(finding), "Asked.")
        + paragraph(_found(finding), "Found.", "lead")
        + paragraph(_sure(finding), "How sure.")
        + figure(_draw_flows(finding), flows)
        + table(HEADER, _rows(finding), last="all")
        + paragraph("The first copy of every irrep; “like” names a quantity that moves the same way.", kind="note")
        + figure(_draw_edits(finding), edits)
        + figure(_draw_plane(finding), plane)
        + figure(SpectrumDisplay.from_spectrum(finding.spectrum).plot().figure_, bars)
        + pictures(finding.report)
        + "<h3>All numbers</h3>"
        + tables(finding.report),
    )
