"""Question: is the group element recovered when a known action is hidden behind an unknown curved map.

The setting of EbC's synthetic table: codes of SO(3), O(3) and GL(3) — three vectors and four numbers of content an
item — behind a random injective network M (`geodis.simulators.random_mixing`: 13 → 16 dimensions, three layers of soft
leaky rectifiers of slope .1). EbC sees few group elements, many pairs of each; here they are continuous, every training
row has its own, and the test has neither the items nor the elements of the training.

`DeepCoordinates` are trained on items at four elements each, whose parameters are given. R²(G) is of the entries of the
matrix that is estimated from pairs (c(x), c(gx)) of new items which share a new g: Procrustes over all vector copies
(for O(3) without the condition on det), for GL(3) least squares. R²(x) is of the latents, by the best linear map from
the coordinates, fitted on other items. Same measures for linear coordinates.

GL(3) has no end. A network errs where it has seen nothing, and with elements of one law in training and test the few
largest of the test carry nearly all of the error (R²(G) .993): training elements are spread wider than those of the
test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from geodis import DeepCoordinates, LatentCoordinates, LinearCoordinates
from geodis.encoders.shipped import bare
from geodis.groups import GL, SO3, AbstractGroup, O
from geodis.linalg import Array
from geodis.simulators import MixedCode, Mixing, mixed_codes, random_mixing
from geodis.training.networks import draw

N_VECTORS, N_CONTENT = 3, 4
N_LATENT, N_FEATURES = 3 * N_VECTORS + N_CONTENT, 16
N_ITEMS, N_ELEMENTS = 40_000, 4
N_TRIALS = 1000  # elements whose recovery is scored
SHARED = 16  # pairs that share an element, as in EbC's estimate
FEW = 4
WIDE = 0.55  # of the logarithms of singular values in training; the test has GL's own .4
SECONDS = 150.0  # CPU seconds of a training
UNLIMITED = 10**6

Estimate = Callable[[Array, Array], Array]  # pairs (n, k, 3), (n, k, 3) → matrices (n, 3, 3)


@dataclass(frozen=True)
class World:
    """A group with the irrep of its vectors, behind one mixing."""

    group: AbstractGroup
    vector: str
    mixing: Mixing

    def codes(self, params: Array, seed: int) -> MixedCode:
        """Items of this world at elements (n, m, p)."""
        trivial, vector = self.group.irreps(0)[0], self.group.irrep(self.vector)
        return mixed_codes([(vector, N_VECTORS), (trivial, N_CONTENT)], params, self.mixing, seed=seed)

    def pairs(self, n_shared: int, seed: int) -> tuple[MixedCode, Array]:
        """Items x and gx with one g for every `n_shared` items, and the matrices of the N_TRIALS elements g."""
        g = self.group.sample(N_TRIALS, np.random.default_rng([seed, n_shared]))
        still = self.group.identity(N_TRIALS * n_shared)
        params = np.stack([still, np.repeat(g, n_shared, axis=0)], axis=1)
        return self.codes(params, seed + 10_000 + n_shared), np.asarray(self.group.matrix(g))


def so3(seed: int, seconds: float = SECONDS) -> dict[str, float]:
    """Rotations."""
    return rows("so3", world(SO3(), "l=1", seed), SO3(), procrustes_proper, seed, seconds)


def o3(seed: int, seconds: float = SECONDS / 2) -> dict[str, float]:
    """Rotations and reflections."""
    return rows("o3", world(O(3), "h=(1)+", seed), O(3), procrustes, seed, seconds)


def gl3(seed: int, seconds: float = SECONDS) -> dict[str, float]:
    """Invertible matrices, condition number 1.9 in the median."""
    return rows("gl3", world(GL(3), "V", seed), GL(3, spread=WIDE), least_squares, seed, seconds)


MEASURES = {"mixing.so3": so3, "mixing.o3": o3, "mixing.gl3": gl3}


def world(group: AbstractGroup, vector: str, seed: int) -> World:
    """The group behind the mixing of this seed."""
    return World(group, vector, random_mixing(N_LATENT, N_FEATURES, slope=0.1, seed=seed))


def rows(
    name: str, hidden: World, seen: AbstractGroup, estimate: Estimate, seed: int, seconds: float
) -> dict[str, float]:
    """R²(G) from many, few and one pair, R²(x), and the linear control's; `seen` draws the training elements."""
    torch.set_num_threads(1)
    codes = hidden.codes(seen.orbit(N_ITEMS, N_ELEMENTS, seed=seed + 1000), seed)
    deep, linear = trained(hidden.group, codes, seed, seconds), straight(hidden.group, codes)
    found = {f"mixing.r2_{name}": element_r2(deep, hidden, SHARED, estimate, seed)}
    found[f"mixing.r2_{name}_few"] = element_r2(deep, hidden, FEW, estimate, seed)
    if hidden.group.compact:  # one item's three vectors may be nearly dependent, which only GL(3) minds
        found[f"mixing.r2_{name}_one"] = element_r2(deep, hidden, 1, estimate, seed)
    found[f"mixing.r2_x_{name}"] = latent_r2(deep, hidden, seed)
    found[f"mixing.linear_r2_{name}"] = element_r2(linear, hidden, SHARED, estimate, seed)
    found[f"mixing.linear_r2_x_{name}"] = latent_r2(linear, hidden, seed)
    return found


# --- what is compared -------------------------------------------------------------------------------------------------
def trained(group: AbstractGroup, codes: MixedCode, seed: int, seconds: float) -> LatentCoordinates:
    """Coordinates of a perceptron without normalization: the map to be undone bends smoothly and keeps sizes."""
    network = perceptron(N_FEATURES, N_LATENT, seed=seed)
    estimator = DeepCoordinates(
        group, network, n_content=N_CONTENT, content=0.05, max_order=1, held_out=0.1, n_null=19, batch_items=256,
        batch_elements=N_ELEMENTS, learning_rate=2e-2, max_steps=UNLIMITED, max_seconds=seconds, patience=None,
        evaluate_every=200, random_state=seed,
    )  # fmt: skip
    return estimator.fit(codes.z, codes.params, items=codes.items).coordinates_


def straight(group: AbstractGroup, codes: MixedCode) -> LatentCoordinates:
    """The linear control; a tenth of the items is plenty for it."""
    some = codes.items < N_ITEMS // 10
    estimator = LinearCoordinates(group, max_order=1, n_null=19)
    return estimator.fit(codes.z[some], codes.params[some], items=codes.items[some]).coordinates_


def perceptron(n_features_in: int, n_features: int, *, width: int = 128, depth: int = 3, seed: int = 0) -> nn.Module:
    """Leaky rectifiers between linear layers."""
    sizes = [n_features_in, *[width] * depth]
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [bare(nn.Linear, a, b), nn.LeakyReLU(0.2)]
    net = nn.Sequential(*layers, bare(nn.Linear, width, n_features))
    draw(net, seed)
    return net


# --- the element from pairs -------------------------------------------------------------------------------------------
def element_r2(coordinates: LatentCoordinates, hidden: World, n_shared: int, estimate: Estimate, seed: int) -> float:
    """1 − Σ|ĝ − g|²/Σ|g − ḡ|² over the entries of N_TRIALS matrices; 0 without vector blocks."""
    codes, true = hidden.pairs(n_shared, seed)
    vectors = vector_codes(coordinates, codes.z, hidden.vector)  # (rows, copies, 3)
    if not vectors.shape[1]:
        return 0.0
    before, after = (vectors[k::2].reshape(N_TRIALS, -1, 3) for k in (0, 1))
    return r2(estimate(before, after), true)


def vector_codes(coordinates: LatentCoordinates, z: Array, name: str) -> Array:
    """The vector copies (N, k, 3), each divided by the standard deviation of its error, so that all weigh right."""
    codes = np.asarray(coordinates.transform(z))
    kept = [block for block in coordinates.blocks if block.irrep.name == name]
    scaled = [codes[:, block.columns] / np.sqrt(max(1e-6, 1.0 - block.energy)) for block in kept]
    return np.stack(scaled, axis=1) if scaled else np.zeros((len(codes), 0, 3))


def procrustes(x: Array, y: Array) -> Array:
    """The orthogonal R that minimises Σ|y − Rx|²: (n, k, 3) → (n, 3, 3)."""
    left, _, right = np.linalg.svd(np.swapaxes(y, 1, 2) @ x)
    return np.asarray(left @ right)


def procrustes_proper(x: Array, y: Array) -> Array:
    """The rotation that does (Wahba's problem)."""
    left, _, right = np.linalg.svd(np.swapaxes(y, 1, 2) @ x)
    left[:, :, -1] *= np.linalg.det(left @ right)[:, None]
    return np.asarray(left @ right)


def least_squares(x: Array, y: Array) -> Array:
    """The A that minimises Σ|y − Ax|²."""
    return np.asarray(np.swapaxes(y, 1, 2) @ x @ np.linalg.inv(np.swapaxes(x, 1, 2) @ x))


# --- the latents ------------------------------------------------------------------------------------------------------
def latent_r2(coordinates: LatentCoordinates, hidden: World, seed: int) -> float:
    """R² of the true latents of new items from the coordinates, by the best linear map on other new items."""
    fit, test = (
        hidden.codes(hidden.group.orbit(2000, 2, seed=seed + s), seed + s) for s in (20_000, 30_000)
    )  # fmt: skip
    rows_of = [np.column_stack([np.asarray(coordinates.transform(c.z)), np.ones(len(c.z))]) for c in (fit, test)]
    weights = np.linalg.lstsq(rows_of[0], fit.latent, rcond=None)[0]
    return r2(rows_of[1] @ weights, test.latent)


def r2(found: Array, true: Array) -> float:
    """The explained share of the variance around the mean, all entries together."""
    return float(1.0 - ((found - true) ** 2).sum() / ((true - true.mean(axis=0)) ** 2).sum())


if __name__ == "__main__":
    from pathlib import Path

    from harness import run

    run(MEASURES, results=Path(__file__).parent / "results" / "nonlinear_mixing.json", seeds=range(3))
