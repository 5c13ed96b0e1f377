"""Ranks at their expectation over ties: right is 1, constant is chance, and who asks whom is said."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from geodis.errors import FiniteError, LengthError, ParameterError, ShapeError
from geodis.metrics import galleries, hits_at_k, mean_reciprocal_rank, prediction_retrieval_error, quaternion_error
from geodis.metrics.retrieval import expected_hit, expected_reciprocal_rank

N = 60
HARMONIC = float(np.sum(1.0 / np.arange(1, N + 1))) / N
SCORES = {
    "mrr": mean_reciprocal_rank,
    "hits": hits_at_k,
    "pre": lambda predictions, targets, **kwargs: prediction_retrieval_error(
        predictions, targets, quaternions(len(predictions)), **kwargs
    ),
}


def codes(n=N, d=4, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def quaternions(n, seed=3):
    q = np.random.default_rng(seed).normal(size=(n, 4))
    return q / np.linalg.norm(q, axis=1, keepdims=True)


def brute(predictions, targets, k, n_orders=4000, seed=0):
    """MRR and Hits@k over random orders of the candidates, by sorting."""
    rng, n = np.random.default_rng(seed), len(targets)
    distances = ((targets[:, None] - predictions[None]) ** 2).sum(-1)
    reciprocal, hits = [], []
    for _ in range(n_orders // n):
        order = rng.permutation(n)
        place = np.argsort(np.argsort(distances[:, order], axis=1, kind="stable"), axis=1)
        rank = 1 + place[np.arange(n), np.argsort(order)]
        reciprocal.append((1.0 / rank).mean())
        hits.append((rank <= k).mean())
    return (np.mean(x) for x in (reciprocal, hits))


@pytest.mark.parametrize("query", ["target", "prediction"])
def test_right_predictions_are_found_and_a_constant_is_at_chance(query):
    z = codes()
    assert mean_reciprocal_rank(z, z, query=query).value == 1.0
    assert hits_at_k(z, z, query=query).value == 1.0
    for still in (np.full_like(z, 7.0), 7.0 + 1e-14 * codes(seed=1)):
        for predictions, targets in ((still, z), (z, still), (still, still)):
            mrr = mean_reciprocal_rank(predictions, targets, query=query)
            assert mrr.status == "degenerate"
            assert mrr.value == pytest.approx(HARMONIC, abs=1e-12) == mrr.baselines["chance"]
            assert hits_at_k(predictions, targets, 5, query=query).value == pytest.approx(5 / N, abs=1e-12)


def test_ties_are_the_mean_over_random_orders():
    rng = np.random.default_rng(2)
    targets = rng.integers(0, 3, size=(24, 2)).astype(float)  # nine places for 24 rows
    predictions = targets + rng.integers(0, 2, size=(24, 2))
    mrr, hits = brute(predictions, targets, 3)
    assert mean_reciprocal_rank(predictions, targets).value == pytest.approx(mrr, abs=0.01)
    assert hits_at_k(predictions, targets, 3).value == pytest.approx(hits, abs=0.01)
    assert mrr < 0.6  # ties to the target would make it .78


@given(st.integers(0, 30), st.integers(1, 30), st.integers(1, 70))
def test_the_closed_forms_are_sums_over_the_places_of_a_tie(closer, tied, k):
    places = np.arange(closer + 1, closer + tied + 1)
    assert float(expected_reciprocal_rank(closer, tied)) == pytest.approx((1.0 / places).mean(), rel=1e-12)
    assert float(expected_hit(closer, tied, k)) == pytest.approx((places <= k).mean(), abs=1e-15)


def test_no_hit_at_all_leaves_room_for_some():
    never = hits_at_k(np.roll(codes(400), 1, axis=0), codes(400))
    assert never.value == 0.0
    assert never.ci == (0.0, pytest.approx(1 - 0.025 ** (1 / 400)))
    assert never.ci[1] > never.baselines["chance"]
    assert hits_at_k(codes(), codes()).ci == (pytest.approx(0.025 ** (1 / N)), 1.0)


def test_directions_differ_and_each_is_the_double_loop():
    z = codes()
    noisy = z * [1.0, 0.3, 0.1, 0.0] + 0.3 * codes(seed=1)
    distances = ((z[:, None] - noisy[None]) ** 2).sum(-1)
    own = np.diag(distances)
    from_targets = (distances < own[:, None]).sum(axis=1) + 1
    from_predictions = (distances < own[None]).sum(axis=0) + 1
    asked = {query: mean_reciprocal_rank(noisy, z, query=query).value for query in ("target", "prediction")}
    assert asked["target"] == pytest.approx((1.0 / from_targets).mean(), abs=1e-12)
    assert asked["prediction"] == pytest.approx((1.0 / from_predictions).mean(), abs=1e-12)
    assert abs(asked["target"] - asked["prediction"]) > 0.05


@pytest.mark.parametrize("name", SCORES)
def test_independent_predictions_are_at_chance(name):
    result = SCORES[name](codes(400, seed=1), codes(400), level=0.999)
    assert result.status == "ok"
    assert result.ci[0] <= result.baselines["chance"] <= result.ci[1]
    assert abs(result.skill) < 0.05


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.floats(-6, 6).map(lambda x: 10.0**x), st.sampled_from(sorted(SCORES)))
def test_scale_offset_frame_and_order_change_nothing(seed, scale, name):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(N, 3))
    noisy = z + 0.5 * rng.normal(size=z.shape)
    frame = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    before = SCORES[name](noisy, z)
    after = SCORES[name](*(scale * (x @ frame + 30.0) for x in (noisy, z)))
    assert after.value == pytest.approx(before.value, abs=1e-12)
    if name != "pre":  # whose quaternions would have to move along
        order = rng.permutation(N)
        assert SCORES[name](noisy[order], z[order]).value == pytest.approx(before.value, abs=1e-12)


@pytest.mark.parametrize("name", SCORES)
def test_more_noise_is_never_better(name):
    z, noise = codes(200), codes(200, seed=1)
    values = [SCORES[name](z + s * noise, z).value for s in (0.0, 0.2, 0.5, 1.0, 3.0)]
    assert values == sorted(values, reverse=name != "pre")


def test_galleries_compete_within_and_the_identity_is_found_first():
    views = 5
    gallery = np.repeat(np.arange(N // views), views)
    z = codes() + 100.0 * gallery[:, None]
    sources = z[np.arange(N) // views * views + (np.arange(N) + 1) % views]
    result = mean_reciprocal_rank(sources, z, galleries=gallery, sources=sources, query="prediction")
    assert result.baselines["chance"] == pytest.approx(sum(1 / k for k in range(1, views + 1)) / views)
    assert result.value == result.baselines["identity"] <= 0.5  # the source itself ranks first
    still = np.repeat(codes(N // views), views, axis=0)  # one answer an object
    assert mean_reciprocal_rank(still, z, galleries=gallery).status == "degenerate"
    assert hits_at_k(z[:views], z[:views], galleries=np.arange(views)).status == "insufficient"


def test_rows_of_an_item_are_one_observation():
    z = codes(10)
    noisy = z + 0.7 * codes(10, seed=1)
    twice = [np.repeat(x, 3, axis=0) for x in (noisy, z)]
    one = hits_at_k(noisy, z)
    three = hits_at_k(*twice, 3, items=np.repeat(np.arange(10), 3))
    assert three.value == pytest.approx(one.value)
    assert three.ci == pytest.approx(one.ci)
    assert (three.n_items, three.n_group) == (10, 3)


def test_cosine_ignores_length_and_the_chunks_do_not_matter(monkeypatch):
    z = codes()
    longer = z * np.random.default_rng(1).uniform(0.1, 10, size=(N, 1))
    assert hits_at_k(longer, z, distance="cosine").value == 1.0
    assert hits_at_k(longer, z).value < 1.0
    whole = mean_reciprocal_rank(longer, z).value
    monkeypatch.setattr(galleries, "CHUNK", 7)
    assert mean_reciprocal_rank(torch.from_numpy(longer), torch.from_numpy(z)).value == whole


def test_single_precision_ties_are_seen():
    z = codes().astype(np.float32)
    still = (np.full_like(z, 1 / 3) + 1e-7 * codes(seed=1)).astype(np.float32)
    assert mean_reciprocal_rank(still, z).value == pytest.approx(HARMONIC)


# --- poses ------------------------------------------------------------------------------------------------------------
def test_pose_error_is_the_angle_and_its_chance_that_of_the_poses():
    q, angle = quaternions(500), 0.4
    turned = (Rotation.from_quat(q) * Rotation.from_rotvec([0.0, 0.0, angle])).as_quat()
    np.testing.assert_allclose(quaternion_error(q, -turned), np.sin(angle / 2) ** 2, rtol=1e-12)
    z = codes(500)
    assert prediction_retrieval_error(z, z, q).value == 0.0
    constant = prediction_retrieval_error(np.zeros_like(z), z, q)
    pairs = 1.0 - (q @ q.T) ** 2
    assert constant.value == pytest.approx(pairs.mean(), abs=1e-12) == constant.baselines["chance"]
    assert constant.value == pytest.approx(0.75, abs=0.01)
    rng = np.random.default_rng(0)
    euler = Rotation.from_euler("zyx", rng.uniform(-np.pi / 2, np.pi / 2, size=(4000, 3))).as_quat()
    flat = prediction_retrieval_error(np.zeros((4000, 1)), np.arange(4000.0)[:, None], euler)
    assert flat.value == pytest.approx(0.626, abs=0.005)


def test_poses_of_tied_targets_count_as_their_mean():
    q, z = quaternions(20), np.repeat(codes(10), 2, axis=0)
    errors = 1.0 - (q[0::2] * q[1::2]).sum(axis=1) ** 2
    assert prediction_retrieval_error(z, z, q).value == pytest.approx(errors.mean() / 2, abs=1e-12)


# --- bad input --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", SCORES)
def test_what_does_not_fit_is_an_error_with_a_sentence(name):
    z, score = codes(8), SCORES[name]
    with pytest.raises(LengthError):
        score(z[:6], z)
    with pytest.raises(ShapeError, match="predictions"):
        score(z[:, :2], z)
    with pytest.raises(ShapeError):
        score(z[0], z[0])
    with pytest.raises(FiniteError):
        score(np.where(z > 1, np.nan, z), z)
    with pytest.raises(LengthError):
        score(z, z, items=np.arange(3))
    with pytest.raises(LengthError):
        score(z, z, galleries=np.arange(3))
    for wrong in ({"distance": "manhattan"}, {"level": 1.0}, *([] if name == "pre" else [{"query": "both"}])):
        with pytest.raises(ParameterError):
            score(z, z, **wrong)


def test_k_counts_and_quaternions_are_units():
    z = codes(8)
    for k in (0, 1.5, True):
        with pytest.raises(ParameterError):
            hits_at_k(z, z, k)
    with pytest.raises(ParameterError, match="unit"):
        prediction_retrieval_error(z, z, 2.0 * quaternions(8))
    with pytest.raises(LengthError):
        prediction_retrieval_error(z, z, quaternions(5))
    with pytest.raises(ShapeError):
        prediction_retrieval_error(z, z, z[:, :3])
