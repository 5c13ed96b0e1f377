"""Question: does the estimated group element reach the Cramér–Rao bound, and do its intervals cover.

Planted codes a ~ N(0, I) of a sum of irreps, both ends noisy: c₀ = a + n₀, c₁ = ρ(g)a + n₁ with elements drawn from the
group. The clean code is unknown to the estimator and eliminated from the bound, J = Gᵀ(Σ₁ + ρΣ₀ρᵀ)⁻¹G at the true code
and element. Reported: rms error of ξ (ĝ = exp(ξ)g, all directions of the algebra) over rms bound, the largest over the
groups; the share of pairs whose .95 region holds the true element, the least over the groups.

The noise is the same for all groups and both ends but SE(2), where the second end is twice as noisy, and T², where the
blocks differ: weights matter there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geodis.discovery.element_bound import element_bound
from geodis.discovery.group_element import estimate_element, exact_coordinates
from geodis.groups import SE, SO2, SO3, AbstractGroup, Lorentz
from geodis.linalg import Array

N_PAIRS = 2000
NOISE = 0.02


@dataclass(frozen=True)
class Case:
    """A group, the irreps of the code, and noise levels relative to NOISE."""

    group: AbstractGroup
    names: tuple[str, ...]
    before: tuple[float, ...]
    after: tuple[float, ...]


TORUS = ("m=1⊗m=0", "m=0⊗m=1", "m=2⊗m=0", "m=1⊗m=1")
CASES = {
    "so2": Case(SO2(), ("m=1", "m=2", "m=3"), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0)),
    "so3": Case(SO3(), ("l=1", "l=1", "l=2"), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0)),
    "se2": Case(SE(2), ("position", "m=1", "m=1", "m=2"), (1.0,) * 4, (2.0,) * 4),
    "lorentz": Case(Lorentz(), ("vector", "vector", "vector", "bivector"), (1.0,) * 4, (1.0,) * 4),
    "torus": Case(SO2() * SO2(), TORUS, (1.0, 1.0, 3.0, 0.5), (1.0, 2.0, 3.0, 0.5)),
}


def crlb_ratio(seed: int) -> dict[str, float]:
    """The ratio and coverage of each group, the largest ratio and the least coverage."""
    found: dict[str, float] = {}
    for name, case in CASES.items():
        found[f"element.crlb_ratio_{name}"], found[f"element.coverage_{name}"] = ratio_and_coverage(case, seed)
    found["element.crlb_ratio"] = max(found[f"element.crlb_ratio_{name}"] for name in CASES)
    found["element.coverage"] = min(found[f"element.coverage_{name}"] for name in CASES)
    return found


def coverage_by_noise(seed: int) -> dict[str, float]:
    """SO(3) at growing noise: where the bound stops to be reached, as elements become ambiguous."""
    found = {}
    for noise in (0.01, 0.05, 0.1, 0.2, 0.4):
        ratio, covered = ratio_and_coverage(CASES["so3"], seed, noise)
        found |= {f"element.so3_ratio_{noise}": ratio, f"element.so3_coverage_{noise}": covered}
    return found


MEASURES = {"element.crlb_ratio": crlb_ratio, "element.by_noise": coverage_by_noise}


def ratio_and_coverage(case: Case, seed: int, noise: float = NOISE, n_pairs: int = N_PAIRS) -> tuple[float, float]:
    """Rms error over rms bound, and the share of pairs that the .95 region covers."""
    rng = np.random.default_rng([seed, 11])
    coordinates = exact_coordinates(case.group, case.names)
    codes = rng.normal(size=(n_pairs, coordinates.n_coordinates))
    params = case.group.sample(n_pairs, rng)
    moved = np.asarray(coordinates.act(codes, params))
    before, after = noise * np.array(case.before), noise * np.array(case.after)
    dims = [block.irrep.dim for block in coordinates.blocks]
    found = estimate_element(
        codes + noisy(rng, before, dims, n_pairs),
        moved + noisy(rng, after, dims, n_pairs),
        coordinates,
        noise=before,
        noise_after=after,
    )
    bound = element_bound(codes, params, coordinates, noise=before, noise_after=after)
    error = (found.deviation(params) ** 2).sum(axis=1)
    ratio = float(np.sqrt(error.mean() / np.trace(bound, axis1=1, axis2=2).mean()))
    return ratio, float(found.covers(params).mean())


def noisy(rng: np.random.Generator, levels: Array, dims: list[int], n: int) -> Array:
    """Noise of each block's level."""
    return np.asarray(np.repeat(levels, dims) * rng.normal(size=(n, sum(dims))))


if __name__ == "__main__":
    from pathlib import Path

    from harness import run

    run(MEASURES, results=Path(__file__).parent / "results" / "element_bound.json", seeds=range(3))
