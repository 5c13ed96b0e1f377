"""Permutation-equivariant message passing in scalars and vectors: what a point sends depends on inner products only."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from geodis.errors import ParameterError, ShapeError
from geodis.groups.options import count
from geodis.linalg import to_numpy

COEFFICIENT = 3.0  # what a coefficient of a message may reach: distances cannot blow up from layer to layer
EDGE_VECTORS = 4  # vectors of a point that its neighbours compare with theirs
SYMMETRIC = 1e-12


@final
class ScalarVectorNetwork(nn.Module):
    """(x, v, s, p) ↦ (scalars, vectors) of every point, equivariant under G × S_n × translations for any bilinear form.

    With the form η (Euclidean for O(d), diag(1, −1, …) for Lorentz), r = x_i − x_j and r̂ = r/(1 + η(r, r)²)^{1/4}, a
    layer computes::

        m_ij = MLP(h_i, h_j, p_ij, ψ(inner products of r, V_i, V_j)),    ψ(q) = arsinh q
        h_i ← h_i + MLP(h_i, mean_j m_ij, ψ(η(V_i, V_i)))
        V_i ← γ(h_i) A V_i + mean_j [φ(m_ij) r̂ + χ(m_ij) (V_j − V_i)],     x_i ← x_i + u(h_i)·V_i

    The mean over the n − 1 others makes the size of a message independent of n, coefficients are bounded, and nothing
    is divided by a distance: coincident points give no NaN, neither in values nor in gradients. Every vector is an
    invariant-weighted sum of vectors, which is all that O(d) allows (Weyl); with `chiral` products r̂ × V_i are added,
    which SO(3) allows too.

    Parameters
    ----------
    n_scalars, n_vectors : int
        Numbers and vectors that a point holds beside its position.
    n_pair_scalars : int
        Numbers p_ij that j sends to i with its messages: kinds of bonds, products of charges. Where only products of
        charges count, they are better than the charges themselves: changing all signs then changes nothing.
    out_scalars, out_vectors : int
        What comes out for every point.
    hidden : int
        Width of the scalars h.
    channels : int
        Vectors V of a point.
    layers : int
        Rounds of messages.
    form : array (d, d), optional
        A symmetric form η; the Euclidean one of any d by default.
    chiral : bool
        Whether mirror images may be told apart (three dimensions, Euclidean).
    centred : bool
        Whether x_i minus the mean position is among the vectors of a point: a view of the whole cloud.
    seed : int
        Seed of the starting weights.

    Raises
    ------
    ParameterError
        For sizes out of range, a form that is not symmetric, or a chiral network with another form than the Euclidean.
    ShapeError
        In `forward`, for shapes that do not fit.

    References
    ----------
    Villar, Hogg, Storey-Fisher, Yao, Blum-Smith, "Scalars are universal", NeurIPS 2021, arXiv:2106.06610. Satorras,
    Hoogeboom, Welling, "E(n) equivariant graph neural networks", ICML 2021, arXiv:2102.09844. Gong et al., "An
    efficient Lorentz equivariant graph neural network for jet tagging", JHEP 2022, arXiv:2201.08187.

    Examples
    --------
    >>> network = ScalarVectorNetwork(1, 1, out_vectors=1, hidden=8, layers=2)
    >>> x, v, s = torch.randn(4, 5, 3), torch.randn(4, 5, 1, 3), torch.randn(4, 5, 1)
    >>> scalars, vectors = network(x, v, s)
    >>> tuple(scalars.shape), tuple(vectors.shape)
    ((4, 5, 0), (4, 5, 1, 3))
    >>> bool((network(-x, -v, s)[1] + vectors).abs().max() < 1e-6)
    True
    """

    form: Tensor | None

    def __init__(
        self,
        n_scalars: int = 0,
        n_vectors: int = 0,
        *,
        out_scalars: int = 0,
        out_vectors: int = 0,
        hidden: int = 64,
        channels: int = 16,
        layers: int = 4,
        form: Any = None,
        chiral: bool = False,
        centred: bool = True,
        n_pair_scalars: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.n_scalars, self.n_vectors = count(n_scalars, "n_scalars", 0), count(n_vectors, "n_vectors", 0)
        self.out_scalars, self.out_vectors = count(out_scalars, "out_scalars", 0), count(out_vectors, "out_vectors", 0)
        self.n_pair_scalars = count(n_pair_scalars, "n_pair_scalars", 0)
        hidden, channels, layers = (
            count(hidden, "hidden", 1),
            count(channels, "channels", 1),
            count(layers, "layers", 1),
        )
        if self.out_scalars + self.out_vectors == 0:
            raise ParameterError("out_scalars and out_vectors", "at least one output", "none")
        self.centred, self.chiral = bool(centred), bool(chiral)
        self.register_buffer("form", _checked_form(form, self.chiral))
        own = self.n_vectors + self.centred
        self.start = _linear(self.n_scalars + own * (own + 1) // 2, hidden)
        self.mix = _linear(max(own, 1), channels, bias=False)
        self.layers = nn.ModuleList(
            ScalarVectorLayer(hidden, channels, self.chiral, self.n_pair_scalars) for _ in range(layers)
        )
        self.scalar_head = _mlp(hidden, hidden, self.out_scalars) if self.out_scalars else None
        self.vector_head = _linear(channels + 1, self.out_vectors, bias=False) if self.out_vectors else None
        self.vector_gate = _linear(hidden, self.out_vectors * (channels + 1)) if self.out_vectors else None
        _draw(self, count(seed, "seed", 0))

    def forward(
        self, x: Tensor, v: Tensor | None = None, s: Tensor | None = None, pairs: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Positions `(batch, n, d)`, vectors `(batch, n, k, d)`, scalars `(batch, n, c)` → scalars, vectors.

        `pairs` `(batch, n, n, p)`: row i holds what point i receives.
        """
        h, channels = self.latents(x, v, s, pairs)
        return self._scalars(h), self._vectors(h, channels)

    def latents(
        self, x: Tensor, v: Tensor | None = None, s: Tensor | None = None, pairs: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The last layer: scalars `(batch, n, hidden)` and vectors `(batch, n, channels + 1, d)` of every point.

        The last vector is how far the point has been moved. This is an embedding whose action is known: scalars stay,
        vectors turn with the cloud.
        """
        v, s, pairs = self._checked(x, v, s, pairs)
        vectors = torch.cat([v, (x - x.mean(1, keepdim=True))[:, :, None]], 2) if self.centred else v
        h = self.start(torch.cat([s, _upper(squash(_gram(vectors, vectors, self.form)))], -1))
        if vectors.shape[2] == 0:
            vectors = x.new_zeros(*x.shape[:2], 1, x.shape[2])
        channels, moved = _mixed(self.mix.weight, vectors), x
        for layer in self.layers:
            h, channels, moved = layer(h, channels, moved, self.form, pairs)
        return h, torch.cat([channels, (moved - x)[:, :, None]], 2)

    def _scalars(self, h: Tensor) -> Tensor:
        return h.new_zeros(*h.shape[:2], 0) if self.scalar_head is None else self.scalar_head(h)

    def _vectors(self, h: Tensor, channels: Tensor) -> Tensor:
        if self.vector_head is None or self.vector_gate is None:
            return channels[:, :, :0]
        gate = self.vector_gate(h).reshape(*h.shape[:2], self.out_vectors, -1)
        return (self.vector_head.weight + bounded(gate)) @ channels

    def _checked(
        self, x: Tensor, v: Tensor | None, s: Tensor | None, pairs: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        if x.ndim != 3 or (self.form is not None and x.shape[2] != len(self.form)):
            d = "d" if self.form is None else len(self.form)
            raise ShapeError("positions", f"(batch, n, {d})", tuple(x.shape))
        if self.chiral and x.shape[2] != 3:
            raise ShapeError("positions", "(batch, n, 3), for a chiral network", tuple(x.shape))
        batch, n, d = x.shape
        v = x.new_zeros(batch, n, 0, d) if v is None else v
        s = x.new_zeros(batch, n, 0) if s is None else s
        pairs = x.new_zeros(batch, n, n, 0) if pairs is None else pairs
        if v.shape != (batch, n, self.n_vectors, d):
            raise ShapeError("vectors", str((batch, n, self.n_vectors, d)), tuple(v.shape))
        if s.shape != (batch, n, self.n_scalars):
            raise ShapeError("scalars", str((batch, n, self.n_scalars)), tuple(s.shape))
        if pairs.shape != (batch, n, n, self.n_pair_scalars):
            raise ShapeError("scalars of pairs", str((batch, n, n, self.n_pair_scalars)), tuple(pairs.shape))
        return v, s, pairs


@final
class ScalarVectorLayer(nn.Module):
    """One round of messages: (h, V, x) ↦ (h, V, x), as `ScalarVectorNetwork` says.

    Parameters
    ----------
    hidden, channels : int
        Widths of scalars and vectors.
    chiral : bool
        Whether cross products are added.
    n_pair_scalars : int
        Numbers of every pair.

    Examples
    --------
    >>> layer = ScalarVectorLayer(8, 4)
    >>> h, vectors, x = layer(torch.zeros(2, 5, 8), torch.zeros(2, 5, 4, 3), torch.zeros(2, 5, 3))
    >>> tuple(vectors.shape)
    (2, 5, 4, 3)
    """

    def __init__(self, hidden: int, channels: int, chiral: bool = False, n_pair_scalars: int = 0) -> None:
        super().__init__()
        self.channels, self.chiral = channels, chiral
        compared = min(EDGE_VECTORS, channels)
        self.compare = _linear(channels, compared, bias=False)
        self.receive, self.send = _linear(hidden, hidden), _linear(hidden, hidden, bias=False)
        self.edge = _linear(1 + 3 * compared + n_pair_scalars, hidden, bias=False)
        self.message = nn.Sequential(nn.SiLU(), _linear(hidden, hidden), nn.SiLU())
        self.coefficients = _linear(hidden, (2 + chiral) * channels)
        self.update = _mlp(2 * hidden + channels, hidden, hidden)
        self.keep = _linear(channels, channels, bias=False)
        self.gate = _linear(hidden, 2 * channels)

    def forward(
        self, h: Tensor, vectors: Tensor, x: Tensor, form: Tensor | None = None, pairs: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Scalars `(batch, n, hidden)`, vectors `(batch, n, channels, d)`, positions, pairs `(batch, n, n, p)`."""
        n = x.shape[1]
        r = x[:, :, None] - x[:, None]
        square = _inner(r, r, form)
        unit = r / (1.0 + square * square).sqrt().sqrt()[..., None]
        m = self.message(self._edges(h, vectors, unit, square, form, pairs))
        # The message of a point to itself counts nothing: n − 1 others, and for one point none.
        others = (1.0 - torch.eye(n, dtype=x.dtype, device=x.device))[:, :, None] / max(n - 1, 1)
        a, b, *c = (bounded(self.coefficients(m)) * others).split(self.channels, -1)
        spread = torch.einsum("bijk,bijd->bikd", a, unit) + torch.einsum("bijk,bjkd->bikd", b, vectors)
        spread = spread - b.sum(2)[..., None] * vectors
        if self.chiral:
            spread = spread + torch.linalg.cross(torch.einsum("bijk,bijd->bikd", c[0], unit), vectors)
        lengths = squash(_inner(vectors, vectors, form))
        h = h + self.update(torch.cat([h, (m * others).sum(2), lengths], -1))
        gate, step = self.gate(h).split(self.channels, -1)
        vectors = (vectors + _mixed(self.keep.weight, vectors)) * (1.0 + bounded(gate))[..., None] + spread
        return h, vectors, x + (bounded(step)[..., None] * vectors).mean(2)

    def _edges(
        self, h: Tensor, vectors: Tensor, unit: Tensor, square: Tensor, form: Tensor | None, pairs: Tensor | None
    ) -> Tensor:
        chosen = _mixed(self.compare.weight, vectors)
        lowered = chosen if form is None else chosen @ form
        mine = torch.einsum("bijd,bikd->bijk", unit, lowered)
        theirs = torch.einsum("bijd,bjkd->bijk", unit, lowered)
        both = (chosen[:, :, None] * lowered[:, None]).sum(-1)
        edge = squash(torch.cat([square[..., None], mine, theirs, both], -1))
        if pairs is not None:
            edge = torch.cat([edge, pairs], -1)
        return self.receive(h)[:, :, None] + self.send(h)[:, None] + self.edge(edge)


def squash(q: Tensor) -> Tensor:
    """ψ(q) = arsinh q: invariants of any size, and of either sign, come to order one; smooth and odd.

    Examples
    --------
    >>> squash(torch.tensor([0.0, -1e6])).tolist()
    [0.0, -14.5086...]
    """
    return torch.asinh(q)


def bounded(q: Tensor) -> Tensor:
    """Coefficients b tanh(q/b) with b = 3: the identity for small coefficients, never beyond ±b.

    Examples
    --------
    >>> bounded(torch.tensor([0.0, 1e6])).tolist()
    [0.0, 3.0]
    """
    return COEFFICIENT * torch.tanh(q / COEFFICIENT)


def _inner(a: Tensor, b: Tensor, form: Tensor | None) -> Tensor:
    return (a * b).sum(-1) if form is None else ((a @ form) * b).sum(-1)


def _gram(a: Tensor, b: Tensor, form: Tensor | None) -> Tensor:
    return (a if form is None else a @ form) @ b.transpose(-1, -2)


def _upper(gram: Tensor) -> Tensor:
    rows, columns = torch.triu_indices(gram.shape[-2], gram.shape[-1], device=gram.device)
    return gram[..., rows, columns]


def _mixed(weight: Tensor, vectors: Tensor) -> Tensor:
    """Channels (b, n, k, d) mixed by (k', k): coordinates are never mixed."""
    return weight @ vectors


def _linear(inputs: int, outputs: int, bias: bool = True) -> nn.Linear:
    """A layer whose weights are not drawn yet: torch's own would come from the global generator."""
    return nn.utils.skip_init(nn.Linear, inputs, outputs, bias=bias)


def _mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(_linear(inputs, hidden), nn.SiLU(), _linear(hidden, outputs))


def _draw(network: nn.Module, seed: int) -> None:
    """Weights and biases uniform in ±1/√(inputs), from a generator of their own."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Linear):
                bound = max(module.in_features, 1) ** -0.5
                for parameter in module.parameters():
                    parameter.uniform_(-bound, bound, generator=generator)


def _checked_form(form: Any, chiral: bool) -> Tensor | None:
    if form is None:
        return None
    if chiral:
        raise ParameterError("form", "None for a chiral network: r × v needs the Euclidean form", "a form")
    matrix = to_numpy(form).astype(np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ShapeError("form", "(d, d)", matrix.shape)
    if not np.isfinite(matrix).all() or np.abs(matrix - matrix.T).max(initial=0.0) > SYMMETRIC:
        raise ParameterError("form", "a finite symmetric matrix", "another one")
    return torch.from_numpy(matrix).to(torch.get_default_dtype())
