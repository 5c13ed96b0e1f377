"""Message passing commutes with its group, with permutations and shifts, never makes NaN, and learns."""

import numpy as np
import pytest
import torch

from geodis.emulators import ScalarVectorLayer, ScalarVectorNetwork
from geodis.errors import GeodisError, ParameterError, ShapeError
from geodis.groups import SO3, Lorentz, O
from geodis.loop import Plan, train

MINKOWSKI = np.diag([1.0, -1.0, -1.0, -1.0])
EXACT = 1e-12  # float64, a few hundred roundings of numbers of order one
CASES = {
    "O(2)": (2, {}, O(2)),
    "O(3)": (3, {}, O(3)),
    "O(5)": (5, {}, O(5)),
    "O(3), not centred": (3, {"centred": False}, O(3)),
    "SO(3), chiral": (3, {"chiral": True}, SO3()),
    "Lorentz": (4, {"form": MINKOWSKI}, Lorentz()),
}


def cloud(d, seed=0, batch=6, n=5):
    rng = np.random.default_rng(seed)
    x, v, s = rng.normal(size=(batch, n, d)), rng.normal(size=(batch, n, 2, d)), rng.normal(size=(batch, n, 3))
    x[0, 1] = x[0, 0]  # coincident
    x[1] = x[1, :1] * np.arange(n)[:, None]  # collinear
    x[2], v[2] = 0.0, 0.0  # all at one point, at rest
    return tuple(torch.from_numpy(part) for part in (x, v, s))


def network(**options):
    sizes = {"out_scalars": 2, "out_vectors": 2, "hidden": 16, "channels": 6, "layers": 3} | options
    return ScalarVectorNetwork(3, 2, **sizes).double()


def moved(rho, tensor):
    """Every vector of batch item b by rho[b]."""
    shape = (len(rho), *(1,) * (tensor.ndim - 3), *rho.shape[1:])
    return tensor @ rho.reshape(shape).transpose(-1, -2)


@torch.no_grad()
def deviation(net, d, group, seed=0):
    x, v, s = cloud(d, seed)
    rho = torch.from_numpy(np.asarray(group.matrix(group.sample(len(x), seed=seed))))
    scalars, vectors = net(x, v, s)
    other_scalars, other_vectors = net(moved(rho, x), moved(rho, v), s)
    size = max(float(moved(rho, vectors).abs().max()), 1.0)
    return max(
        float((scalars - other_scalars).abs().max()), float((moved(rho, vectors) - other_vectors).abs().max()) / size
    )


@pytest.mark.parametrize("case", CASES)
def test_the_network_commutes_with_its_group(case):
    d, options, group = CASES[case]
    assert deviation(network(**options), d, group) < EXACT


@pytest.mark.parametrize(("case", "group"), [("O(5)", None), ("SO(3), chiral", O(3)), ("Lorentz", O(4))])
def test_and_with_nothing_else(case, group):
    d, options, _ = CASES[case]
    if group is None:  # a linear map that is not orthogonal
        net, (x, v, s) = network(**options), cloud(d)
        stretch = torch.diag(torch.linspace(0.5, 1.5, d, dtype=torch.float64))
        assert float((net(x @ stretch, v @ stretch, s)[1] - net(x, v, s)[1] @ stretch).abs().max()) > 1e-3
    else:
        assert deviation(network(**options), d, group, seed=1) > 1e-3


@pytest.mark.parametrize("case", CASES)
def test_points_have_no_order_and_space_no_origin(case):
    d, options, _ = CASES[case]
    net, (x, v, s) = network(**options), cloud(d)
    order = torch.randperm(x.shape[1], generator=torch.Generator().manual_seed(0))
    a, b = net(x, v, s), net(x[:, order] + 2.0, v[:, order], s[:, order])
    for before, after in zip(a, b, strict=True):
        assert float((before[:, order] - after).abs().max()) < EXACT
        assert float((before - after).abs().max()) > 1e-3  # the order was another


def test_coincident_points_have_finite_gradients():
    net, (x, v, s) = network(), cloud(3)
    x.requires_grad_()
    sum(out.square().sum() for out in net(x, v, s)).backward()
    assert torch.isfinite(x.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)


def test_messages_keep_their_size_whatever_the_number_of_points():
    net = network(centred=False)
    generator = torch.Generator().manual_seed(0)
    sizes = []
    for n in (8, 512):
        x, v, s = (
            torch.randn(1, n, *shape, generator=generator, dtype=torch.float64) for shape in ((3,), (2, 3), (3,))
        )
        sizes.append(float(net(x, v, s)[1].square().mean().sqrt()))
    assert 0.5 < sizes[0] / sizes[1] < 2.0


def test_far_points_do_not_blow_up():
    net, (x, v, s) = network(), cloud(3)
    scalars, vectors = net(1e6 * x, v, s)
    assert torch.isfinite(scalars).all()
    assert float(vectors.abs().max()) < 1e9  # linear in the input at most


def test_one_point_and_no_features():
    net = ScalarVectorNetwork(out_vectors=1, out_scalars=1, hidden=8, layers=2)
    scalars, vectors = net(torch.zeros(2, 1, 3))
    assert scalars.shape == (2, 1, 1)
    assert float(vectors.abs().max()) == 0.0  # no direction to point to


def test_the_dtype_of_the_input_comes_back():
    x = torch.zeros(1, 3, 3)
    assert all(out.dtype == torch.float32 for out in ScalarVectorNetwork(out_vectors=1)(x))


def test_equal_seeds_give_equal_weights_and_leave_the_global_state():
    state = torch.random.get_rng_state()
    a, b, c = (ScalarVectorNetwork(1, 1, out_vectors=1, hidden=8, seed=seed).mix.weight for seed in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_it_learns_a_force_that_it_was_not_told():
    """a_i = Σ_j q_i q_j (x_i − x_j)/(1 + r²): on unseen clouds, and of another number of points."""
    net = ScalarVectorNetwork(1, 0, out_vectors=1, hidden=32, channels=4, layers=1, centred=False)

    def draw(n, points, seed):
        generator = torch.Generator().manual_seed(seed)
        x, q = torch.randn(n, points, 3, generator=generator), torch.randn(n, points, 1, generator=generator).sign()
        r = x[:, :, None] - x[:, None]
        weight = (q[:, :, None] * q[:, None]) / (1 + r.square().sum(-1, keepdim=True))
        return x, q, (weight * r).sum(2) / (points - 1)

    def error(points, seed):
        x, q, a = draw(256, points, seed)
        with torch.no_grad():
            return float((net(x, None, q)[1][:, :, 0] - a).square().mean() / a.square().mean())

    def loss(step):
        x, q, a = draw(64, 4, 100 + step)
        return (net(x, None, q)[1][:, :, 0] - a).square().mean() * 10

    before = error(4, 0)
    train(net, loss, Plan(max_steps=400, learning_rate=5e-3, patience=None))
    assert before > 0.5
    assert error(4, 0) < 0.05
    assert error(7, 1) < 0.1


def test_numbers_of_pairs_turn_with_nothing_and_go_with_their_points():
    net, (x, v, s) = network(n_pair_scalars=2), cloud(3)
    pairs = torch.randn(6, 5, 5, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    rho = torch.from_numpy(O(3).matrix(O(3).sample(len(x), seed=0)))
    order = torch.tensor([2, 0, 1, 4, 3])
    before = net(x, v, s, pairs)
    turned = net(moved(rho, x), moved(rho, v), s, pairs)
    ordered = net(x[:, order], v[:, order], s[:, order], pairs[:, order][:, :, order])
    for there, here in ((turned, (before[0], moved(rho, before[1]))), (ordered, [part[:, order] for part in before])):
        assert max(float((a - b).abs().max()) for a, b in zip(there, here, strict=True)) < EXACT
    assert float((net(x, v, s, pairs.transpose(1, 2))[1] - before[1]).abs().max()) > 1e-3  # sender and receiver
    own = pairs + torch.eye(5, dtype=torch.float64)[:, :, None]  # what a point would send to itself counts nothing
    assert all(torch.equal(a, b) for a, b in zip(net(x, v, s, own), before, strict=True))


def test_products_of_charges_do_not_tell_their_signs():
    by_pairs = ScalarVectorNetwork(out_vectors=1, n_pair_scalars=1, hidden=8, layers=2).double()
    by_points = ScalarVectorNetwork(1, out_vectors=1, hidden=8, layers=2).double()
    x, _, s = cloud(3)
    q = s[..., :1]

    def products(q):
        return q[:, :, None] * q[:, None]

    assert torch.equal(by_pairs(x, pairs=products(q))[1], by_pairs(x, pairs=products(-q))[1])
    assert float((by_points(x, None, q)[1] - by_points(x, None, -q)[1]).abs().max()) > 1e-3
    assert float((by_pairs(x, pairs=products(q))[1] - by_pairs(x, pairs=products(2 * q))[1]).abs().max()) > 1e-3


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: ScalarVectorNetwork(), ParameterError),
        (lambda: ScalarVectorNetwork(out_vectors=1, n_pair_scalars=-1), ParameterError),
        (lambda: ScalarVectorNetwork(out_vectors=1, n_pair_scalars=1)(torch.zeros(1, 5, 3)), ShapeError),
        (lambda: ScalarVectorNetwork(out_vectors=1)(torch.zeros(1, 5, 3), pairs=torch.zeros(1, 5, 5, 1)), ShapeError),
        (lambda: ScalarVectorNetwork(-1, out_vectors=1), ParameterError),
        (lambda: ScalarVectorNetwork(out_vectors=1, layers=0), ParameterError),
        (lambda: ScalarVectorNetwork(out_vectors=1, form=np.ones((2, 3))), ShapeError),
        (lambda: ScalarVectorNetwork(out_vectors=1, form=[[0.0, 1.0], [-1.0, 0.0]]), ParameterError),
        (lambda: ScalarVectorNetwork(out_vectors=1, form=[[np.nan]]), ParameterError),
        (lambda: ScalarVectorNetwork(out_vectors=1, form=np.eye(3), chiral=True), ParameterError),
        (lambda: ScalarVectorNetwork(out_vectors=1)(torch.zeros(5, 3)), ShapeError),
        (lambda: ScalarVectorNetwork(out_vectors=1, form=MINKOWSKI)(torch.zeros(1, 5, 3)), ShapeError),
        (lambda: ScalarVectorNetwork(out_vectors=1, chiral=True)(torch.zeros(1, 5, 2)), ShapeError),
        (lambda: ScalarVectorNetwork(1, out_vectors=1)(torch.zeros(1, 5, 3)), ShapeError),
        (lambda: ScalarVectorNetwork(0, 1, out_vectors=1)(torch.zeros(1, 5, 3)), ShapeError),
    ],
)
def test_bad_input_is_named(make, error):
    with pytest.raises(error) as caught:
        make()
    assert isinstance(caught.value, GeodisError)


def test_a_layer_alone_keeps_shapes():
    h, vectors, x = ScalarVectorLayer(8, 4, chiral=True)(*(torch.zeros(2, 5, *s) for s in ((8,), (4, 3), (3,))))
    assert (h.shape, vectors.shape, x.shape) == ((2, 5, 8), (2, 5, 4, 3), (2, 5, 3))
