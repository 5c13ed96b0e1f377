"""Which irrep a block carries: its type, who is a copy of whom, and a name where the operators tell one.

Two blocks carry the same irrep when some T ≠ 0 has T A_b = B_b T for all operators: the least eigenvalue of a quadratic
form in T, judged against what noise makes of it. Planes are named by the ratios of their frequencies, rotations by the
eigenvalues 0, ±θ, …, ±lθ with a θ of each operator's own. Where parameters are known, irreps of the group are compared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np

from geodis.discovery.common_blocks import EXACT, intertwiner_form
from geodis.groups import Representation
from geodis.linalg import Array

SLACK = 1.5  # of what noise makes of a law's residual: blocks are estimated
UNKNOWN = 0.02  # relative residual that passes where the noise is not known
MARGIN = 4.0  # how many times better than the next irrep a match has to be
MAX_FREQUENCY = 8
CHANCE = 0.01  # that two unrelated planes show a ratio
GRID = 721  # angles in [0, π] that a rotation is sought on


@final
@dataclass(frozen=True)
class BlockLabel:
    """What one block carries.

    Attributes
    ----------
    name : str
        ``"trivial"``, ``"sign"``, ``"scalar"``, ``"m=2"`` (planes, up to a common factor and sign), ``"l=2"``
        (rotations), the irrep's own name where parameters were known, or ``"dimension d"``. A dash and a letter tell
        unrelated families apart: ``"m=1-b"``.
    isotypic : int
        Blocks of one number carry the same irrep.
    copy : int
        Which copy of it, from 0; the choice of copies is free up to their commutant.
    type : {"real", "complex", "quaternionic", "unclear"}
    residual : float
        Relative residual of the law that gave the name; NaN where there is none.
    """

    name: str
    isotypic: int
    copy: int
    type: str
    residual: float

    def __str__(self) -> str:
        return self.name


class _Law(NamedTuple):
    """A name and the residual of its law."""

    name: str
    residual: float


def label_blocks(parts: Sequence[Array], levels: Sequence[float], rest: float) -> tuple[BlockLabel, ...]:
    """Labels of blocks `(B, d, d)`; `levels` are noise levels (NaN: unknown), `rest` what moves nothing, 1 or 0."""
    classes = isotypic_classes(parts, levels)
    first = {c: classes.index(c) for c in dict.fromkeys(classes)}
    laws = {c: _law(parts[i], levels[i], rest) for c, i in first.items()}
    laws |= _plane_laws({c: parts[i] for c, i in first.items() if laws[c].name == "plane"}, levels[0], rest)
    laws = _rotation_families(laws, {c: parts[first[c]] for c in laws}, levels[0], rest)
    types = {c: commutant_type(parts[i], levels[i]) for c, i in first.items()}
    return tuple(
        BlockLabel(laws[c].name, c, classes[:i].count(c), types[c], laws[c].residual) for i, c in enumerate(classes)
    )


def match_irreps(
    parts: Sequence[Array],
    levels: Sequence[float],
    labels: Sequence[BlockLabel],
    reps: Sequence[Representation],
    params: Array,
) -> tuple[BlockLabel, ...]:
    """Labels by the irreps of a known group at known parameters; a block that none fits, or two fit, keeps its own."""
    matrices = {rep.name: np.asarray(rep(params), dtype=np.float64) for rep in reps}
    out = []
    for part, level, label in zip(parts, levels, labels, strict=True):
        fits = sorted(
            (intertwining(part, m, level, 0.0), name) for name, m in matrices.items() if m.shape[-1] == part.shape[-1]
        )
        clear = fits and fits[0][0][0] <= fits[0][0][1] and (len(fits) < 2 or _clearly(fits[0][0], fits[1][0]))
        name, residual = (fits[0][1], fits[0][0][0]) if clear else (label.name, label.residual)
        out.append(BlockLabel(name, label.isotypic, label.copy, label.type, residual))
    return tuple(out)


# --- copies and types -------------------------------------------------------------------------------------------------
def isotypic_classes(parts: Sequence[Array], levels: Sequence[float]) -> list[int]:
    """The number of each block's irrep, in order of appearance."""
    members: list[int] = []
    classes = []
    for i, part in enumerate(parts):
        for c, j in enumerate(members):
            if part.shape == parts[j].shape:
                residual, threshold = intertwining(part, parts[j], levels[i], levels[j])
                if residual <= threshold:
                    classes.append(c)
                    break
        else:
            classes.append(len(members))
            members.append(i)
    return classes


def intertwining(a: Array, b: Array, level_a: float, level_b: float) -> tuple[float, float]:
    """Σ‖TA − BT‖² at its least over |T| = 1, relative to unrelated operators, and the most that noise makes of it."""
    n, d, _ = a.shape
    scale = float((a**2).sum() + (b**2).sum()) / d
    if scale == 0.0:
        return 0.0, EXACT
    least = max(float(np.linalg.eigvalsh(intertwiner_form(a, b))[0]), 0.0) / scale
    return least, _threshold(n * d * (level_a**2 + level_b**2) / scale, n)


def commutant_type(part: Array, level: float) -> str:
    """``"real"``, ``"complex"`` or ``"quaternionic"`` by the dimension 1, 2, 4 of what commutes with the block."""
    n, d, _ = part.shape
    scale = 2.0 * float((part**2).sum()) / d
    if scale == 0.0:
        return "real" if d == 1 else "unclear"
    values = np.linalg.eigvalsh(intertwiner_form(part, part)) / scale
    dim = int((values <= _threshold(2.0 * n * d * level**2 / scale, n)).sum())
    return {1: "real", 2: "complex", 4: "quaternionic"}.get(dim, "unclear")


def _threshold(noise_share: float, n: int) -> float:
    if math.isnan(noise_share):
        return UNKNOWN
    return max(SLACK * noise_share * (1.0 + math.sqrt(1.0 / n)) ** 2, EXACT)


def _clearly(best: tuple[float, float], second: tuple[float, float]) -> bool:
    return second[0] > max(MARGIN * best[0], best[1])


# --- names ------------------------------------------------------------------------------------------------------------
def _law(part: Array, level: float, rest: float) -> _Law:
    """The name of one block on its own."""
    d = part.shape[-1]
    if d == 1:
        return _scalar_law(part[:, 0, 0], level, rest)
    residual, allowed = turning_residual(part, level, rest)
    if d == 2 and residual <= allowed:
        return _Law("plane", residual)
    if d % 2 and d >= 3:
        residual, allowed = rotation_residual(part, level, rest)
        if residual <= allowed:
            return _Law(f"l={d // 2}", residual)
    return _Law(f"dimension {d}", math.nan)


def _scalar_law(values: Array, level: float, rest: float) -> _Law:
    for name, target in (("trivial", np.full_like(values, rest)), ("sign", np.where(values < 0, -1.0, 1.0))):
        residual = float(np.mean((values - target) ** 2))
        if residual <= _threshold(level**2, len(values)) and (name == "trivial" or rest == 1.0):
            return _Law(name, residual)
    return _Law("scalar", math.nan)


def turning_residual(part: Array, level: float, rest: float) -> tuple[float, float]:
    """How far 2 × 2 operators are from rotations about the origin (or their generators), and what noise allows."""
    if part.shape[-1] != 2:
        return math.inf, 0.0
    angle = plane_angles(part, rest)
    c, s = (np.cos(angle), np.sin(angle)) if rest == 1.0 else (np.zeros_like(angle), angle)
    best = np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)
    scale = max(float(np.mean(part**2)), 1e-300)
    return float(np.mean((part - best) ** 2)) / scale, _threshold(level**2 / scale, len(part))


def plane_angles(part: Array, rest: float) -> Array:
    """The angle of each rotation of a plane, or the rate of each generator."""
    sine, cosine = part[:, 1, 0] - part[:, 0, 1], part[:, 0, 0] + part[:, 1, 1]
    return np.asarray(np.arctan2(sine, cosine) if rest == 1.0 else sine / 2.0)


def _plane_laws(planes: dict[int, Array], level: float, rest: float) -> dict[int, _Law]:
    """Frequencies of related planes, as the smallest whole numbers in their ratios."""
    angles = {c: plane_angles(part, rest) for c, part in planes.items()}
    families: list[dict[int, tuple[int, int]]] = []  # plane → its frequency over that of the family's first
    for c, angle in angles.items():
        for family in families:
            ratio = frequency_ratio(angle, angles[next(iter(family))], level, rest)
            if ratio is not None:
                family[c] = ratio
                break
        else:
            families.append({c: (1, 1)})
    laws: dict[int, _Law] = {}
    for f, family in enumerate(families):
        if len(family) == 1 and len(families) == 1:
            return {c: _Law("m=1", 0.0) for c in family}
        whole = math.lcm(*(below for _, below in family.values()))
        counts = {c: above * whole // below for c, (above, below) in family.items()}
        common = math.gcd(*counts.values())
        laws |= {c: _Law(f"m={m // common}{_suffix(f, len(families))}", 0.0) for c, m in counts.items()}
    return laws


def frequency_ratio(one: Array, two: Array, level: float, rest: float) -> tuple[int, int] | None:
    """The least p, q ≤ 8 with q·one = ±p·two (mod 2π for angles) within noise, or None."""
    pairs = [(p, q) for p in range(1, MAX_FREQUENCY + 1) for q in range(1, MAX_FREQUENCY + 1) if math.gcd(p, q) == 1]
    sd = 0.05 if math.isnan(level) else level / math.sqrt(2.0)
    needed = math.log(2 * len(pairs) / CHANCE)
    for p, q in sorted(pairs, key=lambda pair: (pair[0] + pair[1], pair)):
        allowed = SLACK * sd * math.hypot(p, q) + math.sqrt(EXACT)
        for sign in (1.0, -1.0):
            miss = q * one - sign * p * two
            if rest == 1.0:
                agreement = float(np.mean(np.cos(miss)))
                miss = np.angle(np.exp(1j * miss))
                # Of unrelated phases, n·agreement² exceeds x with chance e^{−x} at most.
                if agreement < 0.5 or len(one) * agreement**2 < needed:
                    continue
            elif len(one) < 2:
                continue
            if math.sqrt(float(np.mean(miss**2))) <= allowed:
                return p, q
    return None


def rotation_residual(part: Array, level: float, rest: float) -> tuple[float, float]:
    """How far the spectra are from 0, ±θ, …, ±lθ, relative to those of arbitrary orthogonal matrices."""
    n, d, _ = part.shape
    l = d // 2  # noqa: E741
    if rest == 1.0:
        traces = power_traces(part, l)
        _, misses = rotation_angles(traces, d)
        residual = float(np.mean(misses))
        proper = float(np.mean(np.linalg.det(part)))
        spread = sum((k * level) ** 2 * d for k in range(1, l + 1)) / l
        allowed = 0.05 if math.isnan(level) else SLACK * spread + 1e-4
        return (residual, allowed) if proper > 0.5 and d > 3 else (0.0 if proper > 0.5 else math.inf, allowed)
    rates = np.sort(np.abs(np.linalg.eigvals(part).imag), axis=1)[:, 1::2]
    theta = rates @ np.arange(1, l + 1) / np.sum(np.arange(1, l + 1) ** 2)
    scale = max(float(np.mean(part**2)), 1e-300)
    residual = float(np.mean((rates - theta[:, None] * np.arange(1, l + 1)) ** 2)) / scale
    skew = float(np.mean((part + np.swapaxes(part, 1, 2)) ** 2)) / scale
    allowed = _threshold(4.0 * level**2 / scale, n)
    return max(residual, skew), allowed


def power_traces(part: Array, most: int) -> Array:
    """The traces of M, M², … `(B, most)`."""
    power, out = np.eye(part.shape[-1]), []
    for _ in range(most):
        power = power @ part
        out.append(np.trace(power, axis1=1, axis2=2))
    return np.stack(out, axis=1)


def rotation_angles(traces: Array, d: int) -> tuple[Array, Array]:
    """The θ in [0, π] of each operator with traces closest to the characters of order l = (d − 1)/2, and the miss."""
    theta = np.linspace(0.0, np.pi, GRID)
    best = theta[np.argmin(_character_misses(traces, theta[None, :], d), axis=1)]
    fine = best[:, None] + np.linspace(-1.0, 1.0, 81) * np.pi / (GRID - 1)
    misses = _character_misses(traces, fine, d)
    return np.clip(fine[np.arange(len(fine)), np.argmin(misses, axis=1)], 0.0, np.pi), misses.min(axis=1)


def _character_misses(traces: Array, theta: Array, d: int) -> Array:
    """Mean squared distance of traces `(B, k)` from the characters at angles `(B or 1, a)`: `(B, a)`."""
    orders, powers = np.arange(1, d // 2 + 1), np.arange(1, traces.shape[1] + 1)
    characters = 1.0 + 2.0 * np.cos(theta[:, :, None, None] * powers[:, None] * orders).sum(axis=-1)
    return np.asarray(np.mean((traces[:, None, :] - characters) ** 2, axis=-1))


def _rotation_families(laws: dict[int, _Law], parts: dict[int, Array], level: float, rest: float) -> dict[int, _Law]:
    """Blocks of rotations whose angles agree rotate together; others get a letter of their own."""
    angles = {c: _block_angles(parts[c], rest) for c, law in laws.items() if law.name.startswith("l=")}
    allowed = 0.15 if math.isnan(level) else 0.05 + 4.0 * level
    families: list[list[int]] = []
    for c, angle in angles.items():
        for family in families:
            gap = np.abs(angle - angles[family[0]]) / (1.0 if rest == 1.0 else max(float(np.abs(angle).max()), 1e-300))
            if float(np.median(gap)) <= allowed:
                family.append(c)
                break
        else:
            families.append([c])
    named = {
        c: _Law(laws[c].name + _suffix(f, len(families)), laws[c].residual)
        for f, family in enumerate(families)
        for c in family
    }
    return laws | named


def _block_angles(part: Array, rest: float) -> Array:
    d = part.shape[-1]
    if rest == 1.0:
        return rotation_angles(power_traces(part, d // 2), d)[0]
    orders = np.arange(1, d // 2 + 1)
    return np.sqrt(np.maximum(-np.einsum("bij,bji->b", part, part), 0.0) / (2.0 * np.sum(orders**2)))


def _suffix(family: int, n_families: int) -> str:
    return "" if n_families == 1 else f"-{chr(ord('a') + family % 26)}"


def labels_text(labels: Sequence[Any]) -> str:
    """``"l=2 + 2 l=1"``: names with their multiplicities."""
    names = [label.name for label in labels]
    return " + ".join(f"{names.count(n)} {n}" if names.count(n) > 1 else n for n in dict.fromkeys(names))
