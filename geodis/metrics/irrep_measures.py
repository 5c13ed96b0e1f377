"""The six measures of the irrep-energy report from the energies of items, for any weighting of the items."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geodis.errors import ParameterError, ShapeError
from geodis.linalg import Array, check_finite, to_numpy
from geodis.metrics.harmonics import Harmonics
from geodis.metrics.irrep_report import FactorEnergy

PRESENT = 0.01  # share of the single-factor energy below which a factor is called absent
CAPTURED = 0.9  # of a factor's leading energy, held by the directions whose overlap is taken
NOTHING = 1e-20  # of the variance: energy below it is rounding


def subspace_overlap(frames: Any) -> float:
    """max_{i<j} ‖B_iᵀB_j‖²_F / min dim of subspaces with bases B_i (D, k_i): 0 apart, 1 inside each other.

    Random k-planes in R^D overlap by k/D.

    Parameters
    ----------
    frames : sequence of array (D, k_i)
        Bases of at least two subspaces, orthonormal or not.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For bases of different spaces, NaN, fewer than two subspaces, or linearly dependent columns.

    Examples
    --------
    >>> subspace_overlap([np.eye(4)[:, :2], np.eye(4)[:, 1:3]])
    0.5
    """
    arrays = [to_numpy(b) for b in frames]
    if len(arrays) < 2:
        raise ParameterError("subspace_overlap: frames", "at least two subspaces", len(arrays))
    bases = []
    for b in arrays:
        if b.ndim != 2 or 0 in b.shape or b.shape[0] != arrays[0].shape[0]:
            raise ShapeError("subspace_overlap: frames", "(D, k) with one D", b.shape)
        b = b.astype(np.float64)
        check_finite(b, "subspace_overlap: frames")
        u, s, _ = np.linalg.svd(b, full_matrices=False)
        if b.shape[1] > b.shape[0] or s[-1] <= 1e-12 * s[0] or s[0] == 0.0:
            raise ParameterError("subspace_overlap: frames", "linearly independent columns", "dependent ones")
        bases.append(u)
    return largest_overlap(bases)


def largest_overlap(bases: list[Array]) -> float:
    """The same of orthonormal bases; 0 for one alone."""
    pairs = [(a, b) for i, a in enumerate(bases) for b in bases[i + 1 :]]
    # Sines and cosines of principal angles may exceed 1 by rounding.
    return max((min(1.0, float(((a.T @ b) ** 2).sum()) / min(a.shape[1], b.shape[1])) for a, b in pairs), default=0.0)


class EnergySums:
    """Energies item by item, and the six measures of any weighting of the items."""

    def __init__(self, parts: list[Harmonics], n_factors: int) -> None:
        self.variance = np.concatenate([p.variance for p in parts])
        self.resolved = np.concatenate([p.resolved for p in parts])
        self.axis = np.concatenate([p.axis for p in parts])
        self.powers: list[dict[str, Array]] = []
        for j in range(n_factors):
            names = dict.fromkeys(name for p in parts for name in p.powers[j])
            blank = [np.zeros(len(p.variance)) for p in parts]
            self.powers.append(
                {n: np.concatenate([p.powers[j].get(n, o) for p, o in zip(parts, blank, strict=True)]) for n in names}
            )
        self.leading = [max(own, key=lambda n: own[n].sum(), default="") for own in self.powers]
        self.dims = {name: d for p in parts for name, d in p.dims.items()}
        # Short orbits cannot see every frequency: their items have no coefficients of it.
        self.coefficients = []
        for name in self.leading:
            seen = [p.coefficients.get(name, np.zeros((len(p.variance), 1, 1))) for p in parts]
            width, height = max(c.shape[2] for c in seen), max(c.shape[1] for c in seen)
            self.coefficients.append(
                np.concatenate([np.pad(c, ((0, 0), (0, height - c.shape[1]), (0, width - c.shape[2]))) for c in seen])
            )
        self.singular = [np.linalg.svd(c, compute_uv=False) for c in self.coefficients]

    def measures(self, weights: Array) -> dict[str, float]:
        """The six measures with items weighted."""
        variance, axis = float(weights @ self.variance), weights @ self.axis
        if not variance > 0.0:  # the only items that move were left out
            names = ("lsbd_energy", "score", "interaction", "off_irrep", "isotropy", "overlap")
            return dict.fromkeys(names, math.nan)
        lead = np.array([weights @ own[n] if n else 0.0 for own, n in zip(self.powers, self.leading, strict=True)])
        total = float(axis.sum())
        energy = min(1.0, float(lead.sum()) / variance)
        moved = total > NOTHING * variance
        shares = axis / total if moved else np.zeros(len(axis))
        here = [j for j in range(len(axis)) if shares[j] > PRESENT]
        isotropy = min((self._isotropy(j, weights) for j in here), default=math.nan)
        several = [self._directions(j, weights) for j in here] if len(here) > 1 else []
        overlap = largest_overlap(several) if here else math.nan
        whole = len(here) == len(axis)
        return {
            "lsbd_energy": energy,
            "score": energy * (1.0 - overlap) * isotropy if whole else 0.0,
            "interaction": max(0.0, float(weights @ self.resolved) - total) / variance,
            "off_irrep": max(0.0, 1.0 - float(lead.sum()) / total) if moved else math.nan,
            "isotropy": isotropy,
            "overlap": overlap,
        }

    def factors(self, names: list[str], weights: Array) -> tuple[FactorEnergy, ...]:
        """Each factor on its own."""
        axis = weights @ self.axis
        total = float(axis.sum())
        moved = total > NOTHING * float(weights @ self.variance)
        found = []
        for j, name in enumerate(names):
            share = float(axis[j]) / total if moved else 0.0
            if not share > 0.0 or not self.leading[j]:
                found.append(FactorEnergy(name, "", 0.0, math.nan, math.nan, 0))
                continue
            energy = float(weights @ self.powers[j][self.leading[j]]) / float(axis[j])
            width = self._directions(j, weights).shape[1]
            found.append(FactorEnergy(name, self.leading[j], share, energy, self._isotropy(j, weights), width))
        return tuple(found)

    def overlap_chance(self) -> float:
        """E ‖B_iᵀB_j‖²/min(k_i, k_j) of random planes is max(k_i, k_j)/D."""
        height = max(c.shape[1] for c in self.coefficients)
        widths = sorted(self._directions(j, np.ones(len(self.variance))).shape[1] for j in range(len(self.powers)))
        return min(1.0, widths[-1] / height) if len(widths) > 1 else math.nan

    def _isotropy(self, j: int, weights: Array) -> float:
        d = self.dims.get(self.leading[j], 1)
        s = self.singular[j]
        first = float(weights @ s[:, 0])
        last = float(weights @ s[:, d - 1]) if s.shape[1] >= d else 0.0
        return last / first if first > 0.0 else math.nan

    def _directions(self, j: int, weights: Array) -> Array:
        """Orthonormal basis of the fewest whole copies that hold 90 % of the leading energy."""
        rows = (np.sqrt(weights)[:, None, None] * self.coefficients[j]).transpose(1, 0, 2)
        flat = rows.reshape(rows.shape[0], -1)
        u, s, _ = _left_singular(flat)
        d = self.dims.get(self.leading[j], 1)
        held = np.cumsum(s**2) / max(float((s**2).sum()), 1e-300)
        copies = int(np.searchsorted(held, CAPTURED - 1e-12)) // d + 1
        return np.asarray(u[:, : min(copies * d, u.shape[1])])


def _left_singular(a: Array) -> tuple[Array, Array, None]:
    """Left singular vectors and values of a (D, q), through the smaller side."""
    if a.shape[1] <= 2 * a.shape[0]:
        u, s, _ = np.linalg.svd(a, full_matrices=False)
        return u, s, None
    values, u = np.linalg.eigh(a @ a.T)
    return u[:, ::-1], np.sqrt(np.maximum(values[::-1], 0.0)), None
