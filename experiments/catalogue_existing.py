"""Question: of the metrics that geodis has had, do the oracles, the published failures and the formulas come out.

Rows of the table of closed forms that `oracles.py` does not hold, the inputs that fool published checks of
equivariance, of factors on tori and of Lie derivatives, and 20 inputs of each formula against its transcription in
`catalogue_formulas.py`. Used by `catalogue.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import lie_derivatives
import lsbd
import numpy as np
import oracles as earlier
import torch
from catalogue_failure import Failure
from catalogue_formulas import (
    closure,
    collapsing_stretch,
    cosine_distance,
    emlp_error,
    first_harmonics,
    homomorphism_rms,
    largest_error,
    local_error,
    matched_angle,
    mean_error,
    mismatch_error,
    orbit_variance_share,
    overlap,
    pair_error,
    peak_signal_to_noise,
    stretch,
    symmetry_variance,
    uncentred_error,
)

from geodis import Orbits
from geodis.actions import RotationAction
from geodis.errors import ParameterError
from geodis.groups import SO2, SO3, Cyclic
from geodis.linalg import Array
from geodis.metrics import (
    MetricResult,
    Tangents,
    best_linear_error,
    closure_residual,
    content_retention,
    d_lsbd,
    energy,
    equivariance_error,
    factor_span_angle,
    generator_span_angle,
    homomorphism_error,
    invariance_error,
    lie_derivative_error,
    linear_flow,
    local_equivariance_error,
    map_equivariance_error,
    orbit_signal,
    relative_equivariance,
    subspace_overlap,
    tangents_by_central_differences,
    tangents_by_jvp,
)

G = SO2()
RHO = G.irrep("m=1")
N_INPUTS = 20  # of each formula
N_ITEMS, OFFSET = 2000, 10.0  # of the codes that fool an uncentred error: metrics.md §1.1
SURE = 3.0  # standard errors


# --- oracles ----------------------------------------------------------------------------------------------------------
def oracles(seed: int) -> dict[str, tuple[float, float]]:
    """`(measured, closed form)` of every row, those of `oracles.py` included."""
    return {**earlier.exact_rows(seed), **own_rows(seed)}


def own_rows(seed: int) -> dict[str, tuple[float, float]]:
    """The rows that stand here alone: Lie derivatives, constants, identical spans."""
    found: dict[str, tuple[float, float]] = {}
    for way, deviation in lie_derivatives.deviations(seed).items():
        found[f"LEE of a linear encoder by {way}, relative deviation"] = (deviation, 0.0)
    results = constant_results()
    told = [r.status == "degenerate" or r.value == r.baselines["chance"] for r in results]
    found["constants, metrics that say degenerate or chance"] = (float(sum(told)), float(len(results)))
    rng = np.random.default_rng([seed, 41])
    angles = []
    for _ in range(100):
        A = rng.normal(size=(3, 4, 4))
        angles.append(generator_span_angle(np.einsum("ij,jab->iab", rng.normal(size=(3, 3)), A), A).value)
    found["identical spans, angle"] = (max(angles), 0.0)
    return found


def expectations(seed: int) -> dict[str, tuple[float, float, float]]:
    """`(measured, expectation, standard error)` of the rows that are expectations, those of `oracles.py` included."""
    return {**earlier.random_rows(seed), **dict([_held_out_row(seed)])}


def _held_out_row(seed: int, n: int = 120, d: int = 6, draws: int = 60) -> tuple[str, tuple[float, float, float]]:
    """Independent codes: an affine map fitted on half leaves (1 + 1/k)(1 + d/(k − d − 2)) of the variance elsewhere.

    k = n/2 rows; with the offset known it is 1 + d/(k − d − 1).
    """
    g, k = np.tile([[0.0], [1.0]], (n, 1)), n // 2
    values = []
    for draw in range(draws):
        z = np.random.default_rng([seed, draw, 43]).normal(size=(2 * n, d))
        orbits = Orbits.from_arrays(z, g, np.repeat(np.arange(n), 2), Cyclic(2))
        values.append(best_linear_error(orbits, ridge=0.0, n_folds=2, seed=draw) / d)
    error = float(np.std(values, ddof=1)) / math.sqrt(draws)
    return "independent codes, held-out linear map", (
        float(np.mean(values)), (1 + 1 / k) * (1 + d / (k - d - 2)), error
    )  # fmt: skip


def constant_results() -> list[MetricResult]:
    """Every metric of codes on a constant."""
    angles = lsbd.grid(6)
    still = np.full((len(angles), 2), 3.0)
    orbits = Orbits.from_arrays(still, angles[:, :1], np.repeat(np.arange(6), 6), G)
    tangents = Tangents(still, np.zeros_like(still), np.zeros(len(still)), np.zeros(0))
    clouds = np.random.default_rng(0).normal(size=(10, 4, 3))
    return [
        *(metric(orbits, RHO, baselines=()) for metric in (equivariance_error, relative_equivariance, energy)),
        orbit_signal(orbits), invariance_error(orbits), content_retention(orbits), d_lsbd(still, angles),
        earlier.energies(still, angles).headline,
        lie_derivative_error(tangents, np.eye(2)[::-1]), local_equivariance_error(tangents, None),
        map_equivariance_error(np.zeros_like, clouds, RotationAction(3)),
        homomorphism_error(lambda g: np.zeros((len(g), 2, 2)), G),
    ]  # fmt: skip


# --- failures ---------------------------------------------------------------------------------------------------------
def failures(seed: int) -> dict[str, Failure]:
    """The inputs that fool the published scores, by name."""
    rows = [*_constant_maps(seed), *_offset_codes(seed), *_tori(seed), *_lie(seed)]
    return {row.name: row for row in rows}


def _constant_maps(seed: int) -> list[Failure]:
    clouds = np.random.default_rng([seed, 47]).normal(size=(50, 5, 3))

    def row(name: str, what: str, function: Callable[[Array], Array], formula: Callable[[Array, Array], float],
            invariant: bool = False) -> Failure:  # fmt: skip
        g = SO3().sample(len(clouds), seed=seed)
        action = RotationAction(3)
        still = function(clouds)
        expected = still if invariant else np.asarray(action.act(g, still))
        published = formula(function(np.asarray(action.act(g, clouds))), expected)
        result = map_equivariance_error(function, clouds, action, invariant=invariant, seed=seed)
        return _told(name, what, published, result)

    zero = "a network whose output is 0"
    constant = "a network whose scalar output is a constant"
    image = "a generator that draws one image, whatever its input"
    return [
        row("emlp_zero", zero, np.zeros_like, emlp_error),
        row("e3nn_constant", constant, lambda x: np.ones((len(x), 1)), largest_error, True),
        row("escnn_constant", constant, lambda x: np.ones((len(x), 1)), mean_error, True),
        row("psnr_constant", image, lambda x: np.ones((len(x), 16)), peak_signal_to_noise, True),
    ]


def _offset_codes(seed: int) -> list[Failure]:
    """Codes that know nothing of their item, far from 0; the claim is that the group does not move them."""
    rng = np.random.default_rng([seed, 53])
    g = G.sample(N_ITEMS, seed=seed)

    def row(name: str, what: str, codes: Array, formula: Callable[[Array, Array], float]) -> Failure:
        pairs = Orbits.from_pairs(codes[0], codes[1], g, G)
        result = equivariance_error(pairs, _identity, baselines=())
        return _told(name, what, formula(codes[1], codes[0]), result)

    far = OFFSET + rng.normal(size=(2, N_ITEMS, 4))
    near_constant = OFFSET + 1e-8 * rng.normal(size=(2, N_ITEMS, 4))
    independent = "independent random codes with an offset of 10"
    return [
        row("uncentred_offset", independent, far, uncentred_error),
        row("emlp_offset", independent, far, emlp_error),
        row("cosine_offset", independent, far, cosine_distance),
        row("uncentred_near_constant", "a constant with noise of 1e-8", near_constant, uncentred_error),
    ]


def _tori(seed: int) -> list[Failure]:
    """Codes of several items, each in a frame of its own, on which the published D_LSBD is 0 (or half)."""
    angles = lsbd.grid(16)
    flat = lsbd.torus(angles)
    rng = np.random.default_rng([seed, 59])
    frames = [np.linalg.qr(rng.normal(size=(6, 6)))[0][:, :4] for _ in range(5)]

    def items(z: Array) -> tuple[Array, Array, Array]:
        codes = np.concatenate([z @ frame[:, : z.shape[1]].T for frame in frames])
        return codes, np.tile(angles, (len(frames), 1)), np.repeat(np.arange(len(frames)), len(angles))

    def row(name: str, what: str, z: Array) -> Failure:
        codes, moved, labels = items(z)
        result = d_lsbd(codes, moved, items=labels)
        return _told(name, what, result.baselines["paper"], result)

    codes, moved, labels = items(lsbd.superposed(angles))
    orbits = Orbits.from_arrays(codes, moved, labels, G * G)
    report = earlier.irrep_energy(orbits, n_null=0, seed=seed)
    order = np.concatenate([i * len(angles) + rng.permutation(len(angles)) for i in range(len(frames))])
    chance = earlier.irrep_energy(Orbits.from_arrays(codes[order], moved, labels, G * G), n_null=0).score
    score = Failure(
        "dlsbd_superposed", "both factors on one plane", d_lsbd(codes, moved, items=labels).baselines["paper"],
        report.score, chance, report.status, report.score <= chance or report.status != "ok",
    )  # fmt: skip
    return [
        score,
        row("dlsbd_radius", "a factor of radius 1e-6", flat * [1.0, 1.0, 1e-6, 1e-6]),
        row("dlsbd_absent", "a factor that moves nothing but rounding", _absent(flat, rng)),
    ]


def _absent(flat: Array, rng: np.random.Generator) -> Array:
    return flat * [1.0, 1.0, 0.0, 0.0] + 1e-15 * rng.normal(size=flat.shape)


def _lie(seed: int) -> list[Failure]:
    rng = np.random.default_rng([seed, 61])
    points = rng.normal(size=(100, 5))
    still = Tangents(np.ones((100, 3)), np.zeros((100, 3)), np.zeros(100), np.zeros(0))
    constant = _told(
        "liegg_constant", "a network whose output is a constant: every generator is a symmetry",
        symmetry_variance(np.zeros_like(points), points), local_equivariance_error(still, None),
    )  # fmt: skip
    p = np.arange(17) - 8
    row, column = rng.uniform(-2, 2, (2, 20, 1, 1))
    blobs = torch.from_numpy(np.exp(-((p[:, None] - row) ** 2 + (p - column) ** 2) / 12.0))
    published = local_error(_slopes, collapsing_stretch, blobs.numpy(), np.zeros((16 * 17,) * 2))
    refused = _is_refused(blobs)
    result = lie_derivative_error(tangents_by_central_differences(_slopes, stretch, blobs, n_detours=0), None)
    stretched = Failure(
        "lee_stretch", "differences between rows, said to be invariant to stretching", published, result.value,
        result.baselines["chance"], "refused" if refused else result.status,
        refused and _at_chance(result, result.baselines["chance"]),
    )  # fmt: skip
    return [constant, stretched]


def _slopes(images: torch.Tensor) -> torch.Tensor:
    return (images[:, 1:] - images[:, :-1]).reshape(len(images), -1)


def _is_refused(blobs: torch.Tensor) -> bool:
    """Whether geodis refuses the published stretch, which is not the identity at 0."""
    try:
        tangents_by_central_differences(_slopes, collapsing_stretch, blobs, n_detours=0)
    except ParameterError:
        return True
    return False


def _told(name: str, what: str, published: float, result: MetricResult) -> Failure:
    chance = result.baselines.get("chance")
    flagged = result.status != "ok" or (chance is not None and _at_chance(result, chance))
    return Failure(name, what, published, result.value, chance, result.status, flagged)


def _at_chance(result: MetricResult, chance: float) -> bool:
    """Whether the value is within three standard errors of chance (or is chance to rounding)."""
    low, high = result.ci or (math.nan, math.nan)
    return abs(result.value - chance) <= max(SURE * (high - low) / (2 * 1.96), 1e-9)


def _identity(params: Array) -> Array:
    return np.broadcast_to(np.eye(4), (len(params), 4, 4))


# --- agreement --------------------------------------------------------------------------------------------------------
def agreement(seed: int) -> dict[str, float]:
    """The largest |geodis − transcription| over 20 inputs of each formula."""
    found = {name: max(compare(seed, i) for i in range(N_INPUTS)) for name, compare in COMPARISONS.items()}
    return {"d_lsbd_paper": lsbd.largest_difference(seed), **found}


def _codes(seed: int, i: int) -> tuple[Orbits, Array, Array]:
    """Noisy codes of 4 items at 3 elements each, with ρ: `(orbits, codes (4, 3, d), operators)`."""
    rng = np.random.default_rng([seed, i, 71])
    rho = SO3().irrep("l=1") if i % 2 else RHO
    group = SO3() if i % 2 else G
    g = group.sample(12, seed=rng)
    x = np.repeat(rng.normal(size=(4, rho.dim)), 3, axis=0)
    operators = np.asarray(rho(g))
    z = np.einsum("nab,nb->na", operators, x) + rng.uniform(0.1, 1.0) * rng.normal(size=(12, rho.dim))
    orbits = Orbits.from_arrays(z, g, np.repeat(np.arange(4), 3), group)
    d = rho.dim
    return orbits, z.reshape(4, 3, d), operators.reshape(4, 3, d, d)


def _equivariance(seed: int, i: int) -> float:
    orbits, z, rho = _codes(seed, i)
    of = SO3().irrep("l=1") if i % 2 else RHO
    measured = equivariance_error(orbits, of, center=False, baselines=()).value
    return abs(measured - pair_error(z, rho) / mismatch_error(z, rho))


def _uncentred(seed: int, i: int) -> float:
    orbits, z, rho = _codes(seed, i)
    of = SO3().irrep("l=1") if i % 2 else RHO
    measured = 1.0 - energy(orbits, of, center=False, baselines=()).value
    return abs(measured - pair_error(z, rho) / (2.0 * float((z**2).sum(axis=2).mean())))


def _relative(seed: int, i: int) -> float:
    orbits, z, rho = _codes(seed, i)
    of = SO3().irrep("l=1") if i % 2 else RHO
    measured = relative_equivariance(orbits, of, center=False, baselines=()).value
    return abs(measured - pair_error(z, rho) / pair_error(z, np.broadcast_to(np.eye(z.shape[2]), rho.shape)))


def _invariance(seed: int, i: int) -> float:
    orbits, z, _ = _codes(seed, i)
    return abs(invariance_error(orbits, n_draws=1).value - orbit_variance_share(z))


def _homomorphism(seed: int, i: int) -> float:
    bent = np.random.default_rng([seed, i, 73]).normal(size=(3, 3))
    rho = SO3().irrep("l=1")

    def wrong(g: Array) -> Array:
        return np.asarray(rho(g)) + 0.1 * np.sin(g[:, :1, None]) * bent

    rng = np.random.default_rng(i)
    g, h = SO3().sample(30, seed=rng), SO3().sample(30, seed=rng)
    measured = homomorphism_error(wrong, SO3(), n_pairs=30, seed=i).value
    return abs(measured - homomorphism_rms(wrong, g, h, SO3().compose(g, h)))


def _closure(seed: int, i: int) -> float:
    A = np.random.default_rng([seed, i, 79]).normal(size=(3, 4, 4))
    return abs(closure_residual(A).value - closure(A))


def _factor_angle(seed: int, i: int) -> float:
    rng = np.random.default_rng([seed, i, 83])
    A, B = rng.normal(size=(2, 3, 2, 3, 3))
    bases = [[np.linalg.qr(f.reshape(2, -1).T)[0] for f in factors] for factors in (A, B)]
    return abs(factor_span_angle(A, B).value - matched_angle(*bases))


def _overlap(seed: int, i: int) -> float:
    rng = np.random.default_rng([seed, i, 89])
    one, two = rng.normal(size=(8, 2 + i % 3)), rng.normal(size=(8, 2 + i % 2))
    return abs(subspace_overlap([one, two]) - overlap(one, two))


def _harmonics(seed: int, i: int) -> float:
    angles = lsbd.grid(8)
    z = lsbd.inputs(angles, seed)[i]
    report = earlier.energies(z, angles)
    measured = [report.powers["m=1⊗m=0"], report.powers["m=0⊗m=1"]]
    return max(abs(a - b) for a, b in zip(measured, first_harmonics(z, angles), strict=True))


def _local(seed: int, i: int) -> float:
    rng = np.random.default_rng([seed, i, 97])
    X, items = rng.normal(size=(4, 4)), rng.normal(size=(30, 4))
    weights, Y = rng.normal(size=(4, 3)), rng.normal(size=(3, 3))
    flow = linear_flow(X / np.linalg.norm(X, 2))

    def encoder(x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(x @ torch.from_numpy(weights))

    tangents = tangents_by_jvp(encoder, flow, items, n_detours=0)
    published = local_error(encoder, flow, items, Y)
    return abs(local_equivariance_error(tangents, Y).value / published - 1.0)


COMPARISONS: dict[str, Callable[[int, int], float]] = {
    "equivariance_error": _equivariance,
    "uncentred_error": _uncentred,
    "relative_equivariance": _relative,
    "invariance_error": _invariance,
    "homomorphism_error": _homomorphism,
    "closure_residual": _closure,
    "factor_span_angle": _factor_angle,
    "subspace_overlap": _overlap,
    "irrep_energy": _harmonics,
    "local_equivariance_error": _local,
}
