"""Batches of pairs that share an unknown element: one operator a batch, whatever its rank, and their relations."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm
from sklearn.base import clone

from geodis.discovery.batch_moments import BatchMoments
from geodis.discovery.composition_table import composition_table
from geodis.discovery.map_classes import Procrustes, Ridge
from geodis.discovery.operator_relations import commuting_pairs, inverse_pairs, operator_relations
from geodis.discovery.shared_transformations import SharedTransformations
from geodis.errors import FiniteError, GeodisError, LengthError, ParameterError, ShapeError, UnknownNameError

CLASSES = {"ridge": Ridge(), "procrustes": Procrustes()}
classes = pytest.mark.parametrize("name", CLASSES)


def turns(n_batches, dim, seed=0):
    """Rotations exp(s A) by different amounts, and unrelated ones."""
    A = np.random.default_rng(seed).normal(size=(n_batches, dim, dim)) / 2.0
    return np.stack([expm(a - a.T) for a in A])


def pairs(operators, n, noise=0.0, seed=0):
    """`n` pairs a batch, noise on gz."""
    rng = np.random.default_rng(seed)
    batches = np.repeat(np.arange(len(operators)), n)
    z = rng.normal(size=(len(batches), operators.shape[-1]))
    gz = np.einsum("nij,nj->ni", operators[batches], z)
    return z, gz + noise * rng.normal(size=z.shape), batches


def fitted(z, gz, batches, **options):
    return SharedTransformations(**options).fit(z, gz, batches).family_


def permutation_matrices(n):
    out = []
    for p in permutations(range(n)):
        M = np.zeros((n, n))
        M[list(p), range(n)] = 1.0
        out.append(M)
    return np.stack(out)


# --- moments ----------------------------------------------------------------------------------------------------------
@given(seed=st.integers(0, 1000), n_folds=st.integers(2, 6))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_moments_are_additive_and_folds_share_every_batch(seed, n_folds):
    rng = np.random.default_rng(seed)
    z, gz, batches = rng.normal(size=(40, 3)), rng.normal(size=(40, 3)), rng.integers(5, size=40)
    whole, half = BatchMoments.of(z, gz, batches), rng.random(40) < 0.5
    total = BatchMoments.of(z[half], gz[half], batches[half]) + BatchMoments.of(z[~half], gz[~half], batches[~half])
    folds = BatchMoments.folds(z, gz, batches, n_folds, seed=seed)
    for other in (total, sum(folds[1:], folds[0])):
        for name in ("labels", "n", "zz", "gz", "gg", "sz", "sg"):
            assert np.allclose(getattr(whole, name), getattr(other, name))
    sizes = np.stack([part.n for part in folds])
    assert (sizes.max(axis=0) - sizes.min(axis=0) <= 1).all()


def test_errors_from_moments_are_those_of_the_rows():
    z, gz, batches = pairs(turns(3, 4), 20, 0.1)
    moments, M, t = BatchMoments.of(z, gz, batches), turns(3, 4, 1), np.ones((3, 4))
    rows = np.square(gz - np.einsum("nij,nj->ni", M[batches], z) - t[batches]).sum(axis=1)
    assert np.allclose(moments.errors(M, t), np.bincount(batches, rows))
    assert np.allclose(moments.reversed().errors(np.eye(4)), moments.errors(np.eye(4)))
    centred = BatchMoments.of(
        *(x - np.stack([x[batches == b].mean(axis=0) for b in batches]) for x in (z, gz)), batches
    )
    assert np.allclose(moments.centred().gz, centred.gz)
    frame = np.random.default_rng(0).normal(size=(2, 4))
    assert np.allclose(moments.projected(frame).gz, BatchMoments.of(z @ frame.T, gz @ frame.T, batches).gz)
    assert np.allclose(moments.pooled().zz[0], z.T @ z)
    assert moments.take([2]).labels.tolist() == [2]


# --- operators --------------------------------------------------------------------------------------------------------
@classes
def test_exact_pairs_give_the_operators_back(name):
    operators = turns(6, 5)
    family = fitted(*pairs(operators, 30), map_class=CLASSES[name])
    assert np.allclose(family.operators, operators, atol=1e-8)
    assert family.relative_error.value < 1e-12
    assert family.status == "ok"
    assert family.differ


def test_operators_that_are_not_orthogonal_and_offsets():
    rng = np.random.default_rng(0)
    operators, offsets = rng.normal(size=(4, 3, 3)), rng.normal(size=(4, 3))
    z, gz, batches = pairs(operators, 20)
    family = fitted(z + 3.0, gz + operators.sum(axis=2)[batches] * 3.0 + offsets[batches], batches, affine=True)
    assert np.allclose(family.operators, operators)
    assert np.allclose(family.offsets, offsets)
    assert np.allclose(family.homogeneous[:, :3, 3], offsets)
    assert fitted(z + 3.0, gz + offsets[batches], batches).relative_error.value > 0.01  # without offsets


def test_errors_are_those_of_pairs_that_were_not_seen():
    # In the sample, 12 pairs in 10 dimensions fit nearly anything.
    rng = np.random.default_rng(0)
    z, gz, batches = rng.normal(size=(240, 10)), rng.normal(size=(240, 10)), np.repeat(np.arange(20), 12)
    family = fitted(z, gz, batches, map_class=Ridge(0.0))
    inside = np.square(gz - family(z, batches)).sum() / np.square(gz - z).sum()
    assert inside < 0.2
    assert family.relative_error.value > 1.0
    assert not family.differ
    assert fitted(z, gz, batches).relative_error.value < 1.2  # the ridge is chosen on left-out pairs


@classes
def test_one_transformation_for_all_is_not_called_many(name):
    one = np.repeat(turns(1, 5), 8, axis=0)
    same = fitted(*pairs(one, 40, 0.1), map_class=CLASSES[name])
    assert not same.differ
    assert same.relative_error.value < 0.05
    other = fitted(*pairs(turns(8, 5), 40, 0.1), map_class=CLASSES[name])
    assert other.differ
    assert (other.pooled_error > 3.0 * other.error).all()


def test_intervals_hold_the_error_of_the_operator():
    operators, noise = turns(30, 4), 0.2
    z, gz, batches = pairs(operators, 60, noise)
    family = fitted(z, gz, batches, map_class=Procrustes())
    fresh_z, fresh, fresh_batches = pairs(operators, 4000, noise, seed=1)
    true = np.square(fresh - family(fresh_z, fresh_batches)).sum(axis=1).reshape(30, -1).mean(axis=1)
    true /= np.square(fresh - fresh_z).sum(axis=1).reshape(30, -1).mean(axis=1)
    inside = (family.intervals[:, 0] <= true) & (true <= family.intervals[:, 1])
    assert inside.sum() >= 25


# --- singular batches -------------------------------------------------------------------------------------------------
SINGULAR = {
    "fewer pairs than dimensions": lambda z, rng: z[:4],
    "constant points": lambda z, rng: np.repeat(z[:1], len(z), axis=0),
    "points in a plane": lambda z, rng: z[:, :2] @ rng.normal(size=(2, z.shape[1])),
    "one pair": lambda z, rng: z[:1],
    "zeros": lambda z, rng: 0.0 * z,
}
STATUS = {"one pair": "insufficient", "zeros": "degenerate"}


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("case", SINGULAR)
@classes
def test_singular_batches_never_fail_and_stand_still_outside_their_span(name, case, affine):
    M = turns(2, 6)
    some = SINGULAR[case](np.random.default_rng(0).normal(size=(20, 6)), np.random.default_rng(1))
    z, gz, batches = pairs(M[1:], 30)
    z, gz = np.concatenate([some, z]), np.concatenate([some @ M[0].T, gz])
    family = fitted(z, gz, np.r_[np.zeros(len(some), int), batches + 1], map_class=CLASSES[name], affine=affine)
    assert np.isfinite(family.operators).all()
    expected = "degenerate" if affine and case == "constant points" else STATUS.get(case, "partial")
    assert family.batch_status == (expected, "ok")
    assert np.allclose(family.operators[1], M[1], atol=1e-8)
    moved = some @ family.operators[0].T + family.offsets[0]
    assert np.allclose(moved, some @ M[0].T, atol=1e-7)
    if name == "ridge" and not affine:
        outside = np.linalg.svd(some)[2][family.ranks[0] :]
        assert np.allclose(outside @ family.operators[0].T, outside, atol=1e-7)


def test_nothing_moved_is_still_and_no_success():
    z = np.random.default_rng(0).normal(size=(40, 3))
    family = fitted(z, z, np.repeat([0, 1], 20))
    assert family.batch_status == ("still", "still")
    assert np.isnan(family.relative_error.value)
    assert not family.differ
    assert fitted(np.zeros((10, 3)), np.zeros((10, 3)), np.zeros(10)).status == "degenerate"


def test_an_orthogonal_map_of_few_pairs_is_orthogonal():
    z, gz, batches = pairs(turns(5, 8), 3)
    for M in fitted(z, gz, batches, map_class=Procrustes()).operators:
        assert np.allclose(M @ M.T, np.eye(8), atol=1e-10)


# --- relations --------------------------------------------------------------------------------------------------------
def test_words_that_are_equal_are_told_from_words_that_are_not():
    A = np.random.default_rng(0).normal(size=(4, 4)) / 2.0
    one = np.stack([expm(s * (A - A.T)) for s in (0.5, 1.0, -0.5)])
    operators = np.concatenate([one, turns(1, 4, 5)])
    for name, noise in (("procrustes", 0.05), ("ridge", 0.05)):
        family = fitted(*pairs(operators, 200, noise), map_class=CLASSES[name])
        relations = [((0, 0), (1,)), ((0, 2), ()), ((0, 1), (1, 0)), ((0, 3), (3, 0)), ((0, 1), (2,)), ((3,), ())]
        tests = operator_relations(family, relations)
        assert tests.verdicts == ("yes", "yes", "yes", "no", "no", "no")
        assert (tests.intervals[:, 0] <= tests.defects).all()
        assert (tests.p_values[:3] > 1e-3).all()
        assert (tests.p_values[3:] < 1e-6).all()
        assert inverse_pairs(family).holding == (((0, 2), ()),)
        assert len(commuting_pairs(family).holding) == 3


def test_little_data_is_undecided():
    family = fitted(*pairs(np.stack([np.eye(3), np.eye(3), turns(1, 3)[0]]), 12, 0.5), map_class=Procrustes())
    tests = operator_relations(family, [((0,), (1,)), ((0, 1), ())])
    assert tests.verdicts == ("undecided", "undecided")
    assert "undecided=2" in repr(tests)


def test_p_values_of_true_relations_are_uniform_enough():
    operators = permutation_matrices(3)
    true = [((1, 1), ()), ((2, 2), ()), ((3, 4), ()), ((3, 3), (4,)), ((1, 2), (4,)), ((2, 1), (3,))]
    for left, right in true:
        spelled = operators[right[0]] if right else np.eye(3)
        assert np.allclose(operators[left[0]] @ operators[left[1]], spelled)
    p = []
    for seed in range(80):
        family = fitted(*pairs(operators, 40, 0.3, seed), map_class=Procrustes(), random_state=seed)
        p.extend(operator_relations(family, true).p_values)
    assert np.mean(np.array(p) < 0.05) < 0.09
    assert 0.4 < np.median(p) < 0.65


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("name", ["S3", "C8", "torus"])
def test_the_table_of_a_group_is_found_without_its_parameters(name, kind):
    power = lambda n, k: np.linalg.matrix_power(np.roll(np.eye(n), 1, axis=0), k)  # noqa: E731
    groups = {
        "S3": permutation_matrices(3),
        "C8": np.stack([power(8, k) for k in range(8)]),
        "torus": np.stack([np.kron(power(3, a), power(3, b)) for a in range(3) for b in range(3)]),
    }
    operators = groups[name]
    shown = np.r_[np.arange(1, len(operators)), 1, 2]  # the identity is not shown, two elements are shown twice
    order = np.random.default_rng(0).permutation(len(shown))
    family = fitted(*pairs(operators[shown[order]], 80, 0.1), map_class=CLASSES[kind])
    table = composition_table(family)
    assert table.n_elements == len(operators)
    assert table.is_group is True
    assert table.abelian is (name != "S3")
    assert table.closed == 1.0
    assert sorted(table.orders.values()) == {
        "S3": [1, 2, 2, 2, 3, 3], "C8": [1, 2, 4, 4, 8, 8, 8, 8], "torus": [1] + [3] * 8
    }[name]  # fmt: skip
    # The labels tell which element each is: products agree with those of the hidden matrices.
    hidden = [np.eye(operators.shape[1]), *(operators[shown[order]][m[0]] for m in table.members[1:])]
    for a in range(len(hidden)):
        for b in range(len(hidden)):
            assert np.allclose(hidden[a] @ hidden[b], hidden[table.product[a, b]])


def test_what_is_no_group_is_not_called_one():
    table = composition_table(fitted(*pairs(turns(5, 4), 100, 0.05)))
    assert table.is_group is False
    assert table.closed < 0.5
    part = composition_table(fitted(*pairs(permutation_matrices(3)[1:4], 100, 0.05)))
    assert part.is_group is False


def test_thin_data_leave_the_table_open_or_merge_and_claim_no_group_of_that_size():
    table = composition_table(fitted(*pairs(permutation_matrices(4), 10, 0.6), map_class=Procrustes()))
    assert not (table.n_elements == 24 and table.is_group)


# --- the contract -----------------------------------------------------------------------------------------------------
def test_same_seed_same_result_and_the_estimator_clones():
    data = pairs(turns(3, 4), 20, 0.2)
    est = SharedTransformations(map_class=Procrustes(), random_state=3)
    assert np.array_equal(clone(est).fit(*data).family_.error, est.fit(*data).family_.error)
    other = SharedTransformations(map_class=Procrustes(), random_state=4).fit(*data).family_
    assert not np.array_equal(other.error, est.family_.error)
    tensors = [torch.from_numpy(x) for x in data]
    assert np.allclose(est.fit(*tensors).family_.operators, other.operators)


def test_names_of_batches_are_kept_and_the_result_is_drawn():
    z, gz, batches = pairs(turns(3, 4), 20, 0.1)
    names = np.array(["up", "down", "left"])[batches]
    est = SharedTransformations().fit(z, gz, names)
    assert np.allclose(est.predict(z[:2], ["down", "down"]), z[:2] @ est.family_.operator("down").T)
    assert "relative_error" in repr(est.family_)
    assert est.family_.plot().get_xlabel() == "batch"
    with pytest.raises(UnknownNameError):
        est.family_.operator("right")
    table = composition_table(est.family_)
    assert table.plot().get_title() == "a·b"
    assert "CompositionTable" in repr(table)


Z = np.random.default_rng(0).normal(size=(20, 3))
LABELS = np.repeat([0, 1], 10)
FAMILY = fitted(Z, Z + 0.1, LABELS)
MALFORMED = {
    "vectors": (lambda: fitted(Z[:, 0], Z, LABELS), ShapeError),
    "widths": (lambda: fitted(Z, Z[:, :2], LABELS), ShapeError),
    "empty": (lambda: fitted(Z[:0], Z[:0], LABELS[:0]), ShapeError),
    "lengths": (lambda: fitted(Z, Z[:10], LABELS), LengthError),
    "labels": (lambda: fitted(Z, Z, LABELS[:5]), LengthError),
    "labels in columns": (lambda: fitted(Z, Z, LABELS[:, None]), ShapeError),
    "NaN": (lambda: fitted(Z, np.nan * Z, LABELS), FiniteError),
    "NaN labels": (lambda: fitted(Z, Z, np.nan * LABELS), FiniteError),
    "complex": (lambda: fitted(1j * Z, Z, LABELS), ParameterError),
    "folds": (lambda: fitted(Z, Z, LABELS, n_folds=1), ParameterError),
    "level": (lambda: fitted(Z, Z, LABELS, level=0.0), ParameterError),
    "class": (lambda: fitted(Z, Z, LABELS, map_class="ridge"), ParameterError),
    "affine": (lambda: fitted(Z, Z, LABELS, affine="yes"), ParameterError),
    "alpha": (lambda: Ridge(-1.0), ParameterError),
    "other moments": (lambda: BatchMoments.of(Z, Z, LABELS) + BatchMoments.of(Z[:, :2], Z[:, :2], LABELS), ShapeError),
    "frame": (lambda: BatchMoments.of(Z, Z, LABELS).projected(np.ones(3)), ShapeError),
    "rows": (lambda: FAMILY(Z[:, :2], LABELS), ShapeError),
    "unknown batch": (lambda: FAMILY(Z, LABELS + 5), UnknownNameError),
    "no family": (lambda: operator_relations(3, [((0,), ())]), ParameterError),
    "no relation": (lambda: operator_relations(FAMILY, []), ParameterError),
    "unknown word": (lambda: operator_relations(FAMILY, [((7,), ())]), UnknownNameError),
    "tolerance": (lambda: operator_relations(FAMILY, [((0,), ())], tolerance=0.0), ParameterError),
    "no pairs": (lambda: inverse_pairs(fitted(Z, Z, 0 * LABELS)), ShapeError),
    "no family for pairs": (lambda: commuting_pairs(None), ParameterError),
    "no family for a table": (lambda: composition_table(None), ParameterError),
    "wide tolerance": (lambda: composition_table(FAMILY, tolerance=0.7), ParameterError),
}


@pytest.mark.parametrize("case", MALFORMED, ids=str)
def test_malformed_input_is_refused_with_a_sentence(case):
    call, error = MALFORMED[case]
    with pytest.raises(error, match="xpected") as caught:
        call()
    assert isinstance(caught.value, GeodisError)
