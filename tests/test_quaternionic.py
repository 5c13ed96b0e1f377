"""Spins of quaternionic type are found, in a group that no library has."""

import numpy as np
import pytest
import torch
from planted_rows import frame_coordinates, orbits_of

from geodis import LinearCoordinates
from geodis.coordinates.energy import orbit_energy
from geodis.groups.finite import AbstractFiniteGroup, is_integer
from geodis.groups.representation import Representation, trivial_representation
from geodis.simulators import planted

UNITS = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], dtype=torch.float64)


def hamilton(a, b):
    """The product of quaternions (..., 4)."""
    (s, u), (t, v) = (a[..., :1], a[..., 1:]), (b[..., :1], b[..., 1:])
    s, t, u, v = (x.expand(*torch.broadcast_shapes(a.shape, b.shape)[:-1], x.shape[-1]) for x in (s, t, u, v))
    real = s * t - (u * v).sum(-1, keepdim=True)
    return torch.cat([real, s * v + t * u + torch.linalg.cross(u, v)], -1)


class Quaternions(AbstractFiniteGroup):
    """Q8 = {1, −1, i, −i, j, −j, k, −k}: element 2u + s is (−1)^s times unit u."""

    n_params = 1
    order = 8

    def __repr__(self):
        return "Quaternions()"

    def _rank(self, g):
        return g[..., 0].round().long()

    def _unrank(self, index):
        return index[..., None].to(torch.float64)

    def _quaternion(self, g):
        index = self._rank(g)
        return UNITS[index // 2] * (1 - 2 * (index % 2))[..., None]

    def _number(self, q):
        unit = q.abs().argmax(-1)
        return (2 * unit + (q.gather(-1, unit[..., None])[..., 0] < 0))[..., None].to(torch.float64)

    def _compose(self, a, b):
        return self._number(hamilton(self._quaternion(a), self._quaternion(b)))

    def _inverse(self, a):
        return self._number(self._quaternion(a) * torch.tensor([1.0, -1, -1, -1], dtype=torch.float64))

    def _contains(self, g):
        return is_integer(g).all(-1) & (g[..., 0].round() >= 0) & (g[..., 0].round() < 8)

    def _matrix(self, g):
        # Columns q·e_a: left multiplication. Right multiplications commute with it.
        return hamilton(self._quaternion(g)[..., None, :], UNITS).transpose(-1, -2)

    def _irreps(self, max_order):
        signs = {"i": (1, 1, -1, -1), "j": (1, -1, 1, -1), "k": (1, -1, -1, 1)}
        out = [trivial_representation("1")]
        if max_order > 0:
            for name, values in signs.items():
                table = torch.tensor(values, dtype=torch.float64)
                out.append(Representation(name, 1, lambda g, t=table: t[self._rank(g) // 2][..., None, None]))
            commutant = torch.stack([hamilton(UNITS, unit).T for unit in UNITS]).numpy()
            out.append(Representation("spin", 4, self._matrix, type="quaternionic", commutant=commutant))
        return tuple(out)


def test_the_quaternion_group_of_this_test_is_one():
    group = Quaternions()
    g = group.elements()
    a, b = np.repeat(g, 8, axis=0), np.tile(g, (8, 1))
    assert np.array_equal(group.compose(a, group.inverse(a)), np.zeros_like(a))
    total = 0
    for rep in group.irreps(1):
        np.testing.assert_allclose(rep(a) @ rep(b), rep(group.compose(a, b)), atol=1e-12)
        total += rep.dim**2 / rep.commutant_dim
    assert total == 8, "Σ d²/t = |G|"
    spin = group.irrep("spin")
    for e in spin.commutant:
        np.testing.assert_allclose(e @ spin(g), spin(g) @ e, atol=1e-12)
    assert np.linalg.matrix_rank(spin.commutant.reshape(4, -1)) == 4


@pytest.mark.parametrize("ridge", ["auto", 0.1])
def test_spins_of_quaternionic_type_are_found(ridge):
    group = Quaternions()
    params = group.orbit(200, 8)
    code = planted([(group.irrep("spin"), 2), (group.irrep("i"), 1), (group.irrep("1"), 2)], params, n_features=24)
    train, test = orbits_of(code.z, params, group).split(0.3)
    est = LinearCoordinates(group, max_order=1, ridge=ridge).fit_orbits(train)
    assert est.spectrum_.multiplicities == {"spin": 2, "i": 1, "1": 2}
    energies = orbit_energy(test, est.coordinates_)
    assert energies.energy > 0.98
    oracle = orbit_energy(test, frame_coordinates(code, group, False)).energy
    assert abs(energies.energy - oracle) < 0.01
    # The copies span what was planted, so that none is a copy EW of another.
    spins = np.concatenate(
        [est.coordinates_.analysis[b.columns] for b in est.coordinates_.blocks if b.irrep.name == "spin"]
    )
    cosines = np.linalg.svd(np.linalg.qr(spins.T)[0].T @ code.frame[:, :8], compute_uv=False)
    assert cosines.min() > 0.98
