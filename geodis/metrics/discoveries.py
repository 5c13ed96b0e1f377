"""Which of many p-values, of layers and blocks, are discoveries."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from geodis.errors import ParameterError, UnknownNameError
from geodis.multiplicity import benjamini_hochberg


def discoveries(frame: pd.DataFrame, q: float = 0.05, column: str = "null_p") -> pd.DataFrame:
    """The table with the columns q_value and discovered: of those discovered, at most a share q is false on average.

    Parameters
    ----------
    frame : DataFrame
        One test a row, such as `Report.rows`, or the rows of several reports one below the other.
    q : float
        The false discovery rate.
    column : str
        Where the p-values are; a row with NaN was not tested, is no discovery and does not count.

    Returns
    -------
    DataFrame
        A copy with two further columns; q_value is the smallest rate at which the row would be discovered.

    Raises
    ------
    ParameterError, UnknownNameError
        For something else than a table, a column that is not there, p or q outside their ranges.

    Notes
    -----
    Benjamini and Hochberg's procedure. It holds for independent tests, and for those that tend to err together, as
    those of neighboring layers on the same items do. Mind the floor 1/(draws + 1) of permutation p-values: at 99 draws
    and q = .05, nothing is discovered unless a fifth of all tests reach the floor.

    References
    ----------
    Benjamini and Yekutieli, "The control of the false discovery rate in multiple testing under dependency", Annals of
    Statistics 2001.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"layer": ["a", "b", "c", "all"], "null_p": [0.01, 0.2, 0.02, float("nan")]})
    >>> discoveries(frame)[["layer", "q_value", "discovered"]].round(3).to_dict("list")
    {'layer': ['a', 'b', 'c', 'all'], 'q_value': [0.03, 0.2, 0.03, nan], 'discovered': [True, False, True, False]}
    """
    if not isinstance(frame, pd.DataFrame):
        raise ParameterError("discoveries: frame", "a pandas DataFrame", type(frame).__name__)
    if column not in frame.columns:
        raise UnknownNameError("column", column, ", ".join(str(name) for name in frame.columns))
    if not (math.isfinite(q) and 0.0 < q < 1.0):
        raise ParameterError("discoveries: q", "a rate strictly between 0 and 1, such as 0.05", q)
    try:
        p = np.asarray(frame[column], dtype=np.float64)
    except (TypeError, ValueError):
        raise ParameterError(f"discoveries: {column}", "numbers", str(frame[column].dtype)) from None
    tested = ~np.isnan(p)
    values = np.full(len(p), math.nan)
    if tested.any():
        values[tested] = benjamini_hochberg(p[tested])
    return frame.assign(q_value=values, discovered=values <= q)
