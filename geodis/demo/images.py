"""Images: does a classifier of handwritten digits hold rotations, and in which layer. Measured, edited, drawn."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table
from torch import nn

from geodis.demo.digits import (
    CHOOSING,
    N_ELEMENTS,
    ORDERS,
    PIXELS,
    RANDOM,
    STEP,
    Finding,
    Layer,
    investigate,
    quarter_turns,
    turning,
)
from geodis.demo.domain import Domain, Entry, cell, entry, percent
from geodis.encoders import load_digits_encoder
from geodis.errors import ParameterError
from geodis.palette import ramp
from geodis.reports import EditDisplay, OrbitDisplay
from geodis.reports.page import figure, paragraph, pictures, section, spectrum_picture, table, tables

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SPECIAL = 0.05  # p-value up to which a structure is called special
ALIKE = 0.01  # energies nearer than this are called alike
EDITS = 8  # in the picture
MIN_ITEMS, MAX_ITEMS = 12, 1795  # the data set has no more that the network has not seen
TITLE = "Does a classifier of digits know what a rotation is?"
HEADER = (
    "block", "energy", "95 % interval", "error", "not acting", "ceiling", "null energy", "p", "floor", "status",
)  # fmt: skip


def images_domain(
    seed: int,
    verbose: bool,
    console: Console,
    *,
    n_items: int = 300,
    n_null: int = 99,
    network: nn.Module | None = None,
) -> Domain:
    """Rotations of the image in every layer of a classifier of digits; the best layer verified and edited.

    Parameters
    ----------
    seed, verbose, console
        As in `run_demo`.
    n_items : int
        Digits, 12 to 1795; a third of them is seen neither by the fit nor by the network.
    n_null : int
        Common relabellings behind each p-value.
    network : nn.Module, optional
        A chain of stages from images `(n, 1, 28, 28)` to logits; the trained network by default.

    Raises
    ------
    ParameterError
        For too few or too many digits, or a network without maps.
    """
    whole = isinstance(n_items, (int, np.integer)) and not isinstance(n_items, bool)
    if not whole or not MIN_ITEMS <= n_items <= MAX_ITEMS:
        raise ParameterError("images_domain: n_items", f"an integer in {MIN_ITEMS} … {MAX_ITEMS}", repr(n_items))
    console.print(f"Turning {n_items} digits …")
    net = load_digits_encoder() if network is None else network
    finding = investigate(net, seed, verbose, int(n_items), n_null)
    _print_finding(finding, console)
    return Domain(
        title=TITLE,
        entries=_entries(finding),
        html=_part(finding),
        pictures={
            "digits_layers.png": _draw_layers(finding),
            "digits_planes.png": _draw_planes(finding),
            "digits_edits.png": _draw_edits(finding),
        },
    )


# --- numbers ----------------------------------------------------------------------------------------------------------
def _entries(finding: Finding) -> list[Entry]:
    """All blocks of the best layer that turn; of the other layers the first of each order; and "all" of each."""
    entries = []
    for layer in finding.layers:
        report, best = finding.reports[layer.name], layer is finding.best
        shown = [i for i in turning(report) if best or report.rows.block.iloc[i] in ORDERS]
        for i in [*shown, len(report.rows) - 1]:
            mean, p = _null(layer, report.rows.block.iloc[i])
            top1 = _top1(finding, i) if best else math.nan
            entries.append(entry("images", layer.name, report, i, null_mean=1 - mean, null_p=p, retrieval_top1=top1))
    return entries


def _null(layer: Layer, block: str) -> tuple[float, float]:
    """Mean energy and p-value of an order's first block under relabellings, on the fitted digits."""
    return layer.spectrum.structure_mean.get(block, math.nan), layer.spectrum.structure_p.get(block, math.nan)


def _top1(finding: Finding, block: int) -> float:
    """Of edits by all blocks, or by one alone."""
    coordinates = finding.report.coordinates
    if block == len(coordinates.blocks):
        return finding.moves.top1
    return quarter_turns(coordinates.only(block), finding.best.unseen).top1


# --- words ------------------------------------------------------------------------------------------------------------
def _asked(finding: Finding) -> str:
    fitted, unseen = finding.best.fitted.n_items, finding.best.unseen.n_items
    return (
        "Does turning the image act linearly on the layers of a network that names handwritten digits? It is an "
        f"ordinary convolutional classifier, which names {percent(finding.accuracy)} of the unseen digits here at any "
        f"of {N_ELEMENTS} angles; nothing in it is built to turn with the image. Fitted on {fitted} digits × "
        f"{N_ELEMENTS} angles, tested on {unseen} × {N_ELEMENTS} that neither the network nor the fit has seen, nearly "
        "all by other writers."
    )


def _found(finding: Finding) -> str:
    report, planes = finding.report, finding.planes
    if not planes:
        return f"No. In {finding.best.name}, the best layer of maps, {_lower(report.summary)} {_layers_words(finding)}"
    rows = [report.rows.iloc[i] for i in planes if report.rows.block.iloc[i] in CHOOSING] or [
        report.rows.iloc[planes[0]]
    ]
    errors = " and ".join(
        f"{percent(row.value)} of the variance in the best plane with {row.block} (95 % interval "
        f"{percent(row.ci_low)} to {percent(row.ci_high)})"
        for row in rows
    )
    interval, n = finding.moves.interval(), len(finding.moves.wanted)
    low, high = percent(max(interval.low, 0.0)), percent(min(interval.high, 1.0))
    return (
        f"In {finding.best.name}, the best layer of maps, a turn of the image by θ is a turn of planes by mθ, up to an "
        f"error of {errors}. {_layers_words(finding)} Embeddings in {finding.best.name} edited by 90° with all blocks "
        f"have that of the digit really turned as nearest neighbour in {percent(finding.moves.top1)} of {n} edits "
        f"(95 % interval {low} to {high}; a free ridge map for this step: {percent(finding.ridge)}; chance: "
        f"{percent(1 / n)})."
    )


def _layers_words(finding: Finding) -> str:
    energies = ", ".join(f"{layer.name} {cell(layer.energy('m=1'))}" for layer in finding.layers)
    start = (
        f"From layer to layer the energy of the best candidate with m=1 goes: {energies} (fitted digits, cross-fitted)."
    )
    last = finding.layers[-1]
    if turning(finding.reports[last.name]):
        return start
    return f"{start} In {last.name} no plane that turns was kept."


def _sure(finding: Finding) -> str:
    if not finding.planes:
        return "Nothing was found, so there is nothing to be sure of."
    return " ".join(text for text in (_controls_words(finding), _null_words(finding), _floor_words(finding)) if text)


def _controls_words(finding: Finding) -> str:
    """Whether the training has to do with it: against the pixels, and the same layer without training."""
    own, random = finding.best, finding.control(RANDOM, finding.best.name)
    pixels = finding.control(PIXELS, PIXELS)
    if random is None or pixels is None:
        return ""
    start = (
        f"Rotations are linear on pixels already: there the same fit reaches {cell(pixels.weakest)} (the smaller "
        f"energy of {' and '.join(CHOOSING)}), in {own.name} without training {cell(random.weakest)}, with training "
        f"{cell(own.weakest)}."
    )
    if own.weakest > random.weakest + ALIKE:
        verdict = "So the training has added to it."
    elif own.weakest < random.weakest - ALIKE:
        verdict = "So the training has taken some of it away."
    else:
        verdict = "So this layer passes on what the pixels hold, which is no merit of the training."
    return f"{start} {verdict} {_last_words(finding)}".rstrip()


def _last_words(finding: Finding) -> str:
    """What the training does to the last layer."""
    last = finding.layers[-1]
    random = finding.control(RANDOM, last.name)
    if random is None or last is finding.best or not math.isfinite(random.weakest + last.weakest):
        return ""
    change = last.weakest - random.weakest
    words = "as much" if abs(change) <= ALIKE else "more" if change > 0 else "less"
    return f"In {last.name} there is {words}: {cell(last.weakest)} with training, {cell(random.weakest)} without."


def _null_words(finding: Finding) -> str:
    names = [finding.report.rows.block.iloc[i] for i in finding.planes]
    nulls = {name: _null(finding.best, name) for name in names}
    nulls = {name: null for name, null in nulls.items() if math.isfinite(null[1])}
    if not nulls:
        return "No relabelling test is possible here."
    means, own = [mean for mean, _ in nulls.values()], [finding.best.energy(name) for name in nulls]
    start = (
        "With the angles in a random order, common to all digits, the same fit reaches on average an energy of "
        f"{min(means):.2f} to {max(means):.2f} for the {len(nulls)} orders found, against {min(own):.4f} to "
        f"{max(own):.4f} in their own order."
    )
    plain = [f"{name} (p = {p:.2f})" for name, (_, p) in nulls.items() if p > SPECIAL]
    if plain:
        return f"{start} Some random orders do as well for {', '.join(plain)}: weak evidence alone."
    return f"{start} Their own order does better for each of them (p ≤ {max(p for _, p in nulls.values()):.3f})."


def _floor_words(finding: Finding) -> str:
    floors = [float(finding.report.details.floor.iloc[i]) for i in finding.planes]
    if not any(map(math.isfinite, floors)):
        return ""
    return f"The interpolation of the rotation alone makes errors up to {np.nanmax(floors):.0e} in these planes."


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


# --- terminal ---------------------------------------------------------------------------------------------------------
def _print_finding(finding: Finding, console: Console) -> None:
    console.print(f"\n[bold]digits[/bold]  {_asked(finding)}\n")
    for header, rows in ((("network", "layer", *ORDERS), _layer_rows(finding)), (HEADER, _rows(finding))):
        out = Table(box=None, header_style="bold", pad_edge=False)
        for name in header:
            left = name in ("network", "layer", "block", "status")
            out.add_column(name, justify="left" if left else "right", no_wrap=True)
        for cells in rows:
            out.add_row(*cells)
        out.caption = _layers_note(finding) if header[0] == "network" else f"{finding.best.name}, unseen digits"
        console.print(out)
        console.print()
    console.print(f"{_found(finding)}\n{_sure(finding)}\n")


def _layer_rows(finding: Finding) -> list[tuple[str, ...]]:
    """Energies by layer and order, with the mean of the null where it was computed."""
    rows = []
    for layer in (*finding.layers, *finding.controls):
        cells = []
        for order in ORDERS:
            mean = _null(layer, order)[0]
            cells.append(cell(layer.energy(order)) + (f" ({mean:.2f})" if math.isfinite(mean) else ""))
        rows.append((layer.network, layer.name, *cells))
    return rows


def _layers_note(finding: Finding) -> str:
    return (
        "Energy of the best candidate of each order, kept or not, on the fitted digits, cross-fitted; 1 is exact, 0 is "
        "chance. In brackets: the mean with the angles in a random order."
    )


def _rows(finding: Finding) -> list[tuple[str, ...]]:
    """The first block of each order in the best layer, and all its blocks."""
    report, rows = finding.report, []
    for i in [*finding.planes, len(report.rows) - 1]:
        row = report.rows.iloc[i]
        span = f"{cell(1 - row.ci_high)} – {cell(1 - row.ci_low)}"
        floor = float(report.details.floor.iloc[i])
        numbers = (row.value, row.identity, row.ceiling, *_null(finding.best, row.block))
        written = f"{floor:.0e}" if math.isfinite(floor) else "–"
        rows.append((row.block, cell(1 - row.value), span, *map(cell, numbers), written, row.status))
    return rows


# --- pictures and the page --------------------------------------------------------------------------------------------
def _draw_layers(finding: Finding) -> Figure:
    """Energies by layer and order, with training and without."""
    import matplotlib.pyplot as plt

    pixels = [layer for layer in finding.controls if layer.network == PIXELS]
    random = [layer for layer in finding.controls if layer.network == RANDOM]
    panels = [("trained", [*pixels, *finding.layers]), (RANDOM, [*pixels, *random])]
    tallest = max(len(layers) for _, layers in panels)
    fig, axes = plt.subplots(1, 2, figsize=(8.6, 0.9 + 0.42 * tallest), layout="constrained")
    for ax, (title, layers) in zip(axes, panels, strict=True):
        _draw_energies(ax, layers)
        ax.set_title(title, fontsize=10)
    return fig


def _draw_energies(ax: Axes, layers: list[Layer]) -> None:
    energies = np.array([[layer.energy(order) for order in ORDERS] for layer in layers])
    ax.imshow(energies, cmap=ramp(), vmin=0.0, vmax=1.0, aspect="auto")
    for (i, j), x in np.ndenumerate(energies):
        ax.text(j, i, cell(x), ha="center", va="center", fontsize=8, color="white" if not x > 0.6 else "black")
    ax.set_xticks(range(len(ORDERS)), ORDERS)
    ax.set_yticks(range(len(layers)), [layer.name for layer in layers])
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)


def _draw_planes(finding: Finding) -> Figure:
    """Orbits of unseen digits in the best planes of the orders that chose the layer."""
    import matplotlib.pyplot as plt

    drawn = [i for i in finding.planes if finding.report.rows.block.iloc[i] in CHOOSING]
    if not drawn:
        return _empty("no plane was kept")
    fig, axes = plt.subplots(1, len(drawn), figsize=(4.2 * len(drawn), 4.4), squeeze=False, layout="constrained")
    for ax, i in zip(axes[0], sorted(drawn, key=lambda i: finding.report.rows.block.iloc[i]), strict=True):
        OrbitDisplay.from_report(finding.report, i).plot(ax)
    return fig


def _draw_edits(finding: Finding) -> Figure:
    """Some unseen digits before, really turned, and those whose embedding is nearest to the edited one."""
    if not finding.planes:
        return _empty("no block was kept, so nothing was edited")
    moves, codes, block = finding.moves, finding.report.codes.z, finding.report.coordinates.blocks[finding.planes[0]]
    drawn = np.random.default_rng(0).choice(len(moves.wanted), min(EDITS, len(moves.wanted)), replace=False)
    source = np.sort(drawn)
    target, steps = moves.wanted[source], np.full((len(source), 1), STEP)
    edited = np.asarray(finding.report.coordinates.act(codes[source], steps))
    before, after, truth = (x[:, block.columns] for x in (codes[source], edited, codes[target]))
    display = EditDisplay(
        before, after, truth, source, target, steps, found=moves.found[source], images=finding.images
    )  # fmt: skip
    return display.plot_images().figure_


def _empty(words: str) -> Figure:
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(4.0, 1.0))
    ax.text(0.5, 0.5, words, ha="center", va="center")
    ax.set_axis_off()
    return fig


def _part(finding: Finding) -> str:
    """The part of the page: asked, found, how sure, pictures, tables."""
    layers = (
        "Energy by layer and order, with training and without; the fitted digits, cross-fitted. m = 0 does not turn, "
        "m turns m times as fast as the image."
    )
    planes = (
        "Unseen digits in the best planes: every dot is a digit at one angle, lines join one digit's orbit, the color "
        "is the angle. In the plane with m = 2 half a turn of the image is a whole turn."
    )
    edits = (
        f"Random quarter turns of unseen digits in {finding.best.name}: before, really turned, and the digit whose "
        "embedding is nearest to the edited one."
    )
    return section(
        f"Digits: {finding.report.group}",
        paragraph(_asked(finding), "Asked.")
        + paragraph(_found(finding), "Found.", "lead")
        + paragraph(_sure(finding), "How sure.")
        + figure(_draw_layers(finding), layers)
        + figure(_draw_planes(finding), planes)
        + figure(_draw_edits(finding), edits)
        + table(("network", "layer", *ORDERS), _layer_rows(finding))
        + paragraph(_layers_note(finding), kind="note")
        + f"<h3>The best layer, {finding.best.name}</h3>"
        + spectrum_picture(finding.best.spectrum)
        + pictures(finding.report)
        + "<h3>All numbers</h3>"
        + tables(finding.report),
    )
