"""Simulated turbulence obeys its equations, commutes with the symmetries of the square, and can be forecast."""

import subprocess
import sys
import zipfile
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from geodis.actions import FieldShift, FieldSymmetries
from geodis.encoders import TurbulenceNet, encode, load_turbulence_encoder
from geodis.encoders.turbulence import FORMAT, WEIGHTS, save_turbulence_encoder, turbulence_metadata
from geodis.errors import FileFormatError, FiniteError, GeodisError, ParameterError, ShapeError
from geodis.simulators import random_velocity, simulate_turbulence, vorticity

VELOCITY = ((1, 1, 1),)
# Sums over a grid, and transforms back and forth, cost some roundings on numbers of size one.
EXACT = 1e-12
# Hundreds of time steps of an advected flow, which doubles deviations about once a unit of time.
ADVECTED = 1e-10


def mean(x):
    return x.mean(axis=(-2, -1))


def energy(u):
    return 0.5 * mean((u**2).sum(axis=-3))


def enstrophy(u):
    return 0.5 * mean(vorticity(u) ** 2)


def palinstrophy(u):
    """Half the mean square gradient of the vorticity, by its Fourier series."""
    w = np.fft.fft2(vorticity(u)) / u.shape[-1] ** 2
    k = np.fft.fftfreq(u.shape[-1], 1 / u.shape[-1])
    return 0.5 * ((k[:, None] ** 2 + k**2) * np.abs(w) ** 2).sum(axis=(-2, -1))


def divergence(u):
    k = np.fft.fftfreq(u.shape[-1], 1 / u.shape[-1])
    transformed = np.fft.fft2(u)
    return np.fft.ifft2(1j * (k[:, None] * transformed[..., 0, :, :] + k * transformed[..., 1, :, :])).real


def grid(n):
    x = 2 * np.pi * np.arange(n) / n
    return x[:, None], x[None, :]


@cache
def flow(n_grid=32, **options):
    return simulate_turbulence(random_velocity(3, n_grid, seed=5), 5, **options)


# --- the equations ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("n_grid", [15, 16, 32])
def test_every_snapshot_is_free_of_divergence(n_grid):
    assert np.abs(divergence(flow(n_grid))).max() < EXACT * n_grid
    assert np.abs(divergence(flow(n_grid)[..., ::-1, :, :])).max() > 0.1, "with components exchanged it is not"


def test_energy_and_enstrophy_decay():
    assert (np.diff(energy(flow()), axis=1) < 0).all()
    assert (np.diff(enstrophy(flow()), axis=1) < 0).all()


@pytest.mark.parametrize("viscosity", [0.01, 0.05])
def test_energy_and_enstrophy_are_lost_to_viscosity_and_nothing_else(viscosity):
    n, interval = 33, 0.05
    u = simulate_turbulence(
        random_velocity(3, 32, seed=5), n, interval=interval, viscosity=viscosity, time_step=interval / 4
    )
    simpson = interval / 3 * np.array([1.0, *[4.0, 2.0] * ((n - 3) // 2), 4.0, 1.0])
    for kept, lost in ((energy, enstrophy), (enstrophy, palinstrophy)):
        change, loss = kept(u[:, -1]) - kept(u[:, 0]), -2 * viscosity * lost(u) @ simpson
        np.testing.assert_allclose(change, loss, rtol=1e-5)
        assert (np.abs(change) > 0.01).all(), "there is something to lose"


def test_without_viscosity_nothing_is_lost_up_to_the_time_steps():
    drifts = []
    for time_step in (0.05, 0.025):
        u = flow(viscosity=0.0, time_step=time_step)
        drifts.append([np.abs(q(u) / q(u[:, :1]) - 1).max() for q in (energy, enstrophy)])
    assert np.max(drifts) < 1e-3
    assert (np.divide(*drifts) > 2**3.5).all(), "at least of the scheme's order"
    assert np.abs(palinstrophy(u) / palinstrophy(u[:, :1]) - 1).max() > 0.1, "the flow does change"


@pytest.mark.parametrize("wavenumber", [1, 3])
@pytest.mark.parametrize("viscosity", [0.0, 0.02])
def test_taylor_green_vortices_decay_as_they_should(wavenumber, viscosity):
    k, (x, y) = wavenumber, grid(32)
    start = np.stack([np.cos(k * x) * np.sin(k * y), -np.sin(k * x) * np.cos(k * y)])
    found = simulate_turbulence(start[None], 4, interval=0.5, viscosity=viscosity)[0]
    expected = np.exp(-2 * viscosity * k**2 * 0.5 * np.arange(4))[:, None, None, None] * start
    np.testing.assert_allclose(found, expected, rtol=0, atol=EXACT)


def test_the_scheme_is_of_fourth_order():
    start = random_velocity(2, 32, seed=1)
    ends = [simulate_turbulence(start, 2, interval=1.0, time_step=0.1 / 2**i)[:, 1] for i in range(4)]
    steps = [np.abs(a - b).max() for a, b in pairwise(ends)]
    orders = np.log2(np.divide(steps[:-1], steps[1:]))
    assert (np.abs(orders - 4) < 0.35).all(), orders


def test_a_finer_grid_finds_the_same_flow():
    coarse = random_velocity(2, 32, seed=2, peak=2.0)
    transformed = np.fft.fftshift(np.fft.fft2(coarse), axes=(-2, -1))
    fine = np.fft.ifft2(np.fft.ifftshift(np.pad(transformed, [(0, 0), (0, 0), (16, 16), (16, 16)]), axes=(-2, -1))).real
    on_fine = simulate_turbulence(4 * fine, 2, interval=0.5)
    np.testing.assert_allclose(on_fine[..., ::2, ::2], simulate_turbulence(coarse, 2, interval=0.5), rtol=0, atol=1e-2)


def test_the_mean_flow_carries_the_others_along():
    start = random_velocity(2, 32, seed=3)
    wind = np.array([1.0, -2.0])[:, None, None]
    cells, interval = (4, -8), 4 * (2 * np.pi / 32)  # in which the wind covers whole cells
    still = simulate_turbulence(start, 2, interval=interval, time_step=0.0025)[:, 1]
    carried = simulate_turbulence(start + wind, 2, interval=interval, time_step=0.0025)[:, 1]
    np.testing.assert_allclose(carried, np.roll(still, cells, axis=(-2, -1)) + wind, rtol=0, atol=1e-6)
    assert np.abs(carried - still - wind).max() > 0.1


def test_vorticity_is_the_curl():
    x, y = grid(16)
    u = np.stack([np.sin(2 * y) + 0 * x, np.cos(x) + 0 * y])
    np.testing.assert_allclose(vorticity(u), -np.sin(x) - 2 * np.cos(2 * y), rtol=0, atol=EXACT)
    assert vorticity(u.astype(np.float32)).dtype == np.float32


# --- symmetries -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("n_grid", [15, 16, 32])
@pytest.mark.parametrize("element", range(8))
def test_symmetries_of_the_square_commute_with_the_flow(n_grid, element):
    action, start = FieldSymmetries(VELOCITY, d=2), random_velocity(2, n_grid, seed=4)
    g = np.full((2, 1), float(element))
    acted_first = simulate_turbulence(action.act(g, start), 3)[:, -1]
    simulated_first = simulate_turbulence(start, 3)[:, -1]
    np.testing.assert_allclose(acted_first, action.act(g, simulated_first), rtol=0, atol=ADVECTED)
    if element:
        assert np.abs(acted_first - simulated_first).max() > 0.1
    scalars = FieldSymmetries(((0, 1, 2),), d=2)  # components that do not turn
    wrong = simulate_turbulence(scalars.act(g, start), 3)[:, -1] - scalars.act(g, simulated_first)
    assert (np.abs(wrong).max() > 0.1) == (element != 0)


@pytest.mark.parametrize("shift", [(1.0, 0.0), (5.0, 11.0), (0.5, 0.0), (3.3, 7.9)])
def test_shifts_commute_with_the_flow(shift):
    # Fractions as well: the flow has no Nyquist component, so that its trigonometric interpolant is the flow.
    action, start = FieldShift(VELOCITY, (16, 16)), random_velocity(2, 16, seed=4)
    t = np.tile(shift, (2, 1))
    acted_first = simulate_turbulence(action.act(t, start), 3)[:, -1]
    simulated_first = simulate_turbulence(start, 3)[:, -1]
    np.testing.assert_allclose(acted_first, action.act(t, simulated_first), rtol=0, atol=ADVECTED)
    assert np.abs(acted_first - simulated_first).max() > 0.05


def test_random_velocities_prefer_no_direction_and_no_place():
    u = random_velocity(400, 16, seed=0)
    moments = np.einsum("rixy,rjxy->ij", u, u) / (400 * 256)
    np.testing.assert_allclose(moments, np.eye(2) / 2, rtol=0, atol=0.02)
    power = (np.abs(np.fft.fft2(vorticity(u))) ** 2).mean(axis=0)
    assert abs(power[3, 0] / power[0, 3] - 1) < 0.4
    assert power[3, 0] > 3 * power[1, 0], "most energy lies near the peak"
    np.testing.assert_allclose((u**2).sum(axis=1).mean(axis=0), 1.0, rtol=0, atol=0.25)
    np.testing.assert_allclose(mean(u), 0.0, rtol=0, atol=EXACT)


@pytest.mark.parametrize("peak", [2.0, 5.0])
def test_the_spectrum_peaks_where_it_should(peak):
    u = np.fft.fft2(random_velocity(200, 48, peak=peak, seed=1))
    k = np.fft.fftfreq(48, 1 / 48)
    shell = np.hypot(k[:, None], k).round().astype(int)
    spectrum = np.bincount(shell.ravel(), weights=(np.abs(u) ** 2).sum(axis=1).mean(axis=0).ravel())
    assert abs(int(spectrum.argmax()) - peak) <= 1


# --- seeds, dtypes, malformed input -----------------------------------------------------------------------------------
def test_the_seed_decides_and_nothing_else():
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - the global state is what must not move
    np.testing.assert_array_equal(random_velocity(3, 16, seed=7), random_velocity(3, 16, seed=7))
    np.testing.assert_array_equal(random_velocity(5, 16, seed=7)[:3], random_velocity(3, 16, seed=7))
    assert np.abs(random_velocity(3, 16, seed=7) - random_velocity(3, 16, seed=8)).max() > 0.1
    assert np.abs(random_velocity(3, 16, seed=(7, 1)) - random_velocity(3, 16, seed=(7, 2))).max() > 0.1
    np.testing.assert_array_equal(state, np.random.get_state()[1])  # noqa: NPY002


def test_runs_do_not_see_each_other():
    start = random_velocity(3, 16, seed=2)
    np.testing.assert_array_equal(simulate_turbulence(start, 3)[1:2], simulate_turbulence(start[1:2], 3))


def test_dtype_and_input_are_kept():
    start = random_velocity(2, 16).astype(np.float32)
    copy = start.copy()
    found = simulate_turbulence(torch.from_numpy(start), 2)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(start, copy)
    np.testing.assert_allclose(found[:, 0], start, rtol=0, atol=1e-6)


VALID = np.zeros((2, 2, 8, 8))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"velocity": np.zeros((2, 3, 8, 8))}, ShapeError),
        ({"velocity": np.zeros((2, 8, 8))}, ShapeError),
        ({"velocity": np.zeros((2, 2, 8, 9))}, ShapeError),
        ({"velocity": np.zeros((0, 2, 8, 8))}, ShapeError),
        ({"velocity": np.zeros((2, 2, 3, 3))}, ShapeError),
        ({"velocity": np.full((2, 2, 8, 8), np.nan)}, FiniteError),
        ({"velocity": np.zeros((2, 2, 8, 8), dtype=complex)}, ParameterError),
        ({"n_times": 0}, ParameterError),
        ({"n_times": 2.0}, ParameterError),
        ({"interval": 0.0}, ParameterError),
        ({"interval": np.inf}, ParameterError),
        ({"interval": "1"}, ParameterError),
        ({"viscosity": -1e-3}, ParameterError),
        ({"viscosity": np.nan}, ParameterError),
        ({"time_step": 0.0}, ParameterError),
        ({"velocity": 1e3 * random_velocity(1, 16), "time_step": 0.5}, FiniteError),
    ],
)
def test_wrong_input_of_the_simulator_is_a_named_error(options, error):
    with pytest.raises(error) as caught:
        simulate_turbulence(**{"velocity": VALID} | options)
    assert isinstance(caught.value, GeodisError)


@pytest.mark.parametrize("options", [
    {"n_runs": 0}, {"n_grid": 3}, {"n_grid": 8.0}, {"peak": 0.0}, {"peak": np.nan}, {"speed": -1.0}, {"speed": None},
])  # fmt: skip
def test_wrong_options_of_random_velocities_are_named_errors(options):
    with pytest.raises(ParameterError):
        random_velocity(**{"n_runs": 2, "n_grid": 8} | options)


@pytest.mark.parametrize("velocity", [np.zeros((8, 8)), np.zeros((3, 8, 8)), np.zeros((2, 8, 4))])
def test_vorticity_asks_for_velocities(velocity):
    with pytest.raises(ShapeError):
        vorticity(velocity)


# --- the network ------------------------------------------------------------------------------------------------------
@cache
def unseen():
    u = simulate_turbulence(random_velocity(24, 32, seed=(0, 9)).astype(np.float32), 5)
    return u[:, 1:-1].reshape(-1, 2, 32, 32), u[:, 2:].reshape(-1, 2, 32, 32)


def error_of(net):
    now, later = unseen()
    with torch.no_grad():
        return float(((net(torch.from_numpy(now)).numpy() - later) ** 2).mean() / (later**2).mean())


def test_the_trained_network_forecasts_unseen_flows():
    now, later = unseen()
    persistence = float(((now - later) ** 2).mean() / (later**2).mean())
    meta = turbulence_metadata()
    assert error_of(load_turbulence_encoder()) < persistence / 3
    assert error_of(TurbulenceNet(1).eval()) > persistence
    assert error_of(load_turbulence_encoder()) == pytest.approx(float(meta["test_error"]), rel=0.2)
    assert persistence == pytest.approx(float(meta["persistence_error"]), rel=0.2)


def test_the_shipped_file_says_how_it_came_about_and_is_small():
    meta = turbulence_metadata()
    assert {"format", "version", "seed", "flow_seeds", "test_error", "persistence_error", "command"} <= set(meta)
    assert meta["augmented"] == "False"
    assert WEIGHTS.stat().st_size < 1_000_000
    net = load_turbulence_encoder()
    assert not net.training
    assert not any(module.training for module in net.modules())


def test_the_network_is_not_equivariant_by_construction():
    x = torch.from_numpy(unseen()[0][:4])
    for net in (load_turbulence_encoder(), TurbulenceNet(1).eval()):
        with torch.no_grad():
            for shift in (1, 8):
                moved, still = net(torch.roll(x, shift, dims=-1)), torch.roll(net(x), shift, dims=-1)
                assert (moved - still).abs().max() > 1e-2


def test_untrained_weights_are_those_of_the_seed():
    state = torch.get_rng_state()
    a, b, other = TurbulenceNet(3), TurbulenceNet(3), TurbulenceNet(4)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    assert not torch.equal(a.bottleneck.weight, other.bottleneck.weight)
    z = encode(a.eval(), "bottleneck")(unseen()[0][:8])
    assert z.shape == (8, 96)
    assert 0.02 < z.std() < 50, "activations neither vanish nor blow up"


@pytest.mark.parametrize("shape", [(2, 32, 32), (1, 3, 32, 32), (1, 2, 16, 16)])
def test_the_network_asks_for_velocities(shape):
    with pytest.raises(ShapeError):
        TurbulenceNet()(torch.zeros(shape))


def test_weights_survive_the_disk(tmp_path):
    net, path = TurbulenceNet(5), tmp_path / "net.safetensors"
    save_turbulence_encoder(net, path, {"seed": 5})
    assert turbulence_metadata(path)["seed"] == "5"
    assert all(
        torch.equal(p, q) for p, q in zip(net.parameters(), load_turbulence_encoder(path).parameters(), strict=True)
    )


def tensors_of(net):
    return {name: p.numpy().copy() for name, p in net.state_dict().items()}


@pytest.mark.parametrize("spoil", ["format", "version", "a name", "a shape", "dtype", "nan", "text"])
def test_other_files_are_refused(tmp_path, spoil):
    path, meta, tensors = tmp_path / "net.safetensors", {"format": FORMAT, "version": "1"}, tensors_of(TurbulenceNet())
    if spoil in meta:
        meta[spoil] = "other"
    elif spoil == "a name":
        del tensors["out.bias"]
    elif spoil == "a shape":
        tensors["out.bias"] = np.zeros(3, dtype=np.float32)
    elif spoil == "dtype":
        tensors["out.bias"] = np.zeros(2)
    elif spoil == "nan":
        tensors["out.bias"][0] = np.nan
    save_file(tensors, path, metadata=meta)
    if spoil == "text":
        path.write_text("no weights")
    with pytest.raises(FileFormatError):
        load_turbulence_encoder(path)


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_turbulence_encoder(tmp_path / "none.safetensors")


@pytest.mark.slow
def test_the_wheel_holds_the_weights(tmp_path):
    root = Path(__file__).parent.parent
    command = [sys.executable, "-m", "pip", "wheel", str(root), "--no-deps", "--quiet", "--wheel-dir", str(tmp_path)]
    subprocess.run(command, check=True)
    (path,) = tmp_path.glob("geodis-*.whl")
    with zipfile.ZipFile(path) as wheel:
        assert wheel.read("geodis/encoders/turbulence.safetensors") == WEIGHTS.read_bytes()
