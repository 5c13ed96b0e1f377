"""Relations that the frequencies alone leave open, decided on the codes: do two circles of the torus run as one.

A frequency is the highest peak of a noisy periodogram, and is sometimes the wrong one; lists of such frequencies then
say little. The codes say more: under the relation v_i ≡ m·v_j all planes of both circles share one speed, and the power
J = Σ_s max_v Σ_r F_r(w_r·v)/σ_r² that shared speeds explain stays near that of free peaks. Without the relation it
falls, as it does when one circle's codes are matched with those of other sequences, which is the null.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import NamedTuple, final

import numpy as np
from scipy import stats

from geodis.discovery.frequency_lattice import RIVAL, FrequencyLattice
from geodis.discovery.frequency_peaks import derivatives, peak_frequencies
from geodis.discovery.integer_lattices import simplest, smith
from geodis.discovery.sequence_rows import Frames
from geodis.discovery.sequence_speeds import joint_speeds
from geodis.linalg import Array

HOLDS = 0.7  # share of the power of free peaks that shared speeds have to explain
N_DRAWS = 19


class Merger(NamedTuple):
    """v_i ≡ m·v_j: the planes (R',) of both circles, which of them are of circle i, all weights after it, and J."""

    planes: Array
    moved: Array
    weights: Array
    power: float


@final
@dataclass(frozen=True, eq=False)
class CodePower:
    """J of some planes: codes (N, R) of sequences at the same steps, noise and leak of the planes (R,)."""

    codes: Array
    frames: Frames
    noise: Array
    leak: Array

    def shared(self, planes: Array, weights: Array) -> float:
        """With one speed for all these planes, by their weights (R', 1)."""
        own, noise, leak = self.codes[:, planes], self.noise[planes], self.leak[planes]
        speeds = joint_speeds(own, self.frames, weights, noise, leak)
        return float((derivatives(speeds @ weights.T, own, self.frames, leak)[0] / noise).sum())

    def free(self, planes: Array) -> float:
        """With a frequency for each plane."""
        own, leak = self.codes[:, planes], self.leak[planes]
        peaks = peak_frequencies(own, self.frames, leak)
        return float((derivatives(peaks, own, self.frames, leak)[0] / self.noise[planes]).sum())

    def matched(self, moved: Array, rng: np.random.Generator) -> CodePower:
        """The same with the planes `moved` taken from other sequences."""
        out = self.codes.reshape(len(self.frames), -1, self.codes.shape[1]).copy()
        out[:, :, moved] = out[rng.permutation(len(self.frames))][:, :, moved]
        return replace(self, codes=out.reshape(self.codes.shape))


def merged_lattice(
    lattice: FrequencyLattice, codes: Array, frames: Frames, noise: Array, leak: Array, *, max_weight: int,
    level: float, seed: int,
) -> FrequencyLattice:  # fmt: skip
    """The lattice with the relations that codes (N, R) decide; as it was where they decide none, or nothing was open.

    Circles are compared two at a time, over the planes that turn with no other. For the null all sequences need frames
    at the same steps: those of the commonest pattern are used.
    """
    part, own = _alike(codes, frames)
    floor = 1e-12 * np.maximum((np.abs(codes) ** 2).mean(axis=0), np.finfo(float).tiny)
    measure, rng = CodePower(own, part, np.maximum(noise, floor), leak), np.random.default_rng([seed, 13])
    while lattice.status == "undecided" and lattice.rank > 1 and not lattice.orders:
        tests = lattice.rank * (lattice.rank - 1) * max_weight
        for merger in _candidates(lattice.weights, max_weight, measure):
            p = tests * _chance(merger, measure, rng)
            if p < 1.0 - level:
                lattice = _applied(lattice, merger, p)
                break
        else:
            break
    return lattice


def _candidates(weights: Array, max_weight: int, measure: CodePower) -> list[Merger]:
    """For each pair of circles the merger that explains most, if hardly less than free peaks and clearly the most."""
    found = []
    for i, j in combinations(range(weights.shape[1]), 2):
        planes = np.flatnonzero(weights[:, [i, j]].any(axis=1) & ~np.delete(weights, [i, j], axis=1).any(axis=1))
        if not (weights[planes, i].any() and weights[planes, j].any()):
            continue
        tried = sorted(_of_pair(weights, i, j, planes, max_weight, measure), key=lambda x: -x.power)
        ahead = 2.0 * (tried[0].power - tried[1].power)
        if ahead >= RIVAL and tried[0].power >= HOLDS * measure.free(planes):
            found.append(tried[0])
    return sorted(found, key=lambda x: -x.power)


def _of_pair(weights: Array, i: int, j: int, planes: Array, max_weight: int, measure: CodePower) -> list[Merger]:
    """v_i ≡ m·v_j and v_j ≡ m·v_i for 1 ≤ |m| ≤ max_weight."""
    found = []
    for gone, left in ((i, j), (j, i)):
        for m in (m for m in range(-max_weight, max_weight + 1) if m and (abs(m) > 1 or gone == i)):
            changed = weights.copy()
            changed[:, left] += m * weights[:, gone]
            moved = planes[weights[planes, gone] != 0]
            power = measure.shared(planes, changed[planes, left][:, None])
            found.append(Merger(planes, moved, np.delete(changed, gone, axis=1), power))
    return found


def _chance(merger: Merger, measure: CodePower, rng: np.random.Generator) -> float:
    """The chance of as much power when the circles are of different sequences: t of its distance to the null."""
    column = np.flatnonzero(merger.weights[merger.planes].any(axis=0))[:1]
    joined = merger.weights[merger.planes][:, column]
    null = [measure.matched(merger.moved, rng).shared(merger.planes, joined) for _ in range(N_DRAWS)]
    spread = float(np.std(null, ddof=1))
    if not spread > 1e-9 * merger.power:
        return 1.0
    return float(stats.t.sf((merger.power - np.mean(null)) / (spread * np.sqrt(1.0 + 1.0 / N_DRAWS)), N_DRAWS - 1))


def _applied(lattice: FrequencyLattice, merger: Merger, p: float) -> FrequencyLattice:
    small = simplest(merger.weights)
    still = tuple(r for r in lattice.open_planes if r not in merger.planes) if small.shape[1] > 1 else ()
    return replace(
        lattice, weights=small, rank=small.shape[1], relations=_relations(small), open_planes=still,
        status="undecided" if still else "ok", p_values=(*lattice.p_values, p),
    )  # fmt: skip


def _alike(codes: Array, frames: Frames) -> tuple[Frames, Array]:
    """The sequences whose frames stand at the commonest steps, with their codes."""
    patterns = [tuple(part.tolist()) for part in np.split(frames.steps, frames.starts[1:])]
    commonest = max(sorted(set(patterns)), key=lambda pattern: patterns.count(pattern) * len(pattern))
    kept = np.array([pattern == commonest for pattern in patterns])
    return frames.sequences(kept), codes[kept[frames.owner]]


def _relations(weights: Array) -> Array:
    """A basis of the integer vectors k with kᵀW = 0."""
    divisors, v = smith(weights.T, len(weights))
    return v[:, len(divisors) :].T
