"""Named errors: what was expected, what came, what to do. A safe leaf of the import graph."""

from __future__ import annotations


class GeodisError(Exception):
    """Any error that geodis raises on purpose."""


class ShapeError(GeodisError, ValueError):
    """An array has another shape than the formula needs."""

    def __init__(self, what: str, expected: str, got: object, advice: str = "") -> None:
        super().__init__(f"{what}: expected shape {expected}, got {got}.{_tail(advice)}")


class FiniteError(GeodisError, ValueError):
    """An array holds NaN or infinity."""

    def __init__(self, what: str, n_bad: int, advice: str = "") -> None:
        where = "value is" if n_bad == 1 else "values are"
        todo = _tail(advice or "Remove or repair these rows first.")
        super().__init__(f"{what}: expected finite numbers, {n_bad} {where} NaN or infinity (inf).{todo}")


class ParameterError(GeodisError, ValueError):
    """A parameter lies outside the group, or an option outside its range."""

    def __init__(self, what: str, expected: str, got: object, advice: str = "") -> None:
        super().__init__(f"{what}: expected {expected}, got {got}.{_tail(advice)}")


class LengthError(GeodisError, ValueError):
    """Arrays that describe the same rows have different lengths."""

    def __init__(self, **lengths: int) -> None:
        listed = ", ".join(f"{name} has {n}" for name, n in lengths.items())
        super().__init__(f"Expected arrays with one entry a row, got inconsistent numbers of samples: {listed}.")


class UnknownNameError(GeodisError, KeyError, ValueError):
    """A name (of an irrep, a group, a layer) that nothing here carries."""

    def __init__(self, kind: str, name: object, known: object) -> None:
        self.message = f"Unknown {kind} {name!r}; expected one of: {known}."
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message


class AliasingError(GeodisError, ValueError):
    """Two irreps look the same on the elements that were sampled."""

    def __init__(self, n_elements: int, max_order: int, usable: int) -> None:
        self.usable = usable
        super().__init__(
            f"These elements ({n_elements} an item) cannot tell order {max_order} from lower ones: on a regular grid, "
            f"expected max_order < n_elements / 2. Lower max_order to {usable}, sample more elements, or name the "
            "subgroup that these elements belong to."
        )


class OverlapError(GeodisError, ValueError):
    """Items that were fitted are offered for scoring."""

    def __init__(self, n_shared: int, example: object) -> None:
        super().__init__(
            f"Expected items that the fit has not seen, but {n_shared} of them were fitted (for example {example!r}). "
            "Score on the other half of `orbits.split(...)`."
        )


class MissingExtraError(GeodisError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str, command: str | None = None) -> None:
        run = command or f"pip install 'geodis[{extra}]'"
        super().__init__(f"{package} is needed here and is not installed: run `{run}`.")


class FileFormatError(GeodisError, ValueError):
    """A file is not one that this version of geodis reads."""

    def __init__(self, path: object, expected: str, got: object) -> None:
        super().__init__(f"{path}: expected {expected}, got {got}. Was it written by another program or version?")


class ContentError(GeodisError, ValueError):
    """A file of the user's does not hold what the question needs."""

    def __init__(self, path: object, expected: str, got: object, advice: str = "") -> None:
        super().__init__(f"{path}: expected {expected}, got {got}.{_tail(advice)}")


class NotInvertibleError(GeodisError, ValueError):
    """An embedding is asked for, and the lift of the coordinates cannot be undone."""

    def __init__(self, what: str, lift: object) -> None:
        super().__init__(
            f"{what}: expected coordinates of the embedding or of a lift that can be undone, got {lift!r}. Act on the "
            "coordinates (`act`), fit with an invertible lift (a flow), or train a decoder from the coordinates."
        )


class NotLinearError(GeodisError, ValueError):
    """A matrix is asked for where the action is not linear."""


class NoRealLogarithmError(GeodisError, ValueError):
    """A matrix has no real logarithm, or none that rounding lets be found."""

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(f"real logarithm: expected a matrix exp(A) with A real, {reason}.{_tail(advice)}")


class DesignError(GeodisError, ValueError):
    """The sampled items and elements cannot answer the question."""


def _tail(advice: str) -> str:
    return f" {advice}" if advice else ""
