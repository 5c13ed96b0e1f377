"""One row of the comparison: an input that fools a published score, and what geodis says of the same input.

Used by the `catalogue_*` modules, whose `failures(seed)` return these by name.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Failure:
    """What the published formula prints and what geodis prints on one deceiving input.

    Attributes
    ----------
    name : str
        Of the row, as in the results file.
    input : str
        What fools the score, in words.
    published, geodis : float
        The two numbers; `geodis` is NaN where geodis refuses to give one.
    chance : float or None
        The value of codes that know nothing, as geodis prints it beside its own.
    status : str
        Of geodis' result.
    flagged : bool
        Whether geodis prints chance within its error, or a status other than ``ok``.
    """

    name: str
    input: str
    published: float
    geodis: float
    chance: float | None
    status: str
    flagged: bool
