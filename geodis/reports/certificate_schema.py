"""The JSON form of a certificate: its schema, its version, and whether a text follows it."""

from __future__ import annotations

from typing import Any

FORMAT = "geodis.certificate"
VERSION = 1
CAUSES = ("", "no block", "insufficient", "degenerate", "limited", "pose-only", "invariant", "bound")

_NUMBER = {"type": ["number", "null"]}
_COUNT = {"type": "integer", "minimum": 0}
_PROPERTIES: dict[str, dict[str, Any]] = {
    "format": {"type": "string", "enum": [FORMAT]},
    "version": {"type": "integer", "enum": [VERSION]},
    "granted": {"type": "boolean"},
    "delta": {"type": "number", "minimum": 0},
    "level": {"type": "number", "minimum": 0, "maximum": 1},
    "error": _NUMBER,
    "upper": _NUMBER,
    "orbit_signal": _NUMBER,
    "reason": {"type": "string"},
    "cause": {"type": "string", "enum": list(CAUSES)},
    "metric": {"type": "string", "enum": ["equivariance error", "error / identity"]},
    "signal_lower": _NUMBER,
    "item_error": _NUMBER,
    "worst_upper": _NUMBER,
    "worst_element": {"type": ["array", "null"], "items": {"type": "number"}},
    "group": {"type": "string"},
    "design": {"type": "string", "enum": ["crossed", "nested"]},
    "method": {"type": "string"},
    "n_items": _COUNT,
    "n_clusters": _COUNT,
    "n_elements": _COUNT,
}
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Certificate of equivariance",
    "type": "object",
    "properties": _PROPERTIES,
    "required": list(_PROPERTIES),
    "additionalProperties": False,
}
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,), "number": (int, float), "integer": (int,), "boolean": (bool,), "null": (type(None),),
    "array": (list,), "object": (dict,),
}  # fmt: skip


def schema_violations(content: Any, schema: dict[str, Any] = SCHEMA, where: str = "") -> list[str]:
    """Everything in which `content` does not follow the schema; empty when it does.

    Reads the keywords that `SCHEMA` uses: type, enum, minimum, maximum, items, properties, required,
    additionalProperties.

    Examples
    --------
    >>> schema_violations({"type": "cat"}, {"type": "object", "properties": {}, "additionalProperties": False})
    ['type: not expected']
    >>> schema_violations(True, {"type": ["number", "null"]}, "delta")
    ['delta: expected number or null, got bool']
    """
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    if not any(_is(content, kind) for kind in kinds):
        return [f"{where or 'the text'}: expected {' or '.join(kinds)}, got {type(content).__name__}"]
    if "enum" in schema and content not in schema["enum"]:
        return [f"{where}: expected {' or '.join(map(repr, schema['enum']))}, got {content!r}"]
    if content is None:
        return []
    if "minimum" in schema and content < schema["minimum"]:
        return [f"{where}: expected at least {schema['minimum']}, got {content}"]
    if "maximum" in schema and content > schema["maximum"]:
        return [f"{where}: expected at most {schema['maximum']}, got {content}"]
    if isinstance(content, list):
        return [text for i, x in enumerate(content) for text in schema_violations(x, schema["items"], f"{where}[{i}]")]
    return _object_violations(content, schema) if isinstance(content, dict) else []


def _object_violations(content: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    properties = schema["properties"]
    found = [f"{name}: missing" for name in schema.get("required", ()) if name not in content]
    if not schema.get("additionalProperties", True):
        found += [f"{name}: not expected" for name in content if name not in properties]
    for name, value in content.items():
        if name in properties:
            found += schema_violations(value, properties[name], name)
    return found


def _is(content: Any, kind: str) -> bool:
    # In Python True is an int; in JSON it is not a number.
    return isinstance(content, _TYPES[kind]) and (kind == "boolean") == isinstance(content, bool)
