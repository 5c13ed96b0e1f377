"""Orthonormal polynomials of data: high degrees that stay well conditioned whatever the distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from geodis.linalg import Array

FLAT = 1e-9  # of the spread of the data: below it the next polynomial vanishes on them


@final
@dataclass(frozen=True, eq=False)
class OrthonormalPolynomials:
    """p_0, p_1, … of one variable with mean_i p_j(x_i) p_k(x_i) = δ_jk on the data that they were made of.

    b_k p_{k+1}(x) = (x − a_k) p_k(x) − c_k p_{k−1}(x), p_0 = 1, with c_k = b_{k−1} (Stieltjes' recurrence). With
    a = c = 0 they are plain powers.

    Attributes
    ----------
    centres, backs, widths : ndarray (K,)
        a, c and b. K is less than was asked for where the data take few values: polynomials beyond would vanish on
        them.
    """

    centres: Array
    backs: Array
    widths: Array

    @property
    def degree(self) -> int:
        """The largest degree K."""
        return len(self.centres)

    @classmethod
    def of(cls, x: Array, degree: int, *, size: float = 0.0, even: bool = False) -> OrthonormalPolynomials:
        """Those of the values `x`; `even` takes −x as well, so that p_k(−x) = (−1)^k p_k(x).

        Values that vary by less than 10⁻⁹ of `size`, the size of what they are differences of, count as constant: a
        squared mass varies by roundings of squared energies.
        """
        values = np.concatenate([x.ravel(), -x.ravel()]) if even else x.ravel()
        before, now, width = np.zeros(len(values)), np.ones(len(values)), 0.0
        spread = float(values.std())
        limit = FLAT * spread
        constant = spread <= FLAT * max(size, float(np.abs(values).max(initial=0.0)))
        centres, widths = [], []
        for _ in range(0 if constant else degree):
            a = 0.0 if even else float(np.mean(values * now**2))
            after = (values - a) * now - width * before
            # Once more against the last two: rounding has left some of them.
            after -= np.mean(after * now) * now + np.mean(after * before) * before
            width = float(np.sqrt(np.mean(after**2)))
            if not width > limit:
                break
            before, now = now, after / width
            centres.append(a)
            widths.append(width)
        return cls(np.array(centres), np.array([0.0, *widths[:-1]][: len(widths)]), np.array(widths))

    def as_powers(self) -> OrthonormalPolynomials:
        """(x/s)^k in place of p_k, s the spread of the data about zero: sparse laws are sparse in these."""
        if not self.degree:
            return self
        scale = float(np.hypot(self.centres[0], self.widths[0]))
        nothing = np.zeros(self.degree)
        return OrthonormalPolynomials(nothing, nothing, np.full(self.degree, scale))

    def __call__(self, x: Tensor) -> Tensor:
        """Values `(...)` → `(..., K + 1)`."""
        found = [torch.ones_like(x)]
        for k in range(self.degree):
            after = (x - float(self.centres[k])) * found[-1]
            if k:
                after = after - float(self.backs[k]) * found[-2]
            found.append(after / float(self.widths[k]))
        return torch.stack(found, -1)

    def powers(self) -> Array:
        """p_k = Σ_j c_kj x^j: the coefficients c `(K + 1, K + 1)`."""
        out = np.zeros((self.degree + 1, self.degree + 1))
        out[0, 0] = 1.0
        for k in range(self.degree):
            out[k + 1, 1:] = out[k, :-1]
            out[k + 1] -= self.centres[k] * out[k]
            if k:
                out[k + 1] -= self.backs[k] * out[k - 1]
            out[k + 1] /= self.widths[k]
        return out
