"""Joint block-diagonalization: planted blocks are found, judged on operators not seen; no split without evidence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geodis.discovery.block_refinement import off_energy, off_gradient, off_mask
from geodis.discovery.common_blocks import commutator_form
from geodis.discovery.joint_blocks import JointBlocks
from geodis.discovery.operator_noise import operator_noise
from geodis.discovery.traceless_tensors import traceless_basis
from geodis.errors import FiniteError, GeodisError, ParameterError, ShapeError
from geodis.groups import SO2, SO3, Dihedral, Lorentz, Permutations


def planted(group, names, n, noise, seed, frame=None):
    """Σ irreps at random elements, in a random orthogonal basis, with noise on every entry."""
    rng = np.random.default_rng(seed)
    params = group.sample(n, seed)
    exact = block_diagonal([np.asarray(group.irrep(name)(params)) for name in names])
    if frame is None:
        frame = np.linalg.qr(rng.normal(size=exact.shape[1:]))[0]
    return frame @ exact @ np.linalg.inv(frame) + noise * rng.normal(size=exact.shape), params


def block_diagonal(parts):
    sizes = np.cumsum([0, *(part.shape[-1] for part in parts)])
    out = np.zeros((len(parts[0]), sizes[-1], sizes[-1]))
    for part, a, b in zip(parts, sizes[:-1], sizes[1:], strict=True):
        out[:, a:b, a:b] = part
    return out


def sizes_of(group, names):
    return tuple(sorted((group.irrep(name).dim for name in names), reverse=True))


TORUS = SO2() * SO2()
MIXED = SO3() * SO2()
ZOO = {
    "planes": (SO2(), ("m=1", "m=1", "m=2", "m=3"), 20),
    "rotations": (SO3(), ("l=1", "l=2", "l=0", "l=0"), 30),
    "copies": (SO3(), ("l=1", "l=1", "l=2", "l=0"), 30),
    "torus": (TORUS, ("m=1⊗m=0", "m=2⊗m=0", "m=0⊗m=1", "m=1⊗m=1"), 24),
    "product": (MIXED, ("l=1⊗m=0", "l=0⊗m=1", "l=1⊗m=1", "l=0⊗m=0"), 30),
    "square": (Dihedral(4), [rep.name for rep in Dihedral(4).irreps(4)], 24),
    "permutations": (Permutations(4), [rep.name for rep in Permutations(4).irreps(4)], 30),
}
NOISES = (0.0, 0.01, 0.1)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("name", ZOO)
def test_planted_irreps_are_the_blocks(name, noise):
    group, names, n = ZOO[name]
    operators, _ = planted(group, names, n, noise, seed=1)
    found = JointBlocks(n_splits=3).fit(operators).structure_
    assert found.sizes == sizes_of(group, names)
    assert found.status == "ok", found.notes
    assert found.confidence == 1.0
    assert found.noise.level == pytest.approx(noise, rel=0.1, abs=1e-12)
    assert found.leakage <= 1.3 * found.noise_leakage + 1e-12
    counts = sorted(names.count(name) for name in set(names))
    assert sorted(map(len, found.isotypic)) == counts
    assert {len(found.blocks[i]) for i in found.isotypic[0]} == {found.sizes[0]}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n", [3, 20])
def test_random_operators_are_one_block(n, seed):
    rng = np.random.default_rng(seed)
    for operators in (rng.normal(size=(n, 7, 7)), np.linalg.qr(rng.normal(size=(n, 7, 7)))[0]):
        found = JointBlocks(n_splits=2).fit(operators).structure_
        assert found.sizes == (7,)
        assert found.next_leakage > 0.2


def test_the_next_leakage_bounds_every_split():
    rng = np.random.default_rng(0)
    operators = np.linalg.qr(rng.normal(size=(10, 6, 6)))[0]
    bound = JointBlocks(n_splits=1).fit(operators).structure_.next_leakage
    for _ in range(200):
        frame = np.linalg.qr(rng.normal(size=(6, 6)))[0]
        size = int(rng.integers(1, 6))
        mask = off_mask((tuple(range(size)), tuple(range(size, 6))), 6)
        traceless = operators - np.trace(operators, axis1=1, axis2=2)[:, None, None] / 6 * np.eye(6)
        assert off_energy(operators, frame, mask) / ((traceless**2).sum() * mask.mean()) >= bound - 1e-12


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(2, 6), st.integers(0, 10**6))
def test_the_form_of_a_projector_is_the_energy_that_couples_it(d, seed):
    rng = np.random.default_rng(seed)
    operators, frame = rng.normal(size=(4, d, d)), np.linalg.qr(rng.normal(size=(d, d)))[0]
    basis = traceless_basis(d)
    assert np.allclose(np.einsum("iab,jab->ij", basis, basis), np.eye(len(basis)))
    size = int(rng.integers(1, d))
    projector = frame[:, :size] @ frame[:, :size].T
    weights = np.einsum("iab,ab->i", basis, projector)
    coupled = off_energy(operators, frame, off_mask((tuple(range(size)), tuple(range(size, d))), d))
    assert weights @ commutator_form(operators, basis) @ weights == pytest.approx(coupled)


@pytest.mark.parametrize("oblique", [False, True])
def test_the_gradient_is_that_of_the_off_block_energy(oblique):
    rng = np.random.default_rng(0)
    operators, frame, step = rng.normal(size=(5, 5, 5)), rng.normal(size=(5, 5)), rng.normal(size=(5, 5))
    if not oblique:
        frame = np.linalg.qr(frame)[0]
    mask = off_mask(((0, 1, 2), (3, 4)), 5)
    values = [off_energy(operators, frame + t * step, mask) for t in (1e-6, -1e-6)]
    slope = float((off_gradient(operators, frame, mask) * step).sum())
    assert slope == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-6)


def test_refinement_leaks_less_than_the_start_and_reaches_the_noise():
    from geodis.discovery.block_refinement import refine_orthogonal
    from geodis.discovery.common_blocks import common_blocks

    operators, _ = planted(SO2(), ("m=1", "m=2", "m=3"), 12, 0.1, seed=3)
    start = common_blocks(operators, operator_noise(operators), np.random.default_rng(0))
    mask = off_mask(start.blocks, 6)
    refined = refine_orthogonal(operators, start.frame, start.blocks)
    assert np.allclose(refined.T @ refined, np.eye(6))
    assert off_energy(operators, refined, mask) < off_energy(operators, start.frame, mask)
    assert off_energy(operators, refined, mask) == pytest.approx(12 * 24 * 0.01, rel=0.25)


def test_operators_that_move_one_part_each_are_disentangled_factors():
    turns, planes = SO3().sample(12, 3), SO2().sample(12, 4)
    still = lambda d: np.tile(np.eye(d), (12, 1, 1))  # noqa: E731
    exact = block_diagonal(
        [
            np.concatenate([SO3().irrep("l=1")(turns), still(3)]),
            np.concatenate([SO3().irrep("l=2")(turns), still(5)]),
            np.concatenate([still(2), SO2().irrep("m=1")(planes)]),
            np.ones((24, 1, 1)),
        ]
    )
    rng = np.random.default_rng(0)
    frame = np.linalg.qr(rng.normal(size=(11, 11)))[0]
    found = JointBlocks(n_splits=4).fit(frame @ exact @ frame.T + 0.02 * rng.normal(size=exact.shape)).structure_
    assert found.status == "ok"
    assert sorted(factor.operators for factor in found.factors) == [tuple(range(12)), tuple(range(12, 24))]
    assert sorted(len(factor.blocks) for factor in found.factors) == [1, 2]
    moved = {i for factor in found.factors for i in factor.blocks}
    assert [found.labels[i].name for i in range(4) if i not in moved] == ["trivial"]
    both = frame @ (exact[:12] @ exact[12:]) @ frame.T
    assert len(JointBlocks(n_splits=2).fit(both).structure_.factors) == 1


def test_two_generators_are_enough_as_each_split_sees_a_little_of_both():
    J = np.array([[0.0, -1.0], [1.0, 0.0]])
    exact = np.zeros((2, 7, 7))
    exact[0, :2, :2], exact[1, 2:4, 2:4], exact[1, 4:6, 4:6] = J, J, 2 * J
    frame = np.linalg.qr(np.random.default_rng(0).normal(size=(7, 7)))[0]
    found = JointBlocks().fit(frame @ exact @ frame.T).structure_
    assert (found.sizes, found.status, len(found.factors)) == ((2, 2, 2, 1), "ok", 2)


def test_oblique_blocks_of_boosts_and_what_an_orthogonal_frame_makes_of_them():
    rng = np.random.default_rng(0)
    frame = np.eye(9) + 0.25 * rng.normal(size=(9, 9))
    names = ("vector", "vector", "scalar")
    operators, params = planted(Lorentz(), names, 30, 0.01, seed=2, frame=frame)
    found = JointBlocks(oblique=True, n_splits=2).fit(operators, noise=0.01).structure_
    assert found.sizes == (4, 4, 1)
    assert found.status == "ok", found.notes
    assert found.isotypic == ((0, 1), (2,))
    assert np.allclose(np.linalg.norm(found.frame, axis=0), 1.0)
    named = found.named_by(operators, params, Lorentz(), max_order=1)
    assert [label.name for label in named.labels] == ["vector", "vector", "scalar"]
    assert JointBlocks(n_splits=2).fit(operators, noise=0.01).structure_.sizes == (9,)
    random = JointBlocks(oblique=True, n_splits=2).fit(rng.normal(size=(20, 6, 6))).structure_
    assert random.sizes == (6,)


def test_too_noisy_too_few_and_nothing_are_said():
    operators, _ = planted(SO3(), ("l=1", "l=2"), 6, 0.3, seed=0)
    assert JointBlocks(n_splits=4).fit(operators, noise=0.3).structure_.status == "undecided"
    assert JointBlocks().fit(operators[:1]).structure_.status == "insufficient"
    assert JointBlocks().fit(np.tile(2 * np.eye(4), (5, 1, 1))).structure_.status == "degenerate"
    assert JointBlocks().fit(np.zeros((5, 4, 4))).structure_.status == "degenerate"
    rng = np.random.default_rng(0)
    assert JointBlocks().fit(np.eye(3) + 0.01 * rng.normal(size=(9, 3, 3))).structure_.status == "degenerate"
    assert JointBlocks().fit(rng.normal(size=(4, 1, 1))).structure_.sizes == (1,)


def test_the_same_seed_gives_the_same_frame_and_global_state_is_left_alone():
    operators, _ = planted(SO3(), ("l=1", "l=2"), 12, 0.05, seed=0)
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    one, two = (JointBlocks(n_splits=2).fit(operators).structure_ for _ in range(2))
    assert np.array_equal(one.frame, two.frame)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_results_are_called_printed_and_plotted():
    operators, params = planted(SO3(), ("l=1", "l=2"), 12, 0.02, seed=0)
    found = JointBlocks(n_splits=2, verbose=True).fit(operators).structure_
    moved = found(operators)
    assert np.abs(moved[:, :5, 5:]).max() < 0.15
    assert [part.shape for part in found.parts(operators)] == [(12, 5, 5), (12, 3, 3)]
    assert "l=2 + l=1" in repr(found)
    assert found.plot().get_title().startswith("ok")
    with pytest.raises(ShapeError):
        found(np.ones((2, 3, 3)))
    with pytest.raises(ShapeError):
        found.named_by(operators, params[:3], SO3())
    with pytest.raises(ParameterError):
        found.named_by(operators, params, "SO3")


@pytest.mark.parametrize("law", ["orthogonal", "skew", "symmetric", "span"])
def test_noise_is_read_from_the_law_that_operators_break(law):
    rng = np.random.default_rng(0)
    exact = rng.normal(size=(40, 8, 8))
    exact = {
        "orthogonal": lambda: 3.0 * np.linalg.qr(exact)[0],
        "skew": lambda: exact - np.swapaxes(exact, 1, 2),
        "symmetric": lambda: exact + np.swapaxes(exact, 1, 2),
        "span": lambda: np.einsum("bk,kij->bij", rng.normal(size=(40, 5)), exact[:5]),
    }[law]()
    found = operator_noise(exact + 0.1 * rng.normal(size=exact.shape))
    assert found.source == law
    assert found.level == pytest.approx(0.1, rel=0.1)
    assert not operator_noise(rng.normal(size=(40, 8, 8))).known


MALFORMED = {
    "vectors": (lambda: JointBlocks().fit(np.ones((3, 3))), ShapeError),
    "no square": (lambda: JointBlocks().fit(np.ones((3, 3, 2))), ShapeError),
    "none": (lambda: JointBlocks().fit(np.ones((0, 3, 3))), ShapeError),
    "NaN": (lambda: JointBlocks().fit(np.full((3, 3, 3), np.nan)), FiniteError),
    "complex": (lambda: JointBlocks().fit(1j * np.ones((3, 3, 3))), ParameterError),
    "noise": (lambda: JointBlocks().fit(np.ones((3, 3, 3)), noise=-1.0), ParameterError),
    "splits": (lambda: JointBlocks(n_splits=0).fit(np.ones((3, 3, 3))), ParameterError),
    "rest": (lambda: JointBlocks(rest=0.5).fit(np.ones((3, 3, 3))), ParameterError),
}


@pytest.mark.parametrize("case", MALFORMED, ids=str)
def test_malformed_input_is_refused_with_a_sentence(case):
    call, error = MALFORMED[case]
    with pytest.raises(error) as caught:
        call()
    assert isinstance(caught.value, GeodisError)
    assert "expected" in str(caught.value).lower()
