"""The demo on digits: numbers that agree with the reports, edits checked by hand, true words for any network."""

import io
import json
from collections import OrderedDict

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from html_pages import parsed
from rich.console import Console
from torch import nn

from geodis.coordinates import LinearCoordinates
from geodis.demo.digits import ORDERS, RANDOM, STEP, TRAINED, LayerReader, chosen_digits, quarter_turns, ridge_top1
from geodis.demo.images import images_domain
from geodis.encoders import DigitsNet, encode, load_digits_encoder
from geodis.errors import ParameterError
from geodis.groups import SO2
from geodis.orbits import Orbits
from geodis.simulators import digit_images, digit_split

KEYS = ["domain", "group", "layer", "block", "energy", "error", "ci_low", "ci_high", "identity_error", "null_mean"]
KEYS += ["null_p", "retrieval_top1", "status"]
FEW = {"n_items": 30, "n_null": 19}


def chain(**stages):
    return nn.Sequential(OrderedDict(stages))


class Sines(nn.Module):
    """Fast sines of the pixels as maps: they say which image it is, and nothing about what moved it."""

    def __init__(self):
        super().__init__()
        self.register_buffer("frame", torch.from_numpy(40 * np.random.default_rng(0).normal(size=(784, 12))).float())

    def forward(self, x):
        return torch.sin(x.flatten(1) @ self.frame)[..., None, None]


class Rings(nn.Module):
    """Means over rings about the centre: invariant up to the pixels."""

    def __init__(self):
        super().__init__()
        x = torch.arange(28) - 13.5
        ring = (torch.hypot(x[:, None], x) / 2.5).floor().long().clamp(max=5)
        self.register_buffer("rings", nn.functional.one_hot(ring.flatten(), 6).float())

    def forward(self, x):
        return x.flatten(1) @ self.rings


def printed(network, seed=0, **options):
    """`(domain, text on the console)`."""
    stream = io.StringIO()
    found = images_domain(seed, False, Console(file=stream, width=200), network=network, **options)
    return found, " ".join(stream.getvalue().split())


@pytest.fixture(autouse=True)
def no_figures_left():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def linear():
    """The first stage of a network without training, and some windows of it."""
    return printed(chain(conv1=DigitsNet(2).conv1, flat=nn.Sequential(nn.AvgPool2d(7), nn.Flatten())), **FEW)


@pytest.fixture(scope="module")
def coarse():
    """The image in a few windows, then rings that no rotation moves."""
    return printed(chain(conv1=nn.AvgPool2d(1), logits=Rings()), **FEW)


@pytest.fixture(scope="module")
def nothing():
    return printed(chain(maps=Sines(), flat=nn.Flatten()), **FEW)


# --- numbers ----------------------------------------------------------------------------------------------------------
def test_entries_hold_what_demo_json_needs(linear):
    entries = linear[0].entries
    json.dumps(entries, allow_nan=False)
    assert all(list(entry) == KEYS for entry in entries)
    assert {(entry["domain"], entry["group"]) for entry in entries} == {("images", "SO2()")}
    assert list(dict.fromkeys(entry["layer"] for entry in entries)) == ["conv1", "flat"]
    assert [entry["block"] for entry in entries].count("all") == 2
    for entry in entries:
        assert entry["energy"] == pytest.approx(1 - entry["error"])
        assert entry["ci_low"] <= entry["error"] <= entry["ci_high"]
        edited = entry["retrieval_top1"]
        assert 0 <= edited <= 1 if entry["layer"] == "conv1" else edited is None


def test_random_filters_turn_linearly_and_edits_arrive(linear):
    maps = [entry for entry in linear[0].entries if entry["layer"] == "conv1"]
    assert {"m=1", "m=2", "m=3", "m=4"} <= {entry["block"] for entry in maps}
    for entry in maps:
        if entry["block"] in ("m=1", "m=2"):
            assert entry["error"] < 0.01
            assert entry["null_mean"] > 0.1
    assert maps[-1]["retrieval_top1"] > 0.95
    assert maps[-1]["retrieval_top1"] >= max(entry["retrieval_top1"] for entry in maps)


def test_sines_hold_nothing(nothing):
    entries, text = nothing[0].entries, nothing[1]
    assert [(entry["layer"], entry["block"]) for entry in entries] == [("maps", "all"), ("flat", "all")]
    assert all(entry["energy"] == 0 and entry["status"] == "degenerate" for entry in entries)
    assert entries[0]["retrieval_top1"] < 0.05
    assert "No. In maps" in text
    assert "Nothing was found" in text
    assert "a turn of planes" not in text


def test_the_same_seed_gives_the_same_numbers(coarse):
    assert printed(chain(conv1=nn.AvgPool2d(1), logits=Rings()), **FEW)[0].entries == coarse[0].entries


# --- words ------------------------------------------------------------------------------------------------------------
def test_the_page_and_the_console_say_what_was_found(linear):
    found, text = linear
    page = parsed(found.html)
    assert not page.bad
    assert page.tags.count("img") >= 7
    assert all(x.startswith("data:") for x in page.references)
    for words in ("Asked.", "Found.", "How sure.", "without training", "chance", "floor"):
        assert words in found.html
    for words in ("20 digits × 16 angles", "10 × 16", "In conv1, the best layer of maps", "interpolation"):
        assert words in text
    assert "nan" not in text.lower().split()
    assert sorted(found.pictures) == ["digits_edits.png", "digits_layers.png", "digits_planes.png"]


def test_an_invariant_last_layer_is_said_to_keep_no_plane(linear, coarse):
    assert "In logits no plane that turns was kept." in coarse[1]
    assert [entry["block"] for entry in coarse[0].entries if entry["layer"] == "logits"] == ["all"]
    assert "no plane that turns" not in linear[1]


def test_words_on_training_follow_the_numbers(linear, coarse):
    same, fewer = "no merit of the training", "taken some of it away"
    assert (same in linear[1], fewer in linear[1]) == (True, False), "both networks are without training"
    assert (same in coarse[1], fewer in coarse[1]) == (False, True), "sixteen numbers hold less than sixteen filters"
    assert "In logits there is less" in coarse[1]


@pytest.mark.parametrize("n_items", [0, 11, 1796, 30.0, "30", None, True])
def test_wrong_numbers_of_digits_are_named_errors(n_items):
    with pytest.raises(ParameterError):
        images_domain(0, False, Console(quiet=True), n_items=n_items)


def test_a_network_without_maps_is_refused():
    with pytest.raises(ParameterError, match="maps"):
        images_domain(0, False, Console(quiet=True), network=chain(flat=nn.Flatten()), **FEW)


# --- the parts --------------------------------------------------------------------------------------------------------
def test_the_reader_reads_what_hooks_read():
    net = load_digits_encoder()
    images = digit_images()[0][:5]
    reader = LayerReader({TRAINED: net, RANDOM: DigitsNet(1).eval()}, 28)
    z = reader(images)
    assert z.shape[1] == max(columns.stop for columns in reader.columns.values())
    for layer in ("dense", "logits"):
        np.testing.assert_allclose(z[:, reader.columns[TRAINED, layer]], encode(net, layer)(images), atol=1e-5)
    maps = encode(net, "conv1")(images).reshape(5, 16, 14, 14)
    read = z[:, reader.columns[TRAINED, "conv1"]].reshape(5, 16, 4, 4)
    np.testing.assert_allclose(read[:, :, 0, 0], maps[:, :, :4, :4].mean(axis=(2, 3)), atol=1e-5)
    assert np.abs(z[:, reader.columns[RANDOM, "dense"]] - z[:, reader.columns[TRAINED, "dense"]]).max() > 0.01
    assert [key for key, maps in reader.maps.items() if not maps and key[0] == TRAINED] == [
        (TRAINED, "dense"), (TRAINED, "logits"),
    ]  # fmt: skip


def test_the_reader_leaves_the_mode_alone():
    net = chain(maps=nn.Sequential(nn.AvgPool2d(2), nn.Dropout(0.9)), flat=nn.Flatten()).train()
    images = digit_images()[0][:3]
    reader = LayerReader({TRAINED: net}, 28)
    np.testing.assert_array_equal(reader(images), reader(images))
    assert net.training


def test_digits_are_fitted_that_the_network_knows_and_tested_that_it_does_not():
    trained, unseen = digit_split()
    fitted, tested = chosen_digits(90, seed=0)
    assert (len(fitted), len(tested)) == (60, 30)
    assert set(fitted) <= set(trained)
    assert set(tested) <= set(unseen)
    assert len(set(fitted)) == 60
    assert set(chosen_digits(90, seed=1)[1]) != set(tested)
    fitted, tested = chosen_digits(1795, seed=0)
    assert len(set(fitted)) + len(set(tested)) == 1795


def planted(n, noise, seed=0):
    """Items with a vector (m = 1), a plane m = 2 and constants, at 16 angles."""
    rng = np.random.default_rng(seed)
    angles = SO2().orbit(n, 16, seed=seed)[..., 0]
    planes = [np.stack([np.cos(m * angles + a), np.sin(m * angles + a)], -1) * r for m, a, r in (
        (1, rng.uniform(0, 6.28, (n, 1)), rng.uniform(1, 2, (n, 1, 1))),
        (2, rng.uniform(0, 6.28, (n, 1)), rng.uniform(1, 2, (n, 1, 1))),
    )]  # fmt: skip
    constants = np.repeat(rng.normal(size=(n, 1, 4)), 16, axis=1)
    z = np.concatenate([*planes, constants], axis=-1).reshape(-1, 8)
    z = z + noise * rng.normal(size=z.shape)
    return Orbits.from_arrays(z, angles.reshape(-1, 1), np.repeat(np.arange(n), 16) + 1000 * seed, SO2())


@pytest.mark.parametrize(("noise", "low", "high"), [(0.01, 0.98, 1.0), (20.0, 0.0, 0.1)])
def test_quarter_turns_arrive_where_the_planes_turn(noise, low, high):
    fitted, unseen = planted(40, 0.01), planted(20, noise, seed=1)
    coordinates = LinearCoordinates(SO2(), max_order=4).fit_orbits(fitted).coordinates_
    moves = quarter_turns(coordinates, unseen)
    assert low <= moves.top1 <= high
    apart = unseen.params[moves.wanted, 0] - unseen.params[:, 0] - STEP
    np.testing.assert_allclose(np.cos(apart), 1.0, atol=1e-9)
    np.testing.assert_array_equal(unseen.items[moves.wanted], unseen.items)
    assert low <= ridge_top1(fitted, unseen) <= high


@pytest.mark.slow
def test_the_demo_as_shipped():
    found, text = printed(None)
    by_layer = {layer: {e["block"]: e for e in found.entries if e["layer"] == layer} for layer in ("conv1", "logits")}
    assert all(by_layer["conv1"][order]["error"] <= 0.01 for order in ("m=1", "m=2"))
    assert by_layer["conv1"]["all"]["retrieval_top1"] > 0.95
    assert set(by_layer["logits"]) == {"all"}
    assert set(ORDERS[1:]) < {e["block"] for e in found.entries}
    assert "In logits there is less" in text
