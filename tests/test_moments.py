"""Moments are sums over items: batches, machines and shifts change nothing, and S is the U-statistic over pairs."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from geodis.coordinates import Moments
from geodis.coordinates.forms import haar_forms, haar_forms_of_rows, homogeneous, whitening
from geodis.coordinates.fourier import half_dim, half_matrices
from geodis.coordinates.pairs import half_translation, make_pairs, noise_weight, pair_forms
from geodis.errors import DesignError, FiniteError, LengthError, ParameterError, ShapeError
from geodis.groups import SE, SO2, SO3, Cyclic, Dihedral, Lorentz, Translation
from geodis.orbits import Stack

EXAMPLES = settings(max_examples=15, deadline=None)
SUMS = 1e-10  # the same sums in another order, relative to the largest entry
GROUPS = {
    "SO2": (SO2(), 3),
    "SO3": (SO3(), 2),
    "Cyclic(6)": (Cyclic(6), 3),
    "Dihedral(3)": (Dihedral(3), 2),
}


def mismatch(a, b):
    """max |a − b| over max |b|."""
    return float(np.abs(np.asarray(a) - b).max() / max(np.abs(b).max(), 1e-300))


def rows(group, sizes, d=3, seed=0, offset=0.0):
    rng = np.random.default_rng(seed)
    n = int(np.sum(sizes))
    items = np.repeat(np.arange(len(sizes)), sizes)
    contents = 2 * rng.normal(size=(len(sizes), d))[items]
    return offset + contents + rng.normal(size=(n, d)), group.sample(n, seed), items


def moments_of(group, max_order, data, cuts=(), **options):
    """Moments of these rows, in batches that end at `cuts`."""
    z, params, items = data
    moments = Moments(group, group.irreps(max_order), z.shape[1], **{"n_folds": 3} | options)
    for batch in np.split(np.arange(len(z)), sorted(set(cuts))):
        if len(batch):
            moments.update(z[batch], params[batch], items[batch])
    moments.finish()
    return moments


def totals(moments):
    """Sums over all folds: counts, C, C paired, and every irrep's kept form."""
    first, *others = [[f.n, f.n_paired, f.second, f.second_paired, *f.kept] for f in moments.folds]
    for other in others:
        first = [a + b for a, b in zip(first, other, strict=True)]
    return first


def centred(moments):
    """S and T of every irrep, centred on the mean of the items."""
    out = []
    for forms in haar_forms(moments):
        every = np.arange(len(forms.n))
        white = whitening(forms.second.sum(0), forms.n.sum(), 0.0)
        out.append((forms.matrix(every, white), white.cov))
    return out


def brute_force(rep, data):
    """Σ_i ω_i mean_{j≠k} A_ijᴴA_ik and Σ_i ω_i C_i of theory §2, pair by pair, rows centred on the mean of items."""
    z, params, items = data
    labels = np.unique(items)
    mean = np.mean([z[items == i].mean(0) for i in labels], axis=0)
    h = half_dim(rep)
    s, n_paired = 0, 0
    t = np.zeros((z.shape[1],) * 2)
    for i in labels:
        x, rho = z[items == i] - mean, half_matrices(rep, params[items == i])
        t += x.T @ x / len(x) / len(labels)
        if len(x) < 2:
            continue
        a = [np.kron(np.linalg.inv(r), row[None]) for r, row in zip(rho, x, strict=True)]
        pairs = [(j, k) for j in range(len(x)) for k in range(len(x)) if j != k]
        s = s + sum(a[j].conj().T @ a[k] for j, k in pairs) / len(pairs)
        n_paired += 1
    assert s.shape == (h * z.shape[1],) * 2
    return (s + s.conj().T) / 2 / n_paired, t


# --- sums over items --------------------------------------------------------------------------------------------------
@example("SO2", [2, 3, 2, 4, 1, 3, 2], [2, 5, 7, 9])
@EXAMPLES
@given(
    st.sampled_from(sorted(GROUPS)),
    st.lists(st.integers(1, 5), min_size=2, max_size=8),
    st.lists(st.integers(0, 40), max_size=6),
)
def test_batches_change_nothing(name, sizes, cuts):
    group, max_order = GROUPS[name]
    data = rows(group, sizes)
    one = moments_of(group, max_order, data)
    many = moments_of(group, max_order, data, [c for c in cuts if c < len(data[0])])
    assert one.n_items == many.n_items == len(sizes)
    for a, b in zip(totals(one), totals(many), strict=True):
        assert mismatch(a, b) <= SUMS
    # Folds too: they follow the order in which items arrive.
    for fold, other in zip(one.folds, many.folds, strict=True):
        assert fold.n == other.n
        assert mismatch(fold.second, other.second) <= SUMS
        for a, b in zip(fold.kept, other.kept, strict=True):
            assert mismatch(a, b) <= SUMS


def test_another_row_is_noticed():
    group, max_order = GROUPS["SO2"]
    data = rows(group, (3, 4, 2))
    changed = (data[0].copy(), *data[1:])
    changed[0][4] += 0.1
    one, other = totals(moments_of(group, max_order, data)), totals(moments_of(group, max_order, changed))
    assert min(mismatch(a, b) for a, b in zip(one[2:], other[2:], strict=True)) > 1e-4


def test_an_item_goes_over_batches_and_stays_one_item():
    group, max_order = GROUPS["SO3"]
    data = rows(group, (4, 4))
    whole = moments_of(group, max_order, data)
    split = moments_of(group, max_order, data, [1, 2, 6])
    apart = moments_of(group, max_order, (data[0], data[1], np.repeat(np.arange(4), 2)))
    for a, b, c in zip(totals(whole)[4:], totals(split)[4:], totals(apart)[4:], strict=True):
        assert mismatch(a, b) <= SUMS
        assert mismatch(a, c) > 1e-3


@pytest.mark.parametrize("name", GROUPS)
def test_merged_machines_equal_one_pass(name):
    group, max_order = GROUPS[name]
    sizes = (3, 1, 4, 2, 5, 3, 2)
    z, params, items = rows(group, sizes)
    whole = moments_of(group, max_order, (z, params, items))
    parts = [moments_of(group, max_order, (z[m], params[m], items[m])) for m in (items < 3, items >= 3)]
    parts[0].merge(parts[1])
    assert parts[0].labels == whole.labels
    for a, b in zip(totals(parts[0]), totals(whole), strict=True):
        assert mismatch(a, b) <= SUMS
    for (s, t), (s_whole, t_whole) in zip(centred(parts[0]), centred(whole), strict=True):
        assert mismatch(s, s_whole) <= SUMS
        assert mismatch(t, t_whole) <= SUMS


def test_clusters_stay_in_one_fold():
    group = SO2()
    z, params, items = rows(group, (2,) * 30)
    clusters = items // 3
    moments = Moments(group, group.irreps(1), 3, n_folds=4)
    moments.update(z, params, items, clusters)
    moments.finish()
    fold_of = {}
    for stack, folds in moments.reservoir.stacks():
        for cluster, fold in zip(stack.clusters, folds, strict=True):
            assert fold_of.setdefault(cluster, fold) == fold
    assert len(fold_of) == 10
    assert len(set(fold_of.values())) == 4


# --- the U-statistic --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("sizes", [(3, 3, 3), (2, 1, 4, 3)], ids=["equal", "ragged"])
@pytest.mark.parametrize("name", GROUPS)
def test_s_is_the_mean_over_pairs_of_different_elements(name, sizes):
    group, max_order = GROUPS[name]
    data = rows(group, sizes)
    moments = moments_of(group, max_order, data)
    for rep, (s, t) in zip(group.irreps(max_order), centred(moments), strict=True):
        expected, covariance = brute_force(rep, data)
        assert mismatch(s, expected) <= SUMS
        assert mismatch(t, covariance) <= SUMS
        wrong, _ = brute_force(rep, (data[0], data[1][::-1], data[2]))
        assert rep.trivial or mismatch(s, wrong) > 1e-3, "other labels are noticed"
        top = np.kron(np.eye(half_dim(rep)), t) - s
        if len(set(sizes)) == 1:
            assert np.linalg.eigvalsh(top)[0] >= -SUMS * np.abs(t).max(), "T − S ⪰ 0"


@pytest.mark.parametrize("name", GROUPS)
def test_rows_in_memory_give_the_same_forms(name):
    group, max_order = GROUPS[name]
    moments = moments_of(group, max_order, rows(group, (3, 4, 2, 3, 1)))
    memory = haar_forms_of_rows(moments.reps, moments.reservoir.stacks(), 3)
    for a, b in zip(haar_forms(moments), memory, strict=True):
        assert a.n.tolist() == b.n.tolist()
        assert a.n_paired.tolist() == b.n_paired.tolist()
        assert mismatch(a.kept, b.kept) <= SUMS
        assert mismatch(a.second, b.second) <= SUMS


def test_held_out_evaluation_is_the_pair_loss():
    group, max_order = GROUPS["SO3"]
    data = rows(group, (3, 3, 2))
    moments = moments_of(group, max_order, data)
    rng = np.random.default_rng(5)
    for forms in haar_forms(moments):
        rep = forms.rep
        w = rng.normal(size=(1, rep.dim, 4))
        loss, square = forms.evaluate(np.arange(3), w)
        z, params, items = data
        pair_loss, total = 0.0, 0.0
        for i in np.unique(items):
            c = np.hstack([z[items == i], np.ones((len(z[items == i]), 1))]) @ w[0].T
            rho, m = rep(params[items == i]), len(c)
            u = np.einsum("nba,nb->na", rho, c)
            gaps = [np.square(u[j] - u[k]).sum() for j in range(m) for k in range(m) if j != k]
            pair_loss, total = pair_loss + np.mean(gaps), total + np.square(c).sum(1).mean()
        # 2T is only the loss of mismatched rows when items of one size weigh the same: here L/2 = T − S holds exactly.
        assert abs(loss[0] - pair_loss / 2) <= SUMS * total
        assert abs(square[0] - total) <= SUMS * total


@pytest.mark.parametrize("name", GROUPS)
def test_any_provisional_centre_gives_the_same_centred_forms(name):
    group, max_order = GROUPS[name]
    data = rows(group, (3, 4, 2, 3))
    plain = centred(moments_of(group, max_order, data))
    shifted = centred(moments_of(group, max_order, data, shift=np.array([5.0, -3.0, 1.0])))
    for (s, t), (s_shifted, t_shifted) in zip(plain, shifted, strict=True):
        assert mismatch(s_shifted, s) <= SUMS
        assert mismatch(t_shifted, t) <= SUMS


def test_a_large_offset_is_harmless_once_it_is_the_shift():
    group, max_order = GROUPS["SO2"]
    near, far = rows(group, (4,) * 12), rows(group, (4,) * 12, offset=1e6)
    plain = centred(moments_of(group, max_order, near))
    shifted = centred(moments_of(group, max_order, far, shift=np.full(3, 1e6)))
    unshifted = centred(moments_of(group, max_order, far))
    for (s, t), (s_far, t_far), (_, t_lost) in zip(plain, shifted, unshifted, strict=True):
        assert mismatch(s_far, s) <= 1e-8, "the rows themselves are rounded to 1e-10"
        assert mismatch(t_far, t) <= 1e-8
        assert mismatch(t_lost, t) > 1e-7, "without it digits cancel"


def test_a_basis_limits_the_forms_to_its_columns():
    group, max_order = GROUPS["SO3"]
    data = rows(group, (3, 4, 2), d=5)
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 2)))[0]
    limited = haar_forms(moments_of(group, max_order, data, basis=basis))
    for forms, full in zip(limited, haar_forms(moments_of(group, max_order, data)), strict=True):
        lift = np.kron(np.eye(half_dim(full.rep)), homogeneous(basis))
        assert mismatch(forms.kept.sum(0), lift.T @ full.kept.sum(0) @ lift) <= SUMS
        assert forms.second.shape[1:] == (3, 3)


# --- pairs ------------------------------------------------------------------------------------------------------------
def pair_cases():
    so2, se2, lorentz, line = SO2(), SE(2), Lorentz(), Translation(1)
    return {
        "SO2 m=2 (complex)": (so2, so2.irrep("m=2")),
        "SE(2) position (cocycle)": (se2, se2.affine_representations()[0]),
        "SE(2) vector": (se2, se2.irreps(1)[1]),
        "Lorentz": (lorentz, lorentz.irreps(1)[1]),
        "line position": (line, line.affine_representations()[0]),
        "line character": (line, line.irrep("ω=1.3")),
    }


@pytest.mark.parametrize("name", pair_cases())
def test_pair_moments_are_the_residuals_pair_by_pair(name):
    group, rep = pair_cases()[name]
    rng = np.random.default_rng(0)
    stacks = []
    for n, m in ((4, 3), (3, 2)):
        z = np.concatenate([rng.normal(size=(n, m, 3)), np.ones((n, m, 1))], axis=-1)
        labels = np.arange(n) + 10 * m
        stacks.append((Stack(z, group.sample(n * m, m).reshape(n, m, -1), labels, labels), np.arange(n) % 2))
    pairs = make_pairs(stacks, group)
    assert len(pairs.fold) == 4 * 6 + 3 * 2, "every ordered pair of rows"
    forms = pair_forms(rep, pairs, group, 2)
    h = half_dim(rep)
    kind = complex if rep.half is not None else float
    w = rng.normal(size=(h, 4)).astype(kind)
    s = kind(0.7 if rep.cocycle is not None else 0.0)
    if kind is complex:
        w = w + 1j * rng.normal(size=(h, 4))
    for fold in (0, 1):
        loss = identity = 0.0
        for stack, folds in stacks:
            n, m, _ = stack.z.shape
            for i in np.flatnonzero(folds == fold):
                for j in range(m):
                    for k in range(m):
                        if j == k:
                            continue
                        step = group.compose(stack.params[i, k], group.inverse(stack.params[i, j]))[None]
                        rho, t = half_matrices(rep, step)[0], half_translation(rep, step)[0]
                        weight = 2 / (1 + np.square(np.abs(rho)).sum() / h) / (m * (m - 1))
                        residual = w @ stack.z[i, k] - rho @ (w @ stack.z[i, j]) - s * t
                        change = w @ (stack.z[i, k] - stack.z[i, j])
                        loss += weight * np.square(np.abs(residual)).sum()
                        identity += weight * np.square(np.abs(change)).sum()
        solution = np.append(w.reshape(-1), s)[None]
        got_loss, got_identity = forms.evaluate(np.array([fold]), solution)
        assert abs(got_loss[0] - loss) <= SUMS * loss
        assert abs(got_identity[0] - identity) <= SUMS * identity
        other, _ = forms.evaluate(np.array([fold]), 2 * solution)
        assert abs(other[0] - loss) > loss


def test_orthogonal_pairs_weigh_one_and_boosts_less():
    so2, lorentz = SO2(), Lorentz()
    assert np.allclose(noise_weight(half_matrices(so2.irrep("m=1"), so2.sample(5))), 1.0)
    boosts = np.array([[0, 0, 0, r, 0, 0] for r in (0.0, 1.0, 3.0)])
    weights = noise_weight(half_matrices(lorentz.irreps(1)[1], boosts))
    assert abs(weights[0] - 1) < 1e-12
    assert (np.diff(weights) < 0).all()


@pytest.mark.parametrize("name", ["SO2 m=2 (complex)", "SE(2) position (cocycle)"])
def test_restricted_pair_forms_are_those_of_restricted_rows(name):
    group, rep = pair_cases()[name]
    rng = np.random.default_rng(0)
    z = np.concatenate([rng.normal(size=(5, 4, 4)), np.ones((5, 4, 1))], axis=-1)
    rows_of = [(Stack(z, group.sample(20).reshape(5, 4, -1), np.arange(5), np.arange(5)), np.arange(5) % 2)]
    subspace = np.linalg.qr(rng.normal(size=(4, 2)))[0]
    pairs = make_pairs(rows_of, group)
    restricted = pair_forms(rep, pairs, group, 2).restrict(subspace)
    direct = pair_forms(rep, pairs.through(homogeneous(subspace)), group, 2)
    other = pair_forms(rep, pairs.through(homogeneous(subspace[:, ::-1])), group, 2)
    assert mismatch(restricted.residual, direct.residual) <= SUMS
    assert mismatch(restricted.change, direct.change) <= SUMS
    assert mismatch(restricted.residual, other.residual) > 1e-3


def test_many_elements_give_at_most_four_pairs_an_element():
    group = SO2()
    z = np.random.default_rng(0).normal(size=(3, 20, 2))
    stack = Stack(z, group.sample(60).reshape(3, 20, 1), np.arange(3), np.arange(3))
    pairs = make_pairs([(stack, np.zeros(3, dtype=int))], group)
    assert np.bincount(pairs.item).tolist() == [80] * 3
    assert np.allclose(np.bincount(pairs.item, pairs.weight), 1.0)
    steps = np.round(np.asarray(pairs.source[:, 0] * 1e6 + pairs.target[:, 0]), 9)
    assert len(set(steps)) == len(steps), "no pair twice"
    assert len(set(np.round(np.asarray(pairs.target[:, 0] * 1e6 + pairs.source[:, 0]), 9)) & set(steps)) == len(steps)


# --- the reservoir ----------------------------------------------------------------------------------------------------
def test_the_reservoir_keeps_whole_items_up_to_its_capacity():
    group = SO2()
    data = rows(group, (4,) * 200)
    full = moments_of(group, 1, data)
    assert full.reservoir.complete
    assert sum(len(s.items) for s, _ in full.reservoir.stacks()) == 200
    part = moments_of(group, 1, data, cuts=range(50, 800, 50), reservoir_rows=100)
    assert not part.reservoir.complete
    ((stack, folds),) = part.reservoir.stacks()
    assert stack.z.shape == (25, 4, 4)
    assert len(folds) == 25
    for z, params, item in zip(stack.z, stack.params, stack.items, strict=True):
        assert np.array_equal(z[:, :3], data[0][data[2] == item]), "rows of one item, in order"
        assert np.array_equal(params, data[1][data[2] == item])
    tiny = moments_of(group, 1, data, reservoir_rows=1)
    assert sum(len(s.items) for s, _ in tiny.reservoir.stacks()) == 1, "one item at least"


def test_the_reservoir_is_a_fair_draw():
    group = SO2()
    data = rows(group, (2,) * 40, d=1)
    counts = np.zeros(40)
    for seed in range(200):
        ((stack, _),) = moments_of(group, 0, data, cuts=(30,), reservoir_rows=20, seed=seed).reservoir.stacks()
        counts[stack.items] += 1
    assert counts.sum() == 200 * 10
    assert counts.min() >= 20, "each item is expected 50 times, standard deviation 6"
    assert counts.max() <= 80


def test_reservoirs_merge():
    group = SO2()
    z, params, items = rows(group, (4,) * 100)
    parts = [
        moments_of(group, 1, (z[m], params[m], items[m]), reservoir_rows=100, seed=s)
        for s, m in enumerate((items < 50, items >= 50))
    ]
    parts[0].merge(parts[1])
    ((stack, _),) = parts[0].reservoir.stacks()
    assert len(stack.items) == 25
    assert not parts[0].reservoir.complete
    assert 3 <= (stack.items < 50).sum() <= 22, "items of both"
    small = [moments_of(group, 1, (z[m], params[m], items[m])) for m in (items < 5, (items >= 5) & (items < 9))]
    small[0].merge(small[1])
    assert small[0].reservoir.complete
    assert sorted(small[0].reservoir.stacks()[0][0].items) == list(range(9))


# --- what is refused --------------------------------------------------------------------------------------------------
def test_a_finished_item_does_not_come_back():
    group = SO2()
    z, params, _ = rows(group, (6,))
    moments = Moments(group, group.irreps(1), 3)
    moments.update(z, params, [0, 0, 1, 1, 2, 2])
    moments.update(z[:2], params[:2], [2, 3])
    with pytest.raises(DesignError, match="finished before"):
        moments.update(z[:2], params[:2], [0, 0])
    with pytest.raises(DesignError, match="finished before"):
        moments.add_stack(Stack(z[None], params[None], np.array([1]), np.array([1])))
    within = Moments(group, group.irreps(1), 3)
    with pytest.raises(DesignError, match="Sort"):
        within.update(z, params, [0, 1, 0, 1, 2, 2])


def test_a_refused_batch_leaves_the_sums_as_they_were():
    group = SO2()
    z, params, _ = rows(group, (6,))
    moments = Moments(group, group.irreps(1), 3)
    moments.update(z, params, [0, 0, 1, 1, 2, 2])
    with pytest.raises(DesignError):
        moments.update(z[:5], params[:5], [3, 3, 4, 4, 0])
    moments.update(z[:4], params[:4], [3, 3, 4, 4])
    clean = Moments(group, group.irreps(1), 3)
    clean.update(z, params, [0, 0, 1, 1, 2, 2])
    clean.update(z[:4], params[:4], [3, 3, 4, 4])
    for m in (moments, clean):
        m.finish()
    assert moments.n_items == clean.n_items == 5
    for a, b in zip(totals(moments), totals(clean), strict=True):
        assert mismatch(a, b) <= SUMS


def test_different_moments_do_not_merge():
    group = SO2()
    data = rows(group, (3, 3, 3))
    later = (data[0], data[1], data[2] + 10)
    basis = np.eye(3)[:, :2]
    mine = moments_of(group, 2, data)
    for other in (
        moments_of(group, 1, later),
        moments_of(group, 2, later, basis=basis),
        moments_of(group, 2, later, shift=np.ones(3)),
        moments_of(group, 2, later, n_folds=4),
        moments_of(Translation(1, period=(2 * np.pi,)), 2, later),
    ):
        with pytest.raises(DesignError, match="same group"):
            mine.merge(other)
    with pytest.raises(DesignError, match="different items"):
        mine.merge(moments_of(group, 2, data))
    mine.merge(moments_of(group, 2, later))
    assert mine.n_items == 6


def test_a_cluster_does_not_merge_into_two_folds():
    group = SO2()
    z, params, items = rows(group, (2,) * 12)
    halves = []
    for seed, part in enumerate((items < 6, items >= 6)):
        moments = Moments(group, group.irreps(1), 3, n_folds=3, seed=seed)
        moments.update(z[part], params[part], items[part], items[part] % 6)
        halves.append(moments)
    with pytest.raises(DesignError, match="cluster"):
        halves[0].merge(halves[1])


def test_malformed_batches():
    group = Cyclic(4)
    moments = Moments(group, group.irreps(1), 3)
    z, params, items = rows(group, (2, 2))
    for batch, error in (
        ((z[:, :2], params, items), ShapeError),
        ((z[0], params, items), ShapeError),
        ((z[1:], params, items), LengthError),
        ((z, params[1:], items), LengthError),
        ((z, params, items[1:]), LengthError),
        ((z, params, items, items[1:]), LengthError),
        ((z * np.nan, params, items), FiniteError),
        ((z, params + 0.5, items), ParameterError),
        ((z, params, items, np.arange(4)), ParameterError),
    ):
        with pytest.raises(error):
            moments.update(*batch)
    assert moments.n_items == 0
    moments.update(z, params, items)
    assert moments.n_items == 2


def test_malformed_construction():
    group, line = SO2(), Translation(1)
    with pytest.raises(ShapeError):
        Moments(group, group.irreps(1), 3, shift=np.zeros(2))
    for other, reps in ((line, line.affine_representations()), (Lorentz(), Lorentz().irreps(1))):
        with pytest.raises(ParameterError, match="orthogonal"):
            Moments(other, reps, 3)
