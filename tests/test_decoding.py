"""Decoders: images edited through their coordinates, planted codes recovered, what is lost reported, the same bits."""

import numpy as np
import pytest
import torch
from torch import nn

from geodis import LinearCoordinates
from geodis.errors import FileFormatError, FiniteError, LengthError, ParameterError, ShapeError
from geodis.groups import SO2
from geodis.training import DecodedCoordinates, Plan, deconvnet, fit_decoder, mlp

PLAN = Plan(max_steps=250, evaluate_every=50, patience=None)
SIDE, N, M = 12, 60, 12


def bumps(n=N, m=M, seed=0):
    """Images of a bump that turns about the centre: items differ in where it starts."""
    rng = np.random.default_rng(seed)
    angles = SO2().orbit(n, m, seed=seed).reshape(-1, 1)
    start = np.repeat(rng.uniform(0, 2 * np.pi, (n, 1)), m, axis=0)
    return drawn(angles + start), angles, np.repeat(np.arange(n), m)


def drawn(angles):
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    at = 0.5 * np.stack([np.cos(angles[:, 0]), np.sin(angles[:, 0])])[:, :, None, None]
    return np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / 0.18)[:, None]


@pytest.fixture(scope="module")
def fitted():
    """`(images, angles, items, coordinates, decoded, history)`."""
    x, angles, items = bumps()
    c = LinearCoordinates(SO2(), max_order=2, n_null=39).fit(x.reshape(len(x), -1), angles, items=items).coordinates_
    return x, angles, items, c, *fit_decoder(c, x, angles, items=items, plan=PLAN)


def test_images_are_edited(fitted):
    decoded = fitted[4]
    rng = np.random.default_rng(5)
    at, g = rng.uniform(0, 6.28, (2, 100, 1))
    x, moved = drawn(at), drawn(at + g)
    out = decoded.edit(x, g)
    assert out.shape == x.shape
    assert decoded.edit_error(x, g, moved) < 0.1
    assert decoded.cycle_error(x) < 0.1
    # No edit, or one by the opposite angle, does much worse.
    still = ((x - moved) ** 2).sum() / ((moved - moved.mean(axis=0)) ** 2).sum()
    assert still > 0.5
    assert decoded.edit_error(x, -g, moved) > 0.5


def test_edits_compose_between_encoding_and_decoding(fitted):
    x, decoded = fitted[0][:20], fitted[4]
    g, h = (SO2().sample(20, seed=s) for s in (0, 1))
    act = decoded.coordinates.act
    twice = decoded.decode(act(act(decoded.encode(x), h), g))
    assert np.allclose(twice, decoded.edit(x, SO2().compose(g, h)), atol=1e-4)
    assert np.allclose(decoded.edit(x, SO2().identity(20)), decoded.decode(decoded.encode(x)), atol=1e-5)


def test_what_coordinates_do_not_hold_is_lost_and_reported(fitted):
    x, angles, items, c, decoded, _ = fitted
    textured = x + np.random.default_rng(0).normal(size=x.shape)
    assert decoded.cycle_error(textured) > 0.5
    assert decoded.cycle_error(x) < 0.1
    alone, _ = fit_decoder(c, textured, angles, items=items, plan=PLAN)
    assert alone.cycle_error(textured) > 0.5


def test_kinds_and_dtypes_come_back(fitted):
    x, decoded = fitted[0][:5], fitted[4]
    g = np.full((5, 1), 0.3)
    expected = decoded.edit(x, g)
    assert decoded.edit(x.astype(np.float32), g).dtype == np.float32
    tensor = decoded.edit(torch.from_numpy(x), torch.from_numpy(g))
    assert torch.is_tensor(tensor)
    assert tensor.dtype == torch.float64
    assert np.allclose(tensor.numpy(), expected)
    assert torch.is_tensor(decoded.encode(torch.from_numpy(x)))
    assert isinstance(decoded.cycle_error(torch.from_numpy(x)), float)


def test_rows_and_fields_without_channels_are_decoded_too():
    x, angles, items = bumps(n=30)
    c = LinearCoordinates(SO2(), max_order=2, n_null=39).fit(x.reshape(len(x), -1), angles, items=items).coordinates_
    short = Plan(max_steps=20, evaluate_every=10)
    for shape in ((SIDE, SIDE), (SIDE * SIDE,), (1, SIDE, SIDE), (SIDE, SIDE, 1)):
        shown = x.reshape(len(x), *shape)
        decoded, history = fit_decoder(c, shown, angles, items=items, plan=short)
        assert decoded.edit(shown[:3], angles[:3]).shape == (3, *shape)
        assert history.evaluations[-1][1] > history.evaluations[0][1] - 0.5


def test_an_encoder_stands_before_the_coordinates(tmp_path):
    x, angles, items = bumps(n=30)
    mixing = np.linalg.qr(np.random.default_rng(0).normal(size=(SIDE * SIDE, 20)))[0]

    def encoder(images):
        return np.asarray(images).reshape(len(images), -1) @ mixing

    c = LinearCoordinates(SO2(), max_order=2, n_null=39).fit(encoder(x), angles, items=items).coordinates_
    decoded, _ = fit_decoder(c, x, angles, items=items, encoder=encoder, plan=PLAN)
    assert decoded.cycle_error(x) < 0.2
    assert torch.is_tensor(decoded.edit(torch.from_numpy(x[:4]), torch.zeros(4, 1, dtype=torch.float64)))
    decoded.save(tmp_path / "d.safetensors")
    with pytest.raises(ParameterError, match="encoder"):
        DecodedCoordinates.load(tmp_path / "d.safetensors")
    again = DecodedCoordinates.load(tmp_path / "d.safetensors", encoder=encoder)
    assert np.array_equal(again.edit(x, angles), decoded.edit(x, angles))


def test_files_hold_the_same_bits(fitted, tmp_path):
    x, angles, decoded = fitted[0], fitted[1], fitted[4]
    decoded.save(tmp_path / "d.safetensors")
    again = DecodedCoordinates.load(tmp_path / "d.safetensors")
    assert np.array_equal(again.edit(x, angles), decoded.edit(x, angles))
    assert again.cycle_error(x) == decoded.cycle_error(x)
    assert repr(again) == repr(decoded)
    with pytest.raises(ParameterError, match="encoder"):
        DecodedCoordinates.load(tmp_path / "d.safetensors", encoder=np.asarray)
    decoded.coordinates.save(tmp_path / "c.safetensors")
    with pytest.raises(FileFormatError):
        DecodedCoordinates.load(tmp_path / "c.safetensors")


def test_the_same_seed_gives_the_same_decoder_and_a_checkpoint_goes_on(fitted, tmp_path):
    x, angles, items, c = fitted[:4]
    short, path = Plan(max_steps=12, evaluate_every=4), tmp_path / "run.safetensors"
    one, two, other = (fit_decoder(c, x, angles, items=items, plan=short, seed=s)[0].encode for s in (0, 0, 1))
    assert np.array_equal(one(x), two(x))
    assert np.array_equal(one(x), other(x))  # the coordinates stay as they are
    kept = fit_decoder(c, x, angles, items=items, plan=short, checkpoint=path)[0]
    resumed = fit_decoder(c, x, angles, items=items, plan=short, checkpoint=path)[0]
    plain = fit_decoder(c, x, angles, items=items, plan=short)[0]
    assert np.array_equal(kept.edit(x, angles), plain.edit(x, angles))
    assert np.array_equal(resumed.edit(x, angles), plain.edit(x, angles))
    with pytest.raises(FileFormatError):
        fit_decoder(c, x, angles, items=items, plan=short, checkpoint=path, seed=1)


def test_ones_own_network_is_copied_and_the_global_generator_left_alone(fitted):
    x, angles, items, c = fitted[:4]
    net = mlp(c.n_coordinates, SIDE * SIDE, width=16)
    before, state = [p.clone() for p in net.parameters()], torch.get_rng_state()
    fit_decoder(c, x, angles, items=items, network=net, plan=Plan(max_steps=5))
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 33, 32), (2, 8, 9), (1, 15, 64)])
def test_deconvolutions_meet_every_size(shape):
    net = deconvnet(7, shape, width=4, hidden=16).eval()
    assert net(torch.zeros(2, 7)).shape == (2, *shape)
    again = deconvnet(7, shape, width=4, hidden=16).state_dict()
    assert all(torch.equal(x, again[name]) for name, x in net.state_dict().items())


# --- malformed input --------------------------------------------------------------------------------------------------
def test_malformed_input_is_refused(fitted):
    x, angles, items, c, decoded, _ = fitted
    nothing = LinearCoordinates(SO2(), max_order=2, n_null=19).fit(
        np.random.default_rng(0).normal(size=(len(x), 4)), angles, items=items
    )
    broken = x.copy()
    broken[0, 0, 0, 0] = np.nan
    cases = [
        (ParameterError, {"coordinates": "c"}),
        (ParameterError, {"coordinates": nothing.coordinates_}),
        (ParameterError, {"X": np.array([["a"]])}),
        (ShapeError, {"X": np.zeros(5)}),
        (ShapeError, {"X": x[..., :-1]}),
        (FiniteError, {"X": broken}),
        (LengthError, {"y": angles[:-1]}),
        (LengthError, {"items": items[:-1]}),
        (ParameterError, {"batch_rows": 1}),
        (ParameterError, {"held_out": 1.5}),
        (ParameterError, {"network": "deconvnet"}),
        (ShapeError, {"network": nn.Linear(c.n_coordinates, 7)}),
        (ParameterError, {"plan": Plan(max_steps=0)}),
    ]
    for error, wrong in cases:
        given = {"coordinates": c, "X": x, "y": angles, "items": items, "plan": Plan(max_steps=2)} | wrong
        with pytest.raises(error):
            fit_decoder(given.pop("coordinates"), given.pop("X"), given.pop("y"), **given)
    for method, arguments in (
        (decoded.encode, (x[..., :-1],)),
        (decoded.edit, (x[0], angles[:1])),
        (decoded.cycle_error, (x.reshape(len(x), -1),)),
        (decoded.edit_error, (x, angles, x[:, 0])),
        (decoded.decode, (np.zeros((3, c.n_coordinates + 1)),)),
    ):
        with pytest.raises(ShapeError):
            method(*arguments)
    with pytest.raises(FiniteError):
        decoded.encode(broken)


@pytest.mark.parametrize("wrong", [{"shape": (1, 4, 32)}, {"shape": (32, 32)}, {"width": 0}, {"n_features": 0}])
def test_deconvolutions_without_sense_are_refused(wrong):
    with pytest.raises(ParameterError):
        deconvnet(**{"n_features": 3} | wrong)
