"""A network for images that knows how its features turn when the image turns in its plane."""

from __future__ import annotations

from collections.abc import Mapping
from math import pi
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from geodis.encoders.shipped import bare
from geodis.errors import ParameterError, ShapeError
from geodis.groups import AbstractGroup, Representation
from geodis.linalg import Array
from geodis.training.assigned_objective import assigned_layout
from geodis.training.networks import draw

STEP = 1e-4  # of the central difference that gives dρ; frequencies are integers and are rounded


def polar_convnet(
    group: AbstractGroup,
    copies: Mapping[str, int],
    n_content: int = 16,
    *,
    direction: tuple[float, ...] = (0.0, 0.0, 1.0),
    shape: tuple[int, int, int] = (1, 32, 32),
    width: int = 24,
    n_angles: int = 24,
    hidden: int = 256,
    seed: int = 0,
) -> PolarNetwork:
    """Images (N, C, H, W) → k copies of each irrep and invariants, exactly equivariant under turns in the plane.

    The image is read on a polar grid, where a turn about its centre is a cyclic shift of the angles; convolutions run
    round. The m-th Fourier coefficient over the angles turns by e^{imθ}, and an irrep ρ of the group, restricted to the
    one-parameter subgroup exp(θX) that turns the image, is a sum of such: its copies are put together from them. What
    is left to learn is how features change under the other elements.

    The turn is exact where the picture itself is: for an object at the centre, seen with a light that turns with the
    camera (`headlight`), up to the resampling.

    Parameters
    ----------
    group : AbstractGroup
        The group acting, such as SO3().
    copies : mapping of str to int
        Irrep → number of copies, as for `DeepCoordinates(copies=...)`; features are laid out likewise.
    n_content : int
        Invariant features, which come last.
    direction : tuple of float
        X in the group's algebra coefficients, of which exp(θX) turns the image counter-clockwise by θ [rad].
    shape : (int, int, int)
        Channels, height and width of the images.
    width, n_angles, hidden : int
        Channels of the first convolution (they double twice), angles of the grid (a multiple of 4), width of the last
        layer but one.
    seed : int
        Seed of the weights; torch's global generator is left alone.

    Raises
    ------
    ParameterError
        For another direction, a group element of which a full turn is not the identity, sizes that do not fit.

    References
    ----------
    C. Esteves, C. Allen-Blanchette, X. Zhou, K. Daniilidis: Polar transformer networks, 2018, arXiv 1709.01889.

    Examples
    --------
    >>> import torch
    >>> from geodis.groups import SO3
    >>> from geodis.training import polar_convnet
    >>> net = polar_convnet(SO3(), {"l=1": 4, "l=2": 2}, 8)
    >>> net(torch.zeros(5, 1, 32, 32)).shape
    torch.Size([5, 30])
    """
    if len(shape) != 3 or min(shape) < 1 or min(shape[1:]) < 16:
        raise ParameterError("polar_convnet: shape", "(channels, height ≥ 16, width ≥ 16)", shape)
    for name, value, least in (("n_content", n_content, 0), ("width", width, 1), ("hidden", hidden, 1)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ParameterError(name, f"an integer ≥ {least}", repr(value))
    if isinstance(n_angles, bool) or not isinstance(n_angles, int) or n_angles < 8 or n_angles % 4:
        raise ParameterError("n_angles", "a multiple of 4, at least 8", repr(n_angles))
    layout = assigned_layout(group, copies)
    planes = [(_frequencies(group, rep, direction), k) for rep, k in layout]
    fastest = max(max(frames) for frames, _ in planes)
    if 8 * fastest >= n_angles:
        raise ParameterError("n_angles", f"more than {8 * fastest}: irreps turn with frequency {fastest}", n_angles)
    net = PolarNetwork(shape, planes, n_content, width, n_angles, hidden)
    draw(net, seed)
    return net


@final
class PolarNetwork(nn.Module):
    """The network that `polar_convnet` makes."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        planes: list[tuple[dict[int, Array], int]],
        n_content: int,
        width: int,
        n_angles: int,
        hidden: int,
    ) -> None:
        super().__init__()
        n_radii = min(shape[1:]) // 2 - 2
        channels = [shape[0], width, 2 * width, 4 * width, 4 * width]
        strides, kernels = ((2, 2), (2, 2), (2, 1), (2, 1)), ((3, 3), (3, 5), (3, 5), (3, 5))
        self.register_buffer("grid", _polar_grid(n_radii, n_angles), persistent=False)
        self.body = nn.Sequential(
            *(
                _Ring(a, b, kernel, stride)
                for a, b, kernel, stride in zip(channels, channels[1:], kernels, strides, strict=False)
            )
        )
        self.head = nn.Sequential(bare(nn.Linear, channels[-1], hidden), nn.ReLU())
        self.invariant = bare(nn.Linear, hidden, n_content) if n_content else None
        self.irreps = nn.ModuleList(_Copies(hidden, frames, k) for frames, k in planes)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) → features (N, F)."""
        if images.ndim != 4:
            raise ShapeError("images", "(N, C, H, W)", tuple(images.shape))
        grid = self.get_buffer("grid").to(images).expand(len(images), -1, -1, -1)
        rings = nn.functional.grid_sample(images.contiguous(), grid, align_corners=False)
        h = self.head(self.body(rings).mean(2).mT)  # (N, angles, hidden)
        spectrum = torch.fft.rfft(h, dim=1) / h.shape[1]
        parts = [copies(spectrum).flatten(1) for copies in self.irreps]
        return torch.cat([*parts, *([self.invariant(h.mean(1))] if self.invariant is not None else [])], dim=1)


@final
class _Ring(nn.Module):
    """Convolution over radii and angles, the angles closing."""

    def __init__(self, n_in: int, n_out: int, kernel: tuple[int, int], stride: tuple[int, int]) -> None:
        super().__init__()
        self.conv = bare(nn.Conv2d, n_in, n_out, kernel, stride=stride, padding=(kernel[0] // 2, 0), bias=False)
        self.norm = nn.BatchNorm2d(n_out)
        self.turn = kernel[1] // 2

    def forward(self, x: Tensor) -> Tensor:
        closed = torch.cat([x[..., -self.turn :], x, x[..., : self.turn]], dim=-1)  # cheaper than circular padding
        return torch.relu(self.norm(self.conv(closed)))


@final
class _Copies(nn.Module):
    """k copies of an irrep from the Fourier coefficients of its frequencies."""

    def __init__(self, hidden: int, frames: dict[int, Array], k: int) -> None:
        super().__init__()
        self.k, self.frequencies = k, tuple(frames)
        for m, frame in frames.items():
            self.register_buffer(f"frame_{m}", torch.from_numpy(frame), persistent=False)  # (2 or 1, r, d)
        self.mixers = nn.ModuleList(
            bare(nn.Linear, hidden, (1 if m == 0 else 2) * k * frames[m].shape[1], bias=m == 0) for m in frames
        )

    def forward(self, spectrum: Tensor) -> Tensor:
        """Coefficients (N, n_frequencies, hidden) → copies (N, k, d)."""
        parts = []
        for m, mixer in zip(self.frequencies, self.mixers, strict=True):
            frame = self.get_buffer(f"frame_{m}").to(spectrum.real)
            # rfft turns by e^{−imθ} when the picture turns by θ: conjugate.
            real, imag = spectrum[:, m].real, -spectrum[:, m].imag
            if m == 0:
                parts.append(torch.einsum("nkr,rd->nkd", mixer(real).unflatten(-1, (self.k, -1)), frame[0]))
                continue
            a, b = mixer.get_parameter("weight").chunk(2)
            w = [(real @ a.mT - imag @ b.mT), (real @ b.mT + imag @ a.mT)]
            w = [x.unflatten(-1, (self.k, -1)) for x in w]
            parts.append(torch.einsum("nkr,rd->nkd", w[0], frame[0]) - torch.einsum("nkr,rd->nkd", w[1], frame[1]))
        return torch.stack(parts).sum(0)


def _polar_grid(n_radii: int, n_angles: int) -> Tensor:
    """Where to read the picture: (1, n_radii, n_angles, 2) in [−1, 1], x to the right, y down."""
    radii = (torch.arange(n_radii) + 0.5) / n_radii
    angles = 2 * pi * torch.arange(n_angles) / n_angles
    return torch.stack([radii[:, None] * torch.cos(angles), -radii[:, None] * torch.sin(angles)], dim=-1)[None]


def _frequencies(group: AbstractGroup, rep: Representation, direction: tuple[float, ...]) -> dict[int, Array]:
    """How ρ(exp θX) splits: frequency m ≥ 0 → Re v and Im v (2, r, d) of its eigenvectors, ρ v = e^{imθ} v."""
    X = np.asarray(direction, dtype=np.float64)
    if X.shape != (group.tangent_dim,) or not np.isfinite(X).all() or not X.any():
        raise ParameterError("direction", f"{group.tangent_dim} algebra coefficients, not all zero", direction)
    ahead, back = (np.asarray(rep(group.exp(sign * STEP * X[None])))[0] for sign in (1, -1))
    turn = (ahead - back) / (2 * STEP)
    values, vectors = np.linalg.eigh(-1j * (turn - turn.T) / 2)
    m = np.round(values).astype(int)
    if np.abs(values - m).max() > 1e-3:
        raise ParameterError("direction", "a turn of period 2π", f"frequencies {values.round(3)} in {rep.name}")
    found: dict[int, Array] = {}
    for frequency in range(int(m.max()) + 1):
        own = vectors[:, m == frequency].T
        if not len(own):
            continue
        # A real basis of what does not turn; conjugate pairs of the rest, of which one is enough.
        found[frequency] = _real_basis(own)[None] if frequency == 0 else np.stack([own.real, own.imag])
    return found


def _real_basis(vectors: Array) -> Array:
    """R real orthonormal rows that span the same as r complex ones closed under conjugation."""
    _, _, rows = np.linalg.svd(np.concatenate([vectors.real, vectors.imag]))
    return np.asarray(rows[: len(vectors)])
