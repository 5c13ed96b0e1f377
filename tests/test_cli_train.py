"""`geodis train`: from a folder of images, fields or views to an encoder that the other commands use."""

import numpy as np
import pytest
import torch
from PIL import Image
from user_files import npz, parts, refused, run

from geodis import encode
from geodis.actions import ImageRotation
from geodis.cli import names
from geodis.cli.train import network
from geodis.formats.readers import read_orbits
from geodis.formats.sources import read_images
from geodis.groups import SO2
from geodis.training import CARE, ActionViews, Plan, TrainedEncoder, train_encoder

SHORT = ("--steps", "4", "--features", "8", "--width", "4")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with images, fields, views and embeddings."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for i in range(12):
        Image.fromarray(rng.integers(0, 256, (18, 18, 3), dtype=np.uint8)).save(tmp_path / "photos" / f"{i:02}.png")
    np.save(tmp_path / "flows.npy", rng.normal(size=(10, 2, 8, 8)))
    np.save(tmp_path / "words.npy", np.array(["a", "b"]))
    (tmp_path / "texts.txt").write_text("One {slot}.\nTwo {slot}.\nThree {slot}.\nFour {slot}.\n")
    np.savez(
        tmp_path / "views.npz", views=rng.normal(size=(10, 6, 1, 16, 16)), params=SO2().orbit(10, 6), group="SO2()"
    )
    np.savez(tmp_path / "nameless.npz", views=rng.normal(size=(10, 12, 7)), params=SO2().orbit(10, 12))
    npz(tmp_path / "mine.npz", **parts())
    return tmp_path


def trained(*arguments, out="e.safetensors"):
    return run("train", *arguments, *SHORT, "--out", out)


def same_bits(a, b):
    states = a.module.state_dict(), b.module.state_dict()
    return states[0].keys() == states[1].keys() and all(torch.equal(states[0][k], states[1][k]) for k in states[0])


# --- end to end -------------------------------------------------------------------------------------------------------
def test_images_to_coordinates(here):
    done = trained("photos", "--action", "rotation", "--objective", "care", "--plot", "h.png")
    assert done.exit_code == 0, done.output
    for said in ("12 items", "ImageRotation()", "held out", "before", "3 × 18 × 18 → 8 features", "geodis encode"):
        assert said in done.stdout
    assert (here / "h.png").read_bytes().startswith(b"\x89PNG")
    command = ("photos", "--action", "rotation", "--model", "e.safetensors", "--n-elements", "12")
    done = run("encode", *command, "--out", "o.npz")
    assert done.exit_code == 0, done.output
    assert read_orbits("o.npz").n_features == 8
    assert run("fit", "o.npz", "--out", "c.safetensors", "--null", "19", "--max-order", "2").exit_code == 0
    done = run("scan", *command, "--null", "19", "--max-order", "1", "--layer", "3", "--out", "scan.json")
    assert done.exit_code == 0, done.output
    assert (here / "scan.json").exists()
    encoder = TrainedEncoder.load("e.safetensors")
    images = read_images("photos").items
    assert np.array_equal(encode(names.model_called("e.safetensors"))(images), encoder(images))
    assert np.allclose(np.linalg.norm(encoder(images), axis=1), 1, atol=1e-5), "CARE's codes lie on the sphere"


def test_the_same_as_in_python(here):
    command = ("photos", "--action", "rotation", "--objective", "care", "--seed", "3", "--grey", "--batch-items", "6")
    assert trained(*command).exit_code == 0
    views = ActionViews(read_images("photos", grey=True).items, ImageRotation())
    again = train_encoder(
        network(views.shape, 8, 4, True, 3), views, CARE(), Plan(max_steps=4), batch_items=6, seed=3
    )  # fmt: skip
    assert same_bits(again, TrainedEncoder.load("e.safetensors"))


@pytest.mark.parametrize("objective", ["simclr", "vicreg", "care", "spectral", "hybrid"])
def test_every_objective_on_fields(here, objective):
    done = trained("flows.npy", "--action", "cube", "--types", "1+", "--objective", objective)
    assert done.exit_code == 0, done.output
    assert objective in done.stdout
    assert TrainedEncoder.load("e.safetensors").shape == (2, 8, 8)
    done = run(
        "encode", "flows.npy", "--action", "cube", "--types", "1+", "--model", "e.safetensors", "--out", "o.npz"
    )  # fmt: skip
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("source", "options", "shape"),
    [
        ("views.npz", (), (1, 16, 16)),
        ("nameless.npz", ("--group", "SO2"), (7,)),
        ("mine.npz", ("--group", "SO2"), (12,)),
    ],
)
@pytest.mark.parametrize("objective", ["care", "spectral"])
def test_views_that_exist_already(here, source, options, shape, objective):
    done = trained(source, "--objective", objective, "--max-order", "1", *options)
    assert done.exit_code == 0, done.output
    assert TrainedEncoder.load("e.safetensors").shape == shape
    assert "GivenViews" in done.stdout


def test_few_elements_lower_the_order(here):
    done = trained("views.npz", "--objective", "spectral")
    assert done.exit_code == 0, done.output
    assert "up to order 2" in done.stdout
    assert refused(trained("views.npz", "--objective", "spectral", "--max-order", "4"), "Lower max_order")


def test_a_stopped_run_goes_on(here):
    command = ("photos", "--action", "rotation", "--objective", "spectral", "--checkpoint", "run.st")
    assert trained(*command).exit_code == 0
    assert (here / "run.st").exists()
    first = TrainedEncoder.load("e.safetensors")
    done = trained(*command, out="again.safetensors")
    assert done.exit_code == 0, done.output
    assert same_bits(first, TrainedEncoder.load("again.safetensors"))
    assert refused(trained(*command, "--learning-rate", "0.01"), "very run")


def test_time_ends_the_training(here):
    command = ("photos", "--action", "rotation", "--objective", "simclr", "--seconds", "0.2", "--steps", "100000")
    done = run("train", *command, "--features", "8", "--width", "4", "--out", "e.safetensors")
    assert done.exit_code == 0, done.output
    assert "out of time" in done.stdout
    history = TrainedEncoder.load("e.safetensors").history
    assert 0.2 <= history.seconds < 5
    assert history.best_step > 0


def test_quiet_prints_nothing(here):
    done = trained("photos", "--action", "rotation", "--objective", "simclr", "--quiet")
    assert (done.exit_code, done.output) == (0, "")
    assert (here / "e.safetensors").exists()


def test_interrupted_leaves_no_file(here, monkeypatch):
    def stopped(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("geodis.training.train_encoder", stopped)
    done = trained("photos", "--action", "rotation", "--objective", "simclr")
    assert done.exit_code == 130
    assert not (here / "e.safetensors").exists()


# --- refused ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("source", "options", "says"),
    [
        ("photos", ("--objective", "care"), ("--action",)),
        ("photos", ("--objective", "magic", "--action", "rotation"), ("magic", "hybrid")),
        ("photos", ("--objective", "care", "--action", "fly"), ("quarter-turns",)),
        ("photos", ("--objective", "care", "--action", "rotation", "--group", "SO2"), ("--group",)),
        ("photos", ("--objective", "care", "--action", "rotation", "--limit", "3"), ("four items",)),
        ("photos", ("--objective", "care", "--action", "rotation", "--held-out", "1"), ("held_out",)),
        ("photos", ("--objective", "care", "--action", "rotation", "--learning-rate", "-1"), ("learning_rate",)),
        ("photos", ("--objective", "care", "--action", "rotation", "--plot", "h.pdf"), (".png",)),
        ("photos", ("--objective", "care", "--action", "rotation", "--checkpoint", "gone/run"), ("Create it first",)),
        ("texts.txt", ("--objective", "care", "--action", "rotation"), ("slot",)),
        ("flows.npy", ("--objective", "care", "--action", "cube"), ("--types",)),
        ("words.npy", ("--objective", "care", "--action", "cube", "--types", "1+"), ("real numbers",)),
        ("gone", ("--objective", "care", "--action", "rotation"), ("found none",)),
        ("gone.npz", ("--objective", "care"), ("found none",)),
        ("nameless.npz", ("--objective", "care"), ("--group",)),
        ("views.npz", ("--objective", "care", "--group", "SO3"), ("SO2()",)),
        ("views.npz", ("--objective", "care", "--action", "rotation"), ("--action",)),
    ],
)
def test_what_does_not_fit_is_refused(here, source, options, says):
    before = sorted(here.iterdir())
    done = trained(source, *options)
    assert refused(done, *says), done.output
    assert sorted(here.iterdir()) == before


@pytest.mark.parametrize(("out", "says"), [("e.npz", ".safetensors"), ("gone/e.safetensors", "Create it first")])
def test_where_to_is_checked_first(here, out, says):
    assert refused(trained("gone", "--action", "rotation", "--objective", "care", out=out), says)


@pytest.mark.parametrize("option", ["--steps", "--features", "--width", "--batch-items", "--n-elements", "--seconds"])
def test_counts_are_positive(here, option):
    value = "-1" if option == "--seconds" else "0"
    command = ("photos", "--action", "rotation", "--objective", "care", "--out", "e.safetensors", option, value)
    assert refused(run("train", *command), option)


def test_an_encoder_of_other_images_is_told(here):
    assert trained("photos", "--action", "rotation", "--objective", "care").exit_code == 0
    done = run(
        "encode", "photos", "--grey", "--action", "rotation", "--model", "e.safetensors", "--out", "o.npz"
    )  # fmt: skip
    assert refused(done, "(n, 3, 18, 18)", "--grey")
    for junk in (b"junk", b""):
        (here / "bad.safetensors").write_bytes(junk)
        command = ("encode", "photos", "--action", "rotation", "--model", "bad.safetensors", "--out", "o.npz")
        assert refused(run(*command), "bad.safetensors")
    assert refused(run("encode", "photos", "--model", "gone.safetensors", "--out", "o.npz"), "found none")
