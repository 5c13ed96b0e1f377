"""Question: what does a geometric layer cost, how fast are filters made, and how exactly does everything commute.

Layer cost: forward and backward through one 3 × 3 layer of 24 components in and out (6 scalars, 6 pseudoscalars, 6
vectors), 32 × 32 cells, batches of eight, beside `torch.nn.Conv2d` of 24 channels, alternating in one process. ginjax
(the package of arXiv:2305.12585) runs the same layer in an environment of its own, made from the registry, in a
subprocess of one thread, right after.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from geodis.actions import FieldSymmetries
from geodis.emulators import (
    AveragePool,
    BilinearBlock,
    FieldLaw,
    FieldLibrary,
    FieldNorm,
    GeometricConv,
    GeometricResNet,
    GeometricUNet,
    NormGate,
    NormMaxPool,
    TensorProduct,
    Upsample,
    VectorNeuron,
    extend_to_space,
    hidden_types,
    invariant_filters,
    project_equivariant,
)
from geodis.emulators.geometric_conv import components

REPEATS = 60
SIDE, BATCH, CHANNELS = 32, 8, 6
GINJAX_ENV = Path(__file__).parent / ".cache" / "ginjax"
FILTERS = [(size, order, parity) for size in (3, 5) for order in (0, 1, 2) for parity in (1, -1)]
STATE, FIXED = ((0, 1, 1), (1, 1, 1)), ((0, -1, 1),)


def layer_cost(seed: int) -> dict[str, float]:
    """Seconds of a geometric layer over those of a plain one, and of ginjax's over ours; medians."""
    types = hidden_types(CHANNELS)
    width = components(types, 2)
    geometric = GeometricConv(types, types, seed=seed)
    plain = nn.Conv2d(width, width, 3, padding=1, padding_mode="circular")
    x = torch.randn(BATCH, width, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
    times: dict[str, list[float]] = {"geometric": [], "plain": []}
    for _ in range(REPEATS):
        for name, layer in (("geometric", geometric), ("plain", plain)):
            times[name].append(_seconds(lambda layer=layer: _there_and_back(layer, x)))
    ours, theirs = (statistics.median(times[name]) for name in ("geometric", "plain"))
    ginjax = ginjax_seconds()
    return {
        "layer.ratio_plain": ours / theirs,
        "layer.speedup_ginjax": ginjax / ours,
        "layer.ms": 1e3 * ours,
        "layer.ginjax_ms": 1e3 * ginjax,
    }


def ginjax_seconds() -> float:
    """Median seconds of the same layer in ginjax, compiled, forward and backward."""
    python = GINJAX_ENV / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(GINJAX_ENV)], check=True)
        torch_pin = (Path(__file__).parent.parent / "constraints.txt").read_text().splitlines()[0]
        subprocess.run([str(python), "-m", "pip", "install", "-q", "ginjax", torch_pin], check=True)
    script = Path(__file__).parent / "ginjax_layer.py"
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    command = [str(python), str(script), str(SIDE), str(BATCH), str(CHANNELS), str(REPEATS // 6)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"])


def filter_time(seed: int) -> dict[str, float]:
    """Milliseconds for filters of the plane, orders up to 2, both parities, 3 and 5 cells a side: worst and all."""
    del seed  # nothing is random
    module = sys.modules["geodis.emulators.invariant_filters"]

    def build(size: int, order: int, parity: int) -> float:
        module._filters.cache_clear()
        return _seconds(lambda: invariant_filters(size, order, parity, 2))

    times = [statistics.median(build(*arguments) for _ in range(5)) for arguments in FILTERS]
    return {"filters.ms": 1e3 * max(times), "filters.all_ms": 1e3 * sum(times)}


# --- equivariance -----------------------------------------------------------------------------------------------------
def equivariance(seed: int) -> dict[str, float]:
    """The largest |f(g·x) − g·f(x)| over the standard deviation of f(x), all 8 or 48 elements, float64."""
    found = {name: case(seed) for name, case in CASES.items()}
    return {"equivariance.max": max(found.values()), **{f"equivariance.{name}": e for name, e in found.items()}}


def deviation(layer: Callable[[Tensor], Tensor], types_in: object, types_out: object, dim: int, seed: int) -> float:
    """Of one map of fields; shifts by whole strides are checked where the output has the input's size."""
    before, after = FieldSymmetries(types_in, dim), FieldSymmetries(types_out, dim)
    rng, side = np.random.default_rng(seed), 16 if dim == 2 else 8
    x = torch.from_numpy(rng.normal(size=(1, components(types_in, dim), *(side,) * dim)))
    with torch.no_grad():
        y, worst = layer(x), 0.0
        for element in before.group.elements():
            g = np.asarray(element, dtype=np.float64)[None]
            worst = max(worst, float((layer(before.act(g, x)) - after.act(g, y)).abs().max()))
        if y.shape[2:] == x.shape[2:]:
            for axis in range(2, 2 + dim):
                worst = max(worst, float((layer(x.roll(4, axis)) - y.roll(4, axis)).abs().max()))
    return worst / float(y.std())


def _of_layer(make: Callable[[object, int], nn.Module], dim: int) -> Callable[[int], float]:
    types = (*hidden_types(2, dim), (2, 1, 2))

    def case(seed: int) -> float:
        return deviation(make(types, seed).double(), types, types, dim, seed)

    return case


def _of_network(make: Callable[[int], nn.Module], dim: int) -> Callable[[int], float]:
    types_in = STATE + (FIXED if dim == 2 else ((1, -1, 1),))
    return lambda seed: deviation(make(seed).double(), types_in, STATE, dim, seed)


def _law(seed: int) -> float:
    """A step of an equation with random coefficients for every term."""
    library = FieldLibrary({"h": (0, 1), "u": (1, 1)}, {"f": (0, -1)})
    rng = np.random.default_rng(seed)
    values = {n: {t.text: 0.01 * float(rng.normal()) for t in terms} for n, terms in library.terms.items()}
    law = FieldLaw.of(library, values, interval=0.2)

    def step(x: Tensor) -> Tensor:
        fields = x.numpy()
        return torch.from_numpy(law.step(fields[:, :3], fields[:, 3:]))

    return deviation(step, STATE + FIXED, STATE, 2, seed)


def _projected(seed: int) -> float:
    conv = nn.Conv2d(4, 3, 3, padding=1, padding_mode="circular")
    return deviation(project_equivariant(conv, (STATE + FIXED, STATE)).double(), STATE + FIXED, STATE, 2, seed)


def _conv(**options: int) -> Callable[[object, int], nn.Module]:
    return lambda types, seed: GeometricConv(types, types, seed=seed, **options)  # type: ignore[arg-type]


LAYERS: dict[str, Callable[[int], Callable[[object, int], nn.Module]]] = {
    "conv": lambda dim: _conv(dim=dim),
    "strided": lambda dim: _conv(dim=dim, size=4, stride=2),
    "dilated": lambda dim: _conv(dim=dim, dilation=2),
    "gate": lambda dim: lambda types, seed: NormGate(types, dim=dim, seed=seed),
    "neuron": lambda dim: lambda types, seed: VectorNeuron(types, dim=dim, seed=seed),
    "norm": lambda dim: lambda types, seed: FieldNorm(types, dim=dim),
    "product": lambda dim: lambda types, seed: _squared(TensorProduct(types, dim=dim, seed=seed)),
    "block": lambda dim: lambda types, seed: BilinearBlock(types, dim=dim, seed=seed),
    "average": lambda dim: lambda types, seed: AveragePool(2),
    "largest": lambda dim: lambda types, seed: NormMaxPool(types, 2, dim=dim),
    "upsample": lambda dim: lambda types, seed: Upsample(2),
}


class _Squared(nn.Module):
    def __init__(self, product: TensorProduct) -> None:
        super().__init__()
        self.product = product

    def forward(self, x: Tensor) -> Tensor:
        """P(x, x)."""
        return self.product(x, x)


def _squared(product: TensorProduct) -> nn.Module:
    return _Squared(product)


CASES: dict[str, Callable[[int], float]] = {
    **{f"{name}_{dim}d": _of_layer(make(dim), dim) for name, make in LAYERS.items() for dim in (2, 3)},
    "resnet_2d": _of_network(lambda s: GeometricResNet(STATE + FIXED, STATE, 4, (1, 1, 1), seed=s), 2),
    "dilated_resnet_2d": _of_network(lambda s: GeometricResNet(STATE + FIXED, STATE, 2, (1, 2, 4, 2, 1), seed=s), 2),
    "unet_2d": _of_network(lambda s: GeometricUNet(STATE + FIXED, STATE, 2, 2, seed=s), 2),
    "resnet_3d": _of_network(lambda s: extend_to_space(GeometricResNet(STATE + FIXED, STATE, 2, seed=s)), 3),
    "unet_3d": _of_network(lambda s: GeometricUNet((*STATE, (1, -1, 1)), STATE, 2, 1, dim=3, seed=s), 3),
    "law": _law,
    "projected_conv": _projected,
}


def _there_and_back(layer: nn.Module, x: Tensor) -> None:
    layer(x.clone().requires_grad_()).square().sum().backward()


def _seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


MEASURES: dict[str, Callable[[int], dict[str, float]]] = {
    "layer": layer_cost,
    "filters": filter_time,
    "equivariance": equivariance,
}
