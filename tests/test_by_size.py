"""Error against the element's size: its mean is the error of `verify`, a wrong frequency is seen to grow as 1 − cos."""

from dataclasses import replace

import numpy as np
import pytest
from planted_reports import PLANTED, planted_report, so2_orbits

from geodis import LinearCoordinates, Orbits
from geodis.coordinates.latent import Block, LatentCoordinates
from geodis.errors import DesignError, GeodisError, ParameterError, ShapeError
from geodis.groups import SO2, SO3, Cyclic
from geodis.metrics import error_by_size
from geodis.metrics.by_size import COLUMNS, code_error_by_size, row_sizes


def plane(group, name, width=2):
    """Coordinates that are the first columns of the embedding, as one block of the irrep."""
    rep = group.irrep(name)
    eye = np.eye(width)[: rep.dim]
    block = Block(rep, tuple(range(rep.dim)), 1.0, (0.9, 1.0))
    return LatentCoordinates(
        group, (block,), eye, eye.T, np.zeros(width), "ok", False, np.zeros(0, dtype=np.uint64)
    )  # fmt: skip


def turning(n=30, m=24, noise=0.0, seed=0):
    """Unit codes that turn once with the group, starting anywhere."""
    rng = np.random.default_rng(seed)
    angle = 2 * np.pi * np.arange(m) / m + rng.uniform(0, 2 * np.pi, size=(n, 1))
    z = np.stack([np.cos(angle), np.sin(angle)], axis=-1).reshape(n * m, 2)
    return so2_orbits(z + noise * rng.normal(size=z.shape), n, m)


# --- oracles ----------------------------------------------------------------------------------------------------------
def test_the_right_frequency_has_the_noise_everywhere():
    table = error_by_size(turning(200, noise=0.3), plane(SO2(), "m=1"))
    share = 0.09 / (0.5 + 0.09)  # noise over all variance of a row
    assert table.error.to_numpy() == pytest.approx(share, rel=0.1)
    assert (table.ci_low < share).mean() >= 0.8
    assert (table.ci_high > share).mean() >= 0.8
    assert table.identity.to_numpy() == pytest.approx((1 - share) * (1 - np.cos(table["size"])) + share, rel=0.1)


def test_a_wrong_frequency_grows_as_one_minus_cosine():
    table = error_by_size(turning(), plane(SO2(), "m=2"))
    assert table["size"].to_numpy() == pytest.approx(2 * np.pi * np.arange(1, 13) / 24)
    assert table.error.to_numpy() == pytest.approx(1 - np.cos(table["size"].to_numpy()), abs=1e-12)
    right = error_by_size(turning(), plane(SO2(), "m=1"))
    assert right.error.to_numpy() == pytest.approx(0.0, abs=1e-12)
    assert right.identity.to_numpy() == pytest.approx(1 - np.cos(right["size"].to_numpy()), abs=1e-12)


def test_another_item_is_at_chance_unless_all_items_are_alike():
    table = error_by_size(turning(400), plane(SO2(), "m=1"))
    assert table.other.to_numpy() == pytest.approx(1.0, abs=0.25)
    alike = turning(1)
    z, g = np.tile(alike.z, (20, 1)), np.tile(alike.params, (20, 1))
    same = error_by_size(Orbits.from_arrays(z, g, np.repeat(np.arange(20), 24), SO2()), plane(SO2(), "m=1"))
    assert same.other.to_numpy() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("name", PLANTED)
def test_the_mean_over_pairs_is_the_error_of_verify(name):
    report, test = planted_report(name)
    table = error_by_size(test, report.coordinates)
    total = report.rows.iloc[-1]
    # Exact where all items have the same pairs in each bin; elsewhere items weigh by what they have in it.
    exact = name in ("SO2", "Cyclic(12)", "Dihedral(4)")
    for column, value in (("error", total.value), ("identity", total.identity)):
        mean = (table[column] * table.n_pairs).sum() / table.n_pairs.sum()
        assert mean == pytest.approx(value, rel=1e-10 if exact else 0.05)
    assert table.n_pairs.sum() == (test.sizes * (test.sizes - 1)).sum()
    acting = [i for i, b in enumerate(report.coordinates.blocks) if not b.irrep.trivial]
    for block in acting[:2]:
        own = error_by_size(test, report.coordinates, block=block)
        mean = (own.error * own.n_pairs).sum() / own.n_pairs.sum()
        assert mean == pytest.approx(report.rows.value[block], rel=1e-10 if exact else 0.1)


def test_codes_say_the_same_as_embeddings():
    report, test = planted_report("SO2")
    assert error_by_size(test, report.coordinates).equals(code_error_by_size(report.codes, report.coordinates))


# --- bins and pairs ---------------------------------------------------------------------------------------------------
def test_few_sizes_have_a_bin_each_and_many_have_quantiles():
    report, test = planted_report("Cyclic(12)")
    table = error_by_size(test, report.coordinates)
    assert table.columns.tolist() == COLUMNS
    assert table["size"].tolist() == [1, 2, 3, 4, 5, 6]
    assert len(error_by_size(test, report.coordinates, n_bins=4)) <= 4
    report, test = planted_report("SO3")
    table = error_by_size(test, report.coordinates, n_bins=5)
    assert len(table) == 5
    assert table.n_pairs.max() < 1.3 * table.n_pairs.min()
    assert (table.low <= table["size"]).all()
    assert (table.high.to_numpy()[:-1] <= table.low.to_numpy()[1:]).all()


def test_fewer_pairs_say_about_the_same_and_the_seed_chooses_them():
    orbits, coordinates = turning(40, noise=0.3), plane(SO2(), "m=1")
    whole = error_by_size(orbits, coordinates, max_pairs=10**6)
    assert whole.n_pairs.sum() == 40 * 24 * 23
    few, again, other = (error_by_size(orbits, coordinates, max_pairs=4000, seed=s) for s in (0, 0, 1))
    assert few.n_pairs.sum() <= 4000 < whole.n_pairs.sum()
    assert few.equals(again)
    assert not few.equals(other)
    assert few.error.mean() == pytest.approx(whole.error.mean(), rel=0.2)


def test_ragged_orbits_and_lone_rows():
    orbits = turning(12, 8, noise=0.1)
    keep = np.ones(len(orbits), dtype=bool)
    keep[[1, 2, 9, *range(17, 24)]] = False
    ragged = Orbits.from_arrays(orbits.z[keep], orbits.params[keep], orbits.items[keep], SO2())
    table = error_by_size(ragged, plane(SO2(), "m=1"))
    assert table.n_pairs.sum() == (ragged.sizes * (ragged.sizes - 1)).sum()
    assert table.error.max() < 0.1 < table.other.min()
    one = Orbits.from_arrays(orbits.z[::8], orbits.params[::8], orbits.items[::8], SO2())
    with pytest.raises(DesignError, match="two rows"):
        error_by_size(one, plane(SO2(), "m=1"))


def test_a_single_cluster_has_no_interval_and_no_other():
    orbits = turning(6, 8, noise=0.1)
    one = Orbits.from_arrays(orbits.z, orbits.params, orbits.items, SO2(), clusters=np.zeros(len(orbits)))
    table = error_by_size(one, plane(SO2(), "m=1"))
    assert table[["ci_low", "ci_high", "other"]].isna().all(axis=None)
    assert table.error.notna().all()
    clusters = np.repeat(np.arange(3), 16)
    paired = error_by_size(replace(orbits, clusters=clusters), plane(SO2(), "m=1"))
    assert paired[["ci_low", "other"]].notna().all(axis=None)
    assert (paired.ci_high - paired.ci_low).mean() > 0


def test_row_sizes_are_those_of_the_elements():
    orbits = Orbits.from_arrays(np.ones((4, 1)), [0.0, 1.0, 2.0, 3.0], np.zeros(4), Cyclic(4))
    assert row_sizes(orbits).tolist() == [0, 1, 2, 1]


# --- malformed --------------------------------------------------------------------------------------------------------
def test_malformed_input_is_refused():
    orbits, coordinates = turning(6, 8), plane(SO2(), "m=1")
    for wrong in ((orbits.z, coordinates), (orbits, "coordinates")):
        with pytest.raises(ParameterError):
            error_by_size(*wrong)
    with pytest.raises(ShapeError):
        error_by_size(orbits, plane(SO2(), "m=1", 3))
    with pytest.raises(ParameterError, match="orbits of"):
        error_by_size(orbits, plane(Cyclic(8), "k=1"))
    with pytest.raises(ParameterError, match="orbits of"):
        error_by_size(orbits.map(lambda z: np.pad(z, ((0, 0), (0, 1)))), plane(SO3(), "l=1", 3))
    for option in ({"block": 1}, {"block": -1}, {"block": True}, {"n_bins": 0}, {"max_pairs": 0}, {"level": 1.0}):
        with pytest.raises(GeodisError):
            error_by_size(orbits, coordinates, **option)
    nothing = LinearCoordinates(SO2(), max_order=3).fit_orbits(so2_orbits(np.ones((80, 4)), 10, 8)).coordinates_
    with pytest.raises(ParameterError, match="a block that the group moves"):
        error_by_size(so2_orbits(np.ones((80, 4)), 10, 8), nothing)
