"""The modes of `geodis discover`: what is fitted, and what is said of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from geodis.cli.discovered import Discovery, Options, Row, counted, taken
from geodis.cli.pair_modes import pairs
from geodis.errors import ParameterError

if TYPE_CHECKING:
    from geodis.discovery import GeneratorSet, RotatingPlanes
    from geodis.formats.unlabelled import Unlabelled
    from geodis.linalg import Array

MOST_DIMENSIONS = 24  # of affine fields, of which there are d(d + 1)
MOST_NUMBERS = 1_000_000  # of subspaces at all points, in the JSON


# --- sequences --------------------------------------------------------------------------------------------------------
def sequences(data: Unlabelled, options: Options) -> Discovery:
    """Planes that turn, and the torus of their frequencies."""
    from geodis.discovery import SequenceModes

    estimator = SequenceModes(level=options.level, random_state=options.seed, verbose=options.verbose)
    modes = estimator.fit(data.z, sequence=data.sequence, step=data.step).modes_
    names = (
        "status", "n_planes", "rank", "weights", "frame", "synthesis", "centre", "labels", "frequencies",
        "frequency_errors", "noise", "errors", "skills", "p_values", "lattice", "gap", "notes",
    )  # fmt: skip
    return Discovery(
        modes.status, tuple(_plane_rows(modes)), _plane_sentence(modes), taken(modes, *names), (modes.plot,)
    )


def _plane_rows(modes: RotatingPlanes) -> list[Row]:
    rows = [Row("planes", modes.n_planes, status=modes.status)]
    for r, (skill, p) in enumerate(zip(modes.skills, modes.p_values, strict=True)):
        kept = f"weights {modes.weights[r].tolist()}" if r < modes.n_planes else "rejected"
        rows.append(Row(f"plane {r}, skill", skill, beside=p, meaning="p of frames in random order", status=kept))
    if modes.n_planes:
        errors = modes.errors
        low, high = errors.interval.low, errors.interval.high
        rows += [
            Row("error of later frames", errors.model, low, high, errors.identity, "standing still"),
            Row("torus", _torus(modes), status=modes.lattice.status),
        ]
    return rows


def _torus(modes: RotatingPlanes) -> str:
    return " × ".join([f"T^{modes.rank}", *(f"C{m}" for m in modes.lattice.orders)])


def _plane_sentence(modes: RotatingPlanes) -> str:
    if not modes.n_planes:
        why = f": {'; '.join(modes.notes)}" if modes.notes else ""
        return f"No plane in which the sequences turn is found (status {modes.status}{why})."
    turn = "plane turns" if modes.n_planes == 1 else "planes turn"
    errors, sure = modes.errors, "" if modes.lattice.status == "ok" else f" ({modes.lattice.status})"
    return (
        f"{modes.n_planes} {turn}, and all sequences together run on {_torus(modes)}{sure}; later frames of unseen "
        f"sequences are predicted with an error of {errors.model:.2g}, standing still has {errors.identity:.2g} "
        f"(status {modes.status})."
    )


# --- tangents ---------------------------------------------------------------------------------------------------------
def tangents(data: Unlabelled, options: Options) -> Discovery:
    """Affine fields that explain tangent vectors, or that are tangent to the data."""
    from geodis.discovery import AffineFields, TangentGenerators

    d = data.z.shape[-1]
    if d > MOST_DIMENSIONS:
        raise ParameterError(
            "z", f"at most {MOST_DIMENSIONS} dimensions with tangents", d, "Project z and the tangents on a few "
            "principal directions first.",
        )  # fmt: skip
    estimator = TangentGenerators(AffineFields(d), level=options.level, random_state=options.seed)
    found = estimator.fit(data.z, data.tangents, transformations=_transformations(data)).generators_
    names = (
        "status", "n_generators", "spectrum", "intervals", "floor", "beyond", "unseen", "unexplained",
        "closure", "angle", "algebra", "n_items", "n_vanishing", "tolerance", "level", "notes",
    )  # fmt: skip
    numbers = taken(found, *names) | {
        "matrices": found.matrices,
        "fields": repr(found.fields),
        "readable": found.readable(),
    }
    pictures = (found.plot, *((partial(found.plot_flow, 0),) if found.n_generators else ()))
    return Discovery(found.status, tuple(_field_rows(found)), _field_sentence(found, options), numbers, pictures)


def _transformations(data: Unlabelled) -> Array | None:
    """Labels of rows with one unknown transformation; frames of tangent spaces belong to none."""
    return None if data.tangents is None or data.tangents.ndim == 3 else data.batches


def _field_rows(found: GeneratorSet) -> list[Row]:
    rows = [Row("generators", found.n_generators, status=found.status)]
    if found.algebra is not None:
        rows.append(Row("algebra", found.algebra.name, status=found.algebra.status))
    if found.unexplained is not None:
        share, low, high = found.unexplained
        rows.append(Row("unexplained by affine fields", share, low, high, 1, "nothing explained"))
    for r in range(found.n_generators):
        low, high = found.intervals[r]
        rows.append(Row(f"defect of generator {r}", found.spectrum[r], low, high, 1, "a random field"))
    if math.isfinite(found.beyond):
        rows.append(Row("defect of all others, at least", found.beyond, beside=found.tolerance, meaning="tolerance"))
    return rows


def _field_sentence(found: GeneratorSet, options: Options) -> str:
    why = f": {'; '.join(found.notes)}" if found.notes else ""
    if not found.n_generators:
        return f"No affine field is claimed as a generator (status {found.status}{why})."
    name = "" if found.algebra is None else f", {found.algebra.name}"
    claim = f"{counted(found.n_generators, 'generator')}{name}"
    if found.status != "ok":
        return f"{claim}, and there may be more (status {found.status}{why})."
    return f"{claim}, among affine fields; a wrong count has at most {options.chance}."


# --- points -----------------------------------------------------------------------------------------------------------
def orbit(data: Unlabelled, options: Options) -> Discovery:
    """The compact group that has the points as an orbit."""
    from geodis.discovery import OrbitType

    found = OrbitType(level=options.level, random_state=options.seed).fit(data.z).representation_
    names = (
        "status", "type", "group", "weights", "generators", "frame", "centre", "point", "dimension", "distance",
        "confidence", "margin",
    )  # fmt: skip
    d = found.distance
    rows = [
        Row("orbit", found.type, status=found.status),
        Row("distance of points", d.rms, beside=d.noise, meaning="noise, no group assumed"),
    ]
    sentence = f"The points are on no orbit that was tried (status {found.status})."
    if found.group != "none":
        rival = d.runner_up_type or "no rival"
        rows.append(Row("the same, runner-up", d.runner_up, status=rival))
        rows.append(Row("points of the orbit from the cloud", d.coverage, beside=d.coverage_null, meaning="if filled"))
        beyond = f"; the runner-up, {rival}, is {found.margin:.0f} times as far" if math.isfinite(found.margin) else ""
        sentence = f"The points lie on an orbit of {found.type}{beyond} (status {found.status})."
    return Discovery(found.status, tuple(rows), sentence, taken(found, *names), (found.plot,))


def factors(data: Unlabelled, options: Options) -> Discovery:
    """The submanifolds that the points are a product of."""
    from geodis.discovery import ManifoldFactors

    found = ManifoldFactors(random_state=options.seed, verbose=options.verbose).fit(data.z).factorization_
    names = (
        "status", "message", "dimensions", "flat", "spectrum", "n_parallel", "null", "gap", "agreement", "chance",
        "scan",
    )  # fmt: skip
    size = sum(basis.size for basis in found.subspaces)
    numbers = taken(found, *names) | {"subspaces": found.subspaces if size <= MOST_NUMBERS else None}
    first = found.spectrum[found.n_parallel] if found.n_parallel < len(found.spectrum) else math.nan
    last = found.spectrum[found.n_parallel - 1] if found.n_parallel else math.nan
    rows = (
        Row("factors", found.n_factors, status=found.status),
        Row("dimensions", " + ".join(map(str, found.dimensions))),
        Row("last eigenvalue that counts as 0", last, beside=found.null, meaning="a sphere's first"),
        Row("first that does not", first, beside=found.null, meaning="a sphere's first"),
        Row("halves differ by, rad", found.agreement, beside=found.chance, meaning="random splits"),
        Row("tangents off by, rad", found.scan.error, status="thin" if found.scan.thin else "enough points"),
    )
    many = f"{counted(found.n_factors, 'factor')} of dimension {' + '.join(map(str, found.dimensions))}"
    claim = many if found.status in ("ok", "irreducible") else "No number of factors is claimed"
    return Discovery(found.status, rows, f"{claim} (status {found.status}): {found.message}", numbers, (found.plot,))


MODES: dict[str, Callable[[Unlabelled, Options], Discovery]] = {
    "pairs": pairs,
    "sequences": sequences,
    "tangents": tangents,
    "orbit": orbit,
    "factors": factors,
}
