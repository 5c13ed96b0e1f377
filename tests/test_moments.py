"""Moments are sums over items: batches, machines and shifts change nothing, and S is the U-statistic over pairs."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from random_moments import SUMS, mismatch, moments_of, rows, totals

from geodis.coordinates import Moments
from geodis.coordinates.forms import haar_forms, haar_forms_of_rows, homogeneous, whitening
from geodis.coordinates.fourier import half_dim, half_matrices
from geodis.groups import SO2, SO3, Cyclic, Dihedral

EXAMPLES = settings(max_examples=15, deadline=None)
GROUPS = {
    "SO2": (SO2(), 3),
    "SO3": (SO3(), 2),
    "Cyclic(6)": (Cyclic(6), 3),
    "Dihedral(3)": (Dihedral(3), 2),
}


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
