"""`geodis scan` prints and writes what `scan_layers` finds, on the sources and models of `geodis encode`."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from user_files import refused, run

import geodis
from geodis.actions import ImageRotation
from geodis.cli import names
from geodis.formats.sources import read_images

QUICK = ("--n-elements", "6", "--max-order", "1", "--null", "19")


def network():
    made = nn.Sequential(nn.Flatten(), nn.Linear(36, 5), nn.Tanh())
    weights = np.random.default_rng(0).normal(size=(5, 36)) / 6
    made[1].weight.data = torch.from_numpy(weights.astype(np.float32))
    made[1].bias.data.zero_()
    return made


@pytest.fixture
def photos(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for i in range(9):
        Image.fromarray(rng.integers(0, 256, (6, 6), dtype=np.uint8)).save(tmp_path / "photos" / f"{i}.png")
    monkeypatch.setattr(names, "model_called", lambda name: network())
    return tmp_path / "photos"


def scanned(photos, *options, action="rotation"):
    return run("scan", photos, "--model", "mine", "--action", action, "--grey", *QUICK, *options)


def test_what_is_printed_and_written_is_what_python_finds(photos, tmp_path):
    outs = [tmp_path / f"scan.{ending}" for ending in ("json", "html", "png")]
    done = scanned(photos, *(word for out in outs for word in ("--out", out)))
    assert done.exit_code == 0, done.output
    images = read_images(photos, grey=True)
    again = geodis.scan_layers(
        network(), images.items, ImageRotation(), n_elements=6, max_order=1, n_null=19, item_ids=images.labels
    )
    content = json.loads(outs[0].read_text())
    assert content == json.loads(again.to_json())
    assert again.summary in outs[1].read_text()
    assert outs[2].read_bytes().startswith(b"\x89PNG")
    text = " ".join(done.stdout.split())
    assert " ".join(again.summary.split()) in text
    assert all(f"wrote {out}" in text for out in outs)


def test_layers_can_be_named(photos, tmp_path):
    out = tmp_path / "scan.json"
    assert scanned(photos, "--layer", "2", "--quiet", "--out", out).stdout == ""
    assert json.loads(out.read_text())["layers"] == ["2"]


REFUSED = {
    "an unknown layer": (("--layer", "conv*"), ("conv*",)),
    "an unknown action": (("--action", "dance"), ("dance", "rotation")),
    "no action": (("--action", "none"), ("--action", "rotation")),
    "another ending": (("--out", "scan.txt"), ("scan.txt", ".html")),
    "an unknown pooling": (("--pool", "max"), ("max", "mean-grid")),
    "too few elements": (("--n-elements", "4", "--max-order", "3"), ("max_order",)),
}


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_malformed_input_is_one_sentence(photos, case):
    options, words = REFUSED[case]
    assert refused(scanned(photos, *options), *words)


def test_without_an_order_as_many_as_the_elements_tell(photos):
    done = run("scan", photos, "--model", "mine", "--action", "rotation", "--grey", "--n-elements", "6", "--null", "19")
    assert done.exit_code == 0, done.output
    assert "up to order 2" in done.stdout
