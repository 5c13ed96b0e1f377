"""Question: do the metrics give the numbers that mathematics says they must.

Rows with a closed form are compared with it; rows that are expectations are compared in units of their standard error.
Used by `verification.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from lsbd import grid, superposed, tensor, torus, warped
from scipy.special import jv

from geodis import Orbits
from geodis.groups import SO2
from geodis.linalg import Array
from geodis.metrics import (
    IrrepEnergy,
    d_lsbd,
    d_lsbd_paper,
    equivariance_error,
    homomorphism_error,
    irrep_energy,
    relative_equivariance,
    subspace_overlap,
)
from geodis.simulators.planted import random_orthogonal

CIRCLE = SO2()
SIDE = 48
WARPS = (0.1, 0.2, 0.5, 1.0, 2.0)
NOISES = (0.1, 0.5, 1.0)
PLANES = ((2, 4), (2, 16), (3, 9))  # dimension of the planes, of the space
DRAWS = 400


def max_deviation(seed: int) -> float:
    """The largest |measured − closed form| of `exact_rows`."""
    return max(abs(measured - expected) for measured, expected in exact_rows(seed).values())


def max_standard_errors(seed: int) -> float:
    """The largest |measured − expectation| of `random_rows`, in standard errors."""
    return max(abs(measured - expected) / error for measured, expected, error in random_rows(seed).values())


# --- rows with a closed form ------------------------------------------------------------------------------------------
def exact_rows(seed: int) -> dict[str, tuple[float, float]]:
    """`(measured, closed form)` of every row."""
    angles = grid(SIDE)
    flat = torus(angles)
    frame = np.linalg.qr(np.random.default_rng(seed).normal(size=(64, 4)))[0]
    found = {
        "torus, d_lsbd": (d_lsbd(flat @ frame.T, angles).value, 0.0),
        "torus, d_lsbd (paper)": (d_lsbd_paper(flat @ frame.T, angles), 0.0),
        "torus, lsbd_energy": (energies(flat @ frame.T, angles).lsbd_energy, 1.0),
        "torus, score": (energies(flat @ frame.T, angles).score, 1.0),
        "torus, EE": (_exact_code(seed), 0.0),
        "superposed, d_lsbd (paper)": (d_lsbd_paper(superposed(angles), angles), 0.0),
        "superposed, overlap": (energies(superposed(angles), angles).overlap, 1.0),
        "tensor, interaction": (energies(tensor(angles), angles).interaction, 1.0),
        "tensor, d_lsbd (paper)": (d_lsbd_paper(tensor(angles), angles), 1.0 - SIDE**-2),
        "ellipse 10:1, isotropy": (energies(flat * [10.0, 1.0, 10.0, 1.0], angles).isotropy, 0.1),
    }
    for c in (0.5, 0.9):
        rest = c**2 / (2 + c**2)
        mixed = energies(np.concatenate([flat, c * tensor(angles)], axis=1), angles)
        second = energies(np.concatenate([flat, c * torus(angles, 2)[:, :2]], axis=1), angles)
        found[f"torus + {c} tensor, interaction"] = (mixed.interaction, rest)
        found[f"torus + {c} second harmonic, off_irrep"] = (second.off_irrep, rest)
    for a in WARPS:
        found |= _warp_rows(a, angles)
    for delta in (0.01, 0.1, 0.5):
        for theta in (1.0, 3.0, 10.0):
            found[f"frequency error {delta} at {theta}"] = (
                frequency_error(delta, theta),
                2 * abs(math.sin(theta * delta / 2)),
            )
    return found


def _warp_rows(a: float, angles: Array) -> dict[str, tuple[float, float]]:
    z, j0, j1, j2 = warped(angles, a), jv(0, a), jv(1, a), jv(2, a)
    report = energies(z, angles)
    bent = sum(power for name, power in report.powers.items() if name.endswith("m=0"))
    n, nearest = SIDE**2, 1 - sum(map(abs, _warp_parts(a))) ** 2
    found = {
        # At frequency ±1, which is not the leading one at a = 2, where −1 comes nearer than 1. The other factor is
        # exact, and the formula carries (N − 1)/N.
        f"warp {a}, D1": (d_lsbd_paper(z, angles, K=1) * 2 * n / (n - 1), nearest),
        f"warp {a}, irrep energy": (report.powers["m=1⊗m=0"] / bent, (j0**2 + j2**2) / (1 - j1**2)),
    }
    if a <= 1:
        found[f"warp {a}, isotropy"] = (report.factors[0].isotropy, (j0 - j2) / (j0 + j2))
        # The other plane has variance 1, this one 1 − J1².
        found[f"warp {a}, lsbd_energy"] = (report.lsbd_energy, (1 + j0**2 + j2**2) / (2 - j1**2))
    return found


def warp_distance(a: float) -> float:
    """D_1(1) of θ + a sin θ, in Bessel functions."""
    return 1.0 - sum(_warp_parts(a)) ** 2


def _warp_parts(a: float) -> tuple[float, float]:
    """What the two whitened components keep of the first harmonic."""
    x, y = (1 + jv(2, 2 * a)) / 2 - jv(1, a) ** 2, (1 - jv(2, 2 * a)) / 2
    cosine, sine = jv(0, a) + jv(2, a), jv(0, a) - jv(2, a)
    return float(cosine / (2 * math.sqrt(2 * x))), float(sine / (2 * math.sqrt(2 * y)))


def frequency_error(delta: float, theta: float) -> float:
    """|c(θ) − ρ(θ)c(0)|/|c(0)| where ρ turns by (1 + δ)θ and the code by θ, from L/I."""
    c, g = np.random.default_rng(0).normal(size=(50, 2)), np.full((50, 1), theta)
    rho = CIRCLE.irrep("m=1")

    def fast(params: Array) -> Array:
        return np.asarray(rho((1 + delta) * params))

    moved = np.einsum("nab,nb->na", rho(g), c)
    orbits = Orbits.from_pairs(c, moved, g, CIRCLE)
    ratio = relative_equivariance(orbits, fast, center=False, baselines=()).value
    return math.sqrt(ratio) * 2 * abs(math.sin(theta / 2))


def _exact_code(seed: int) -> float:
    rng = np.random.default_rng(seed)
    g = CIRCLE.orbit(40, 8, seed=seed)
    rho = CIRCLE.irrep("m=1")
    z = np.einsum("nmab,nb->nma", rho(g), rng.normal(size=(40, 2)))
    return equivariance_error(_orbits(z, g), rho, baselines=()).value


# --- rows that are expectations ---------------------------------------------------------------------------------------
def random_rows(seed: int) -> dict[str, tuple[float, float, float]]:
    """`(measured, expectation, standard error)` of every row."""
    rng = np.random.default_rng(seed)
    rho = CIRCLE.irrep("m=1")
    found = {}
    for sigma in NOISES:
        x, g = rng.normal(size=(4000, 2)), CIRCLE.sample(4000, seed=rng)
        gz = np.einsum("nab,nb->na", rho(g), x) + sigma * rng.normal(size=(4000, 2))
        result = equivariance_error(Orbits.from_pairs(x, gz, g, CIRCLE), rho, baselines=())
        found[f"noise {sigma}, EE"] = (result.value, sigma**2 / (2 + sigma**2), _standard_error(result.ci))
    g = CIRCLE.sample(400 * 6, seed=rng).reshape(400, 6, 1)
    alone = equivariance_error(_orbits(rng.normal(size=(400, 6, 2)), g), rho, baselines=())
    found["independent codes, EE"] = (alone.value, 1.0, _standard_error(alone.ci))
    for k, dim in PLANES:
        overlaps = np.array([subspace_overlap([rng.normal(size=(dim, k)) for _ in range(2)]) for _ in range(DRAWS)])
        error = float(overlaps.std(ddof=1)) / math.sqrt(DRAWS)
        found[f"random {k}-planes in R^{dim}, overlap"] = (float(overlaps.mean()), k / dim, error)
    for dim in (2, 4, 16):
        law = homomorphism_error(_haar(dim, rng), CIRCLE, n_pairs=DRAWS, seed=seed)
        found[f"Haar matrices of size {dim}, homomorphism"] = (law.value, math.sqrt(2.0), _standard_error(law.ci))
    return found


def _haar(dim: int, rng: np.random.Generator) -> Callable[[Array], Array]:
    """Another random matrix at every call, whatever the element."""
    return lambda params: np.stack([random_orthogonal(dim, rng) for _ in range(len(params))])


def _standard_error(ci: tuple[float, float] | None) -> float:
    low, high = ci or (math.nan, math.nan)
    return (high - low) / (2 * 1.96)


def energies(z: Array, angles: Array) -> IrrepEnergy:
    """The report of one item on a grid, without its null."""
    return irrep_energy(Orbits.from_arrays(z, angles, np.zeros(len(z)), CIRCLE * CIRCLE), n_null=0)


def _orbits(z: Array, g: Array) -> Orbits:
    n, m = z.shape[:2]
    return Orbits.from_arrays(z.reshape(n * m, -1), g.reshape(n * m, -1), np.repeat(np.arange(n), m), CIRCLE)
