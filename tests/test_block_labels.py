"""Labels of blocks: names, types and copies that the operators tell, and no name that they do not."""

from __future__ import annotations

import numpy as np
import pytest

from geodis.discovery.block_labels import commutant_type, frequency_ratio, isotypic_classes, label_blocks
from geodis.discovery.joint_blocks import JointBlocks
from geodis.groups import SO2, SO3, Dihedral

NOISES = [0.0, 0.05]


def turned(part, noise, seed):
    """The block in another orthonormal basis, with noise."""
    rng = np.random.default_rng(seed)
    q = np.linalg.qr(rng.normal(size=part.shape[1:]))[0]
    return q @ part @ q.T + noise * rng.normal(size=part.shape)


def parts_of(group, names, params, noise, seed=0):
    return [turned(np.asarray(group.irrep(name)(params)), noise, seed + i) for i, name in enumerate(names)]


def names_of(parts, noise, rest=1.0):
    return [label.name for label in label_blocks(parts, [noise] * len(parts), rest)]


def generators(group, name, step=1e-5):
    rep, basis = group.irrep(name), step * np.eye(group.tangent_dim)
    return (np.asarray(rep(group.exp(basis))) - np.asarray(rep(group.exp(-basis)))) / (2 * step)


@pytest.mark.parametrize("noise", NOISES)
def test_frequencies_of_planes_up_to_a_common_factor(noise):
    params = SO2().sample(20, 0)
    assert names_of(parts_of(SO2(), ("m=3", "m=1", "m=2"), params, noise), noise) == ["m=3", "m=1", "m=2"]
    assert names_of(parts_of(SO2(), ("m=4", "m=6"), params, noise), noise) == ["m=2", "m=3"]


def test_unrelated_planes_are_different_families():
    torus = SO2() * SO2()
    parts = parts_of(torus, ("m=1⊗m=0", "m=2⊗m=0", "m=0⊗m=1"), torus.sample(20, 1), 0.02)
    assert names_of(parts, 0.02) == ["m=1-a", "m=2-a", "m=1-b"]
    rng = np.random.default_rng(0)
    found = [frequency_ratio(*rng.uniform(-np.pi, np.pi, (2, 12)), 0.1, 1.0) for _ in range(200)]
    assert sum(ratio is not None for ratio in found) <= 4
    angle = rng.uniform(-np.pi, np.pi, 12)
    assert frequency_ratio(np.angle(np.exp(3j * angle)), -angle, 0.01, 1.0) == (3, 1)


@pytest.mark.parametrize("noise", NOISES)
def test_orders_of_rotations(noise):
    parts = parts_of(SO3(), ("l=2", "l=1", "l=3"), SO3().sample(25, 2), noise)
    assert names_of(parts, noise) == ["l=2", "l=1", "l=3"]


def test_arbitrary_orthogonal_blocks_have_no_order():
    rng = np.random.default_rng(0)
    for d in (5, 7):
        q = np.linalg.qr(rng.normal(size=(25, d, d)))[0]
        q[np.linalg.det(q) < 0, :, 0] *= -1
        assert names_of([q], 0.02) == [f"dimension {d}"]


def test_generators_tell_orders_and_rates():
    parts = [turned(generators(SO3(), name), 0.0, i) for i, name in enumerate(("l=2", "l=1", "l=0"))]
    assert names_of(parts, 1e-9, rest=0.0) == ["l=2", "l=1", "trivial"]
    rates = np.random.default_rng(0).normal(size=(6, 1, 1)) * generators(SO2(), "m=1")
    assert names_of([2 * rates, 3 * rates], 1e-9, rest=0.0) == ["m=2", "m=3"]
    assert names_of([rates, np.sqrt(2) * rates], 1e-9, rest=0.0) == ["m=1-a", "m=1-b"]


def test_signs_scalars_and_what_does_not_move():
    rng = np.random.default_rng(0)
    signs = np.where(rng.normal(size=(20, 1, 1)) < 0, -1.0, 1.0)
    assert names_of([np.ones((20, 1, 1)), signs, rng.normal(size=(20, 1, 1))], 0.01) == ["trivial", "sign", "scalar"]


@pytest.mark.parametrize("noise", NOISES)
def test_copies_are_told_from_other_irreps_of_the_same_dimension(noise):
    signs = [rep.name for rep in Dihedral(4).irreps(4) if rep.dim == 1]
    assert len(signs) == 4
    params = Dihedral(4).sample(24, 0)
    assert isotypic_classes(parts_of(Dihedral(4), [*signs, signs[1]], params, noise), [noise] * 5) == [0, 1, 2, 3, 1]
    turns = SO2().sample(20, 0)
    assert isotypic_classes(parts_of(SO2(), ("m=1", "m=2", "m=1"), turns, noise), [noise] * 3) == [0, 1, 0]
    labels = label_blocks(parts_of(SO2(), ("m=1", "m=2", "m=1"), turns, noise), [noise] * 3, 1.0)
    assert [label.copy for label in labels] == [0, 0, 1]


QUATERNIONS = np.array(
    [
        np.eye(4),
        [[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 0, -1], [0, 0, 1, 0]],
        [[0, 0, -1, 0], [0, 0, 0, 1], [1, 0, 0, 0], [0, -1, 0, 0]],
    ]
)


def test_types_are_those_of_the_commutant():
    part = parts_of(SO3(), ("l=1",), SO3().sample(10, 0), 0.02)[0]
    assert commutant_type(part, 0.02) == "real"
    assert commutant_type(parts_of(SO2(), ("m=1",), SO2().sample(10, 0), 0.02)[0], 0.02) == "complex"
    assert commutant_type(turned(QUATERNIONS.astype(float), 0.01, 0), 0.01) == "quaternionic"


def test_known_parameters_give_the_group_s_own_names():
    group, rng = SO3() * SO2(), np.random.default_rng(0)
    names = ("l=1⊗m=1", "l=1⊗m=0", "l=0⊗m=2")
    params = group.sample(30, 0)
    exact = np.zeros((30, 11, 11))
    start = 0
    for name in names:
        rep = group.irrep(name)
        exact[:, start : start + rep.dim, start : start + rep.dim] = rep(params)
        start += rep.dim
    q = np.linalg.qr(rng.normal(size=(11, 11)))[0]
    operators = q @ exact @ q.T + 0.03 * rng.normal(size=exact.shape)
    found = JointBlocks(n_splits=1).fit(operators).structure_
    named = found.named_by(operators, params, group, max_order=2)
    assert [label.name for label in named.labels] == list(names)
    wrong = found.named_by(operators, group.sample(30, 9), group, max_order=2)
    assert [label.name for label in wrong.labels] == [label.name for label in found.labels]
