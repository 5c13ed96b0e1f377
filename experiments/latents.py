"""Question: do geodis coordinates find in a message-passing encoder the action that it has by construction.

The encoder is `ScalarVectorNetwork`, trained for a minute on the charged particles; its latents, means over the points
of a cloud, are scalars and vectors. `LinearCoordinates(SO3())` sees numbers only. The same for a plain graph network
of the same training, whose latents nobody promised anything about.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from harness import Measure
from single_shot import GraphNetwork, SingleShot, data, products, trained
from torch import Tensor, nn

import geodis
from geodis.actions import RotationAction
from geodis.groups import SO3
from geodis.linalg import Array

SECONDS, SETTING = 40.0, (3e-3, 1e-6)
N_CLOUDS, N_ELEMENTS = 240, 16
WEIGHTS = np.array([1.0, -1.0, 2.0, -0.5, 0.3])  # of the five points: a mean of charges' fields alone would be small


def latents(seed: int) -> dict[str, float]:
    """Energy and held-out score of both encoders, and how many vectors were found."""
    found: dict[str, float] = {}
    for name, embed in (("ours", of_ours), ("gnn", of_plain)):
        network, _ = trained(name, SETTING, SECONDS, seed, "both")
        found |= {f"latents.{name}_{what}": value for what, value in scored(embed(network), seed).items()}
    found["latents.score"] = found["latents.ours_score"]
    return found


def scored(encoder: Callable[[Array], Array], seed: int) -> dict[str, float]:
    """What `LinearCoordinates` finds on some clouds, checked on others."""
    x, v, charges, _ = (np.asarray(part[:N_CLOUDS], dtype=np.float64) for part in data()["test"])
    clouds = np.concatenate([x - x.mean(1, keepdims=True), v, charges], -1)
    orbits = geodis.sample_orbits(encoder, clouds, RotationAction(3, 2, 1, group=SO3()), N_ELEMENTS, seed=seed)
    train, test = orbits.split(test_size=0.3, seed=seed)
    z, params, items = train.arrays()
    fit = geodis.LinearCoordinates(SO3(), max_order=2).fit(z, params, items=items)
    kept = [block.irrep.name for block in fit.coordinates_.blocks]
    return {
        "score": float(fit.score(*test.arrays()[:2], items=test.arrays()[2])),
        "energy_l1": float(fit.spectrum_.energies["l=1"][0]),
        "scalars": float(kept.count("l=0")),
        "vectors": float(kept.count("l=1")),
        "quadrupoles": float(kept.count("l=2")),
        "held_share": 1.0 - energy_outside(fit.coordinates_, test),
    }


def energy_outside(coordinates: geodis.LatentCoordinates, orbits: geodis.Orbits) -> float:
    """Share of the embedding's variance that the coordinates do not hold."""
    z = orbits.arrays()[0]
    left = z - coordinates.inverse_transform(coordinates.transform(z))
    return float(((left - left.mean(0)) ** 2).sum() / ((z - z.mean(0)) ** 2).sum())


def of_ours(network: nn.Module) -> Callable[[Array], Array]:
    """Weighted sums over points of the last layer's scalars and vectors, mixed by a random rotation of the features."""
    assert isinstance(network, SingleShot)

    def embed(x: Tensor, v: Tensor, charges: Tensor) -> Tensor:
        h, vectors = network.network.latents(x, v[:, :, None], pairs=products(charges))
        return torch.cat([h.mean(1), (vectors * _weights(x)).sum(1).flatten(1)], 1)

    return mixed(embed)


def of_plain(network: nn.Module) -> Callable[[Array], Array]:
    """The plain network's features before its head."""
    assert isinstance(network, GraphNetwork)

    def embed(x: Tensor, v: Tensor, charges: Tensor) -> Tensor:
        h = network.features(x, v, charges)
        return torch.cat([h.mean(1), (h * _weights(x)[..., 0]).sum(1)], 1)

    return mixed(embed)


def mixed(embed: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[[Array], Array]:
    """Clouds → embeddings in an orthonormal frame that does not know which feature is a vector's component."""

    def encode(clouds: Array) -> Array:
        cloud = torch.from_numpy(np.asarray(clouds, dtype=np.float32))
        with torch.no_grad():
            z = embed(cloud[..., :3], cloud[..., 3:6], cloud[..., 6:]).numpy().astype(np.float64)
        frame = np.linalg.qr(np.random.default_rng(0).normal(size=(z.shape[1], z.shape[1])))[0]
        return z @ frame

    return encode


def _weights(x: Tensor) -> Tensor:
    """By rank of distance from the centre: points of a cloud have no order of their own."""
    order = x.norm(dim=-1).argsort(1).argsort(1)
    return torch.from_numpy(WEIGHTS).float()[order][..., None, None]


MEASURES: dict[str, Measure] = {"latents.score": latents}
