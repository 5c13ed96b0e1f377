"""What a page says of a report: what was asked, what was found, how sure that is, pictures, then tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from geodis.coordinates.spectrum import IsotypicSpectrum
from geodis.reports.error_display import floor_of
from geodis.reports.html import cell, facts
from geodis.reports.html import figure as figure
from geodis.reports.html import page as page
from geodis.reports.html import paragraph as paragraph
from geodis.reports.html import section as section
from geodis.reports.html import table as table

if TYPE_CHECKING:
    from geodis.reports.report import Report

LIKELY = 0.05  # p-value up to which a structure is called special
LISTED = 8  # names in a sentence
CLOSE = 1.1  # ratio of errors within which two maps are called alike

READING = """<p class="note">How to read it. <b>error</b>: share of a block's variance that the linear action does not
explain on items that the fit has not seen; 0 is exact, 1 is chance. <b>identity</b>: the error of not acting.
<b>null</b>: the mean error after one random relabelling of the elements and a new fit (invariant blocks: items
shuffled); <b>p</b>: how often that null does as well. A small error with a large p says that the operator is useful,
not that this group's structure is special. <b>ceiling</b>: the best free linear map for each step, cross-fitted; it
knows the mean code, so that its chance is .5. <b>floor</b>: what the action's own interpolation makes; no encoder can
be measured below it. <b>item-specific</b>: the error against that of predicting from other items; near 1 the block
moves alike for all items: it holds the group element and little of the item.</p>"""

STATUS = {
    "ok": "nothing speaks against reading the errors as they stand.",
    "partial": "some directions of a block's irrep are missing in the embedding. What is there moves as it should; the "
    "block is a part of the irrep, and its other rows carry little but noise.",
    "pose-only": "all items have the same code in these blocks. They say how an item was moved and nothing about which "
    "item it is: good for reading off the element, useless for telling items apart.",
    "degenerate": "the codes do not vary, or the group does not move them. An error would be nought over nought, so it "
    "is shown as 1; this is no evidence for or against equivariance.",
    "insufficient": "there are too few items or elements for an interval or a null. Take the errors as a first look, "
    "and measure more items at two elements each at least.",
}

NOTHING = (
    "no candidate that the group moves passed: their energies on unseen items were below the threshold, or no better "
    "than with permuted labels. With so many items nothing linear was seen; with more there may be something. The "
    "spectrum of the fit lists the candidates."
)


def report_part(report: Report, spectrum: IsotypicSpectrum | None = None) -> str:
    """Sections on what was asked, what was found, how sure that is, pictures and tables."""
    drawn = pictures(report) + (spectrum_picture(spectrum) if spectrum is not None else "")
    return (
        section("What was asked", paragraph(asked(report)))
        + section("What was found", paragraph(report.summary, kind="lead"))
        + section("How sure that is", facts(sure(report)))
        + (section("Pictures", drawn) if drawn else "")
        + section("All numbers", tables(report))
    )


# --- words ------------------------------------------------------------------------------------------------------------
def asked(report: Report) -> str:
    """What was tested, in words."""
    coordinates = report.coordinates
    clusters = f" in {report.n_clusters} clusters" if report.n_clusters != report.n_items else ""
    names = _counted([b.irrep.name for b in coordinates.blocks if not b.irrep.trivial])
    n_invariant = sum(b.irrep.trivial for b in coordinates.blocks)
    found = f"It kept {names or 'no block that the group moves'}"
    most = "up to " if not report.codes.regular else ""
    where, kind = "the embedding", "dimensions"
    if coordinates.lift is not None:
        where, kind = f"nonlinear features of the embedding (a {coordinates.lift.kind} lift)", "features"
    invariant = f" and {n_invariant} invariant coordinate{'s' if n_invariant > 1 else ''}" if n_invariant else ""
    return (
        f"Does {report.group} act linearly on {where}? A fit on {len(coordinates.fitted)} items looked in its "
        f"{coordinates.n_lifted} {kind} for coordinates that every group element moves by a known matrix. "
        f"{found}{invariant}. Here these coordinates are tested on {report.n_items} other items{clusters}, each "
        f"seen at {most}{report.n_elements} elements: the code of an item at one element, moved by the matrix, is "
        "compared with its code at another."
    )


def sure(report: Report) -> list[tuple[str, str]]:
    """Interval, null, ceiling, floor, invariance, certificate and status, each in a sentence or two."""
    total = report.rows.iloc[-1]
    entries = []
    if math.isfinite(total.ci_high):
        entries.append(("Interval.", _interval(report, total)))
    entries += [(name, text) for name, text in (
        ("Null.", _null(report)),
        ("Ceiling.", _ceiling(total)),
        ("Floor.", _floor(floor_of(report, -1), total.value)),
        ("Items.", _items(report)),
    ) if text]  # fmt: skip
    if report.certificate is not None:
        entries.append(("Certificate.", str(report.certificate)))
    return entries + _statuses(report)


def _statuses(report: Report) -> list[tuple[str, str]]:
    """Of the whole, and of blocks with which something is the matter."""
    total = report.rows.status.iloc[-1]
    acting = any(not b.irrep.trivial for b in report.coordinates.blocks)
    entries = [(f"Status {total}:", STATUS[total] if acting else NOTHING)]
    for status in dict.fromkeys(report.rows.status[~report.rows.status.isin(["ok", total])]):
        blocks = report.rows.block[report.rows.status == status].tolist()
        entries.append((f"Status {status} ({_listed(blocks)}):", STATUS[status]))
    return entries


def _interval(report: Report, total: Any) -> str:
    drawn = "clusters of items" if report.n_clusters != report.n_items else "items"
    what = f"{drawn} and elements" if report.codes.crossed else drawn
    return (
        f"The error of all blocks is {cell(total.value)}; with other {what} of the same kind it would lie between "
        f"{cell(total.ci_low)} and {cell(total.ci_high)} ({100 * report.level:g} % confidence)."
    )


def _null(report: Report) -> str:
    acting = np.array([not b.irrep.trivial for b in report.coordinates.blocks] + [False])
    if not acting.any():
        return ""
    tested = report.rows[acting & np.isfinite(report.rows.null_p)]
    if not len(tested):
        return "No relabelling of the elements could be tested, so nothing is said of whether this group is special."
    special = tested[tested.null_p <= LIKELY]
    first = tested.iloc[0]
    start = (
        "A fit that may choose its directions makes some error small for any group. With the elements in one random "
        f"order, the same for all items, a new fit leaves {first.block} an error of {cell(first.null_mean)} on average "
        f"(p = {cell(first.null_p)})."
    )
    if len(special) == len(tested):
        return f"{start} {_many(len(tested))} better than that: the structure of this group is special here."
    if not len(special):
        return f"{start} No block does better than that: the operator may be useful, but this group is not special."
    return f"{start} {len(special)} of {len(tested)} tested blocks do better: {_listed(special.block.tolist())}."


def _ceiling(total: Any) -> str:
    if not (math.isfinite(total.ceiling) and math.isfinite(total.value)):
        return ""
    start = f"The best free linear map for each step, cross-fitted, leaves {cell(total.ceiling)}"
    if total.value <= total.ceiling * CLOSE and total.ceiling <= total.value * CLOSE:
        return f"{start}, about as much: a linear map can hardly do better."
    if total.value < total.ceiling:
        return f"{start}, more than the group's own matrices: knowing the group saves what such a map has to learn."
    return f"{start}, less: some of the motion is linear but does not follow this group's matrices."


def _floor(floor: float, value: float) -> str:
    if not math.isfinite(floor):
        return ""
    start = f"The action interpolates, which alone makes an error of {cell(floor)}"
    if value > 2 * floor:
        return f"{start}: the rest is the encoder's."
    return f"{start}: most of the error measured is the interpolation's, and the encoder may be better than it looks."


def _items(report: Report) -> str:
    error = float(report.details.item_error.iloc[-1])
    if not math.isfinite(error):
        return ""
    tail = "the blocks hold the element and little of the item" if error > 0.5 else "the blocks tell items apart"
    return (
        f"Against predicting from other items the error is {cell(error)} (1: no knowledge of the item), so {tail}. "
        f"The group moves the embedding by {cell(report.orbit_signal)} of the distance between items."
    )


def _many(n: int) -> str:
    return {1: "The tested block does", 2: "Both tested blocks do"}.get(n, f"All {n} tested blocks do")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def _counted(names: list[str]) -> str:
    counts = {name: names.count(name) for name in names}
    return _listed([f"{n} × {name}" if n > 1 else name for name, n in counts.items()])


# --- pictures ---------------------------------------------------------------------------------------------------------
def pictures(report: Report) -> str:
    """The planes of the blocks, the errors beside their baselines and against the element's size, and some edits."""
    from geodis.reports.plots import BARS, PLANES, acting_blocks, plot_edit, plot_errors, plot_orbits, plot_sizes

    acting = acting_blocks(report)
    if not acting:
        return ""
    some = f" The first {PLANES} of {len(acting)} blocks." if len(acting) > PLANES else ""
    parts = [
        figure(
            plot_orbits(report),
            "Unseen items in the plane of each block, colored by the group element; lines join one item's orbit. "
            "Blocks of more than two rows are seen along their first two principal directions." + some,
            f"Orbits of unseen items in {min(len(acting), PLANES)} blocks; errors stand in the table below.",
        ),
        figure(
            plot_errors(report),
            "Errors with intervals, beside not acting, the null and the ceiling."
            + (f" The first {BARS} of {len(acting)} blocks." if len(acting) > BARS else ""),
            _errors_in_words(report),
        ),
    ]
    if report.codes.sizes.max() >= 2 and report.rows.status.iloc[-1] != "degenerate":
        parts.append(
            figure(
                plot_sizes(report),
                "Does the linear action hold for large group elements as for small ones? Pairs of codes of one item, "
                "by the size of the element between them; all acting blocks together.",
            )
        )
        parts.append(
            figure(
                plot_edit(report),
                "Some unseen items in the plane of one block: before, edited by the linear action, and where they "
                "truly are after the element has acted.",
            )
        )
    return "".join(parts)


def spectrum_picture(spectrum: IsotypicSpectrum) -> str:
    """The spectrum with its null band."""
    from geodis.reports.spectrum_display import SpectrumDisplay

    caption = (
        "Energies of the candidates, cross-fitted on the items of the fit; hollow bars were rejected. Band and dashed "
        "line: 90 % of the draws, and their mean, with one random order of the elements common to all items; dotted: "
        "labels permuted within items; gray: the threshold."
    )
    return figure(SpectrumDisplay.from_spectrum(spectrum).plot().figure_, caption)


def _errors_in_words(report: Report) -> str:
    rows = report.rows[[not b.irrep.trivial for b in report.coordinates.blocks] + [True]].iloc[:7]
    return "Errors: " + ", ".join(f"{r.block} {cell(r.value)}" for r in rows.itertuples()) + "."


# --- tables -----------------------------------------------------------------------------------------------------------
def tables(report: Report) -> str:
    """Errors with all that stands beside them, how to read them, and details."""
    return _error_table(report) + READING + _detail_table(report)


def _error_table(report: Report) -> str:
    interval = f"{100 * report.level:g} % interval"
    header = ["block", "error", interval, "identity", "null", "p", "ceiling", "item-specific", "status"]
    floors = [floor_of(report, i) for i in range(len(report.rows))]
    floored = any(map(math.isfinite, floors))
    if floored:
        header.insert(7, "floor")
    trivial = [b.irrep.trivial for b in report.coordinates.blocks] + [False]
    acting: list[list[Any]] = []
    invariant: list[list[Any]] = []
    columns = zip(report.rows.itertuples(), report.details.item_error, floors, trivial, strict=True)
    for row, item_error, floor, is_trivial in columns:
        span = f"{cell(row.ci_low)} – {cell(row.ci_high)}" if math.isfinite(row.ci_high) else "–"
        beside = [row.identity, row.null_mean, row.null_p, row.ceiling, *([floor] if floored else []), item_error]
        (invariant if is_trivial else acting).append([row.block, row.value, span, *beside, row.status])
    hidden = ""
    if invariant:
        hidden = f"<details><summary>{len(invariant)} invariant blocks</summary>{table(header, invariant)}</details>"
    return table(header, acting, last="all") + hidden


def _detail_table(report: Report) -> str:
    names = {
        "block": "block",
        "energy": "energy",
        "skill": "skill",
        "item_error": "item-specific error",
        "orbit_signal": "orbit signal",
        "isotropy": "isotropy",
        "fitted_energy": "energy at the fit",
    }
    acting = [not b.irrep.trivial for b in report.coordinates.blocks] + [True]
    rows = report.details.loc[acting, list(names)].to_numpy().tolist()
    note = (
        "The item-specific error compares with other items: 1 says that up to noise the block is the same for all "
        f"items. Item identity by nearest neighbor: {cell(report.content)} in the embedding, "
        f"{cell(report.content_canonical)} in the coordinates."
    )
    return (
        f"<details><summary>Details</summary>{table(list(names.values()), rows, last='all')}"
        f"{paragraph(note, kind='note')}</details>"
    )
