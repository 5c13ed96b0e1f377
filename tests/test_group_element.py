"""Group elements from pairs of codes: exact without noise, efficient with it, silent about what cannot be known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geodis import LinearCoordinates
from geodis.discovery.element_bound import element_bound, element_information, inverse_information
from geodis.discovery.element_mean import geomstats_mean, mean_element
from geodis.discovery.element_refinement import pair_model, refine
from geodis.discovery.element_start import choose, net, starts
from geodis.discovery.group_element import element_between, estimate_element, exact_coordinates, pose
from geodis.errors import DesignError, FiniteError, LengthError, ParameterError, ShapeError
from geodis.groups import GL, SE, SO, SO2, SO3, Cyclic, Dihedral, Lorentz, Permutations, Scaling, Translation

ZOO = {
    "circle": (SO2(), ("m=1", "m=2", "m=3")),
    "circle, one high order": (SO2(), ("m=1", "m=7")),
    "torus": (SO2() * SO2(), ("m=1⊗m=0", "m=0⊗m=1", "m=2⊗m=1")),
    "periodic shifts": (Translation(2, period=(1.0, 2.0)), ("k=(1,0)", "k=(0,1)", "k=(1,1)")),
    "rotations": (SO3(), ("l=1", "l=1", "l=2")),
    "quadrupoles": (SO3(), ("l=1", "l=2", "l=2")),
    "four dimensions": (SO(4), ("h=(1,0)", "h=(1,0)", "h=(1,0)", "h=(1,0)")),
    "plane motions": (SE(2), ("position", "m=1", "m=2")),
    "space motions": (SE(3), ("position", "l=1", "l=1", "l=1")),
    "shifts": (Translation(2), ("position[0]", "position[1]")),
    "scalings": (Scaling(), ("a=1", "a=-1", "a=2")),
    "boosts": (Lorentz(), ("vector", "vector", "vector", "vector")),
    "product": (SO3() * SO2(), ("l=1⊗m=0", "l=1⊗m=0", "l=2⊗m=0", "l=0⊗m=1", "l=1⊗m=1")),
    "entangled": (SO3() * SO2(), ("l=1⊗m=1", "l=1⊗m=1", "l=1⊗m=1")),
    "circle and clock": (SO2() * Cyclic(5), ("m=1⊗k=0", "m=1⊗k=1", "m=0⊗k=1", "m=1⊗k=-1")),
    "clock": (Cyclic(12), ("k=1", "k=1", "k=2")),
    "square": (Dihedral(4), ("A2", "B1", "E1", "E1", "E1")),
    "permutations": (Permutations(4), ("[3,1]", "[3,1]", "[3,1]", "[2,2]")),
}
CONTINUOUS = [name for name, (group, _) in ZOO.items() if group.tangent_dim]


def planted(name, n, noise, seed=0):
    """Codes of both ends, the elements, the clean codes, the coordinates."""
    group, names = ZOO[name]
    coordinates = exact_coordinates(group, names)
    rng = np.random.default_rng([seed, 3])
    codes, params = rng.normal(size=(n, coordinates.n_coordinates)), group.sample(n, seed)
    moved = np.asarray(coordinates.act(codes, params))
    noisy = [c + noise * rng.normal(size=c.shape) for c in (codes, moved)]
    return *noisy, params, codes, coordinates


def distance(group, a, b):
    x, y = (np.asarray(group.matrix(g)).reshape(len(g), -1) for g in (a, b))
    return np.linalg.norm(x - y, axis=1)


@pytest.mark.parametrize("name", ZOO)
def test_without_noise_the_element_is_recovered(name):
    c0, c1, params, _, coordinates = planted(name, 20, 0.0)
    found = estimate_element(c0, c1, coordinates, noise=0.01)
    right = distance(coordinates.group, found.params, params) < 1e-5
    # A code that happens to be nearly symmetric has another element as good, and the estimate says so.
    assert right[found.statuses == "ok"].all()
    assert np.mean(found.statuses == "ok") > 0.9
    assert found.residual.max() < 1e-6


@pytest.mark.parametrize("name", CONTINUOUS)
def test_errors_are_those_of_the_bound_and_regions_cover(name):
    noise = 0.01
    c0, c1, params, codes, coordinates = planted(name, 60 if name == "entangled" else 300, noise, seed=1)
    found = estimate_element(c0, c1, coordinates, noise=noise)
    information = element_information(codes, params, coordinates, noise=noise)
    keep = np.linalg.cond(information) < 1e4  # of nearly symmetric codes the error is no longer linear in the noise
    assert keep.mean() > 0.9
    xi = found.deviation(params)[keep]
    # E ξᵀJξ = k at the bound, with standard deviation √(2k/n).
    k = coordinates.group.tangent_dim
    mean = float(np.einsum("ni,nij,nj->n", xi, information[keep], xi).mean()) / k
    assert mean == pytest.approx(1.0, abs=4.5 * math.sqrt(2 / (k * keep.sum())))
    assert found.covers(params)[keep].mean() == pytest.approx(0.95, abs=0.05)
    assert found.covers(params, level=0.5)[keep].mean() == pytest.approx(0.5, abs=0.12)
    if name != "shifts":
        assert found.noise_ratio == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("name", ["rotations", "boosts", "plane motions", "torus"])
def test_the_bound_is_that_of_the_joint_problem_with_the_code_eliminated(name):
    group, names = ZOO[name]
    coordinates = exact_coordinates(group, names)
    rng = np.random.default_rng(0)
    p, k = coordinates.n_coordinates, group.tangent_dim
    code, params = rng.normal(size=(1, p)), group.sample(1, 5)
    before, after = (np.cov(rng.normal(size=(p, 3 * p))) * 0.01 for _ in range(2))

    def predicted(x):
        element = group.compose(group.exp(x[None, p:]), params)
        return np.r_[x[:p], np.asarray(coordinates.act(x[None, :p], element))[0]]

    at, step = np.r_[code[0], np.zeros(k)], 1e-5
    jacobian = np.stack([(predicted(at + e) - predicted(at - e)) / (2 * step) for e in step * np.eye(p + k)], axis=1)
    precision = np.zeros((2 * p, 2 * p))
    precision[:p, :p], precision[p:, p:] = np.linalg.inv(before), np.linalg.inv(after)
    joint = np.linalg.inv(jacobian.T @ precision @ jacobian)[p:, p:]
    bound = element_bound(code, params, coordinates, noise=before, noise_after=after)[0]
    assert np.allclose(bound, joint, rtol=1e-5)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.sampled_from(["rotations", "boosts", "plane motions"]))
def test_the_slope_is_the_derivative_of_the_profile(seed, name):
    group, names = ZOO[name]
    coordinates = exact_coordinates(group, names)
    rng = np.random.default_rng(seed)
    p, k = coordinates.n_coordinates, group.tangent_dim
    model = pair_model(group, coordinates.blocks, *(np.diag(rng.uniform(0.5, 2.0, p)) for _ in range(2)))
    c0, c1, at = rng.normal(size=(1, p)), rng.normal(size=(1, p)), group.sample(1, seed)
    state, step = model.state(c0, c1, at), 1e-5
    for i, direction in enumerate(step * np.eye(k)):
        up, down = (model.state(c0, c1, group.compose(group.exp(s * direction[None]), at)).chi2[0] for s in (1, -1))
        assert state.slope[0, i] == pytest.approx(-(up - down) / (4 * step), rel=1e-4, abs=1e-4)


def test_weights_matter_and_wrong_ones_cost():
    coordinates = exact_coordinates(SO2(), ("m=1", "m=1"))
    rng = np.random.default_rng(0)
    codes, params = rng.normal(size=(800, 4)), SO2().sample(800, 0)
    levels = np.array([0.01, 0.2])
    noisy = [
        c + np.repeat(levels, 2) * rng.normal(size=c.shape) for c in (codes, np.asarray(coordinates.act(codes, params)))
    ]
    right, wrong = (estimate_element(*noisy, coordinates, noise=noise) for noise in (levels, 0.1))
    errors = [np.median(np.abs(found.deviation(params))) for found in (right, wrong)]
    assert errors[0] < 0.3 * errors[1]


# --- what cannot be known ---------------------------------------------------------------------------------------------
def test_one_vector_leaves_the_rotations_about_itself_free():
    coordinates = exact_coordinates(SO3(), ("l=1",))
    c = np.array([[0.0, 0.0, 2.0]])
    found = estimate_element(c, [[0.0, 2.0, 0.0]], coordinates, noise=0.01)
    assert (found.status, bool(found.identifiable[0])) == ("stabiliser", False)
    free = found.free_directions(0)
    assert free.shape == (1, 3)
    assert np.abs(free @ [0.0, 1.0, 0.0]) == pytest.approx(1.0)
    assert np.isinf(found.interval()[0]).tolist() == [False, True, False]
    assert np.allclose(np.asarray(coordinates.act(c, found.params)), [[0.0, 2.0, 0.0]], atol=1e-6)
    two = exact_coordinates(SO3(), ("l=1", "l=1"))
    codes = np.array([[0.0, 0.0, 2.0, 1.0, 0.0, 0.0]])
    assert estimate_element(codes, codes, two, noise=0.01).status == "ok"


@pytest.mark.parametrize(("group", "names", "order"), [(SO2(), ("m=2",), 2), (SO3(), ("l=2",), 4)], ids=["m=2", "l=2"])
def test_a_discrete_stabiliser_is_ambiguous(group, names, order):
    coordinates = exact_coordinates(group, names)
    rng = np.random.default_rng(0)
    codes, params = rng.normal(size=(20, coordinates.n_coordinates)), group.sample(20, 0)
    found = estimate_element(codes, np.asarray(coordinates.act(codes, params)), coordinates, noise=0.01)
    assert np.mean(found.statuses == "ambiguous") > 0.9
    assert found.probability[found.statuses == "ambiguous"] == pytest.approx(0.5, abs=1e-3)


def test_codes_of_noise_alone_identify_nothing():
    rng = np.random.default_rng(0)
    coordinates = exact_coordinates(SO3(), ("l=1", "l=1"))
    found = estimate_element(*(0.1 * rng.normal(size=(200, 6)) for _ in range(2)), coordinates, noise=0.1)
    assert np.mean(found.identifiable) < 0.05
    assert found.status == "stabiliser"


def test_codes_that_are_no_pair_are_a_misfit():
    rng = np.random.default_rng(0)
    coordinates = exact_coordinates(SO3(), ("l=1", "l=1", "l=2"))
    found = estimate_element(*(rng.normal(size=(50, 11)) for _ in range(2)), coordinates, noise=0.02)
    assert np.mean(found.statuses == "misfit") == 1.0
    assert found.noise_ratio > 5


def test_a_bound_of_a_free_direction_is_infinite():
    inverse, ranks = inverse_information(np.diag([4.0, 0.0])[None])
    assert inverse[0].tolist() == [[0.25, 0.0], [0.0, math.inf]]
    assert ranks.tolist() == [1]


# --- from embeddings --------------------------------------------------------------------------------------------------
def fitted(seed=0, noise=0.1):
    """Fitted coordinates of a planted SO(3) code in R^20, and a maker of new rows."""
    rng = np.random.default_rng(seed)
    planted_code = exact_coordinates(SO3(), ("l=1", "l=1", "l=2"))
    mix = np.linalg.qr(rng.normal(size=(20, 20)))[0][:11]

    def rows(codes, params):
        return np.asarray(planted_code.act(codes, params)) @ mix + noise * rng.normal(size=(len(codes), 20))

    codes = np.repeat(rng.normal(size=(200, 11)), 12, axis=0)
    params, items = SO3().sample(2400, 1), np.repeat(np.arange(200), 12)
    fit = LinearCoordinates(SO3(), max_order=2, n_null=19).fit(rows(codes, params), params, items=items)
    return fit.coordinates_, rows, rng


def test_elements_between_embeddings_with_the_noise_that_the_fit_found():
    coordinates, rows, rng = fitted()
    assert sorted(block.irrep.name for block in coordinates.blocks) == ["l=1", "l=1", "l=2"]
    codes, params = rng.normal(size=(300, 11)), SO3().sample(300, 7)
    found = element_between(rows(codes, SO3().identity(300)), rows(codes, params), coordinates)
    assert np.median(np.linalg.norm(found.deviation(params), axis=1)) < 0.2
    assert found.covers(params).mean() > 0.85
    assert found.noise_ratio == pytest.approx(1.0, abs=0.25)
    one = np.repeat(codes[:1], 50, axis=0)
    reference = rows(codes[:1], SO3().identity(1))[0]
    posed = pose(rows(one, params[:50]), coordinates, reference)
    assert np.median(np.linalg.norm(posed.deviation(params[:50]), axis=1)) < 0.25


def test_results_are_printed_and_plotted():
    c0, c1, _, _, coordinates = planted("rotations", 30, 0.02)
    found = estimate_element(c0, c1, coordinates, noise=0.02)
    assert repr(found).startswith("ElementEstimate(SO3(): 30 pairs")
    assert found.plot().get_title() == "status ok"
    assert found.interval(0.5).max() < found.interval(0.99).max()


# --- starts -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["circle", "torus", "rotations"])
def test_closed_forms_are_near_the_estimate(name):
    c0, c1, params, _, coordinates = planted(name, 60, 0.01)
    group = coordinates.group
    p = coordinates.n_coordinates
    model = pair_model(group, coordinates.blocks, 1e-4 * np.eye(p), 1e-4 * np.eye(p))
    candidates = starts(model, c0, c1)
    nearest = np.min([distance(group, candidates[:, i], params) for i in range(candidates.shape[1])], axis=0)
    assert np.median(nearest) < 0.25
    _, state = refine(model, c0, c1, candidates[:, -1])
    assert (state.chi2 <= model.state(c0, c1, candidates[:, -1]).chi2).all()
    picks = choose(model, c0, c1, net(group), np.ones(p, dtype=bool), 3)
    assert picks.shape == (60, 3)
    assert all(len(set(row)) == 3 for row in picks.tolist())


# --- means ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("group", [SO2(), SO3(), SE(2), SE(3), Lorentz(), SO(4), Scaling(), SO3() * SO2()], ids=repr)
def test_the_mean_is_the_centre_and_moves_with_the_group(group):
    rng = np.random.default_rng(0)
    centre, other = group.sample(1, 1), group.sample(1, 2)
    xi = 0.1 * rng.normal(size=(20, group.tangent_dim))
    xi -= xi.mean(axis=0)
    elements = np.asarray(group.compose(group.exp(np.r_[xi, -xi]), centre))
    found = mean_element(elements, group)
    assert distance(group, found.params[None], centre)[0] < 1e-8
    assert found.status == "ok"
    left, right = group.compose(other, elements), group.compose(elements, other)
    assert distance(group, mean_element(left, group).params[None], group.compose(other, centre))[0] < 1e-7
    assert distance(group, mean_element(right, group).params[None], group.compose(centre, other))[0] < 1e-7


def test_the_mean_agrees_with_geomstats():
    elements = np.asarray(
        SO3().compose(SO3().exp(0.4 * np.random.default_rng(0).normal(size=(15, 3))), SO3().sample(1, 3))
    )
    weights = np.random.default_rng(1).uniform(0.2, 1.0, 15)
    ours, theirs = mean_element(elements, SO3(), weights), geomstats_mean(elements, weights)
    assert distance(SO3(), ours.params[None], theirs.params[None])[0] < 1e-6
    assert ours.spread == pytest.approx(theirs.spread, rel=1e-6)


def test_precisions_weigh_directions_and_disagreement_is_said():
    c0, c1, params, _, coordinates = planted("rotations", 1, 0.0)
    rng, n = np.random.default_rng(0), 400
    noise = 0.02
    before, after = (np.repeat(c, n, axis=0) + noise * rng.normal(size=(n, 11)) for c in (c0, c1))
    found = estimate_element(before, after, coordinates, noise=noise)
    mean = mean_element(found.params, SO3(), found.information)
    xi = SO3().log(SO3().compose(mean.params[None], SO3().inverse(params)))[0]
    assert np.all(np.abs(xi) < mean.interval(0.9999))
    assert mean.interval().max() < found.interval().min()
    assert mean.status == "ok"
    assert mean_element(found.params, SO3(), 10 * found.information).status == "disagree"
    plain = mean_element(found.params, SO3())
    assert plain.interval() == pytest.approx(mean.interval(), rel=0.25)


def test_a_mean_of_one_and_a_mean_of_opposites_are_not_trusted():
    one = mean_element([[0.3]], SO2())
    assert (one.status, bool(np.isnan(one.covariance).all())) == ("insufficient", True)
    assert mean_element([[0.0], [2.0], [4.0]], SO2()).status == "undecided"
    assert mean_element([[0.3]], SO2(), np.full((1, 1, 1), 100.0)).interval() == pytest.approx([0.196], abs=1e-3)
    assert "spread" in repr(one)


PAIR = exact_coordinates(SO2(), ("m=1",))
MALFORMED = {
    "coordinates": (lambda: estimate_element(np.ones((1, 2)), np.ones((1, 2)), "m=1"), ParameterError),
    "width": (lambda: estimate_element(np.ones((1, 3)), np.ones((1, 3)), PAIR, noise=0.1), ShapeError),
    "lengths": (lambda: estimate_element(np.ones((1, 2)), np.ones((2, 2)), PAIR, noise=0.1), LengthError),
    "NaN": (lambda: estimate_element(np.full((1, 2), np.nan), np.ones((1, 2)), PAIR, noise=0.1), FiniteError),
    "negative noise": (lambda: estimate_element(np.ones((1, 2)), np.ones((1, 2)), PAIR, noise=-0.1), ParameterError),
    "no noise": (lambda: estimate_element(np.ones((1, 2)), np.ones((1, 2)), PAIR, noise=0.0), ParameterError),
    "noise levels": (lambda: estimate_element(np.ones((1, 2)), np.ones((1, 2)), PAIR, noise=[0.1] * 3), ShapeError),
    "covariance": (lambda: estimate_element(np.ones((1, 2)), np.ones((1, 2)), PAIR, noise=-np.eye(2)), ParameterError),
    "invariants": (
        lambda: estimate_element(np.ones((1, 1)), np.ones((1, 1)), exact_coordinates(SO2(), ("m=0",)), noise=0.1),
        DesignError,
    ),
    "bound": (lambda: element_bound(np.ones((2, 2)), [[0.1]], PAIR, noise=0.1), LengthError),
    "outside": (
        lambda: element_information(np.ones((1, 4)), np.zeros((1, 4)), exact_coordinates(GL(2), ("V", "V")), noise=1.0),
        ParameterError,
    ),
    "finite": (lambda: mean_element([[0.0]], Cyclic(3)), ParameterError),
    "no elements": (lambda: mean_element(np.zeros((0, 1)), SO2()), ShapeError),
    "weights": (lambda: mean_element([[0.0]], SO2(), [-1.0]), ParameterError),
    "weights' length": (lambda: mean_element([[0.0]], SO2(), [1.0, 1.0]), LengthError),
    "free": (lambda: mean_element(np.zeros((2, 3)), SO3(), np.zeros((2, 3, 3))), DesignError),
    "level": (lambda: mean_element([[0.0]], SO2()).interval(1.5), ParameterError),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED, ids=str)
def test_malformed_input_is_refused_with_a_sentence(case):
    call, error = MALFORMED[case]
    with pytest.raises(error, match="xpected"):
        call()
