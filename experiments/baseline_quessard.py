"""Learned rotations for discrete actions, after Quessard, Barrett and Clements 2020 (arXiv 2002.06991), from the paper.

An autoencoder on the unit sphere of R^d. The one action here, a step of the grid, acts there by a product R of learned
rotations in the d(d−1)/2 coordinate planes; the first frame is encoded, moved by powers of R, and decoded, and every
decoded frame is compared with the true one. The entanglement Σθ² − max θ² is kept small. ρ(h) = R^(h/step), by the
principal logarithm of R.
"""

from __future__ import annotations

import numpy as np
import torch
from baseline_contrastive import OnSphere
from baseline_training import Coder, Pixels, coder, decoder, run, turned
from protocol import Representation
from scipy.linalg import schur
from solid_data import SolidData
from torch import Tensor, nn

from geodis.linalg import Array
from geodis.training.networks import convnet

BATCH, STEPS = 64, 3  # objects a batch; frames to predict of each


class PlaneRotations(nn.Module):
    """R (d, d), the product over i < j of rotations by θ_ij in the plane of the coordinates i and j."""

    def __init__(self, d: int, seed: int) -> None:
        super().__init__()
        first, second = np.triu_indices(d, 1)
        self.d, self.planes = d, list(zip(first.tolist(), second.tolist(), strict=True))
        generator = torch.Generator().manual_seed(seed)
        self.angles = nn.Parameter(0.3 * torch.randn(len(self.planes), generator=generator))

    def forward(self) -> Tensor:
        """R for the present angles."""
        columns = list(torch.eye(self.d).unbind(1))
        for (i, j), cos, sin in zip(self.planes, self.angles.cos().unbind(), self.angles.sin().unbind(), strict=True):
            columns[i], columns[j] = cos * columns[i] + sin * columns[j], cos * columns[j] - sin * columns[i]
        return torch.stack(columns, dim=1)

    def entanglement(self) -> Tensor:
        """Σθ² − max θ²: 0 when a single plane turns."""
        squares = self.angles.square()
        return squares.sum() - squares.max()


def quessard(data: SolidData, seed: int, seconds: float, *, d: int = 8, weight: float = 1e-3) -> Coder:
    """Train on trajectories of the grid's step, from any view to three random later ones."""
    pixels, rotation = Pixels.of(data.fit), PlaneRotations(d, seed)
    encode, decode = nn.Sequential(convnet(d, seed=seed), OnSphere()), decoder(d, seed + 1)
    side = data.fit.images.shape[1]

    def loss(step: int) -> Tensor:
        rng = np.random.default_rng([seed, step])
        later = np.sort(rng.integers(1, side, (BATCH, STEPS)), axis=1)
        shifts = np.concatenate([np.zeros((BATCH, 1), dtype=int), later], axis=1)
        frames = pixels(turned(data.fit, rng, BATCH, shifts).reshape(-1, *data.fit.images.shape[2:]))
        start = encode(frames.unflatten(0, (BATCH, 1 + STEPS))[:, 0])
        one = rotation()
        powers = [torch.eye(d)]
        for _ in range(side - 1):
            powers.append(powers[-1] @ one)
        moved = (torch.stack(powers)[torch.from_numpy(shifts)] @ start[:, None, :, None])[..., 0]
        return nn.functional.mse_loss(decode(moved.flatten(0, 1)), frames) + weight * rotation.entanglement()

    run(nn.ModuleList([encode, decode, rotation]), loss, seconds)
    with torch.no_grad():
        step_matrix = rotation().double().numpy()
    return coder(encode, pixels, powers_of(step_matrix, 2 * np.pi / side))


def powers_of(step_matrix: Array, step: float) -> Representation:
    """ρ(h) = R^(h/step) for an orthogonal R, h taken in (−π, π], by the principal logarithm; one block.

    >>> quarter = np.array([[0.0, -1.0], [1.0, 0.0]])
    >>> powers_of(quarter, np.pi / 2).matrices(np.array([np.pi])).round().tolist()
    [[-1.0, 0.0], [0.0, -1.0]]
    """
    triangular, basis = schur(step_matrix, output="complex")
    phases = np.angle(np.diag(triangular))

    def matrices(params: Array) -> Array:
        h = -np.remainder(np.pi - np.asarray(params)[..., 0], 2 * np.pi) + np.pi
        turned_by = np.exp(1j * phases * (h / step)[..., None])
        return ((basis * turned_by[..., None, :]) @ basis.conj().T).real

    return Representation(matrices, (tuple(range(len(step_matrix))),))
