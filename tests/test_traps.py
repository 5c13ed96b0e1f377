"""Traps: codes that look equivariant and are not."""

import numpy as np
import pytest
from planted_rows import acting, orbits_of, plane, rows_of

from geodis import LinearCoordinates, isotypic_spectrum
from geodis.coordinates import Block, LatentCoordinates
from geodis.coordinates.design import read_design
from geodis.coordinates.energy import orbit_energy
from geodis.errors import AliasingError
from geodis.groups import SO2, Cyclic
from geodis.simulators import planted


def test_an_invariant_on_thirty_degrees_is_not_a_plane():
    group, half = SO2(), np.pi / 6
    rng = np.random.default_rng(0)
    angles = rng.uniform(-half, half, size=(100, 12))
    code = np.broadcast_to(rng.normal(size=(100, 1, 2)), (100, 12, 2))
    orbits = orbits_of(rows_of(code, 6, rng, 0.05), angles[..., None], group)
    est = LinearCoordinates(group, max_order=2).fit_orbits(orbits)
    assert est.coordinates_.limited
    assert acting(est.coordinates_) == []
    # The formula for Haar designs would have given it (sin a/a)² = .912.
    rows = rows_of(np.eye(2)[None], 6, np.random.default_rng(0), 0.0)
    frame = np.linalg.svd(orbits.z, full_matrices=False)[2][:2]
    block = Block(group.irrep("m=1"), (0, 1), 1.0, (1.0, 1.0))
    fake = LatentCoordinates(group, (block,), frame, frame.T, np.zeros(6), "ok", False, np.zeros(0, dtype=np.uint64))
    assert orbit_energy(orbits, fake).energy > 0.85
    assert rows.shape == (2, 6)
    # A true plane on the same angles is kept.
    true = LinearCoordinates(group, max_order=2).fit_orbits(orbits_of(plane(angles), angles[..., None], group))
    assert acting(true.coordinates_) == ["m=1"]


def test_shared_random_elements_call_for_pairs():
    group = SO2()
    shared = np.tile(group.sample(6, seed=1), (100, 1, 1)).reshape(100, 6, 1)
    own = group.sample(600, seed=1).reshape(100, 6, 1)
    invariant = np.repeat(np.random.default_rng(0).normal(size=(100, 1, 4)), 6, axis=1)
    for params, limited in ((shared, True), (own, False), (group.orbit(100, 6), False)):
        orbits = orbits_of(rows_of(invariant, 6, np.random.default_rng(0), 0.05), params, group)
        assert read_design(group, list(orbits.stacks()), 2).limited is limited
        assert acting(LinearCoordinates(group, max_order=2).fit_orbits(orbits).coordinates_) == []
        moving = orbits_of(plane(params[..., 0]), params, group)
        assert acting(LinearCoordinates(group, max_order=2).fit_orbits(moving).coordinates_) == ["m=1"]


def test_pairs_of_upright_items_keep_their_plane():
    # Elements (e, g) with a Haar g leak nothing, but centring on the mean of all rows would leave .71.
    group, rng = SO2(), np.random.default_rng(0)
    content = np.array([3.0, 0.0]) + 0.3 * rng.normal(size=(300, 2))
    params = np.stack([np.zeros((300, 1)), group.sample(300)], axis=1)
    code = np.einsum("nmab,nb->nma", group.matrix(params), content)
    orbits = orbits_of(rows_of(code, 6, rng, 0.05), params, group)
    est = LinearCoordinates(group).fit_orbits(orbits)
    assert acting(est.coordinates_) == ["m=1"]
    assert est.coordinates_.blocks[0].energy > 0.99
    assert est.coordinates_.limited
    both = np.stack([group.sample(300, 1), group.sample(300, 2)], axis=1)
    assert not read_design(group, list(orbits_of(orbits.z, both, group).stacks()), 4).limited


def test_a_grid_refuses_what_it_cannot_resolve():
    group = SO2()
    params = group.orbit(30, 8)
    orbits = orbits_of(plane(params[..., 0]), params, group)
    with pytest.raises(AliasingError, match="to 3"):
        LinearCoordinates(group, max_order=4).fit_orbits(orbits)
    with pytest.raises(AliasingError):
        isotypic_spectrum(orbits, max_order=4)
    assert acting(LinearCoordinates(group, max_order=3).fit_orbits(orbits).coordinates_) == ["m=1"]


def test_repeated_elements_are_not_agreement():
    group = Cyclic(3)
    params = group.orbit(400, 3)
    code = planted([(group.irrep("k=1"), 1)], params, n_features=2, noise=0.7)
    full = LinearCoordinates(group, max_order=1, min_energy=0.3).fit(code.z, code.params, items=code.items)
    (truth,) = [b.energy for b in full.coordinates_.blocks if not b.irrep.trivial]
    assert abs(truth - 1 / 1.49) < 0.05
    drawn = np.random.default_rng(0).integers(3, size=(400, 4))
    rows = (np.arange(400)[:, None] * 3 + drawn).ravel()
    again = LinearCoordinates(group, max_order=1, min_energy=0.3)
    again.fit(code.z[rows], code.params[rows], items=code.items[rows])
    (energy,) = [b.energy for b in again.coordinates_.blocks if not b.irrep.trivial]
    assert abs(energy - truth) < 0.05
    # Counted as agreement, the third of equal pairs would have given it 1 − (1 − λ)·2/3.
    assert 1 - (1 - truth) * 2 / 3 > truth + 0.08


def test_the_second_harmonic_on_a_small_range_is_not_two_blocks():
    group = SO2()
    angles = np.random.default_rng(0).uniform(-np.pi / 6, np.pi / 6, size=(150, 12))
    orbits = orbits_of(plane(2 * angles), angles[..., None], group)
    est = LinearCoordinates(group, max_order=3).fit_orbits(orbits)
    assert acting(est.coordinates_) == ["m=2"]


def test_half_a_plane_is_partial():
    group = Cyclic(8)
    params = group.orbit(200, 8)
    rng = np.random.default_rng(0)
    phase = 2 * np.pi / 8 * params[..., 0] + rng.uniform(0, 2 * np.pi, size=(200, 1))
    z = np.hstack([np.cos(phase).reshape(-1, 1), 0.05 * rng.normal(size=(1600, 3))])
    spectrum = isotypic_spectrum(orbits_of(z, params, group), max_order=3)
    # r of d rows hold r/d of the energy over all lags, (m·r/d − 1)/(m − 1) over different elements.
    assert abs(spectrum.energies["k=1"][0] - (8 / 2 - 1) / 7) < 0.01
    assert spectrum.multiplicity("k=1") == 0
    loose = LinearCoordinates(group, max_order=3, min_energy=0.3).fit_orbits(orbits_of(z, params, group))
    assert acting(loose.coordinates_) == ["k=1"]
    assert loose.coordinates_.blocks[0].isotropy < 0.25
    assert loose.status_ == "partial"


def test_a_limited_code_that_one_block_uses_up_is_fitted():
    """After the plane m = 1 nothing is left of R²: further searches find no copies, and say nothing."""
    rng = np.random.default_rng(0)
    angle, phase = rng.uniform(-0.8, 0.8, (100, 6)), rng.uniform(0, 2 * np.pi, (100, 1))
    z = np.stack([np.cos(angle + phase), np.sin(angle + phase)], axis=-1).reshape(-1, 2)
    est = LinearCoordinates(SO2()).fit(z, angle.reshape(-1, 1), items=np.repeat(np.arange(100), 6))
    assert [block.irrep.name for block in est.coordinates_.blocks] == ["m=1"]
    assert est.coordinates_.blocks[0].energy > 0.99
