"""One BLAS thread for work made of many small solves, where two threads wait for each other: a leaf of the imports."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from threadpoolctl import threadpool_limits

P = ParamSpec("P")
R = TypeVar("R")


def one_blas_thread(function: Callable[P, R]) -> Callable[P, R]:
    """`function` run with one BLAS thread; the process's own number of threads comes back afterwards.

    The spectra and nulls solve thousands of eigenproblems of some hundred rows, for which threads wait longer than they
    work. Large products of rows, which gain from threads, are left alone.

    Examples
    --------
    >>> import numpy as np
    >>> one_blas_thread(np.linalg.norm)([3.0, 4.0])
    np.float64(5.0)
    """

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        with threadpool_limits(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited
