"""Reading numbers out of names: ``m=7``, ``h=(2,1)``, ``ω=(1.3,0)``."""

from __future__ import annotations

import re


def integer_in(name: object, template: str) -> int | None:
    """The integer k with ``template.format(k) == name``, or None."""
    prefix, suffix = template.split("{}")
    found = re.fullmatch(re.escape(prefix) + r"(-?\d{1,6})" + re.escape(suffix), str(name), re.ASCII)
    return int(found[1]) if found and template.format(int(found[1])) == name else None


def numbers_in(name: object, *prefixes: str) -> tuple[float, ...] | None:
    """The numbers of ``prefix=1.5`` or ``prefix=(1.5,0)``, or None."""
    for prefix in prefixes:
        found = re.fullmatch(re.escape(prefix) + r"=(\([^()]*\)|[^(),]*)", str(name))
        if found:
            try:
                values = tuple(float(part) for part in found[1].strip("()").split(","))
            except ValueError:
                return None
            return values if all(abs(v) < float("inf") for v in values) else None
    return None


def listed(values: tuple[float, ...]) -> str:
    """``1.3`` for one number, ``(1.3,0)`` for several, six digits each."""
    texts = [f"{v:.6g}" for v in values]
    return texts[0] if len(texts) == 1 else f"({','.join(texts)})"
