"""Question: of retrieval, probes, CARE and geometry, do the oracles, the published failures and the formulas come out.

The rows of the reference's table of closed forms that these families have, the inputs that fool the published scores,
and 20 inputs of each formula against its transcription in `catalogue_retrieval_formulas.py`. Used by `catalogue.py`.
"""

from __future__ import annotations

import math

import numpy as np
from catalogue_failure import Failure
from catalogue_retrieval_formulas import (
    fitted_on_half,
    in_sample_unexplained,
    published_cka,
    published_debiased_cka,
    published_effective_rank,
    published_equivariance_loss,
    published_gamma,
    published_hits,
    published_mrr,
    published_pre,
    published_r2,
    published_shape_distance,
    published_symplecticity,
    published_two_nearest,
    published_wahba,
    relative_wahba,
    wahba_in_space,
)
from scipy.spatial.transform import Rotation

from geodis import Orbits
from geodis.groups import SO2, Hyperoctahedral, Translation
from geodis.linalg import Array
from geodis.metrics import (
    LinearMap,
    MetricResult,
    OrthogonalMap,
    RotationMap,
    care_gamma,
    debiased_cka,
    effective_rank,
    gram_error,
    hits_at_k,
    intrinsic_dimension,
    mean_reciprocal_rank,
    pair_products,
    parameter_probe,
    prediction_retrieval_error,
    procrustes_error,
    procrustes_shape_distance,
    quaternion_error,
    symplecticity_error,
)
from geodis.metrics.cka import cka_of
from geodis.metrics.gram_error import gram_difference
from geodis.metrics.procrustes import unexplained
from geodis.metrics.row_items import narrow
from geodis.simulators.planted import random_orthogonal

N = 400  # candidates of the retrieval rows
N_INPUTS = 20  # of each formula
SURE = 0.999  # level at which a value is called chance
SPHERES = (4, 16, 64, 256)  # dimensions of independent codes
PAIRS = ((200, 8), (200, 100))  # fitted items and features of independent codes under linear maps
CUBE = np.stack([np.array(signs) for signs in np.ndindex(2, 2, 2)]) * 2.0 - 1.0


# --- oracles ----------------------------------------------------------------------------------------------------------
def oracles(seed: int) -> dict[str, tuple[float, float]]:
    """`(measured, closed form)` of every row."""
    return {**_tied(seed), **_rigid(seed), **_geometry(seed), **_poses(seed)}


def _tied(seed: int) -> dict[str, tuple[float, float]]:
    z, still = np.random.default_rng([seed, 101]).normal(size=(N, 4)), np.full((N, 4), 2.0)
    harmonic = math.fsum(1.0 / k for k in range(1, N + 1)) / N
    found = {}
    for query in ("target", "prediction"):
        found[f"all tied, MRR, {query} asks"] = (mean_reciprocal_rank(still, z, query=query).value, harmonic)
        for k in (1, 10):
            found[f"all tied, Hits@{k}, {query} asks"] = (hits_at_k(still, z, k, query=query).value, k / N)
    found["collapsed, MRR"] = (mean_reciprocal_rank(still, still).value, harmonic)
    found["right predictions, MRR"] = (mean_reciprocal_rank(z, z).value, 1.0)
    # Two copies of each target: the true one is first or second, with equal chances.
    twice = np.repeat(z[: N // 2], 2, axis=0)
    found["pairs of equal targets, MRR"] = (mean_reciprocal_rank(twice, twice).value, 0.75)
    found["pairs of equal targets, Hits@1"] = (hits_at_k(twice, twice, 1).value, 0.5)
    return found


def _rigid(seed: int) -> dict[str, tuple[float, float]]:
    rng = np.random.default_rng([seed, 103])
    z, turn = rng.normal(size=(120, 6)), random_orthogonal(6, rng)
    turned = shared(z, z @ turn.T + 3.0)
    # Every corner of a box, so that its covariance is diag(9, 4, 1): undoing a reflection of the longest axis by a
    # rotation costs one flip of the shortest.
    box = CUBE * [3.0, 2.0, 1.0]
    mirrored = box * [-1.0, 1.0, 1.0]
    residual = unexplained(RotationMap(), (box, mirrored), (box, mirrored))
    free = unexplained(OrthogonalMap(), (box, mirrored), (box, mirrored))
    return {
        "turned codes, Gram error": (gram_error(turned).value, 0.0),
        "turned codes, Procrustes error over O": (procrustes_error(turned, n_draws=1).value, 0.0),
        "turned codes, Procrustes error over GL": (procrustes_error(turned, LinearMap(), n_draws=1).value, 0.0),
        "turned codes, gamma": (care_gamma(shared(z, z @ turn.T)).value, 0.0),
        "mirrored box, residual over SO": (float(residual.sum() / (box**2).sum()), 4.0 / 14.0),
        "mirrored box, residual over O": (float(free.sum()), 0.0),
    }


def _geometry(seed: int) -> dict[str, tuple[float, float]]:
    rng = np.random.default_rng([seed, 107])
    z, turn = rng.normal(size=(80, 5)), random_orthogonal(5, rng)
    angle = 2.0 * np.pi * np.arange(32) / 32
    first, second = np.cos(angle)[:, None], np.cos(angle + 0.7)[:, None]
    axes = np.concatenate([np.diag(np.sqrt([2.0, 1.0, 1.0])), -np.diag(np.sqrt([2.0, 1.0, 1.0]))])
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1) @ np.linalg.qr(rng.normal(size=(9, 2)))[0].T
    symplectic = _symplectic(3, rng)
    return {
        "turned codes, debiased CKA": (debiased_cka(z, 3.0 * z @ turn.T - 2.0, n_draws=1).value, 1.0),
        "turned codes, shape distance": (procrustes_shape_distance(z, 3.0 * z @ turn.T - 2.0, n_draws=1).value, 0.0),
        "two phases of a wave, shape distance": (procrustes_shape_distance(first, second, n_draws=1).value, 0.7),
        "circle in R^9, effective rank": (effective_rank(circle).value, 2.0),
        "variances 2, 1, 1, effective rank": (effective_rank(axes).value, 2.0**1.5),
        "symplectic map, symplecticity": (symplecticity_error(symplectic).value, 0.0),
        "twice a symplectic map, symplecticity": (symplecticity_error(2.0 * symplectic).value, 3.0),
        "zero map, symplecticity": (symplecticity_error(np.zeros((4, 4))).value, 1.0),
    }


def _poses(seed: int) -> dict[str, tuple[float, float]]:
    rng = np.random.default_rng([seed, 109])
    q = _cube_rotations()
    z, h = _unit(rng.normal(size=(150, 2))), SO2().sample(150, seed=seed)
    probe = parameter_probe(z, np.einsum("nab,nb->na", SO2().matrix(h), z), h, SO2(), features=pair_products, n_draws=1)
    half_turn = quaternion_error([[1.0, 0.0, 0.0, 0.0]], [[0.0, 1.0, 0.0, 0.0]])
    return {
        # The 24 rotations of the cube average ⟨q, p⟩² as all rotations do.
        "rotations of the cube, chance of PRE": (
            prediction_retrieval_error(np.zeros((24, 2)), rng.normal(size=(24, 2)), q).value, 0.75
        ),
        "half turn, PRE": (float(half_turn[0]), 1.0),
        "exact circle, R² of the probe": (probe.r_squared.value, 1.0),
    }  # fmt: skip


# --- expectations -----------------------------------------------------------------------------------------------------
def expectations(seed: int) -> dict[str, tuple[float, float, float]]:
    """`(measured, expectation, standard error)` of the rows that are expectations."""
    rng = np.random.default_rng([seed, 113])
    found = {}
    for d in SPHERES:
        drawn = [_gamma(_unit(rng.normal(size=(2 * 60, d)))) for _ in range(40)]
        found[f"independent codes in R^{d}, gamma"] = _mean(drawn, gamma_of_independent(d))
    for n, d in PAIRS:
        fits = np.array([_linear(rng.normal(size=(2, 2 * n, d))) for _ in range(40)])
        found[f"independent codes, {n} × {d}, in sample"] = _mean(fits[:, 0], 1.0 - d / (n - 1))
        found[f"independent codes, {n} × {d}, held out"] = _mean(fits[:, 1], (1 + 1 / n) * (1 + d / (n - d - 2)))
    turns = [float(unexplained(OrthogonalMap(), (x[:100], y[:100]), (x[100:], y[100:])).mean()) / 8
             for x, y in (rng.normal(size=(2, 200, 8)) for _ in range(60))]  # fmt: skip
    found["independent codes, orthogonal map"] = _mean(turns, 2.0 * (1 + 1 / 100))
    errors = quaternion_error(*(_unit(rng.normal(size=(4000, 4))) for _ in range(2)))
    found["random quaternions, PRE"] = _mean(errors, 0.75)
    angles = [_euler(rng, 400) for _ in range(20)]
    chances = [prediction_retrieval_error(np.zeros((400, 1)), rng.normal(size=(400, 1)), q).value for q in angles]
    found["Euler angles within 90 degrees, chance of PRE"] = _mean(chances, euler_chance())
    alike = [cka_of(*(narrow(x) for x in rng.normal(size=(2, 100, 1000)))) for _ in range(40)]
    found["independent codes, debiased CKA"] = _mean(alike, 0.0)
    return found


def gamma_of_independent(d: int, nodes: int = 400) -> float:
    """E γ of independent codes on the unit sphere: (2/d) E[(1 − st)/(2 − s − t)²], s and t cosines of random angles.

    Given s = ⟨a, z⟩ and t = ⟨a', z'⟩, E(⟨a, a'⟩ − ⟨z, z'⟩)² = 2(1 − st)/d. 1/(2d) is its limit for large d.
    """
    x, weight = np.polynomial.legendre.leggauss(nodes)
    angle = (x + 1.0) * np.pi / 2
    density = weight * np.sin(angle) ** (d - 2)
    s, t = np.meshgrid(np.cos(angle), np.cos(angle))
    return 2.0 / d * float((np.outer(density, density) * (1 - s * t) / (2 - s - t) ** 2).sum() / density.sum() ** 2)


def euler_chance() -> float:
    """1 − tr (E qqᵀ)² of Euler angles uniform within ±90°: E qqᵀ is diagonal with c³ + s³ and three times cs."""
    c = 0.5 + 1.0 / math.pi  # E cos²(angle/2)
    s = 1.0 - c
    return 1.0 - (c**3 + s**3) ** 2 - 3.0 * (c * s) ** 2


def _gamma(rows: Array) -> float:
    """Of codes whose halves are before and after."""
    half = len(rows) // 2
    return care_gamma(shared(rows[:half], rows[half:]), n_draws=1).value


def _linear(codes: Array) -> tuple[float, float]:
    """Unexplained share in the sample of the fit, and in the other half; both of unit variance a feature."""
    half, d = codes.shape[1] // 2, codes.shape[2]
    fitted, other = (codes[0, :half], codes[1, :half]), (codes[0, half:], codes[1, half:])
    centred = fitted[1] - fitted[1].mean(axis=0)
    within = unexplained(LinearMap(), fitted, fitted)
    return float(within.sum() / (centred**2).sum()), float(unexplained(LinearMap(), fitted, other).mean()) / d


# --- failures ---------------------------------------------------------------------------------------------------------
def failures(seed: int) -> dict[str, Failure]:
    """The inputs that fool the published scores, by name."""
    rows = [*_constant_predictors(seed), *_poses_and_parameters(seed), *_care(seed), *_fits(seed), _similar(seed)]
    return {row.name: row for row in rows}


def _constant_predictors(seed: int) -> list[Failure]:
    z, still = np.random.default_rng([seed, 127]).normal(size=(N, 8)), np.full((N, 8), 0.5)
    constant, collapsed = "a predictor that answers one constant", "an encoder that maps everything to one point"
    return [
        _told("cswm_hits_constant", constant, published_hits(still, z, 1), hits_at_k(still, z, 1, level=SURE)),
        _told("cswm_mrr_constant", constant, published_mrr(still, z), mean_reciprocal_rank(still, z, level=SURE)),
        _told("cswm_mrr_collapsed", collapsed, published_mrr(still, still), mean_reciprocal_rank(still, still)),
    ]


def _poses_and_parameters(seed: int) -> list[Failure]:
    rng = np.random.default_rng([seed, 131])
    z, q = rng.normal(size=(N, 4)), _euler(rng, N)
    shifts = rng.normal((0.0, 10.0), 1.0, size=(N, 2))
    before, after = rng.normal(size=(2, N, 4))
    probe = parameter_probe(before, after, shifts, Translation(2), level=SURE, seed=seed)
    pooled = published_r2(*fitted_on_half(np.hstack([before, after]), shifts))
    guess = rng.normal(size=z.shape)
    return [
        _told("sie_pre_euler", "random predictions, poses at Euler angles within ±90°: below the .75 of random poses",
              published_pre(guess, z, q), prediction_retrieval_error(guess, z, q, level=SURE)),
        _told("sie_r2_columns", "codes independent of shifts whose two columns have means 0 and 10", pooled,
              probe.r_squared),
    ]  # fmt: skip


def _care(seed: int) -> list[Failure]:
    rng = np.random.default_rng([seed, 137])
    z, other = _unit(rng.normal(size=(200, 16))), _unit(rng.normal(size=(200, 16)))
    views = tuple(z + 1e-3 * rng.normal(size=(2, *z.shape)))
    still = np.full_like(z, 0.25)
    independent, near = "independent random codes", "an invariant encoder with noise of 1e-3"
    return [
        _told("care_gamma_independent", independent, published_gamma(z, other),
              care_gamma(shared(z, other), level=SURE)),
        _told("care_gamma_near_invariant", near, published_gamma(*views), care_gamma(shared(*views))),
        _told("care_loss_near_invariant", near, published_equivariance_loss(*views), gram_error(shared(*views))),
        _told("care_loss_constant", "an encoder that maps everything to one point",
              published_equivariance_loss(still, still), gram_error(shared(still, still))),
        _told("care_wahba_invariant", "an invariant encoder", published_wahba(z, z), procrustes_error(shared(z, z))),
        _told("care_wahba_constant", "an encoder that maps everything to one point", published_wahba(still, still),
              procrustes_error(shared(still, still))),
    ]  # fmt: skip


def _fits(seed: int) -> list[Failure]:
    z, other = np.random.default_rng([seed, 139]).normal(size=(2, 64, 64))
    x, y = np.random.default_rng([seed, 149]).normal(size=(2, 200, 80))
    turned = procrustes_error(shared(z, other), RotationMap(), level=SURE, seed=seed)
    linear = procrustes_error(shared(x, y), LinearMap(), n_folds=5, level=SURE, seed=seed)
    return [
        _told("care_wahba_in_sample", "independent codes, as many items as features", relative_wahba(z, other), turned),
        _told("linear_in_sample", "independent codes of 80 features, a linear map scored on its own 200 items",
              in_sample_unexplained(x, y), linear),
    ]  # fmt: skip


def _similar(seed: int) -> Failure:
    x, y = np.random.default_rng([seed, 151]).normal(size=(2, 100, 1000))
    result = debiased_cka(x, y, level=SURE, seed=seed)
    return _told("cka_biased", "independent codes of 1000 features on 100 rows", published_cka(x, y), result)


def _told(name: str, what: str, published: float, result: MetricResult) -> Failure:
    """What geodis prints, and whether that is chance within its interval or a status that warns."""
    chance = result.baselines.get("chance")
    low, high = result.ci or (math.nan, math.nan)
    at_chance = chance is not None and low <= chance <= high
    return Failure(name, what, published, result.value, chance, result.status, at_chance or result.status != "ok")


# --- agreement --------------------------------------------------------------------------------------------------------
def agreement(seed: int) -> dict[str, float]:
    """The largest |geodis − transcription| over 20 inputs of each formula, where both mean the same."""
    found: dict[str, float] = {}
    for draw in range(N_INPUTS):
        for name, apart in _apart(np.random.default_rng([seed, draw, 157])).items():
            found[name] = max(found.get(name, 0.0), apart)
    return found


def _apart(rng: np.random.Generator) -> dict[str, float]:
    n, d = int(rng.integers(20, 50)), int(rng.integers(2, 7))
    z, gz = rng.normal(size=(2, n, d))
    near = z + 0.3 * gz
    q = _unit(rng.normal(size=(n, 4)))
    flat, turned = z - z.mean(axis=0), gz - gz.mean(axis=0)
    space = rng.normal(size=(2, n, 3))
    space -= space.mean(axis=1, keepdims=True)
    J = rng.normal(size=(2 * d, 2 * d))
    pairs: dict[str, tuple[float, float]] = {
        "C-SWM's MRR": (mean_reciprocal_rank(near, z).value, published_mrr(near, z)),
        "MRR, the other direction": (mean_reciprocal_rank(near, z, query="prediction").value, published_mrr(z, near)),
        "C-SWM's Hits@3": (hits_at_k(near, z, 3).value, published_hits(near, z, 3)),
        "PRE": (prediction_retrieval_error(near, z, q).value, published_pre(near, z, q)),
        "CARE's gamma": (care_gamma(shared(z, gz), n_draws=1).value, published_gamma(z, gz)),
        "CARE's loss": (2.0 * (n - 1) * float(gram_difference(z, gz).mean()), published_equivariance_loss(z, gz)),
        "Wahba": (_residual(RotationMap(), flat, turned), published_wahba(flat, turned)),
        "Wahba in R³": (_residual(RotationMap(), *space), wahba_in_space(*space)),
        "in-sample linear map": (
            _residual(LinearMap(), flat, turned) ** 2 / float((turned**2).sum()), in_sample_unexplained(flat, turned)
        ),
        "debiased CKA": (debiased_cka(z, near[:, :-1], n_draws=1).value, published_debiased_cka(z, near[:, :-1])),
        "shape distance": (
            procrustes_shape_distance(z, gz[:, :-1], n_draws=1).value, published_shape_distance(z, gz[:, :-1])
        ),
        "effective rank": (effective_rank(z @ J[:d, :d]).value, published_effective_rank(z @ J[:d, :d])),
        "TwoNN": (intrinsic_dimension(z).value, published_two_nearest(z)),
        "symplecticity": (symplecticity_error(J).value, published_symplecticity(J)),
    }  # fmt: skip
    return {name: abs(ours - theirs) for name, (ours, theirs) in pairs.items()}


def _residual(maps: RotationMap | LinearMap, source: Array, target: Array) -> float:
    """‖M source − target‖ on the rows M was fitted on."""
    return math.sqrt(float(unexplained(maps, (source, target), (source, target)).sum()))


# --- inputs -----------------------------------------------------------------------------------------------------------
def shared(z: Array, gz: Array) -> Orbits:
    """Codes of items before and after one element."""
    rows = np.stack([z, gz], axis=1).reshape(2 * len(z), -1)
    return Orbits.from_arrays(rows, np.tile([[0.0], [1.0]], (len(z), 1)), np.repeat(np.arange(len(z)), 2), SO2())


def _unit(rows: Array) -> Array:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _mean(values: Array | list[float], expected: float) -> tuple[float, float, float]:
    drawn = np.asarray(values)
    return float(drawn.mean()), expected, float(drawn.std(ddof=1)) / math.sqrt(len(drawn))


def _symplectic(k: int, rng: np.random.Generator) -> Array:
    """A product of two shears and a change of the positions' basis."""
    a, b = (x + x.T for x in rng.normal(size=(2, k, k)))
    basis = random_orthogonal(k, rng) * rng.uniform(0.5, 2.0, k)
    eye, zero = np.eye(k), np.zeros((k, k))
    shears = np.block([[eye, 0.2 * a], [zero, eye]]) @ np.block([[eye, zero], [0.2 * b, eye]])
    return shears @ np.block([[basis, zero], [zero, np.linalg.inv(basis).T]])


def _cube_rotations() -> Array:
    """Quaternions of the 24 rotations of the cube."""
    group = Hyperoctahedral(3)
    matrices = group.matrix(np.arange(group.order, dtype=float)[:, None])
    return Rotation.from_matrix(matrices[np.linalg.det(matrices) > 0]).as_quat()


def _euler(rng: np.random.Generator, n: int) -> Array:
    """Quaternions of Euler angles uniform within ±90°."""
    return Rotation.from_euler("zyx", rng.uniform(-np.pi / 2, np.pi / 2, size=(n, 3))).as_quat()
