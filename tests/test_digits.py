"""Digits as smooth images that turn in their frame, and a classifier of them that was not built to turn."""

import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from sklearn.datasets import load_digits

from geodis.actions import ImageRotation
from geodis.encoders import DigitsNet, encode, load_digits_encoder
from geodis.encoders.digits import FORMAT, WEIGHTS, digits_metadata, save_digits_encoder
from geodis.errors import FileFormatError, ParameterError, ShapeError
from geodis.simulators import digit_images, digit_split
from geodis.simulators.digits import PITCH

SIZES = [16, 23, 28, 40]


@cache
def originals():
    data = load_digits()
    return data.images / 16.0, data.target


def radius(size):
    x = np.arange(size) - (size - 1) / 2
    return np.hypot(x[:, None], x)


def law_error(images, seed=0):
    """Root mean square of what two rotations miss of one, relative to the images."""
    action, rng = ImageRotation(), np.random.default_rng(seed)
    g, h = rng.uniform(0, 2 * np.pi, (2, len(images), 1))
    apart = action.act(g, action.act(h, images)) - action.act(action.group.compose(g, h), images)
    return float(np.sqrt((apart**2).mean() / (images**2).mean()))


# --- the images -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", SIZES)
def test_images_are_in_range_and_of_the_size_asked_for(size):
    images, labels = digit_images(size)
    assert images.shape == (1797, size, size)
    assert images.dtype == np.float32
    assert images.min() >= 0.0
    assert 0.9 < images.max() <= 1.0
    np.testing.assert_array_equal(labels, originals()[1])


@pytest.mark.parametrize("size", SIZES)
def test_ink_is_neither_lost_nor_made(size):
    ink = digit_images(size)[0].astype(np.float64).sum(axis=(1, 2))
    # Samples of a spline sum to its integral up to the aliases of the grid, the more the coarser it is.
    np.testing.assert_allclose(ink, originals()[0].sum(axis=(1, 2)) * (PITCH * size) ** 2, rtol=0.02)


@pytest.mark.parametrize("size", SIZES)
def test_the_originals_can_be_read_off(size):
    images, pitch = digit_images(size)[0].astype(np.float64), PITCH * size
    x = (np.arange(size) - (size - 1) / 2)[:, None] / pitch - (np.arange(8) - 3.5)
    a = np.abs(x)
    spread = np.where(a < 1, 2 / 3 - a**2 + a**3 / 2, np.where(a < 2, (2 - a) ** 3 / 6, 0.0))
    back = np.linalg.pinv(spread)
    np.testing.assert_allclose(back @ images @ back.T, originals()[0], atol=1e-4)


def test_a_rotation_clips_nothing_that_can_be_seen():
    images = digit_images()[0].astype(np.float64)
    outside = radius(28) > 14
    assert (images[:, outside] ** 2).sum() < 1e-5 * (images**2).sum()
    shifted = np.roll(images, 5, axis=-1)
    assert (shifted[:, outside] ** 2).sum() > 1e-3 * (images**2).sum(), "off the centre it would"


def test_smooth_digits_obey_the_group_law_and_coarse_ones_do_not():
    rows = slice(0, 60)
    smooth = digit_images()[0][rows].astype(np.float64)
    blocks = np.pad(np.kron(originals()[0][rows], np.ones((1, 2, 2))), [(0, 0), (6, 6), (6, 6)])
    assert law_error(smooth) < 1e-3
    assert law_error(blocks) > 0.03


def test_zeros_stand_around_the_digits():
    images = digit_images()[0]
    assert all((side == 0).all() for side in (images[:, 0], images[:, -1], images[..., 0], images[..., -1]))
    middle = images.mean(axis=0)[radius(28) < 4]
    assert middle.min() > 0.05


def test_images_belong_to_their_caller():
    images, labels = digit_images()
    images[:], labels[:] = 7, 7
    again, fresh = digit_images()
    assert again.max() <= 1
    assert len(np.unique(fresh)) == 10


def test_the_split_is_a_partition():
    trained, unseen = digit_split()
    np.testing.assert_array_equal(np.sort(np.concatenate([trained, unseen])), np.arange(1797))
    for part in (trained, unseen):
        assert set(originals()[1][part]) == set(range(10))


def test_the_data_come_in_sheets_so_that_the_split_keeps_writers_apart():
    labels = originals()[1]
    same = {lag: (labels[lag:] == labels[:-lag]).mean() for lag in range(100, 161)}
    assert max(same, key=same.get) == 130, "every writer filled a sheet of 130, labels in the same order"
    assert same[130] > 0.5
    assert max(value for lag, value in same.items() if lag != 130) < 0.3


@pytest.mark.parametrize("size", [15, 0, -3, 28.0, "28", True, None])
def test_wrong_sizes_are_named_errors(size):
    with pytest.raises(ParameterError):
        digit_images(size)


# --- the network ------------------------------------------------------------------------------------------------------
@cache
def turned_unseen():
    images, labels = digit_images()
    rows = digit_split()[1]
    angles = np.random.default_rng(9).uniform(0, 2 * np.pi, (len(rows), 1))
    return ImageRotation().act(angles, images[rows]), labels[rows]


def accuracy(net, images, labels):
    with torch.no_grad():
        return float((net(torch.from_numpy(images)).argmax(dim=1).numpy() == labels).mean())


def test_the_trained_network_names_unseen_digits_at_any_angle():
    meta, net = digits_metadata(), load_digits_encoder()
    images, labels = turned_unseen()
    assert accuracy(net, images, labels) == pytest.approx(float(meta["accuracy"]), abs=0.03)
    assert accuracy(net, images, labels) > 0.85
    assert accuracy(DigitsNet(1).eval(), images, labels) < 0.3
    assert accuracy(net, images, np.random.default_rng(0).permutation(labels)) < 0.2


def test_the_shipped_file_says_how_it_came_about_and_is_small():
    meta = digits_metadata()
    assert {"format", "version", "seed", "trained_digits", "accuracy", "accuracy_6_is_9", "command"} <= set(meta)
    assert meta["trained_digits"] == f"0 to {digit_split()[0][-1]}"
    assert WEIGHTS.stat().st_size < 1_000_000
    net = load_digits_encoder()
    assert not any(module.training for module in net.modules())


@pytest.mark.parametrize("trained", [True, False])
def test_the_network_is_not_equivariant_by_construction(trained):
    net = load_digits_encoder() if trained else DigitsNet(1).eval()
    images = torch.from_numpy(digit_images()[0][:20])
    turned = torch.rot90(images, 1, (-2, -1))
    with torch.no_grad():
        before, after = net.conv1(images[:, None]), net.conv1(turned[:, None])
        assert (torch.rot90(before, 1, (-2, -1)) - after).abs().max() > 0.1 * before.abs().max()
        assert (net(images) - net(turned)).abs().max() > 0.05


def test_untrained_weights_are_those_of_the_seed():
    state = torch.get_rng_state()
    a, b, other = DigitsNet(3), DigitsNet(3), DigitsNet(4)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    assert not torch.equal(a.logits.weight, other.logits.weight)


@pytest.mark.parametrize(("layer", "shape"), [
    ("conv1", 16 * 14 * 14), ("conv2", 32 * 7 * 7), ("conv3", 32 * 7 * 7), ("dense", 64), ("logits", 10), (None, 10),
])  # fmt: skip
def test_layers_have_the_sizes_that_are_promised(layer, shape):
    assert encode(load_digits_encoder(), layer)(digit_images()[0][:3]).shape == (3, shape)


@pytest.mark.parametrize("shape", [(28, 28), (1, 1, 28, 28), (1, 32, 32)])
def test_the_network_asks_for_images(shape):
    with pytest.raises(ShapeError):
        DigitsNet()(torch.zeros(shape))


# --- files ------------------------------------------------------------------------------------------------------------
def test_weights_survive_the_disk(tmp_path):
    net, path = DigitsNet(5), tmp_path / "net.safetensors"
    save_digits_encoder(net, path, {"seed": 5})
    assert digits_metadata(path)["seed"] == "5"
    loaded = load_digits_encoder(path)
    assert all(torch.equal(p, q) for p, q in zip(net.parameters(), loaded.parameters(), strict=True))


@pytest.mark.parametrize("spoil", ["format", "version", "a name", "a shape", "dtype", "nan", "text"])
def test_other_files_are_refused(tmp_path, spoil):
    path, meta = tmp_path / "net.safetensors", {"format": FORMAT, "version": "1"}
    tensors = {name: p.numpy().copy() for name, p in DigitsNet().state_dict().items()}
    if spoil in meta:
        meta[spoil] = "other"
    elif spoil == "a name":
        del tensors["logits.bias"]
    elif spoil == "a shape":
        tensors["logits.bias"] = np.zeros(3, dtype=np.float32)
    elif spoil == "dtype":
        tensors["logits.bias"] = np.zeros(10)
    elif spoil == "nan":
        tensors["logits.bias"][0] = np.nan
    save_file(tensors, path, metadata=meta)
    if spoil == "text":
        path.write_text("no weights")
    with pytest.raises(FileFormatError):
        load_digits_encoder(path)


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_digits_encoder(tmp_path / "none.safetensors")
    with pytest.raises(FileNotFoundError):
        digits_metadata(tmp_path / "none.safetensors")


@pytest.mark.slow
def test_the_wheel_holds_the_weights(tmp_path):
    builder = pytest.importorskip("hatchling.builders.wheel")
    (name,) = builder.WheelBuilder(str(Path(__file__).parent.parent)).build(directory=str(tmp_path))
    with zipfile.ZipFile(name) as wheel:
        assert wheel.read("geodis/encoders/digits.safetensors") == WEIGHTS.read_bytes()


# --- the experiment ---------------------------------------------------------------------------------------------------
@pytest.fixture
def experiments(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "experiments"))


@pytest.mark.slow
def test_convolutions_reach_the_target_on_unseen_digits(experiments):
    import digits_rotation

    assert digits_rotation.conv_error(0) <= 0.01
    assert 0.1 < digits_rotation.last_error(0) <= 1.0, "the negative control: logits name digits at any angle"


@pytest.mark.slow
def test_the_training_writes_weights_that_load(experiments, tmp_path, monkeypatch, capsys):
    import train_digits_encoder

    monkeypatch.setattr(train_digits_encoder, "EPOCHS", 2)
    train_digits_encoder.main(["--out", str(tmp_path / "net.safetensors")])
    assert "unseen digits: 600" in capsys.readouterr().out
    meta = digits_metadata(tmp_path / "net.safetensors")
    images, labels = turned_unseen()
    net = load_digits_encoder(tmp_path / "net.safetensors")
    assert accuracy(net, images, labels) == pytest.approx(float(meta["accuracy"]), abs=0.06)
