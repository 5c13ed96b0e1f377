"""Generators from tangent vectors: v = X_θ(x) with one unknown θ a transformation, and the rank of all of them.

Coefficients are fitted on some items and judged on others, cut to their r leading directions, r = 0, 1, 2, …: u_r is
the share of |v|² that stays unexplained. Nothing is claimed unless the whole family leaves less than the tolerance, and
the r-th generator only if it explains more, u_{r−1} − u_r, than all that stays unexplained.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular

from geodis.discovery.field_conditions import pieces
from geodis.discovery.generator_set import GeneratorSet, thinned, unit_speed
from geodis.discovery.null_space import FEWEST_ITEMS, Ratio, check_options, item_codes, present, span_error
from geodis.discovery.span_algebra import span_algebra
from geodis.discovery.vector_fields import AbstractVectorFields
from geodis.linalg import Array

MOST = 64  # directions that are judged
STILL = 1e-24  # mean square speed, relative to that of the points, of tangents that are zero


@dataclass(frozen=True, eq=False)
class Velocities:
    """Tangent vectors v (n, d) at points x, by transformation and by item (numbers from 0)."""

    fields: AbstractVectorFields
    x: Array
    v: Array
    which: Array
    codes: Array
    n_items: int

    @property
    def n_which(self) -> int:
        """Transformations."""
        return int(self.which.max()) + 1

    def normal_equations(self, index: Array) -> tuple[Array, Array]:
        """Σ FᵀF (B, p, p) and Σ Fᵀv (B, p) of every transformation over some rows."""
        p, d = self.fields.n_fields, self.fields.dim
        gram, right = np.zeros((self.n_which, p, p)), np.zeros((self.n_which, p))
        for b in range(self.n_which):
            for part in pieces(index[self.which[index] == b], p * d):
                rows = self.fields.contract(self.x[part], np.broadcast_to(np.eye(d), (len(part), d, d))).reshape(-1, p)
                gram[b] += rows.T @ rows
                right[b] += rows.T @ self.v[part].ravel()
        return gram, right


@dataclass(frozen=True, eq=False)
class Ranked:
    """Directions (R, p), largest first, and every transformation's coefficients along them (B, R)."""

    directions: Array
    amounts: Array

    def errors(self, data: Velocities, index: Array) -> Array:
        """|v − X_{θ cut to r directions}(x)|² for r = 0..R at some rows: (m, R + 1)."""
        found = [self._errors(data, part) for part in pieces(index, len(self.directions) * data.fields.dim)]
        return np.concatenate(found)

    def _errors(self, data: Velocities, index: Array) -> Array:
        speeds = data.fields.velocities(data.x[index], self.directions) * self.amounts[data.which[index], :, None]
        explained = np.concatenate([np.zeros_like(speeds[:, :1]), np.cumsum(speeds, axis=1)], axis=1)
        return np.square(data.v[index, None] - explained).sum(axis=2)


def regress_tangents(
    fields: AbstractVectorFields, x: Array, v: Array, *, transformations: Any, items: Any, repeat: Array | None,
    level: float, tolerance: float, n_folds: int, seed: int,
) -> GeneratorSet:  # fmt: skip
    """Generators of the transformations that move x (n, d) at velocities v (n, d); see `TangentGenerators`."""
    check_options(level, tolerance, n_folds)
    codes, n_items = item_codes(items, len(x))
    which = np.zeros(len(x), dtype=int) if transformations is None else item_codes(transformations, len(x))[0]
    data = Velocities(fields, x, v if repeat is None else (v + repeat) / 2, which, codes, n_items)
    folds = np.random.default_rng([seed, 37]).permutation(n_items) % max(2, min(n_folds, n_items // 2))
    parts = [data.normal_equations(np.flatnonzero(folds[codes] == f)) for f in range(folds.max() + 1)]
    total = np.sum([g for g, _ in parts], axis=0), np.sum([h for _, h in parts], axis=0)
    basis = present(total[0].sum(axis=0))
    rest = (level, tolerance, n_items, fields.n_fields - len(basis))

    if not len(basis) or np.square(data.v).sum() <= STILL * np.square(x).sum():
        return _unjudged(data, "degenerate", "nothing moves, or all fields of the family vanish on the data", *rest)
    fewest = fields.dim * int(
        min(np.bincount(which[folds[codes] != f], minlength=data.n_which).min() for f in range(len(parts)))
    )
    if n_items < FEWEST_ITEMS or fewest < len(basis):
        note = f"{n_items} items, and {fewest} equations a transformation for {len(basis)} fields"
        return _unjudged(data, "insufficient", note, *rest)
    held = np.zeros((n_items, min(data.n_which, len(basis), MOST) + 1))
    others = [ranked(total[0] - g, total[1] - h, basis) for g, h in parts]
    for f, other in enumerate(others):
        index = np.flatnonzero(folds[codes] == f)
        np.add.at(held, codes[index], other.errors(data, index))
    found = _judged(data, held, ranked(*total, basis), _noise(v, repeat), *rest)
    angle = span_error(found.coefficients, [other.directions for other in others], total[0].sum(axis=0))
    algebra = span_algebra(fields, found.coefficients, x, noise=angle, seed=seed)
    return replace(found, algebra=algebra.name, closure=algebra.closure, angle=angle)


def ranked(gram: Array, right: Array, basis: Array) -> Ranked:
    """θ of every transformation by least squares, and the singular directions of all in the metric of speeds."""
    inner, target = basis @ gram @ basis.T, right @ basis.T
    theta = np.stack([np.linalg.lstsq(g, h, rcond=1e-13)[0] for g, h in zip(inner, target, strict=True)])
    factor = np.linalg.cholesky(inner.mean(axis=0) + 1e-14 * np.eye(len(basis)))
    left, sizes, right_vectors = np.linalg.svd(theta @ factor, full_matrices=False)
    directions = solve_triangular(factor, right_vectors.T, lower=True, trans="T").T @ basis
    return Ranked(directions[:MOST], (left * sizes)[:, :MOST])


def _judged(
    data: Velocities, held: Array, full: Ranked, floor: float, level: float, tolerance: float,
    n_items: int, n_gone: int,
) -> GeneratorSet:  # fmt: skip
    size = np.bincount(data.codes, weights=np.square(data.v).sum(axis=1), minlength=n_items)[:, None]
    inside = np.zeros_like(held)
    np.add.at(inside, data.codes, full.errors(data, np.arange(len(data.x))))
    alpha = (1.0 - level) / (2 * held.shape[1])
    left, gain = Ratio.of(held, size), Ratio.of(-np.diff(held, axis=1), size)
    cut = int(np.argmin(left.upper(alpha)))  # more directions than there are generators fit noise
    rest, high = float(left.value[cut]), float(left.upper(alpha)[cut])
    low = min(float(max(Ratio.of(inside, size).lower(alpha)[-1], 0.0)), rest)
    bounds = gain.lower(alpha), gain.upper(alpha)
    n, status, notes = _verdict(left.upper(alpha), low, high, bounds[0], tolerance, floor)
    spectrum = _share(rest, gain.value)
    intervals = np.stack([_share(low, bounds[1]), _share(high, bounds[0])], axis=1)
    found = unit_speed(data.fields, full.directions[:n], data.x)
    return GeneratorSet(
        data.fields, found, spectrum, intervals, np.full(len(spectrum), floor), math.nan, status, level, tolerance,
        n_items, n_gone, thinned(data.x),
        unexplained=(math.sqrt(max(rest, 0.0)), math.sqrt(low), math.sqrt(max(high, 0.0))), notes=notes,
    )  # fmt: skip


def _verdict(
    left: Array, low: float, high: float, gains: Array, tolerance: float, floor: float
) -> tuple[int, str, tuple[str, ...]]:
    """How many generators, the status, and why; `left` and `gains` are bounds of u_r and of what r adds."""
    noise = 0.0 if math.isnan(floor) else floor
    notes = (f"the noise alone leaves {noise:.2g} unexplained",) if noise > tolerance else ()
    if high > tolerance**2:
        no_field = low - noise**2 > tolerance**2
        return 0, "none" if no_field else "undecided", notes
    n = int(np.cumprod(gains > high).sum())
    if n and left[n] <= tolerance**2:
        return n, "ok", notes
    return n, "undecided", (*notes, "further generators explain too little to be told from what is unexplained")


def _share(rest: Any, gain: Array) -> Array:
    """√(rest/(rest + gain)): 0 where a generator explains all, 1 where it explains nothing."""
    positive = np.maximum(gain, 0.0)
    return np.sqrt(max(float(rest), 0.0) / np.maximum(max(float(rest), 0.0) + positive, 1e-300))


def _noise(v: Array, repeat: Array | None) -> float:
    """Root mean square share of the noise in the mean of two measurements."""
    if repeat is None:
        return math.nan
    return math.sqrt(float(np.square(v - repeat).sum() / max(np.square(v + repeat).sum(), 1e-300)))


def _unjudged(
    data: Velocities, status: str, note: str, level: float, tolerance: float, n_items: int, n_gone: int
) -> GeneratorSet:
    none = np.zeros((0, data.fields.n_fields))
    return GeneratorSet(
        data.fields, none, np.zeros(0), np.zeros((0, 2)), np.zeros(0), math.nan, status, level, tolerance, n_items,
        n_gone, thinned(data.x), notes=(note,),
    )  # fmt: skip
