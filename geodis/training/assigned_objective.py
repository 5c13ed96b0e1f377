"""What DeepCoordinates maximise when copies are assigned: features laid out as irreps before they are learned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import numpy as np
import torch
from torch import Tensor

from geodis.errors import ParameterError, ShapeError
from geodis.groups import AbstractGroup, Representation
from geodis.training.abstract_objective import AbstractObjective
from geodis.training.element_contrast import element_contrast
from geodis.training.objective import view_contrast
from geodis.training.spectral_score import RIDGE


@final
@dataclass(frozen=True)
class AssignedObjective(AbstractObjective):
    """loss = −mean energy of the assigned copies + elements · element contrast + content · InfoNCE(invariant features).

    `spectral_score` looks for every irrep in all directions of the features, d·F unknowns each: for SO(3) a batch
    holds so many that agree by chance that the first true ones drown. Here feature rows are told beforehand what they
    are to become, k copies of ρ in turn, and only mixtures of copies are looked for. Σ_r λ_r of an irrep is
    tr(T⁻¹S) with the moments S, T of theory §3 among its copies, linear in S: unbiased however little is learned yet.

    Attributes
    ----------
    layout : tuple of (Representation, int)
        Orthogonal non-trivial irreps and how many copies of each; features hold the copies one after another, each in
        d neighbouring places.
    n_content : int
        The last features, which are to be invariant and to tell items apart.
    elements, content : float
        Weights of the contrasts.
    element_temperature, temperature : float
        Of the contrasts.

    Examples
    --------
    >>> from geodis.groups import SO3
    >>> objective = AssignedObjective.of(SO3(), {"l=1": 4, "l=2": 2}, n_content=8)
    >>> objective.n_features
    30
    """

    layout: tuple[tuple[Representation, int], ...]
    n_content: int
    elements: float = 3.0
    content: float = 1.0
    element_temperature: float = 0.05
    temperature: float = 0.1

    @classmethod
    def of(
        cls,
        group: AbstractGroup,
        copies: Mapping[str, int],
        n_content: int,
        *,
        elements: float = 3.0,
        content: float = 1.0,
        temperature: float = 0.1,
    ) -> AssignedObjective:
        """The objective of `copies`, name of the irrep → how many.

        Raises
        ------
        ParameterError, UnknownNameError
            For no copies, a number below one, an irrep that is trivial, affine or not orthogonal.
        """
        return cls(assigned_layout(group, copies), n_content, elements, content, temperature=temperature)

    @property
    def n_features(self) -> int:
        """How many features the layout and the content need."""
        return sum(rep.dim * k for rep, k in self.layout) + self.n_content

    def __call__(self, h: Tensor, params: Tensor) -> Tensor:
        """The loss of features (n, m, F) at elements (n, m, p)."""
        if h.ndim != 3 or h.shape[1] < 2 or h.shape[2] != self.n_features:
            raise ShapeError("assigned features", f"(n items, m ≥ 2 elements, {self.n_features})", tuple(h.shape))
        codes = split_copies(h, [(rep.dim, k) for rep, k in self.layout])
        elements = params.to(torch.float64)
        rhos = [rep.matrices(elements).to(h.dtype) for rep, _ in self.layout]
        whitened, energies = [], []
        for code, rho in zip(codes, rhos, strict=True):
            white = _whitened(code)
            whitened.append(white)
            energies.append(_mean_energy(white, rho))
        loss = -torch.stack(energies).mean()
        if self.elements:
            loss = loss + self.elements * self._contrast(whitened, rhos)
        if self.n_content and self.content:
            loss = loss + self.content * view_contrast(h[..., -self.n_content :], self.temperature)
        return loss

    def _contrast(self, codes: list[Tensor], rhos: list[Tensor]) -> Tensor:
        """The mean over factors of the group: one that is easily told would hide that the others are not."""
        factors = [rep.factors for rep, _ in self.layout]
        terms = []
        for own in dict.fromkeys(factors):
            which = [i for i, acting in enumerate(factors) if acting == own]
            chosen = [codes[i] for i in which], [rhos[i] for i in which]
            terms.append(_steps_contrast(*chosen, self.element_temperature))
        return torch.stack(terms).mean()


def assigned_layout(group: AbstractGroup, copies: Mapping[str, int]) -> tuple[tuple[Representation, int], ...]:
    """Irreps and numbers of copies, looked through."""
    if not copies:
        raise ParameterError("copies", 'at least one irrep, such as {"l=1": 4}', copies)
    out = []
    for name, k in copies.items():
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
            raise ParameterError(f"copies of {name}", "an integer ≥ 1", repr(k))
        rep = group.irrep(name)
        if rep.trivial or rep.cocycle is not None or not rep.orthogonal:
            raise ParameterError(
                "copies", "orthogonal irreps that act", name, "Invariants are what n_content asks for."
            )
        out.append((rep, int(k)))
    return tuple(out)


def split_copies(h: Tensor, sizes: list[tuple[int, int]]) -> list[Tensor]:
    """Features (n, m, F) → for every (d, k) of `sizes` its copies (n, m, k, d)."""
    ends = np.cumsum([0, *(d * k for d, k in sizes)])
    return [h[..., a:b].unflatten(-1, (k, d)) for (a, b), (d, k) in zip(pairwise(ends), sizes, strict=True)]


def _whitened(c: Tensor) -> Tensor:
    """Copies mixed so that their covariance, averaged over the rows of ρ, is I (up to a ridge): (n, m, k, d)."""
    n, m, k, d = c.shape
    cov = torch.einsum("nmka,nmla->kl", c, c) / (n * m * d)
    eye = torch.eye(k, dtype=c.dtype, device=c.device)
    floor = RIDGE * cov.diagonal().mean() + torch.finfo(c.dtype).tiny
    root = torch.linalg.solve_triangular(torch.linalg.cholesky(cov + floor * eye), eye, upper=False)
    return torch.einsum("kl,nmla->nmka", root, c)


def _mean_energy(white: Tensor, rho: Tensor) -> Tensor:
    """tr(T⁻¹S)/k with T = I: the mean agreement of different views' canonical codes."""
    n, m, k, d = white.shape
    canonical = torch.einsum("nmba,nmkb->nmka", rho, white)
    together, alone = canonical.sum(1).square().sum(), canonical.square().sum()
    return (together - alone) / (n * m * (m - 1) * k * d)


def _steps_contrast(codes: list[Tensor], rhos: list[Tensor], temperature: float) -> Tensor:
    """Views 2j → 2j + 1 of every item, all of them one batch of pairs."""
    pairs = codes[0].shape[1] // 2
    before = [c[:, 0 : 2 * pairs : 2].flatten(0, 1) for c in codes]
    after = [c[:, 1 : 2 * pairs : 2].flatten(0, 1) for c in codes]
    steps = [(r[:, 1 : 2 * pairs : 2] @ r[:, 0 : 2 * pairs : 2].mT).flatten(0, 1) for r in rhos]
    contrast: Tensor = element_contrast(before, after, steps, temperature)
    return contrast
