"""Isometric frames are rotations that capture as much; where none exists the fit refuses."""

from dataclasses import replace

import numpy as np
import pytest
from fitted_codes import LAW, stretched

from geodis import LinearCoordinates
from geodis.coordinates.energy import orbit_energy
from geodis.errors import DesignError
from geodis.simulators import planted_cases


def test_isometric_frames_are_rotations_that_capture_as_much():
    orbits, group = stretched()
    train, test = orbits.split(0.4)
    oblique = LinearCoordinates(group, max_order=2, n_null=39).fit_orbits(train).coordinates_
    coords = LinearCoordinates(group, max_order=2, n_null=39, isometric=True).fit_orbits(train).coordinates_
    assert [b.irrep.name for b in coords.blocks] == [b.irrep.name for b in oblique.blocks]
    p = coords.n_coordinates
    assert np.abs(coords.analysis @ coords.analysis.T - np.eye(p)).max() <= 1e-12
    assert np.abs(oblique.analysis @ oblique.analysis.T - np.eye(p)).max() > 0.1
    assert np.array_equal(coords.synthesis, coords.analysis.T)
    op = coords.operator(group.sample(4))
    assert np.abs(op @ op.swapaxes(1, 2) - np.eye(coords.n_features)).max() <= LAW
    z = test.z[:20]
    edited = coords.edit(z, group.sample(20))
    before, after = (np.linalg.norm(x - coords.centre, axis=1) for x in (z, edited))
    np.testing.assert_allclose(after, before, rtol=1e-10)

    def captured(which):
        energies = orbit_energy(test, which).blocks
        return sum(b.irrep.dim * e for b, e in zip(which.blocks, energies, strict=True) if not b.irrep.trivial)

    assert captured(coords) >= 0.95 * captured(oblique)
    # The polar factor alone, where the search starts, captures less.
    u, _, vt = np.linalg.svd(oblique.analysis.T, full_matrices=False)
    start = replace(coords, analysis=(u @ vt).T, synthesis=u @ vt)
    assert captured(coords) > captured(start)


@pytest.mark.parametrize("name", ["SE(2)", "Translation line", "Lorentz", "SO2 limited"])
def test_isometric_frames_are_refused_where_there_are_none(name):
    case = planted_cases()[name]()
    code = case.code(0, n_items=60, n_elements=6, n_features=20)
    est = LinearCoordinates(case.group, max_order=2 if name == "SO2 limited" else 1, isometric=True, n_null=39)
    with pytest.raises(DesignError, match="isometric"):
        est.fit(code.z, code.params, items=code.items)
