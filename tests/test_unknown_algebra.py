"""Unknown algebras from batches that share an unknown element: found where planted, not claimed where absent."""

from __future__ import annotations

import numpy as np
import pytest
from planted_algebras import SCALING, SO3, WORLDS, J, about, affine_se2, copies, planted

from geodis.discovery.generator_span import principal_angles
from geodis.discovery.unknown_algebra import UnknownAlgebra
from geodis.errors import FiniteError, GeodisError, LengthError, ParameterError, ShapeError


def found_in(world, **options):
    z, gz, batches, *_ = world
    return UnknownAlgebra(**options).fit(z, gz, batches=batches).algebra_


@pytest.fixture(scope="module")
def rotations():
    world = planted(WORLDS["so(3)"])
    return world, found_in(world)


# --- planted ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", WORLDS)
def test_planted_algebras_are_named_and_their_span_found(name):
    world = planted(WORLDS[name])
    found = found_in(world)
    assert (found.name, found.status) == (name, "ok")
    angle = principal_angles(found.generators, world[3]).max()
    assert angle < 0.03
    assert 0.3 * angle < found.angle_interval[1] < 5 * angle
    assert found.held_out.model < found.held_out.free < 0.02
    assert not found.affine


def test_translations_are_found_about_the_centre():
    world = planted(affine_se2(), dim=7)
    found = found_in(world)
    assert (found.name, found.status, found.affine) == ("se(2)", "ok", True)
    assert found.generators.shape == (3, 8, 8)
    assert np.abs(found.generators[:, -1]).max() == 0.0
    assert principal_angles(found.generators, about(world[3], found.centre)).max() < 0.03


def test_elements_and_generators_move_points_as_the_batches_do(rotations):
    (z, gz, batches, _), found = rotations
    noise = np.square(gz - z).mean() * 0.05**2
    for b in (0, 17):
        moved = found.act(z[batches == b], found.elements[b])
        assert np.square(moved - gz[batches == b]).mean() < 2 * noise
    assert np.allclose(found.operator(np.zeros(3)), np.eye(7))
    assert np.allclose(found.operator(found.elements)[3], found.operator(found.elements[3]))


def test_an_orthogonal_change_of_coordinates_changes_nothing(rotations):
    (z, gz, batches, _), found = rotations
    Q = np.linalg.qr(np.random.default_rng(9).normal(size=(7, 7)))[0]
    turned = found_in((z @ Q.T, gz @ Q.T, batches))
    assert turned.name == found.name
    assert principal_angles(Q.T @ turned.generators @ Q, found.generators).max() < 1e-3


def test_the_angle_falls_with_the_number_of_batches():
    angles = []
    for n in (20, 160):
        world = planted(copies(SO3, 1), n_batches=n, noise=0.2)
        angles.append(principal_angles(found_in(world).generators, world[3]).max())
    assert angles[1] < 0.6 * angles[0]


def test_exact_data_give_exact_generators():
    world = planted(WORLDS["so(3)"], noise=0.0, n_batches=20)
    found = found_in(world)
    assert (found.name, found.status) == ("so(3)", "ok")
    assert principal_angles(found.generators, world[3]).max() < 1e-5


def test_dead_directions_stay_dead():
    z, gz, batches, mixed = planted(copies(SO3, 1))
    frame = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 3)))[0]
    found = found_in((z @ frame.T, gz @ frame.T, batches))
    assert found.name == "so(3)"
    assert principal_angles(found.generators, frame @ mixed @ frame.T).max() < 0.03


def test_noise_on_both_sides_can_be_told():
    world = planted(copies(SO3, 2), source_noise=1.0, noise=0.2, n_pairs=80)
    told, untold = (found_in(world, source_noise=delta) for delta in (1.0, 0.0))
    assert told.name == "so(3)"
    angles = [principal_angles(f.generators, world[3]).max() for f in (told, untold)]
    assert angles[0] < 0.06
    assert angles[0] < 1.1 * angles[1]


def test_the_same_seed_gives_the_same_result(rotations):
    world, found = rotations
    again = found_in(world)
    # BLAS may sum in another order where memory lies otherwise: the last digits are not promised.
    assert np.allclose(again.generators, found.generators, atol=1e-9)
    assert again.angle_interval == pytest.approx(found.angle_interval, rel=1e-6)


# --- nothing to find --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(5))
def test_pure_noise_has_no_generator(seed):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(1200, 5)) * rng.uniform(0.5, 2.0, 5)
    gz = z + rng.uniform(0.1, 1.0) * rng.standard_t(5, size=z.shape)
    found = found_in((z, gz, np.repeat(range(40), 30)))
    assert (found.n_generators, found.status) == (0, "degenerate")
    assert found.name == "none"
    assert found.p_moves > 0.05


def test_identity_transformations_are_degenerate():
    z = np.random.default_rng(0).normal(size=(400, 4))
    found = found_in((z, z, np.repeat(range(10), 40)))
    assert (found.n_generators, found.status) == (0, "degenerate")


def test_pairs_that_are_not_matched_have_no_generator(rotations):
    (z, gz, batches, _), _ = rotations
    rng = np.random.default_rng(0)
    shuffled = np.concatenate([rng.permutation(gz[batches == b]) for b in np.unique(batches)])
    found = found_in((z, shuffled, batches))
    assert (found.n_generators, found.status) == (0, "undecided")


def test_one_element_in_all_batches_is_no_family():
    z = np.random.default_rng(0).normal(size=(1200, 2))
    gz = z @ np.array([[0.9, -0.3], [0.3, 0.9]]).T + 0.01 * np.random.default_rng(1).normal(size=z.shape)
    found = found_in((z, gz, np.repeat(range(40), 30)))
    assert (found.n_generators, found.status) == (0, "undecided")
    assert "one element" in found.notes[0]


def test_reflections_have_no_logarithm():
    rng = np.random.default_rng(0)
    z, angle = rng.normal(size=(30, 40, 2)), rng.uniform(0, 3, size=30)
    mirror = np.moveaxis(np.array([[np.cos(angle), np.sin(angle)], [np.sin(angle), -np.cos(angle)]]), 2, 0)
    gz = np.einsum("bij,bnj->bni", mirror, z) + 0.01 * rng.normal(size=z.shape)
    found = found_in((z.reshape(-1, 2), gz.reshape(-1, 2), np.repeat(range(30), 40)))
    assert (found.n_generators, found.status) == (0, "undecided")
    assert "no real logarithm" in found.notes[0]


def test_elements_of_an_open_span_are_undecided():
    found = found_in(planted(copies(SO3, 2)[:2]))
    assert found.n_generators == 2
    assert found.status == "undecided"
    assert found.closure > 0.1


def test_too_little_data_is_insufficient():
    world = planted(copies(SO3, 2), n_pairs=7)
    found = found_in(world)
    assert (found.n_generators, found.status) == (0, "insufficient")
    assert found.skipped["too few pairs"] == 60
    assert found_in(planted(copies(SO3, 2), n_batches=3)).status == "insufficient"


def test_fewer_generators_than_there_are_is_undecided():
    assert found_in(planted(copies(SO3, 2)), max_generators=2).status == "undecided"


def test_a_batch_of_something_else_is_left_out(rotations):
    (z, gz, batches, mixed), _ = rotations
    odd = np.where(batches[:, None] == 3, 2.0 * z + gz[::-1] - z[::-1], gz)
    found = found_in((z, odd, batches))
    assert (found.name, found.status) == ("so(3)", "ok")
    assert found.skipped["outlying"] + found.skipped["no real logarithm"] == 1
    assert 3 not in found.labels
    assert principal_angles(found.generators, mixed).max() < 0.03


def test_scalings_and_single_circles_are_abelian():
    for generators in (copies(SCALING, 2), copies(J[None], 2, 1)):
        found = found_in(planted(generators))
        assert (found.name, found.status) == ("abelian(1)", "ok")


# --- the objects ------------------------------------------------------------------------------------------------------
def test_results_are_printed_and_drawn(rotations):
    import matplotlib.pyplot as plt

    _, found = rotations
    assert "so(3): 3 generators" in repr(found)
    assert len(found.plot().lines) == 3
    assert found.plot_generators().size == 3
    empty = found_in((np.eye(4)[:, :2], np.eye(4)[:, :2], range(4)))
    assert empty.plot().get_title() == "none: 0 generators (insufficient)"
    plt.close("all")


def test_the_estimator_only_stores():
    est = UnknownAlgebra(level=0.9, max_generators=3)
    assert est.get_params()["level"] == 0.9
    assert not hasattr(est, "algebra_")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"level": 1.5}, ParameterError),
        ({"max_generators": 0}, ParameterError),
        ({"source_noise": -1.0}, ParameterError),
        ({"affine": "yes"}, ParameterError),
    ],
    ids=["level", "max_generators", "source_noise", "affine"],
)
def test_options_out_of_range_are_refused(options, error):
    with pytest.raises(error):
        found_in(planted(copies(SO3, 1), n_batches=5), **options)


def test_malformed_pairs_are_refused(rotations):
    (z, gz, batches, _), found = rotations
    with pytest.raises(LengthError):
        found_in((z, gz[:-1], batches))
    with pytest.raises(ShapeError):
        found_in((z, gz[:, :3], batches))
    with pytest.raises(FiniteError):
        found_in((np.where(z > 3, np.nan, z), gz, batches))
    with pytest.raises(GeodisError):
        found.operator(np.zeros(2))
    with pytest.raises(GeodisError):
        found.act(z[:, :2], np.zeros(3))
