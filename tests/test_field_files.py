"""Emulators of fields come back from their files bit by bit; foreign files and networks are named."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from geodis.emulators import (
    FieldDynamics,
    FieldScale,
    GeometricResNet,
    GeometricUNet,
    field_notes,
    load_field_dynamics,
    save_field_dynamics,
)
from geodis.emulators.field_bound import FieldBound
from geodis.errors import DesignError, FileFormatError

TYPES, FIXED = ((0, 1, 1), (1, 1, 1)), ((0, -1, 1),)
RNG = np.random.default_rng(0)
START = RNG.normal(size=(2, 1, 3, 16, 16))
DRIVE = RNG.normal(size=(2, 1, 16, 16))

NETWORKS = {
    "residual": lambda: GeometricResNet(TYPES + FIXED, TYPES, 2, (1, 2), size=5, boundary="zero", seed=3),
    "U-shaped": lambda: GeometricUNet(TYPES + FIXED, TYPES, 2, depth=1, seed=3),
    "plain": lambda: nn.Conv2d(4, 3, 3, padding=1, padding_mode="circular"),
}


def dynamics(name="residual", dtype=torch.float32):
    scale, steps = FieldScale.of(3 + 2 * START, TYPES), FieldScale.of(0.1 * START, TYPES)
    return FieldDynamics(
        NETWORKS[name]().to(dtype), scale, steps, FieldScale.of(DRIVE, FIXED), 1, (0,), FieldBound.of(START, TYPES)
    )


def values(part):
    """Those of a dataclass, or the value itself."""
    return [getattr(part, f.name) for f in dataclasses.fields(part)] if dataclasses.is_dataclass(part) else [part]


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_saved_comes_back_bit_by_bit(name, tmp_path):
    saved, path = dynamics(name), tmp_path / "flow.safetensors"
    save_field_dynamics(path, saved, {"names": ["h", "u", "v"], "step": 0.25})
    given = NETWORKS[name]() if name == "plain" else None
    found = load_field_dynamics(path, given)
    assert np.array_equal(found.rollout(START, 3, DRIVE), saved.rollout(START, 3, DRIVE))
    assert type(found.network) is type(saved.network)
    for field in dataclasses.fields(FieldDynamics):
        ours, theirs = getattr(found, field.name), getattr(saved, field.name)
        if field.name == "network":
            continue
        for a, b in zip(values(ours), values(theirs), strict=True):
            assert torch.equal(a, b) if isinstance(b, torch.Tensor) else a == b
    assert field_notes(path) == {"names": ["h", "u", "v"], "step": 0.25}


def test_double_precision_and_emulators_without_drive(tmp_path):
    saved = dataclasses.replace(dynamics(dtype=torch.float64), fixed_scale=None, bound=None)
    save_field_dynamics(tmp_path / "a.safetensors", saved)
    found = load_field_dynamics(tmp_path / "a.safetensors")
    assert found.fixed_scale is None
    assert next(found.network.parameters()).dtype == torch.float64


def test_a_network_that_its_options_do_not_make_is_asked_for(tmp_path):
    changed = dynamics()
    changed.network.blocks[1].product.register_parameter(
        "more", nn.Parameter(torch.ones(1))
    )  # the options that it shows no longer make it
    save_field_dynamics(tmp_path / "a.safetensors", changed)
    with pytest.raises(DesignError, match="give load one"):
        load_field_dynamics(tmp_path / "a.safetensors")
    same_weights = dynamics()
    same_weights.network.last.register_forward_hook(lambda module, inputs, out: 2 * out)
    save_field_dynamics(tmp_path / "b.safetensors", same_weights)
    with pytest.raises(DesignError):
        load_field_dynamics(tmp_path / "b.safetensors")
    assert load_field_dynamics(tmp_path / "b.safetensors", NETWORKS["residual"]()).history == 1


def test_bad_files_are_named(tmp_path):
    path = tmp_path / "a.safetensors"
    save_field_dynamics(path, dynamics("plain"))
    with pytest.raises(DesignError):
        load_field_dynamics(path)
    with pytest.raises(FileFormatError, match="Conv2d"):
        load_field_dynamics(path, nn.Conv2d(4, 4, 3))
    with pytest.raises(FileNotFoundError):
        load_field_dynamics(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("no tensors")
    for read in (load_field_dynamics, field_notes):
        with pytest.raises(FileFormatError):
            read(tmp_path / "text.safetensors")
    with pytest.raises(TypeError):
        save_field_dynamics(tmp_path / "b.safetensors", dynamics(), {"network": dynamics().network})
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["a.safetensors", "text.safetensors"]
