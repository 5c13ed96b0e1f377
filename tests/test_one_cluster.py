"""Items that all share one cluster: nothing is independent of anything, which is said and claims nothing."""

import numpy as np
import pytest

from geodis import LinearCoordinates, Orbits, isotypic_spectrum, verify
from geodis.groups import Cyclic

G = Cyclic(5)


def orbits(clusters, seed=0, n=20):
    rng = np.random.default_rng(seed)
    params, items = np.tile(np.arange(5.0), n)[:, None], np.repeat(np.arange(n), 5)
    circle = np.einsum("nab,nb->na", G.irrep("k=1")(params), np.repeat(rng.normal(size=(n, 2)), 5, axis=0))
    z = np.hstack([circle, rng.normal(size=(5 * n, 2))]) + 0.1 * rng.normal(size=(5 * n, 4))
    return Orbits.from_arrays(z, params, items + 100 * seed, G, clusters(items))


def one(items):
    return np.zeros(len(items))


def several(items):
    return items // 2


def test_a_fit_and_a_spectrum_of_one_cluster_are_insufficient():
    assert isotypic_spectrum(orbits(one), n_null=19).status == "insufficient"
    coordinates = LinearCoordinates(G, n_null=19).fit_orbits(orbits(one)).coordinates_
    assert (coordinates.status, coordinates.blocks) == ("insufficient", ())
    assert isotypic_spectrum(orbits(several), n_null=19).status == "ok"
    assert [b.irrep.name for b in LinearCoordinates(G, n_null=19).fit_orbits(orbits(several)).coordinates_.blocks]


@pytest.mark.parametrize(("clusters", "status"), [(one, "insufficient"), (several, "ok")])
def test_verify_on_one_cluster_gives_a_value_and_no_interval(clusters, status):
    coordinates = LinearCoordinates(G, n_null=19).fit_orbits(orbits(several)).coordinates_
    total = verify(orbits(clusters, seed=1), coordinates, n_null=19).rows.iloc[-1]
    assert total.status == status
    assert total.value < 0.2
    assert np.isfinite(total.ci_high) == (status == "ok")
