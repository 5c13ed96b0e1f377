"""A fitted scikit-learn transformer or pipeline as an encoder."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from geodis.encoders.encoder import AbstractEncoder
from geodis.encoders.fingerprints import fingerprint_if_told
from geodis.encoders.prepare import Prepare
from geodis.errors import ParameterError
from geodis.linalg import Array, to_numpy


class EstimatorEncoder(AbstractEncoder):
    """f(x) = estimator.transform(x): rows `(n, p)`, or what else the estimator takes, → `(n, D)`.

    Arrays with more than two axes, such as images, are flattened to rows; sparse embeddings become dense.

    Parameters
    ----------
    estimator : sklearn.base.BaseEstimator
        Fitted, with a method `transform`: a transformer, or a pipeline that ends in one.
    prepare : callable, optional
        Batch of items → what the estimator takes.
    batch_size, verbose, name
        As in `AbstractEncoder`.

    Raises
    ------
    ParameterError
        For an estimator that is not fitted or does not transform.

    Examples
    --------
    >>> from sklearn.preprocessing import StandardScaler
    >>> EstimatorEncoder(StandardScaler().fit([[0.0], [2.0]]))([[1.0], [3.0]])
    array([[0.],
           [2.]])
    """

    def __init__(
        self,
        estimator: BaseEstimator,
        *,
        prepare: Prepare | None = None,
        batch_size: int = 4096,
        verbose: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(batch_size, verbose, name)
        kind = type(estimator).__name__
        try:
            estimator.transform  # noqa: B018 - a pipeline has it or not, as its last step does
        except AttributeError:
            advice = "Of a classifier, pass a method: encode(model.predict_proba)."
            raise ParameterError("model", "an estimator with a method transform", kind, advice) from None
        try:
            check_is_fitted(estimator)
        except NotFittedError:
            raise ParameterError("model", "a fitted estimator", f"{kind}, not fitted", "Call its fit first.") from None
        self.estimator, self.prepare = estimator, prepare

    def _embed(self, batch: Any) -> Array:
        x = batch if self.prepare is None else self.prepare(batch)
        z = self.estimator.transform(_rows(x))
        return z.toarray() if sparse.issparse(z) else np.asarray(z)

    def _content(self) -> Any:
        return [self.estimator, self.prepare]

    def _settings(self) -> Any:
        return fingerprint_if_told(self.prepare)

    def __repr__(self) -> str:
        return f"EstimatorEncoder({type(self.estimator).__name__})"


def _rows(x: Any) -> Any:
    """Arrays of more than two axes as rows; what is no array as it is."""
    if isinstance(x, (list, tuple)) and isinstance(x[0], (Tensor, np.ndarray)):
        x = np.stack([to_numpy(item) for item in x])
    array = to_numpy(x) if isinstance(x, Tensor) else x
    return array.reshape(len(array), -1) if isinstance(array, np.ndarray) and array.ndim > 2 else array
