"""A network as a lift: what is written is read bit by bit, layers of the user's own need the module again."""

import numpy as np
import pytest
import torch
from torch import nn

from geodis import DeepCoordinates, LatentCoordinates
from geodis.coordinates.network_lift import NetworkLift
from geodis.coordinates.network_spec import ARGUMENTS, build, describe
from geodis.errors import ParameterError
from geodis.groups import SO2
from geodis.training import convnet, mlp

NETWORKS = {
    "perceptron": (lambda: mlp(12, 5, width=8, seed=1), 12),
    "convolutions": (lambda: nn.Sequential(nn.Unflatten(1, (1, 16, 16)), convnet(4, (1, 16, 16), width=4)), 256),
    "pooling": (
        lambda: nn.Sequential(
            nn.Unflatten(1, (2, 4, 4)), nn.AvgPool2d(2), nn.GroupNorm(1, 2), nn.SiLU(), nn.Flatten(), nn.LeakyReLU(0.3)
        ),
        32,
    ),
}


class Squared(nn.Module):
    """A layer that no file can describe."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.full((3,), 2.0))

    def forward(self, z):
        return self.scale * z**2


@pytest.mark.parametrize("name", NETWORKS)
def test_a_description_builds_the_same_network(name):
    make, width = NETWORKS[name]
    network = make().eval()
    again = build(describe(network))
    again.load_state_dict(network.state_dict())
    z = torch.linspace(-1, 1, 3 * width).reshape(3, width)
    torch.testing.assert_close(again.eval()(z), network(z), rtol=0, atol=0)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_lift_is_the_network_and_survives_its_state(name):
    make, width = NETWORKS[name]
    lift = NetworkLift.of(make(), width)
    z = np.random.default_rng(0).normal(size=(7, width))
    h = lift(z)
    assert h.dtype == np.float64
    assert h.shape == (7, lift.n_features)
    np.testing.assert_array_equal(NetworkLift.from_state(*lift.state())(z), h)
    expected = make().eval()(torch.from_numpy(z).float()).detach().numpy()
    np.testing.assert_allclose(h, expected, rtol=1e-5, atol=1e-6)


def test_the_network_given_is_not_changed():
    network = mlp(6, 3, width=4)
    before = {name: x.clone() for name, x in network.state_dict().items()}
    lift = NetworkLift.of(network, 6)
    with torch.no_grad():
        next(network.parameters()).add_(1.0)
    assert network.training
    np.testing.assert_array_equal(lift.state()[1]["0.weight"], before["0.weight"].numpy())


def test_gradients_flow_to_the_rows():
    z = torch.randn(4, 12, generator=torch.Generator().manual_seed(0), requires_grad=True)
    NetworkLift.of(mlp(12, 5, width=8), 12)(z).square().sum().backward()
    assert z.grad.abs().sum() > 0


def test_every_described_layer_can_be_built():
    assert all(build({"kind": kind.__name__}) for kind, names in ARGUMENTS.items() if not names)
    with pytest.raises(ParameterError, match="Squared"):
        describe(nn.Sequential(nn.Linear(2, 2), Squared()))


def test_layers_of_ones_own_are_given_again(tmp_path):
    rng = np.random.default_rng(0)
    angle = SO2().orbit(60, 6).reshape(-1, 1)
    phase = angle + np.repeat(rng.uniform(0, 6.28, (60, 1)), 6, axis=0)
    z = np.hstack([np.cos(phase), np.sin(phase), rng.normal(size=phase.shape)])
    fit = DeepCoordinates(SO2(), Squared(), n_content=0, max_order=2, max_steps=3, batch_items=20)
    coordinates = fit.fit(z, angle, items=np.arange(360) // 6).coordinates_
    coordinates.save(tmp_path / "c.safetensors")
    with pytest.raises(ParameterError, match="network="):
        LatentCoordinates.load(tmp_path / "c.safetensors")
    with pytest.raises(ParameterError, match="weights fit"):
        LatentCoordinates.load(tmp_path / "c.safetensors", network=mlp(3, 3))
    again = LatentCoordinates.load(tmp_path / "c.safetensors", network=Squared())
    np.testing.assert_array_equal(again.transform(z), coordinates.transform(z))
