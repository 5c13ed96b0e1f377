"""Painting keeps mass, reading is its transpose, derivatives on the grid are exact, and spectra are those planted."""

import matplotlib as mpl
import numpy as np
import pytest
import torch

from geodis.emulators import density_slice, particle_power, power_spectrum
from geodis.errors import FiniteError, GeodisError, LengthError, ParameterError, ShapeError
from geodis.mesh import Modes, lattice, nearest_image, paint, read

mpl.use("Agg")
EXACT = 1e-12  # sums over some thousand cells of numbers of size one


def points(n=500, box=3.0, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).uniform(-box, 2 * box, (n, 3)))


# --- cloud in cell ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("n_grid", [4, 7])
def test_painting_keeps_all_mass_and_its_centre(n_grid):
    x, weights = points(), torch.from_numpy(np.random.default_rng(1).random(500))
    grid = paint(x, n_grid, 3.0, weights)
    assert abs(float(grid.sum() - weights.sum())) < EXACT * 500
    assert float(paint(x, n_grid, 3.0).sum()) == pytest.approx(500, rel=EXACT)
    one = torch.tensor([[1.1, 0.4, 1.9]], dtype=torch.float64)
    mass = paint(one, 6, 6.0).reshape(-1)
    torch.testing.assert_close(mass @ lattice(6, 6.0), one[0], rtol=0, atol=EXACT)


def test_reading_is_the_transpose_of_painting():
    x, weights = points(), torch.from_numpy(np.random.default_rng(1).random(500))
    field = torch.from_numpy(np.random.default_rng(2).standard_normal((1, 5, 5, 5)))
    left = (paint(x, 5, 3.0, weights) * field[0]).sum()
    right = (read(field, x, 3.0)[:, 0] * weights).sum()
    assert abs(float(left - right)) < EXACT * 500
    assert abs(float(left - (paint(x + 0.1, 5, 3.0, weights) * field[0]).sum())) > 0.1, "elsewhere it is not"


def test_images_of_the_box_are_one_place():
    x = points(50, 2.0)
    shifted = x + 2.0 * torch.tensor([1.0, -3.0, 2.0])
    torch.testing.assert_close(paint(x, 4, 2.0), paint(shifted, 4, 2.0), rtol=0, atol=1e-11)
    assert nearest_image(x - shifted, 2.0).abs().max() < 1e-12
    assert paint(torch.tensor([[2.0, 2.0, 2.0]]), 4, 2.0)[0, 0, 0] == 1.0


def test_gradients_of_painting_are_those_of_finite_differences():
    x = points(4, 3.0, seed=3).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: paint(p, 4, 3.0), x, eps=1e-6, atol=1e-6)


# --- Fourier space ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("n_grid", [7, 8])
def test_derivatives_of_waves_are_exact(n_grid):
    box = 5.0
    x = lattice(n_grid, box).reshape(n_grid, n_grid, n_grid, 3)
    k = 2 * np.pi / box * torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    wave, slope = torch.sin(x @ k), torch.cos(x @ k)
    modes = Modes.of(n_grid, box, wave)
    found = modes.gradient(modes.to_modes(wave))
    for i in range(3):
        torch.testing.assert_close(found[i], k[i] * slope, rtol=0, atol=EXACT * 10)
    back = modes.to_grid(modes.inverse_laplacian(modes.to_modes(wave)))
    torch.testing.assert_close(back, -wave / (k @ k), rtol=0, atol=EXACT)
    assert float(modes.cloud_window()[0, 0, 0]) == 1.0


# --- spectra ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("n_grid", [15, 16])
def test_the_spectrum_of_a_wave_is_its_amplitude(n_grid):
    box, amplitude = 10.0, 0.3
    x = lattice(n_grid, box)[:, 0].reshape((n_grid,) * 3)
    spectrum = power_spectrum(2.0 * (1 + amplitude * torch.cos(2 * np.pi * 3 * x / box)), box)
    held = spectrum.power * spectrum.n_modes / box**3  # one independent mode of |δ_k|² = (amplitude/2)²
    assert held[2] == pytest.approx((amplitude / 2) ** 2, rel=1e-10)
    assert np.delete(held, 2).max() < 1e-20
    assert len(spectrum.k) == n_grid // 2
    shells = np.rint(np.linalg.norm(np.stack(np.meshgrid(*[np.arange(-7, 8)] * 3)), axis=0)).astype(int).ravel()
    np.testing.assert_array_equal(spectrum.n_modes[:6], np.bincount(shells)[1:7] // 2)


def test_white_noise_has_the_same_power_everywhere():
    x = np.random.default_rng(0).random((100_000, 3)) * 4.0
    spectrum = particle_power(x, 4.0, 32)
    scatter = (spectrum.power / (4.0**3 / len(x)) - 1)[:8] * np.sqrt(spectrum.n_modes[:8])
    assert np.abs(scatter).max() < 4, "within Gaussian scatter, the window divided out"


def test_spectra_and_slices_are_drawn():
    x = np.random.default_rng(0).random((2000, 3))
    a, b = particle_power(x, 1.0, 8), particle_power(x**1.2, 1.0, 8)
    assert a.plot(label="a").get_xlabel()
    ratio = b.plot_ratio(a)
    drawn = ratio.get_lines()[-1].get_ydata()
    np.testing.assert_allclose(drawn, b.power / a.power)
    assert "shells" in repr(a)
    cut = density_slice(x, 1.0, axis=0, start=0.5, depth=0.25, n_grid=16)
    image = cut.plot(title="slice").get_images()[0].get_array()
    assert image.shape == (16, 16)
    np.testing.assert_allclose(image, np.log10(cut.values.T + 0.1), rtol=1e-6)


def test_a_slice_holds_what_lies_in_it():
    x = np.array([[0.51, 0.25, 0.75], [0.01, 0.75, 0.25]])
    first, second = (density_slice(x, 1.0, axis=0, start=s, depth=0.25, n_grid=16).values for s in (0.5, 0.0))
    assert np.unravel_index(first.argmax(), first.shape) == (4, 12)
    assert np.unravel_index(second.argmax(), second.shape) == (12, 4)


# --- malformed input --------------------------------------------------------------------------------------------------
X = torch.zeros((5, 3))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: paint(torch.zeros(5, 2), 4, 1.0), ShapeError),
        (lambda: paint(X * np.nan, 4, 1.0), FiniteError),
        (lambda: paint(X, 1, 1.0), ParameterError),
        (lambda: paint(X, 4.0, 1.0), ParameterError),
        (lambda: paint(X, 4, 0.0), ParameterError),
        (lambda: paint(X, 4, np.inf), ParameterError),
        (lambda: paint(X, 4, 1.0, torch.ones(4)), LengthError),
        (lambda: read(torch.zeros(1, 4, 4, 5), X, 1.0), ShapeError),
        (lambda: read(torch.zeros(4, 4, 4), X, 1.0), ShapeError),
        (lambda: power_spectrum(np.zeros((4, 4, 5)), 1.0), ShapeError),
        (lambda: power_spectrum(np.full((4, 4, 4), np.nan), 1.0), FiniteError),
        (lambda: power_spectrum(np.ones((4, 4, 4)), -1.0), ParameterError),
        (lambda: particle_power(np.zeros((4, 2)), 1.0), ShapeError),
        (lambda: particle_power(X, 1.0, 8).ratio(particle_power(X, 1.0, 10)), LengthError),
        (lambda: particle_power(X, 1.0, 8).ratio(particle_power(X, 2.0, 8)), ParameterError),
        (lambda: density_slice(X, 1.0, axis=3), ParameterError),
        (lambda: density_slice(X, 1.0, depth=2.0), ParameterError),
        (lambda: density_slice(X * np.inf, 1.0), FiniteError),
    ],
)
def test_wrong_input_is_a_named_error(call, error):
    with pytest.raises(error) as caught:
        call()
    assert isinstance(caught.value, GeodisError)
