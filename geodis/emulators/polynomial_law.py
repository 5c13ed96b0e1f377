"""A polynomial law that commutes with a group: readable, saved without pickle, the result of `PolynomialFit`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self, final

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor

from geodis.emulators.equivariant_basis import BasisTensor, basis_tensors, tensors_of
from geodis.emulators.forms import AbstractForm, BilinearForm, Euclidean, Isometries, Minkowski, Symplectic, as_vectors
from geodis.emulators.invariant_variables import InvariantVariables
from geodis.emulators.orthonormal_polynomials import OrthonormalPolynomials
from geodis.errors import ShapeError
from geodis.files import read_safetensors, write_atomically
from geodis.linalg import Array, check_finite, like, to_numpy, to_tensor
from geodis.palette import FOUND

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMAT, VERSION = "geodis.polynomial_law", 1
FORMS: dict[str, Callable[[int], AbstractForm]] = {
    "Euclidean": Euclidean,
    "Minkowski": Minkowski,
    "Symplectic": Symplectic,
}
SHOWN = 12
NEGLIGIBLE = 1e-9  # of the largest term: what print leaves out


class LawTerm(NamedTuple):
    """One monomial of a law, in the invariants themselves.

    Attributes
    ----------
    coefficient : float
        Its factor.
    name : str
        Such as "<v0,v1> <v2,v3>" or "m0 v0^a v0^b"; "1" for a constant.
    n_alike : int
        How many monomials have this coefficient up to sign because interchangeable points make them alike; one of
        them is named.
    size : float
        |coefficient| × the root mean square of the monomial (of the invariants' spread) on the fitted data, roughly.
    """

    coefficient: float
    name: str
    n_alike: int
    size: float


@final
@dataclass(frozen=True, eq=False, repr=False)
class PolynomialLaw:
    """T(v) = Σ_{e,b} C_eb p_e(invariants) T_b(v), equivariant whatever the coefficients are.

    Attributes
    ----------
    variables : InvariantVariables
        What it is a polynomial in.
    order : int
        Of the tensor that comes out: 0 a number, 1 a vector.
    degree : int
        The largest total degree; in the components of vectors, or in lengths, cosines, logarithms themselves.
    exponents : ndarray (P, V) of int
        e, for orthonormal polynomials, or powers, of each variable.
    coefficients : ndarray (P, E)
        C.
    alike : ndarray (P, E) of int
        Which products interchangeable points make alike; −1 for those not in the law.
    polynomials : tuple of OrthonormalPolynomials
        Of each variable.
    sizes : ndarray (V + E,)
        Root mean squares of the variables and of the basis tensors on the fitted data.
    ridge : float
        The penalty, relative to the largest squared singular value of the features.
    residual : float
        Mean squared error of left-out samples over the variance of the targets; NaN if not cross-validated.
    """

    variables: InvariantVariables
    order: int
    degree: int
    exponents: Array
    coefficients: Array
    alike: Array
    polynomials: tuple[OrthonormalPolynomials, ...]
    sizes: Array
    ridge: float
    residual: float

    def __call__(self, vectors: Any, *, scalars: Any = None, point_scalars: Any = None) -> Any:
        """The law's value: vectors `(N, n, d)` → `(N, d, …, d)`, numpy or torch, differentiable.

        Raises
        ------
        ShapeError, FiniteError
            For other shapes than those of the fit, or NaN.
        """
        x, s, a = read_inputs(self.variables, vectors, scalars, point_scalars)
        products = products_of(self.polynomials, self.exponents, self.variables.evaluated(x, s, a))
        factors = products @ torch.from_numpy(self.coefficients).to(products)
        if self.order == 0:
            return like(factors[:, 0], vectors)
        tensors = tensors_of(x, self.variables.kept, self.basis)
        return like(torch.einsum("ne,ne...->n...", factors, tensors), vectors)

    @cached_property
    def basis(self) -> tuple[BasisTensor, ...]:
        """The tensors T_b."""
        return basis_tensors(self.variables.n, self.variables.kept, self.order)

    @cached_property
    def terms(self) -> tuple[LawTerm, ...]:
        """The law as monomials, the largest first; alike ones are listed once."""
        powers = _in_powers(self.exponents, self.coefficients, [p.powers() for p in self.polynomials])
        label = {tuple(e): row for e, row in zip(self.exponents.tolist(), self.alike.tolist(), strict=True)}
        found: dict[int, LawTerm] = {}
        for e, row in powers.items():
            names = self.variables.names
            factors = [names[k] + (f"^{p}" if p > 1 else "") for k, p in enumerate(e) if p]
            scale = math.prod(float(self.sizes[k]) ** p for k, p in enumerate(e) if p)
            for b, c in enumerate(row.tolist()):
                mark = label[e][b]
                if mark < 0 or c == 0.0:
                    continue
                if mark in found:
                    found[mark] = found[mark]._replace(n_alike=found[mark].n_alike + 1)
                    continue
                tensor = [] if self.basis[b].name == "1" else [self.basis[b].name]
                size = abs(c) * scale * float(self.sizes[len(names) + b])
                found[mark] = LawTerm(c, " ".join([*factors, *tensor]) or "1", 1, size)
        return tuple(sorted(found.values(), key=lambda term: -term.size))

    def plot(self, ax: Axes | None = None) -> Axes:
        """The sizes of the largest terms, as bars."""
        from matplotlib import pyplot as plt

        axes = plt.subplots(figsize=(5, 3.6))[1] if ax is None else ax
        shown = self.terms[:SHOWN][::-1]
        axes.barh([_text(term) for term in shown], [term.size for term in shown], color=FOUND)
        axes.set(xscale="log", xlabel="|coefficient| × size of the monomial")
        return axes

    def __repr__(self) -> str:
        kind = {0: "number", 1: "vector"}.get(self.order, f"tensor of order {self.order}")
        head = (
            f"PolynomialLaw({kind}, degree {self.degree}, {len(self.terms)} terms, residual {self.residual:.2g}, "
            f"ridge {self.ridge:.2g})"
        )
        largest = self.terms[0].size if self.terms else 0.0
        shown = [term for term in self.terms[:SHOWN] if term.size > NEGLIGIBLE * largest]
        left = len([term for term in self.terms if term.size > NEGLIGIBLE * largest]) - len(shown)
        return "\n".join([head, *(f"  {term.coefficient:+.6g}  {_text(term)}" for term in shown)]) + (
            f"\n  and {left} more" if left else ""
        )

    # --- files ----------------------------------------------------------------------------------------------------
    def save(self, path: str | Path) -> None:
        """Write the law as safetensors; to a temporary name, then moved."""
        v, form = self.variables, self.variables.kept.form
        config = {
            "form": type(form).__name__, "proper": v.kept.proper, "n": v.n, "n_point_scalars": v.n_point_scalars,
            "n_scalars": v.n_scalars, "kind": v.kind, "order": self.order, "degree": self.degree,
            "ridge": self.ridge, "residual": self.residual,
        }  # fmt: skip
        tensors = {
            "form": np.array(form.matrix), "exponents": self.exponents, "coefficients": self.coefficients,
            "alike": self.alike, "sizes": self.sizes, "scales": np.array(v.scales, dtype=np.float64),
        }  # fmt: skip
        for k, p in enumerate(self.polynomials):
            tensors |= {f"centres.{k}": p.centres, f"backs.{k}": p.backs, f"widths.{k}": p.widths}
        copies = {name: np.ascontiguousarray(x) for name, x in tensors.items()}
        meta = {"format": FORMAT, "version": str(VERSION), "config": json.dumps(config)}
        write_atomically(path, lambda temporary: save_file(copies, temporary, metadata=meta))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The law that `save` wrote.

        Raises
        ------
        FileNotFoundError, FileFormatError
            Without the file, or when it holds something else.
        """
        meta, t = read_safetensors(path, FORMAT, VERSION)
        c = json.loads(meta["config"])
        form = FORMS[c["form"]](len(t["form"])) if c["form"] in FORMS else BilinearForm(t["form"])
        kept = Isometries(form, c["proper"])
        scales = tuple(t["scales"].tolist())
        variables = InvariantVariables(kept, c["n"], c["n_point_scalars"], c["n_scalars"], c["kind"], scales)
        polynomials = tuple(
            OrthonormalPolynomials(t[f"centres.{k}"], t[f"backs.{k}"], t[f"widths.{k}"])
            for k in range(len(variables.variables))
        )
        return cls(
            variables, c["order"], c["degree"], t["exponents"], t["coefficients"], t["alike"], polynomials,
            t["sizes"], c["ridge"], c["residual"],
        )  # fmt: skip


def read_inputs(
    variables: InvariantVariables, vectors: Any, scalars: Any, point_scalars: Any
) -> tuple[Tensor, Tensor, Tensor]:
    """Checked tensors `(N, n, d)`, `(N, n_scalars)`, `(N, n, n_point_scalars)` of one dtype."""
    x = as_vectors(vectors, variables.kept.form.dim)
    if x.ndim != 3 or x.shape[1] != variables.n:
        raise ShapeError("vectors", f"(N, {variables.n}, {variables.kept.form.dim})", tuple(x.shape))
    s = _numbers(scalars, "scalars", (len(x), variables.n_scalars), x)
    a = _numbers(point_scalars, "point_scalars", (len(x), variables.n, variables.n_point_scalars), x)
    return x, s, a


def products_of(polynomials: tuple[OrthonormalPolynomials, ...], exponents: Array, values: Tensor) -> Tensor:
    """Π_k p_{e_k}(x_k): values `(N, V)` → `(N, P)`."""
    out = values.new_ones((len(values), len(exponents)))
    for k, p in enumerate(polynomials):
        powers = exponents[:, k]
        used = np.flatnonzero(powers)
        if len(used):
            places = torch.as_tensor(used, device=values.device)
            factor = p(values[:, k])[:, torch.as_tensor(powers[used], device=values.device)]
            out = out.index_copy(1, places, out[:, places] * factor)
    return out


def _numbers(given: Any, name: str, shape: tuple[int, ...], like_this: Tensor) -> Tensor:
    if given is None:
        if 0 in shape[1:]:
            return like_this.new_zeros(shape)
        raise ShapeError(name, str(shape), "none")
    x = to_tensor(given).to(like_this)
    # One number a sample, or a point, may come without its last axis.
    if x.ndim == len(shape) - 1 and shape[-1] == 1:
        x = x[..., None]
    if tuple(x.shape) != shape:
        raise ShapeError(name, str(shape), tuple(x.shape))
    check_finite(to_numpy(x), name)
    return x


def _in_powers(exponents: Array, coefficients: Array, tables: list[Array]) -> dict[tuple[int, ...], Array]:
    """The same polynomial in plain powers of the variables."""
    now = {tuple(e): row.copy() for e, row in zip(exponents.tolist(), coefficients, strict=True)}
    for k, table in enumerate(tables):
        after: dict[tuple[int, ...], Array] = {}
        for e, row in now.items():
            for j in range(e[k] + 1):
                if table[e[k], j]:
                    key = (*e[:k], j, *e[k + 1 :])
                    after[key] = after.get(key, 0.0) + table[e[k], j] * row
        now = after
    return now


def _text(term: LawTerm) -> str:
    return term.name + (f"  (and {term.n_alike - 1} alike)" if term.n_alike > 1 else "")
