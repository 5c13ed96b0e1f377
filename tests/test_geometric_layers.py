"""Filters are all the invariant ones, and every layer of tensor fields commutes with B_d and shifts to rounding."""

import numpy as np
import pytest
import torch
from torch import nn

from geodis.actions import FieldSymmetries
from geodis.emulators import (
    AveragePool,
    BilinearBlock,
    FieldNorm,
    GeometricConv,
    GeometricResNet,
    GeometricUNet,
    NormGate,
    NormMaxPool,
    TensorProduct,
    Upsample,
    VectorNeuron,
    equivariance_defect,
    hidden_types,
    invariant_filters,
    isotropic_tensors,
    project_equivariant,
)
from geodis.emulators.geometric_conv import components
from geodis.errors import DesignError, GeodisError, ParameterError, ShapeError, UnknownNameError
from geodis.groups import O

EXACT = 1e-13  # float64, fields of order one, a few hundred roundings
SCALAR, PSEUDOSCALAR, VECTOR, TENSOR = (0, 1, 2), (0, -1, 2), (1, 1, 2), (2, 1, 2)
PLANE, SPACE = (SCALAR, PSEUDOSCALAR, VECTOR, TENSOR), (SCALAR, VECTOR, (1, -1, 2))
SIDE = {2: 8, 3: 4}


def field(types, dim, seed=0, batch=2, side=None):
    shape = (batch, components(types, dim), *(side or SIDE[dim],) * dim)
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def moved(types, dim, element, fields):
    action = FieldSymmetries(types, dim)
    return action.act(np.repeat(np.asarray(element, dtype=float)[None], len(fields), 0), fields)


@torch.no_grad()
def deviation(layer, types_in, types_out, dim):
    """The largest |layer(g·x) − g·layer(x)| over all g, for outputs of order one."""
    x, worst = field(types_in, dim), 0.0
    y = layer(x)
    assert float(y.std()) > 0.05
    for element in FieldSymmetries(types_in, dim).group.elements():
        expected = moved(types_out, dim, element, y)
        worst = max(worst, float((layer(moved(types_in, dim, element, x)) - expected).abs().max()))
    return worst


# --- filters and isotropic tensors ------------------------------------------------------------------------------------
COUNTS = {  # (dim, size): filters of order 0, 1, 2 and parity +, −, as counted in arXiv:2305.12585
    (2, 3): [(3, 0), (2, 2), (5, 5)],
    (2, 5): [(6, 1), (6, 6), (13, 13)],
    (3, 3): [(4, 0), (3, 0), (8, 4)],
}


@pytest.mark.parametrize(("dim", "size"), COUNTS)
def test_filters_are_as_many_as_published(dim, size):
    found = [tuple(len(invariant_filters(size, k, p, dim)) for p in (1, -1)) for k in (0, 1, 2)]
    assert found == COUNTS[dim, size]


@pytest.mark.parametrize(("size", "order", "parity", "dim"), [(3, 2, 1, 2), (4, 1, -1, 2), (5, 3, 1, 2), (2, 2, -1, 3)])
def test_filters_are_invariant_orthonormal_and_all_there_are(size, order, parity, dim):
    filters = invariant_filters(size, order, parity, dim)
    types, flat = ((order, parity, 1),), filters.reshape(len(filters), -1)
    assert float((flat @ flat.T - torch.eye(len(flat))).abs().max()) < EXACT
    elements = FieldSymmetries(types, dim).group.elements()
    for element in elements:
        assert float((moved(types, dim, element, filters) - filters).abs().max()) < EXACT
    # The trace of the projection on invariants, by characters, is their number.
    one = torch.eye(flat.shape[1], dtype=torch.float64).reshape(-1, *filters.shape[1:])
    mean = sum(moved(types, dim, g, one).reshape(len(one), -1).trace() for g in elements) / len(elements)
    assert round(float(mean)) == len(filters)


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("order", range(5))
@pytest.mark.parametrize("parity", [1, -1])
def test_isotropic_tensors_are_those_of_all_rotations(dim, order, parity):
    tensors = isotropic_tensors(order, parity, dim)
    group = O(dim)
    rho = np.asarray(group.matrix(group.sample(400, seed=order)))
    power = np.ones((len(rho), 1, 1))
    for _ in range(order):
        power = np.einsum("nab,ncd->nacbd", power, rho).reshape(len(rho), power.shape[1] * dim, -1)
    if parity == -1:
        power = power * np.linalg.det(rho)[:, None, None]
    flat = tensors.reshape(len(tensors), dim**order).numpy()
    assert np.abs(np.einsum("nab,tb->nta", power, flat) - flat).max(initial=0.0) < 1e-10
    # What all elements leave alone is the null space of Σ_g (ρ(g) − 1)ᵀ(ρ(g) − 1).
    apart = power - np.eye(dim**order)
    assert len(tensors) == int((np.linalg.eigvalsh(np.einsum("nab,nac->bc", apart, apart) / len(rho)) < 1e-8).sum())


# --- layers -----------------------------------------------------------------------------------------------------------
CONVS = {
    "3": {"size": 3},
    "5": {"size": 5},
    "dilated": {"size": 3, "dilation": 2},
    "strided": {"size": 4, "stride": 2},
    "zeros": {"size": 3, "boundary": "zero"},
}


@pytest.mark.parametrize("case", CONVS)
@pytest.mark.parametrize("dim", [2, 3])
def test_convolutions_commute(case, dim):
    types = PLANE if dim == 2 else SPACE
    conv = GeometricConv(types, types, dim=dim, **CONVS[case]).double()
    with torch.no_grad():
        conv.bias.copy_(torch.linspace(-1, 1, len(conv.bias)))
    assert deviation(conv, types, types, dim) < EXACT


@pytest.mark.parametrize("dim", [2, 3])
def test_layers_commute(dim):
    types = hidden_types(2, dim, orders=2)
    layers = {
        "product": TensorProduct(types, dim=dim),
        "gate": NormGate(types, dim=dim),
        "neuron": VectorNeuron(types, dim=dim),
        "norm": FieldNorm(types, dim=dim),
        "average": AveragePool(2),
        "largest": NormMaxPool(types, dim=dim),
        "up": Upsample(2),
        "block": BilinearBlock(types, dim=dim),
    }
    for name, layer in layers.items():
        layer = layer.double()
        function = (lambda x, f=layer: f(x, x)) if name == "product" else layer
        assert deviation(function, types, types, dim) < EXACT, name


@pytest.mark.parametrize("dim", [2, 3])
def test_networks_commute_with_the_grid_and_with_shifts(dim):
    types_in, types_out = ((0, 1, 1), (1, 1, 1), (0, -1, 1)), ((0, 1, 1), (1, 1, 1))
    for network in (GeometricResNet(types_in, types_out, 2, (1, 2), dim=dim),
                    GeometricUNet(types_in, types_out, 2, 1, dim=dim)):  # fmt: skip
        network = network.double()
        assert deviation(network, types_in, types_out, dim) < 10 * EXACT
        x = field(types_in, dim)
        with torch.no_grad():
            shifted = network(x.roll(2, -1))  # by two: the U halves the grid
            assert float((shifted - network(x).roll(2, -1)).abs().max()) < 10 * EXACT


@pytest.mark.parametrize("dim", [2, 3])
def test_metric_and_coriolis_channels_turn_along(dim):
    """A metric is a tensor of order two, a Coriolis parameter a pseudoscalar (in space: a pseudovector)."""
    turn = (0, -1, 1) if dim == 2 else (1, -1, 1)
    types_in, types_out = ((0, 1, 1), (1, 1, 1), turn, (2, 1, 1)), ((0, 1, 1), (1, 1, 1))
    network = GeometricResNet(types_in, types_out, 2, (1,), dim=dim).double()
    assert deviation(network, types_in, types_out, dim) < 10 * EXACT
    x = field(types_in, dim)
    bent = x.clone()
    bent[:, -(dim**2) :] += 1.0
    with torch.no_grad():
        assert float((network(bent) - network(x)).abs().max()) > 1e-3  # the metric is used


def test_an_ordinary_convolution_does_not():
    torch.manual_seed(0)
    conv = nn.Conv2d(components(PLANE, 2), components(PLANE, 2), 3, padding=1, padding_mode="circular").double()
    assert deviation(conv, PLANE, PLANE, 2) > 0.1


def test_the_product_reaches_advection_and_rotation():
    """u·∇h from (u, ∇h), and f ẑ×u from (f, u), as least squares in its maps."""
    product = TensorProduct(((0, 1, 1), (0, -1, 1), (1, 1, 1))).double()
    rng = np.random.default_rng(0)
    a, b = (torch.from_numpy(rng.normal(size=(50, 4, 1, 1))) for _ in range(2))
    advection = (a[:, 2:] * b[:, 2:]).sum(1).flatten()
    turned = (a[:, 1:2] * torch.stack([-b[:, 3], b[:, 2]], 1)).flatten()

    def features(place):
        columns = []
        for i in range(len(product.weights[place])):
            with torch.no_grad():
                for weight in product.weights:
                    weight.zero_()
                product.weights[place][i] = 1.0
                start = [0, 1, 2][place]
                columns.append(product(a, b)[:, start : start + (2 if place == 2 else 1)].flatten())
        return torch.stack(columns, 1)

    for place, target in ((0, advection), (2, turned)):
        A = features(place)
        found = torch.linalg.lstsq(A, target[:, None]).solution
        assert float((A @ found - target[:, None]).abs().max()) < 1e-10


def test_ties_of_the_largest_norm_are_shared():
    pool = NormMaxPool(((1, 1, 1),)).double()
    x = torch.zeros(1, 2, 2, 2, dtype=torch.float64)
    x[0, 0, 0, 0], x[0, 0, 1, 1] = 1.0, -1.0
    assert float(pool(x).abs().max()) == 0.0


# --- projection -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dim", [2, 3])
def test_the_projection_is_equivariant_orthogonal_and_idempotent(dim):
    types = PLANE if dim == 2 else SPACE
    width = components(types, dim)
    torch.manual_seed(1)
    conv = (nn.Conv2d, nn.Conv3d)[dim - 2](width, width, 3, padding=1, padding_mode="circular").double()
    projected = project_equivariant(conv, (types, types))
    assert deviation(conv, types, types, dim) > 0.1
    assert deviation(projected, types, types, dim) < EXACT
    again = project_equivariant(projected, (types, types))
    assert float((again.weight - projected.weight).abs().max()) < EXACT
    assert abs(float(((conv.weight - projected.weight) * projected.weight).sum())) < 1e-10
    assert equivariance_defect(projected, (types, types)) < EXACT < 0.5 < equivariance_defect(conv, (types, types))


def test_an_equivariant_kernel_stays():
    types = (SCALAR, VECTOR)
    own = GeometricConv(types, types, bias=False).double()
    conv = nn.Conv2d(6, 6, 3, bias=False).double()
    with torch.no_grad():
        conv.weight.copy_(own.kernel())
    assert equivariance_defect(conv, (types, types)) < EXACT


def test_a_network_is_projected_by_names_and_the_given_one_stays():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU(), nn.Conv2d(4, 3, 3))
    flow, hidden = ((0, 1, 1), (1, 1, 1)), ((0, 1, 4),)
    before = net[0].weight.clone()
    projected = project_equivariant(net, {"0": (flow, hidden), "2": (hidden, flow)})
    assert torch.equal(net[0].weight, before)
    assert equivariance_defect(projected[0], (flow, hidden)) < 1e-6
    with pytest.raises(UnknownNameError, match="0"):
        project_equivariant(net, {"1": (flow, hidden)})


# --- bad input --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: invariant_filters(0, 1), ParameterError),
        (lambda: invariant_filters(3, 1, parity=0), ParameterError),
        (lambda: invariant_filters(9, 6, 1, 3), ParameterError),
        (lambda: isotropic_tensors(9), ParameterError),
        (lambda: GeometricConv(((0, 1, 1),), ((0, -1, 1),)), DesignError),
        (lambda: GeometricConv(((0, 1, 1),), ((0, 1, 1),), 3, stride=2), ParameterError),
        (lambda: GeometricConv(((0, 1, 1),), ((0, 1, 1),), boundary="odd"), ParameterError),
        (lambda: GeometricConv(((0, 1, 1),), ((0, 1, 1),))(torch.zeros(1, 2, 8, 8)), ShapeError),
        (lambda: GeometricConv(((0, 1, 1),), ((0, 1, 1),), 4, stride=2)(torch.zeros(1, 1, 7, 7)), ShapeError),
        (lambda: TensorProduct(((0, 1, 1), (1, 1, 2))), DesignError),
        (lambda: TensorProduct(((0, 1, 1),), ((1, 1, 1),)), DesignError),
        (lambda: TensorProduct(((0, 1, 1),))(torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4)), ShapeError),
        (lambda: NormGate(((1, 1, 1),))(torch.zeros(1, 1, 4, 4)), ShapeError),
        (lambda: AveragePool(3)(torch.zeros(1, 1, 4, 4)), ParameterError),
        (lambda: project_equivariant(nn.Conv2d(3, 3, 3), (((0, 1, 1),), ((0, 1, 3),))), ShapeError),
        (lambda: project_equivariant(nn.Conv2d(1, 1, (3, 5)), (((0, 1, 1),), ((0, 1, 1),))), ParameterError),
        (lambda: GeometricResNet(((0, 1, 1),), ((0, 1, 1),), dilations=()), ParameterError),
    ],
)
def test_bad_input_is_named(make, error):
    with pytest.raises(error) as caught:
        make()
    assert isinstance(caught.value, GeodisError)
