"""The spectral score: how much of a batch of features is equivariant, block by block, as a differentiable number."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from geodis.errors import ParameterError, ShapeError
from geodis.groups import Representation

RIDGE = 1e-3  # of the mean variance: whitening by a batch must not divide by directions that hardly vary


def spectral_score(h: Tensor, params: Tensor, irreps: Sequence[Representation], *, ridge: float = RIDGE) -> Tensor:
    """Σ_ρ d_ρ Σ_r max(0, λ_r)², the number of equivariant dimensions of the features, each by its squared energy.

    For every irrep the λ_r are the generalised eigenvalues of the moments of theory: S w = λ (T + ridge) w with
    S = mean_i [m M_iᴴM_i − I⊗C_i]/(m − 1) and T = I⊗Cov(h), the energies that `isotypic_spectrum` prints. No copies are
    assigned beforehand: how many directions of the features follow which irrep is the network's choice. The square
    rewards a direction that follows one irrep wholly over several that do by halves (the energies of all irreps of one
    direction sum to one). Whitening by T makes collapsed features worth nothing, whatever their scale.

    Gradients flow through eigenvalues only, which is safe where they coincide.

    Parameters
    ----------
    h : Tensor (n, m, F)
        Features of n items at m elements each, elements drawn from the Haar measure (or a full orbit, or a grid).
    params : Tensor (n, m, p)
        The elements.
    irreps : sequence of Representation
        Orthogonal linear irreps to count; leave out the trivial one, which invariants would fill.
    ridge : float
        Added to T, as a share of the mean variance.

    Returns
    -------
    Tensor ()
        Between 0 and F.

    Raises
    ------
    ShapeError, ParameterError
        For other shapes, fewer than two elements an item, representations that are not orthogonal and linear.

    References
    ----------
    Wu, Noé: Variational approach for learning Markov processes from time series data (2020), arXiv 1707.04659: the
    score of one operator, of which this is the form for a group.

    Examples
    --------
    >>> import torch
    >>> from geodis.groups import SO2
    >>> from geodis.training import spectral_score
    >>> angle = torch.from_numpy(SO2().orbit(50, 8))
    >>> start = torch.arange(50.0)[:, None, None]
    >>> turning = torch.cat([torch.cos(angle + start), torch.sin(angle + start)], dim=-1)
    >>> round(float(spectral_score(turning, angle, SO2().irreps(2)[1:])), 2)
    2.0
    """
    _check(h, params, irreps)
    white = _whitened(h, ridge)
    return sum((rep.dim * energies(white, params, rep).relu().square().sum() for rep in irreps), h.new_zeros(()))


def energies(white: Tensor, params: Tensor, rep: Representation) -> Tensor:
    """All λ of one irrep for features with identity covariance (n, m, F), ascending."""
    n, m, width = white.shape
    action = rep.half if rep.half is not None else rep.matrices
    rho = action(params.to(torch.float64)).to(white.dtype if rep.half is None else _complex(white.dtype))
    d = rho.shape[-1]
    # M_i = mean_j ρ(g_ij)ᴴ ⊗ h_ijᵀ, of shape (d, d·F); its rows are those of a Gram matrix.
    coefficients = torch.einsum("nmba,nme->nabe", rho.conj(), white.to(rho.dtype)) / m
    rows = coefficients.reshape(n * d, d * width)
    b = rows.mH @ rows / n
    cov = torch.einsum("nme,nmf->ef", white, white) / (n * m)
    second = torch.kron(torch.eye(d, dtype=white.dtype, device=white.device), cov)
    return torch.linalg.eigvalsh((m * b - second) / (m - 1))


def pair_score(h: Tensor, params: Tensor, irreps: Sequence[Representation], *, ridge: float = RIDGE) -> Tensor:
    """Σ_ρ d_ρ Σ_r max(0, 1 − 2ν_r)², the same for limited designs and for groups that are not compact.

    L w = ν (L + I) w with the pair loss L = mean ω(h)|W z_k − ρ(h)W z_j|² and the loss I of not acting; then
    1 − 2ν = (I − L)/(I + L), which is 1 for an exact block, 0 for one that does no better than standing still. The
    fixed point is the origin of the features.

    Parameters
    ----------
    h : Tensor (n, m, F)
    params : Tensor (n, m, p)
    irreps : sequence of Representation
        Linear representations without translations, orthogonal or not.
    ridge : float
        Added to L + I, as a share of its mean diagonal.

    Examples
    --------
    >>> import torch
    >>> from geodis.groups import Scaling
    >>> from geodis.training import pair_score
    >>> factor = torch.from_numpy(Scaling().sample(100, seed=0)).reshape(50, 2, 1)
    >>> size = torch.arange(1.0, 51.0)[:, None, None] * factor.exp()
    >>> round(float(pair_score(size, factor, [Scaling().irrep("a=1")])), 2)
    1.0
    """
    _check(h, params, irreps)
    return sum(
        (rep.dim * _pair_energies(h, params, rep, ridge).relu().square().sum() for rep in irreps),
        h.new_zeros(()),
    )


def _pair_energies(h: Tensor, params: Tensor, rep: Representation, ridge: float) -> Tensor:
    m, width = h.shape[1:]
    before, after = _ordered_pairs(m, h.device)
    rho = rep.matrices(params.to(torch.float64))
    step = (rho[:, after] @ torch.linalg.inv(rho[:, before])).to(h.dtype)  # ρ(g_k g_j⁻¹)
    d = rep.dim
    weight = 2.0 / (1.0 + step.square().sum((-2, -1)) / d)
    weight = (weight / weight.sum()).sqrt()[..., None]
    z, gz = h[:, before] * weight, h[:, after] * weight
    eye = torch.eye(d, dtype=h.dtype, device=h.device)
    a = torch.einsum("ab,npe->npabe", eye, gz) - torch.einsum("npab,npe->npabe", step, z)
    rows = a.reshape(-1, d * width)
    loss = rows.mT @ rows
    moved = (gz - z).reshape(-1, width)
    still = torch.kron(eye, moved.mT @ moved)
    total = loss + still
    root = _inverse_cholesky(total, ridge)
    return torch.linalg.eigvalsh(root @ (still - loss) @ root.mT)


def _ordered_pairs(m: int, device: torch.device) -> tuple[Tensor, Tensor]:
    index = torch.arange(m, device=device)
    before, after = torch.meshgrid(index, index, indexing="ij")
    keep = before != after
    return before[keep], after[keep]


def _whitened(h: Tensor, ridge: float) -> Tensor:
    """Centred features with covariance I (up to the ridge)."""
    n, m = h.shape[:2]
    centred = h - h.mean((0, 1))
    cov = torch.einsum("nme,nmf->ef", centred, centred) / (n * m)
    return centred @ _inverse_cholesky(cov, ridge).mT


def _inverse_cholesky(x: Tensor, ridge: float) -> Tensor:
    """R with R(x + ridge·tr(x)/F)Rᵀ = I."""
    width = len(x)
    eye = torch.eye(width, dtype=x.dtype, device=x.device)
    floor = ridge * x.diagonal().mean() + torch.finfo(x.dtype).tiny
    return torch.linalg.solve_triangular(torch.linalg.cholesky(x + floor * eye), eye, upper=False)


def _complex(dtype: torch.dtype) -> torch.dtype:
    return torch.complex128 if dtype == torch.float64 else torch.complex64


def _check(h: Tensor, params: Tensor, irreps: Sequence[Representation]) -> None:
    if h.ndim != 3 or h.shape[1] < 2:
        raise ShapeError("spectral score: features", "(n_items, m ≥ 2 elements, F)", tuple(h.shape))
    if params.ndim != 3 or params.shape[:2] != h.shape[:2]:
        raise ShapeError("spectral score: params", f"({h.shape[0]}, {h.shape[1]}, p)", tuple(params.shape))
    affine = [rep.name for rep in irreps if rep.cocycle is not None]
    if not irreps or affine:
        raise ParameterError("irreps", "at least one, without translations", affine or "none")
