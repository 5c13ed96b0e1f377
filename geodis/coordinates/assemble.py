"""From found copies to frozen coordinates: real rows, the centre, the covariance-weighted synthesis, isotropy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.linalg

from geodis.coordinates.evidence import Evidence
from geodis.coordinates.latent import Block, LatentCoordinates, Status, fingerprints
from geodis.coordinates.search import Found
from geodis.groups import Representation
from geodis.linalg import Array


def real_rows(rep: Representation, w: Array) -> Array:
    """(h, D) as real rows (d, D): (Re W; Im W) for complex type, which transform by the real form of ρ."""
    return np.concatenate([w.real, w.imag], axis=0) if rep.half is not None else w


def real_offset(rep: Representation, b: Array) -> Array:
    """(h,) as (d,)."""
    return np.concatenate([b.real, b.imag]) if rep.half is not None else b


def assemble(found: Sequence[Found], evidence: Evidence) -> LatentCoordinates:
    """Oblique coordinates of all kept copies: c = A(z − centre), P = ΣAᵀ(AΣAᵀ)⁻¹, centre = μ − P(Aμ + b)."""
    order = sorted(found, key=lambda f: (f.rep.trivial, -(f.energies[0] if len(f.energies) else 0.0)))
    rows, offsets, parts = [], [], []
    for item in order:
        for r in range(item.kept):
            rows.append(real_rows(item.rep, evidence.embed(item.rows[r])))
            offsets.append(real_offset(item.rep, item.offsets[r]))
            parts.append((item.rep, float(item.energies[r]), item.intervals[r]))
    dim = len(evidence.mean)
    a = np.concatenate(rows) if rows else np.zeros((0, dim))
    # The offsets were found on z − shift.
    b = (np.concatenate(offsets) if offsets else np.zeros(0)) - a @ evidence.shift
    synthesis = oblique_synthesis(a, evidence.cov)
    centre = evidence.mean - synthesis @ (a @ evidence.mean + b)
    return freeze(parts, a, synthesis, centre, evidence)


def freeze(
    parts: Sequence[tuple[Representation, float, tuple[float, float]]],
    a: Array,
    synthesis: Array,
    centre: Array,
    evidence: Evidence,
) -> LatentCoordinates:
    """Blocks with their rows and isotropy, and the status of the whole."""
    blocks, start = [], 0
    for rep, energy, interval in parts:
        share = isotropy(a[start : start + rep.dim], evidence.cov)
        blocks.append(Block(rep, tuple(range(start, start + rep.dim)), energy, interval, share))
        start += rep.dim
    return LatentCoordinates(
        evidence.group,
        tuple(blocks),
        a,
        synthesis,
        centre,
        status_of(blocks, evidence),
        evidence.design.limited,
        fingerprints(evidence.labels),
        evidence.lift,
    )


def isotropy(rows: Array, cov: Array) -> float:
    """λ_min/λ_max of the covariance of these rows (d, D)."""
    variances = np.linalg.eigvalsh(rows @ cov @ rows.T)
    return float(max(variances[0], 0.0) / variances[-1]) if variances[-1] > 0 else 0.0


def oblique_synthesis(a: Array, cov: Array) -> Array:
    """P = ΣAᵀ(AΣAᵀ)⁻¹, the right inverse of A that leaves a complement uncorrelated with the coordinates."""
    if len(a) == 0:
        return np.zeros((a.shape[1], 0))
    spread = cov @ a.T
    inside = a @ spread
    inside = (inside + inside.T) / 2
    factor = scipy.linalg.cho_factor(inside + 1e-13 * np.trace(inside) / len(inside) * np.eye(len(inside)))
    synthesis = scipy.linalg.cho_solve(factor, spread.T).T
    # One Newton step makes AP = I to rounding, which the group law Op(g)Op(h) = Op(gh) rests on.
    return np.asarray(synthesis + synthesis @ (np.eye(len(a)) - a @ synthesis))


def status_of(blocks: Sequence[Block], evidence: Evidence) -> Status:
    """The status of coordinates with these blocks."""
    if not evidence.design.sufficient:
        return "insufficient"
    if evidence.degenerate or not any(not b.irrep.trivial for b in blocks):
        return "degenerate"
    return "partial" if any(b.status == "partial" for b in blocks) else "ok"
