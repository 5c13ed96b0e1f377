"""Factor scores: published ones to their digits, blocks that no rotation changes, chance beside every number."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from factor_codes import FLAT, GRID, PLANES, SCORES, aligned, half_turned, random_levels, rotation, torus

from geodis.errors import FiniteError, LengthError, ParameterError, ShapeError
from geodis.groups import SO2
from geodis.metrics import (
    BlockImportance,
    MutualInformation,
    SquaredCorrelation,
    TreeImportance,
    circle_embedding,
    modularity,
    mutual_information_gap,
    one_hot_embedding,
    separated_attribute_predictability,
)

ANGLES = random_levels(10_000, 32, np.random.default_rng(0))
NOISE = np.random.default_rng(1).normal(size=(300, 4))
LEVELS = np.random.default_rng(2).integers(0, 5, (300, 2))


# --- the published numbers --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("code", "mig", "sap", "mod"),
    [
        (ANGLES, 0.842, 0.9998, 1.0),
        (torus(ANGLES), 0.011, 0.592, 1.0),
    ],
    ids=["scalars", "torus"],
)
def test_single_coordinates_have_the_table(code, mig, sap, mod):
    assert mutual_information_gap(code, ANGLES, n_null=1).value == pytest.approx(mig, abs=0.003)
    assert separated_attribute_predictability(code, ANGLES, n_null=1).value == pytest.approx(sap, abs=0.04)
    assert modularity(code, ANGLES, n_null=1).value == pytest.approx(mod, abs=0.002)


@pytest.mark.parametrize(("m", "turned"), [(32, 0.119), (128, 0.0298), (1024, 0.00373)])
def test_sap_of_a_circle_depends_on_its_frame(m, turned):
    theta = 2 * np.pi * np.arange(m)[:, None] / m
    plain = separated_attribute_predictability(circle_embedding(theta), theta, n_null=1).value
    assert plain == pytest.approx(0.59875 if m == 32 else 6 / math.pi**2, abs=6e-6 if m == 32 else 10 / m**2 + 6e-4)
    half = half_turned(circle_embedding(theta))
    assert separated_attribute_predictability(half, theta, n_null=1).value == pytest.approx(turned, rel=5e-3)


# --- blocks -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", SCORES)
def test_blocks_of_a_torus_in_any_frame_are_perfect_after_alignment(name):
    score = SCORES[name]
    assert score(FLAT, GRID, importance=PLANES, n_null=1).value == pytest.approx(1.0, abs=1e-9)
    rotated = FLAT @ rotation()
    code, blocks = aligned(rotated, GRID, np.random.default_rng(0))
    found = score(code, GRID, importance=blocks)
    assert found.value == pytest.approx(1.0, abs=1e-6)
    assert found.status == "ok"
    assert found.ci[0] > 0.99
    # Without alignment the same blocks hold halves, and say so.
    wrong = score(rotated, GRID, importance=PLANES, n_null=1)
    assert wrong.value < 0.9
    assert wrong.status == "partial"


@pytest.mark.parametrize("name", SCORES)
def test_turning_a_block_or_the_order_of_factors_changes_nothing(name):
    rng = np.random.default_rng(0)
    z = torus(random_levels(300, 8, rng))
    z = z + 0.5 * rng.normal(size=z.shape) + 0.5 * z[:, [2, 3, 0, 1]]
    angles = random_levels(300, 8, np.random.default_rng(0))
    score = SCORES[name]
    base = score(z, angles, importance=PLANES, n_null=1).value
    assert 0.05 < base < 0.999
    turned = np.hstack([z[:, :2] @ rotation(2, 1), 3.0 + 0.1 * z[:, 2:] @ rotation(2, 2)])
    assert score(turned, angles, importance=PLANES, n_null=1).value == pytest.approx(base, abs=1e-6)
    assert score(z, angles[:, ::-1], importance=PLANES, n_null=1).value == pytest.approx(base, abs=1e-12)
    assert score(z, angles[:, ::-1], n_null=1).value == pytest.approx(score(z, angles, n_null=1).value, abs=1e-12)
    shuffled = [0, 3, 1, 2]
    moved = BlockImportance([[0, 2], [3, 1]], [circle_embedding] * 2)
    assert score(z[:, shuffled], angles, importance=moved, n_null=1).value == pytest.approx(base, abs=1e-9)


def test_an_irrep_is_an_embedding():
    irrep = SO2().irrep("m=1")
    found = BlockImportance([[0, 1], [2, 3]], [irrep, irrep]).measure(FLAT, GRID, np.arange(len(GRID))).matrix
    assert found == pytest.approx(np.eye(2), abs=1e-9)
    second = BlockImportance([[0, 1]], [SO2().irrep("m=2"), circle_embedding])
    assert not second.measure(FLAT, GRID, np.arange(len(GRID))).matrix.any()


def test_categories_are_read_off_by_their_levels():
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, (400, 1))
    code = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])[kind[:, 0]]
    levels = BlockImportance([[0, 1]], [one_hot_embedding])
    assert levels.measure(code, kind, np.arange(400)).matrix[0, 0] == pytest.approx(1.0, abs=1e-6)
    # As numbers 0, 1, 2 shuffled to 0, 2, 1, a circle of categories is no line; as levels it is the same.
    assert BlockImportance([[0]]).measure(code, kind, np.arange(400)).matrix[0, 0] < 0.9


# --- chance, status, interval -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("importance", [None, PLANES], ids=["axes", "blocks"])
def test_constants_are_degenerate_and_noise_is_at_chance(name, importance):
    for code in (np.ones((300, 4)), 5.0 + 1e-13 * NOISE, np.float32(7) + 1e-6 * NOISE.astype(np.float32)):
        flat = SCORES[name](code, LEVELS, importance=importance)
        assert flat.status == "degenerate"
        assert math.isnan(flat.value)
    noise = SCORES[name](NOISE, LEVELS, importance=importance)
    assert noise.value <= max(0.5, 2.5 * noise.baselines["chance"])
    if importance is None:
        assert noise.p_value > 0.05
        assert noise.baselines["chance"] > 1e-3
    else:
        assert noise.status == "degenerate"
        assert noise.value == 0.0


def test_single_coordinates_that_hold_half_a_factor_are_partial():
    for score in SCORES.values():
        for code in (FLAT, FLAT @ rotation()):
            assert score(code, GRID, n_null=1).status == "partial"
        assert score(GRID, GRID, n_null=1).status == "ok"
    note = mutual_information_gap(FLAT, GRID, n_null=1).notes[0]
    assert "BlockImportance" in note
    assert "alone tells 0.5" in note


def test_one_part_or_one_factor_or_one_item():
    assert mutual_information_gap(GRID[:, :1], GRID[:, 0]).value > 0.8
    alone = modularity(FLAT, GRID[:, :1])
    assert (alone.status, math.isnan(alone.value)) == ("insufficient", True)
    single = mutual_information_gap(FLAT, GRID, items=np.zeros(len(GRID)))
    assert single.status == "insufficient"


def test_the_interval_is_over_items():
    rng = np.random.default_rng(0)
    z = LEVELS + rng.normal(size=(300, 2))
    once = separated_attribute_predictability(z, LEVELS, n_null=1)
    again = separated_attribute_predictability(
        np.repeat(z, 4, axis=0), np.repeat(LEVELS, 4, axis=0), items=np.repeat(np.arange(300), 4), n_null=1
    )
    assert again.value == pytest.approx(once.value)
    assert again.ci == pytest.approx(once.ci, abs=1e-9)
    assert (again.n_items, again.n_group, again.p_value) == (300, 4, None)
    assert once.ci[0] < once.value < once.ci[1]
    # Copies of an item are not unseen: with them in other folds, noise is predicted.
    wide = np.repeat(rng.normal(size=(40, 30)), 6, axis=0)
    target = np.repeat(rng.normal(size=(40, 1)), 6, axis=0)
    block = BlockImportance([range(30)])
    assert block.measure(wide, target, np.arange(240)).matrix[0, 0] > 0.3
    assert block.measure(wide, target, np.repeat(np.arange(40), 6)).matrix[0, 0] == 0.0


def test_tensors_and_single_precision_are_taken():
    for score in SCORES.values():
        plain = score(FLAT, GRID, importance=PLANES, n_null=1).value
        tensors = torch.from_numpy(FLAT.astype(np.float32)), torch.from_numpy(GRID)
        assert score(*tensors, importance=PLANES, n_null=1).value == pytest.approx(plain, abs=1e-6)


def test_the_seed_decides():
    one, two, other = (mutual_information_gap(NOISE, LEVELS, seed=s).baselines["chance"] for s in (0, 0, 1))
    assert one == two != other


@pytest.mark.slow
def test_the_interval_covers():
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(200):
        levels = rng.integers(0, 4, (400, 2)).astype(float)
        found = separated_attribute_predictability(levels + rng.normal(size=(400, 2)), levels, n_null=1)
        covered.append(found.ci[0] <= 1.25 / 2.25 <= found.ci[1])  # Var of four levels is 5/4
    assert 0.9 <= np.mean(covered) <= 0.99


# --- malformed --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("score", SCORES.values(), ids=SCORES)
@pytest.mark.parametrize(
    ("z", "factors", "options", "error"),
    [
        (NOISE[:-1], LEVELS, {}, LengthError),
        (NOISE, LEVELS, {"items": np.arange(299)}, LengthError),
        (NOISE[:, 0], LEVELS, {}, ShapeError),
        (NOISE, LEVELS[None], {}, ShapeError),
        (NOISE * np.nan, LEVELS, {}, FiniteError),
        (NOISE, LEVELS * np.nan, {}, FiniteError),
        (NOISE, np.array([["a", "b"]] * 300), {}, ParameterError),
        (NOISE, LEVELS * [1, 0], {}, ParameterError),
        (NOISE, LEVELS, {"importance": "blocks"}, ParameterError),
        (NOISE, LEVELS, {"importance": BlockImportance([[0, 9]])}, ParameterError),
        (NOISE, LEVELS, {"importance": BlockImportance([[0]], [None])}, ParameterError),
        (NOISE, LEVELS, {"importance": BlockImportance([[0]], [None, lambda v: v[:, 0]])}, ShapeError),
        (NOISE, LEVELS, {"n_null": 0}, ParameterError),
        (NOISE, LEVELS, {"level": 1.0}, ParameterError),
    ],
)
def test_malformed_input_is_refused(score, z, factors, options, error):
    with pytest.raises(error):
        score(z, factors, **options)


@pytest.mark.parametrize("blocks", [[], [[]], [[0, 0]], [[0], [0]], [[-1]], [[0.5]], "01", 3])
def test_malformed_blocks_are_refused(blocks):
    with pytest.raises(ParameterError, match="blocks"):
        BlockImportance(blocks)


def test_malformed_importances_are_refused():
    for make in (
        lambda: BlockImportance([[0]], ["circle"]),
        lambda: BlockImportance([[0]], n_folds=1),
        lambda: BlockImportance([[0]], ridge=0.0),
        lambda: MutualInformation(n_bins=1),
        lambda: TreeImportance("forest"),
    ):
        with pytest.raises(ParameterError):
            make()
    assert SquaredCorrelation().measure(np.ones((5, 1)), np.arange(5.0)[:, None], np.arange(5)).matrix[0, 0] == 0.0
