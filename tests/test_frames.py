"""Frames and generators stay on their manifolds, and saved, loaded or resumed they give the same bits."""

import copy
import io
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save
from torch import nn
from torch.nn.utils.parametrizations import orthogonal

from geodis.errors import ParameterError, ShapeError
from geodis.training import OrthonormalFrame, PlanarGenerator, SkewGenerator

FEW = settings(max_examples=25, deadline=None)
DTYPES = [torch.float32, torch.float64]
EPS = {torch.float32: 2e-6, torch.float64: 1e-14}

MODULES = {
    "tall frame": lambda seed, dtype=torch.float64: OrthonormalFrame(9, 3, seed=seed, dtype=dtype),
    "square frame": lambda seed, dtype=torch.float64: OrthonormalFrame(4, 4, seed=seed, dtype=dtype),
    "direction": lambda seed, dtype=torch.float64: OrthonormalFrame(5, 1, seed=seed, dtype=dtype),
    "skew": lambda seed, dtype=torch.float64: SkewGenerator(4, seed=seed, dtype=dtype),
    "planes": lambda seed, dtype=torch.float64: PlanarGenerator(7, 3, seed=seed, dtype=dtype),
}


def draw(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def off_manifold(module):
    """How far the module's matrix is from orthonormal columns, or from skew."""
    matrix = module.matrix.detach()
    if isinstance(module, OrthonormalFrame):
        return (matrix.T @ matrix - torch.eye(matrix.shape[1], dtype=matrix.dtype)).abs().max().item()
    return (matrix + matrix.T).abs().max().item()


def train(module, optimizer, steps, first=0):
    """Steps towards a fixed target on data of their own."""
    target = draw(*module.matrix.shape, seed=99, dtype=module.matrix.dtype)
    for step in range(first, first + steps):
        optimizer.zero_grad()
        weights = draw(*target.shape, seed=step, dtype=target.dtype).abs()
        (weights * (module.matrix - target).square()).mean().backward()
        optimizer.step()


def bits(module):
    return module.matrix.detach().clone()


# --- on the manifold --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", MODULES)
def test_a_module_starts_and_stays_on_its_manifold(name, dtype):
    module = MODULES[name](0, dtype)
    assert module.matrix.dtype == dtype
    start = bits(module)
    for optimizer in (torch.optim.AdamW(module.parameters(), lr=0.1, weight_decay=0.1),
                      torch.optim.SGD(module.parameters(), lr=1.0, momentum=0.9)):  # fmt: skip
        train(module, optimizer, 50)
        assert off_manifold(module) < EPS[dtype]
    assert (bits(module) - start).abs().max() > 0.1


@pytest.mark.parametrize("name", MODULES)
def test_the_seed_decides_the_start_and_nothing_global_is_drawn(name):
    before = torch.get_rng_state()
    assert torch.equal(bits(MODULES[name](3)), bits(MODULES[name](3)))
    assert not torch.equal(bits(MODULES[name](3)), bits(MODULES[name](4)))
    assert torch.equal(torch.get_rng_state(), before)


@given(d=st.integers(1, 12), k=st.integers(1, 12), seed=st.integers(0, 99))
@FEW
def test_frames_of_all_sizes_take_any_frame(d, k, seed):
    d, k = max(d, k), min(d, k)
    frame = OrthonormalFrame(d, k, seed=seed, dtype=torch.float64)
    assert off_manifold(frame) < 1e-13
    for q in (torch.linalg.qr(draw(d, k, seed=seed))[0], torch.eye(d, k).double(), -torch.eye(d, k).double().flip(0)):
        frame.matrix = q
        torch.testing.assert_close(frame.matrix, q, rtol=0, atol=1e-13)


def test_initial_frames_are_uniform():
    """E q qᵀ = I/D for the first column, and both orientations of a square frame come up."""
    frames = [OrthonormalFrame(3, 3, seed=seed, dtype=torch.float64).matrix.detach() for seed in range(400)]
    first = torch.stack(frames)[:, :, 0]
    torch.testing.assert_close(first.T @ first / 400, torch.eye(3).double() / 3, rtol=0, atol=0.08)
    assert first.mean(0).abs().max() < 0.12
    assert 120 < sum(torch.linalg.det(q) > 0 for q in frames) < 280


@pytest.mark.parametrize("name", MODULES)
def test_gradients_are_right(name):
    module = MODULES[name](0)
    (owner,) = [m for m in module.modules() if hasattr(m, "parametrizations")]
    weights = draw(*owner.matrix.shape, seed=5)
    chart = owner.parametrizations.matrix[0]
    start = owner.parametrizations.matrix.original.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: (weights * chart(x)).sum(), (start,))


def test_a_frame_finds_the_principal_subspace():
    scales = torch.tensor([3.0, 2.0, 0.3, 0.2, 0.1], dtype=torch.float64)
    z = draw(500, 5) * scales
    frame = OrthonormalFrame(5, 2, seed=1, dtype=torch.float64)
    optimizer = torch.optim.Adam(frame.parameters(), lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        (-frame(z).square().sum(-1).mean()).backward()
        optimizer.step()
    best = torch.linalg.eigvalsh(z.T @ z / 500)[-2:].sum()
    assert frame(z).square().sum(-1).mean() > 0.999 * best


def test_coordinates_and_synthesis_are_inverse_on_the_span():
    frame = OrthonormalFrame(6, 2, dtype=torch.float64)
    c = draw(3, 5, 2)
    torch.testing.assert_close(frame(frame.synthesis(c)), c)
    torch.testing.assert_close(frame.synthesis(c).norm(dim=-1), c.norm(dim=-1))


# --- generators -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["skew", "planes"])
def test_generators_generate_a_group(name):
    module = MODULES[name](0)
    s, t = draw(5, seed=1), draw(5, seed=2)
    rho = module(s)
    torch.testing.assert_close(rho @ module(t), module(s + t), rtol=0, atol=1e-12)
    torch.testing.assert_close(rho.mT @ rho, torch.eye(rho.shape[-1]).double().expand_as(rho), rtol=0, atol=1e-12)
    torch.testing.assert_close(rho, torch.linalg.matrix_exp(s[:, None, None] * module.matrix), rtol=0, atol=1e-12)
    assert (module(s) @ MODULES[name](1)(t) - module(s + t)).abs().max() > 0.01
    assert module(draw(2, 3)).shape == (2, 3, *module.matrix.shape)


def test_planes_act_on_rows_as_their_matrices_do():
    spin = PlanarGenerator(7, 2, frequencies=[0.5, -3.0], seed=2, dtype=torch.float64)
    z, t = draw(4, 6, 7), draw(4, 6, seed=1)
    torch.testing.assert_close(spin.act(z, t), (spin(t) @ z[..., None])[..., 0])
    torch.testing.assert_close(spin.act(z, t[0]), (spin(t[0]) @ z[..., None])[..., 0])
    eigenvalues = torch.linalg.eigvals(spin.matrix).imag.sort().values
    torch.testing.assert_close(eigenvalues, torch.tensor([-3, -0.5, 0, 0, 0, 0.5, 3]).double(), rtol=0, atol=1e-12)


def test_every_skew_matrix_can_be_given():
    module = SkewGenerator(4, dtype=torch.float64)
    a = draw(4, 4) - draw(4, 4).T
    module.matrix = a
    torch.testing.assert_close(module.matrix, a)


def test_a_planted_frequency_is_learned():
    truth = PlanarGenerator(4, 1, frequencies=[1.3], seed=0, dtype=torch.float64)
    z, t = draw(200, 4), draw(200, seed=1)
    moved = truth.act(z, t).detach()
    spin = PlanarGenerator(4, 1, frequencies=[0.8], seed=5, dtype=torch.float64)
    optimizer = torch.optim.Adam(spin.parameters(), lr=0.02)
    for _ in range(1500):
        optimizer.zero_grad()
        (spin.act(z, t) - moved).square().mean().backward()
        optimizer.step()
    torch.testing.assert_close(spin.matrix, truth.matrix, rtol=0, atol=1e-4)


# --- save, load, resume -----------------------------------------------------------------------------------------------
def through_torch(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


ROADS = {"torch.save": through_torch, "safetensors": lambda state: load(save(state)), "memory": copy.deepcopy}


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", MODULES)
def test_a_state_gives_the_same_bits(name, dtype, road):
    module = MODULES[name](0, dtype)
    train(module, torch.optim.AdamW(module.parameters(), lr=0.1), 7)
    again = MODULES[name](1, dtype)
    assert not torch.equal(bits(again), bits(module))
    again.load_state_dict(ROADS[road](module.state_dict()))
    assert torch.equal(bits(again), bits(module))
    z = draw(3, module.matrix.shape[0], dtype=dtype)
    out, back = (m(z if isinstance(m, OrthonormalFrame) else z[0]) for m in (module, again))
    assert torch.equal(out, back)
    assert torch.equal(bits(copy.deepcopy(module)), bits(module))


OPTIMIZERS = {
    "Adam": lambda p: torch.optim.Adam(p, lr=0.05),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=0.05, weight_decay=0.01),
    "SGD": lambda p: torch.optim.SGD(p, lr=0.5, momentum=0.9),
}


def resumed(make, optimizer_of, keep=lambda state: state, steps=12):
    """(uninterrupted, stopped half-way and resumed from saved states) matrices."""
    whole = make(0)
    train(whole, optimizer_of(whole.parameters()), steps)
    first = make(0)
    optimizer = optimizer_of(first.parameters())
    train(first, optimizer, steps // 2)
    saved = through_torch({"module": first.state_dict(), "optimizer": optimizer.state_dict()})
    second = make(1)
    missing = second.load_state_dict(keep(saved["module"]), strict=False)
    optimizer = optimizer_of(second.parameters())
    optimizer.load_state_dict(saved["optimizer"])
    train(second, optimizer, steps - steps // 2, first=steps // 2)
    return bits(whole), bits(second), missing


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", MODULES)
def test_resumed_training_equals_uninterrupted_training(name, optimizer):
    whole, again, missing = resumed(MODULES[name], OPTIMIZERS[optimizer])
    assert not missing.missing_keys
    assert not missing.unexpected_keys
    assert torch.equal(whole, again)


# --- the failures that this guards against ----------------------------------------------------------------------------
def torchs_own(orthogonal_map):
    def make(seed):
        module = nn.Module()
        module.matrix = nn.Parameter(torch.linalg.qr(draw(6, 6, seed=seed))[0])
        return orthogonal(module, "matrix", orthogonal_map=orthogonal_map)

    return make


def test_the_resume_test_sees_a_lost_base():
    """torch's trivializations start from a buffer: without it the parameters mean another frame."""
    make, drop = torchs_own("matrix_exp"), lambda state: {k: v for k, v in state.items() if not k.endswith("base")}
    whole, again, _ = resumed(make, OPTIMIZERS["Adam"], drop)
    assert (whole - again).abs().max() > 0.1
    whole, again, _ = resumed(make, OPTIMIZERS["Adam"])
    assert torch.equal(whole, again)


def test_weight_decay_erases_torchs_own_householder_frames_and_not_ours():
    theirs, ours = torchs_own("householder")(0), MODULES["square frame"](0)
    for module in (theirs, ours):
        train(module, torch.optim.AdamW(module.parameters(), lr=1e-3, weight_decay=0.01), 1)
    assert theirs.matrix.abs().max() == 0
    assert off_manifold(ours) < 1e-13


def test_lost_signs_are_noticed():
    module, again = MODULES["square frame"](0), MODULES["square frame"](1)
    state = {key: value for key, value in module.state_dict().items() if not key.endswith("signs")}
    with pytest.raises(RuntimeError, match="signs"):
        again.load_state_dict(state)


# --- malformed input --------------------------------------------------------------------------------------------------
def assign(module, matrix):
    module.matrix = matrix


MALFORMED = {
    "wide frame": (lambda: OrthonormalFrame(2, 3), ParameterError),
    "empty frame": (lambda: OrthonormalFrame(2, 0), ParameterError),
    "half frame": (lambda: OrthonormalFrame(2, 1, dtype=torch.float16), ParameterError),
    "frame of fractions": (lambda: OrthonormalFrame(2.5, 1), ParameterError),
    "rows of another width": (lambda: OrthonormalFrame(3, 2)(torch.ones(4, 2)), ShapeError),
    "coordinates of another width": (lambda: OrthonormalFrame(3, 2).synthesis(torch.ones(4, 3)), ShapeError),
    "oblique matrix": (lambda: assign(OrthonormalFrame(3, 2), torch.ones(3, 2)), ParameterError),
    "NaN matrix": (lambda: assign(OrthonormalFrame(3, 2), torch.full((3, 2), math.nan)), ParameterError),
    "another size": (lambda: assign(OrthonormalFrame(3, 2), torch.eye(3)), ShapeError),
    "one dimension": (lambda: SkewGenerator(1), ParameterError),
    "no scale": (lambda: SkewGenerator(3, scale=0.0), ParameterError),
    "symmetric matrix": (lambda: assign(SkewGenerator(3), torch.eye(3)), ParameterError),
    "NaN generator": (lambda: assign(SkewGenerator(3), torch.full((3, 3), math.nan)), ParameterError),
    "another generator": (lambda: assign(SkewGenerator(3), torch.zeros(2, 2)), ShapeError),
    "too many planes": (lambda: PlanarGenerator(5, 3), ParameterError),
    "no plane": (lambda: PlanarGenerator(5, 0), ParameterError),
    "frequencies": (lambda: PlanarGenerator(5, 2, frequencies=[1.0]), ShapeError),
    "infinite frequency": (lambda: PlanarGenerator(5, 1, frequencies=[math.inf]), ParameterError),
    "other rows": (lambda: PlanarGenerator(5, 1).act(torch.ones(2, 4), torch.ones(2)), ShapeError),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_input_is_an_error_with_a_sentence(case):
    call, error = MALFORMED[case]
    with pytest.raises(error, match=r"expected .*, got "):
        call()
