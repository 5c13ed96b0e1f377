"""Reading a group back from its name."""

from __future__ import annotations

import ast

from geodis.errors import ParameterError, UnknownNameError
from geodis.groups.cyclic import Cyclic
from geodis.groups.dihedral import Dihedral
from geodis.groups.euclidean import SE
from geodis.groups.group import AbstractGroup
from geodis.groups.hyperoctahedral import Hyperoctahedral
from geodis.groups.linear import GL
from geodis.groups.lorentz import Lorentz
from geodis.groups.orthogonal import O
from geodis.groups.permutations import Permutations
from geodis.groups.product import Product
from geodis.groups.scaling import Scaling
from geodis.groups.so2 import SO2
from geodis.groups.so3 import SO3
from geodis.groups.son import SO
from geodis.groups.translation import Translation

KNOWN = {
    kind.__name__: kind
    for kind in (
        SO2, SO3, SO, O, Cyclic, Dihedral, Permutations, Hyperoctahedral, Translation, Scaling, SE, Lorentz, GL
    )
}  # fmt: skip


def parse(text: str) -> AbstractGroup:
    """The group that `text` names, ``parse(repr(G)) == G``: literals only, nothing is evaluated.

    Examples
    --------
    >>> parse("SO2 * Cyclic(3)")
    SO2() * Cyclic(3)
    >>> parse("Translation(2, period=(1.0, 1.0))").period
    (1.0, 1.0)
    """
    try:
        return _build(ast.parse(text.strip(), mode="eval").body, text)
    except (SyntaxError, ValueError, AttributeError, RecursionError) as error:
        if isinstance(error, (UnknownNameError, ParameterError)):
            raise
        raise _unknown(text) from None


def _build(node: ast.expr, text: str) -> AbstractGroup:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return Product(_build(node.left, text), _build(node.right, text))
    call = node if isinstance(node, ast.Call) else ast.Call(func=node, args=[], keywords=[])
    if not isinstance(call.func, ast.Name) or call.func.id not in KNOWN:
        raise _unknown(text)
    args = [ast.literal_eval(arg) for arg in call.args]
    options = {option.arg: ast.literal_eval(option.value) for option in call.keywords if option.arg}
    try:
        return KNOWN[call.func.id](*args, **options)
    except TypeError as error:
        raise ParameterError(f"group {text!r}", f"arguments that {call.func.id} takes", f"TypeError: {error}") from None


def _unknown(text: object) -> UnknownNameError:
    return UnknownNameError("group", text, ", ".join(KNOWN) + ", joined by *")
