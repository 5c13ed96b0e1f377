"""The baselines of the out-of-plane experiment: their formulas, and that each trains and can be scored."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

from geodis.simulators import OutOfPlane, Renderer, solid_objects

SMALL = dict(n_fit=40, n_held=12, n_test=6)


@pytest.fixture(scope="module")
def module():
    """A module of experiments/ by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent.parent / "experiments"))
        yield importlib.import_module


def blobs(objects, angles):
    """Four Gaussian blobs in space, turned about the vertical and seen in perspective: a stand-in for solids."""
    x = np.stack([np.random.default_rng([7, i]).uniform(-0.6, 0.6, (4, 3)) for i in objects])
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    u, depth = cos * x[..., 0] + sin * x[..., 2], 3 - cos * x[..., 2] + sin * x[..., 0]
    u, v, size = 3 * u / depth, 3 * x[..., 1] / depth, 0.5 / depth
    line = np.linspace(-1, 1, 32)
    rows = np.exp(-(((v[..., None] - line) / size[..., None]) ** 2))
    columns = np.exp(-(((u[..., None] - line) / size[..., None]) ** 2))
    return (255 * np.einsum("nkr,nkc->nrc", rows, columns).clip(0, 1)).astype(np.uint8)


@pytest.fixture(scope="module")
def data(module):
    return module("solid_data").split(blobs, 0, **SMALL)


def test_the_sets_show_what_they_say(data):
    assert data.fit.images.shape == (40, 12, 32, 32)
    assert data.held.images.shape == (12, 24, 32, 32)
    assert data.views.images.shape == data.steps.images.shape == (6, 24, 32, 32)
    assert data.content.images.shape == (6, 8, 32, 32)
    for views, side in ((data.fit, 12), (data.held, 24), (data.steps, 24)):
        np.testing.assert_allclose(np.diff(views.angles[..., 0], axis=1), 2 * np.pi / side)
        assert np.ptp(views.angles[:, 0, 0]) > 3
    assert np.abs(np.diff(data.views.angles[..., 0], axis=1)).min() < 0.1
    again = blobs(np.arange(52, 58).repeat(8), data.content.angles.ravel()).reshape(6, 8, 32, 32)
    np.testing.assert_array_equal(data.content.images, again)


def test_solids_are_seen_at_the_angles_that_are_given(module):
    renderer = Renderer(oversampling=1)
    found = module("solid_data").solids(renderer, 3, n_fit=4, n_views=6, n_held=2, n_test=2)
    objects, action = solid_objects(8, 3), OutOfPlane()
    expected = renderer(action.act(found.views.angles[1], objects[np.full(24, 7)]))[:, 0]
    assert found.views.images.dtype == np.uint8
    np.testing.assert_allclose(found.views.images[1] / 255, expected, atol=0.51 / 255)
    assert found.fit.images.shape == (4, 6, 32, 32)


def test_views_are_turned_by_the_shift(module, data):
    """Pose j + k of an object is pose j after k steps, whichever pose comes first."""
    angles = data.fit.angles[..., 0]
    views = module("solid_data").Views(angles[..., None, None], data.fit.angles)
    shifts = np.array([[0, 5, 11]] * 30)
    seen = module("baseline_training").turned(views, np.random.default_rng(0), 30, shifts)[..., 0, 0]
    apart = np.exp(1j * (seen - seen[:, :1]))
    np.testing.assert_allclose(apart, np.exp(2j * np.pi * shifts / 12), atol=1e-12)


def test_the_least_squares_operator_is_found(module):
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(3, 4, 9, generator=generator, dtype=torch.float64).float()
    planted = torch.randn(3, 4, 4, generator=generator)
    torch.testing.assert_close(
        module("baseline_msp").operator(first, planted @ first, 0.0), planted, rtol=1e-3, atol=1e-3
    )
    singular = torch.zeros(1, 4, 9)
    singular[:, 0] = 1.0
    assert torch.isfinite(module("baseline_msp").operator(singular, singular)).all()


def test_the_dispersion_is_zero_exactly_for_equivariant_encodings(module):
    dispersion = module("baseline_lsbd").dispersion
    angles = torch.rand(5, 4, 1, generator=torch.Generator().manual_seed(1)) * 6 * torch.tensor([1.0, 2.0])
    start = torch.rand(5, 1, 2, generator=torch.Generator().manual_seed(2)) * 6
    content = torch.randn(5, 1, 3, generator=torch.Generator().manual_seed(3)).expand(5, 4, 3)
    phases = start + angles
    z = torch.cat([torch.stack([phases.cos(), phases.sin()], dim=-1).flatten(2), content], dim=2)
    assert dispersion(z, angles) < 1e-10
    assert dispersion(z, -angles) > 0.1
    assert dispersion(z + torch.tensor([0.0] * 4 + [1.0, 0, 0]) * torch.arange(4)[:, None], angles) > 0.1


def test_powers_of_a_learned_rotation_are_a_representation(module):
    quessard = module("baseline_quessard")
    rotation = quessard.PlaneRotations(6, 0)
    with torch.no_grad():
        one = rotation().double().numpy()
    np.testing.assert_allclose(one @ one.T, np.eye(6), atol=1e-6)
    rho = quessard.powers_of(one, np.pi / 6).matrices
    np.testing.assert_allclose(rho(np.array([[0.0], [np.pi / 6], [np.pi / 3], [2 * np.pi]])),
                               np.stack([np.eye(6), one, one @ one, np.eye(6)]), atol=1e-6)  # fmt: skip
    np.testing.assert_allclose(rho(np.array([0.4])) @ rho(np.array([0.3])), rho(np.array([0.7])), atol=1e-6)


def test_the_entanglement_is_zero_for_one_plane(module):
    rotation = module("baseline_quessard").PlaneRotations(4, 0)
    assert rotation.entanglement() > 0.01
    with torch.no_grad():
        rotation.angles.zero_()
        rotation.angles[2] = 0.5
    assert rotation.entanglement() == 0


def test_components_are_the_principal_ones(module, data):
    from sklearn.decomposition import PCA

    found = module("baseline_untrained").pca(data, 0, 0.0, k=5).codes(data.content.images.reshape(-1, 32, 32))
    pixels = module("baseline_training").Pixels.of(data.fit)
    rows = pixels(data.fit.images.reshape(-1, 32, 32)).flatten(1).numpy()
    expected = PCA(5).fit(rows).transform(pixels(data.content.images.reshape(-1, 32, 32)).flatten(1).numpy())
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-2)


NAMES = ("simclr", "care", "msp", "lsbd", "quessard", "pca8", "random")


@pytest.mark.parametrize("name", NAMES)
def test_every_baseline_trains_and_is_scored(module, data, name):
    baselines = module("out_of_plane_baselines")
    found = baselines.measures(lambda seed: data, seconds=0.2)[f"outofplane.{name}"](0)
    assert set(found) == {f"outofplane.{name}.{what}" for what in ("ratio", "content", "dim")}
    assert 0 < found[f"outofplane.{name}.ratio"] < 2.5
    assert 0 <= found[f"outofplane.{name}.content"] <= 1


def test_every_baseline_of_the_table_is_there(module):
    assert set(NAMES) | {"pca16", "pca32"} == set(module("out_of_plane_baselines").SETTINGS)
