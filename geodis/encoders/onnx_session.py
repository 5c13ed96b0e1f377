"""An onnxruntime session as an encoder, read at any of its outputs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from geodis.encoders.encoder import AbstractEncoder
from geodis.encoders.fingerprints import fingerprint_if_told, is_called
from geodis.encoders.pooling import Pooling, flatten, takes_mask
from geodis.encoders.prepare import Prepare
from geodis.errors import ContentError, LengthError, MissingExtraError, ParameterError, ShapeError, UnknownNameError
from geodis.linalg import Array, to_numpy

DTYPES = {
    "tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16,
    "tensor(int8)": np.int8, "tensor(int16)": np.int16, "tensor(int32)": np.int32, "tensor(int64)": np.int64,
    "tensor(uint8)": np.uint8, "tensor(uint16)": np.uint16, "tensor(uint32)": np.uint32, "tensor(uint64)": np.uint64,
    "tensor(bool)": np.bool_, "tensor(string)": np.object_,
}  # fmt: skip
_EXTERNAL = b"location"  # the key under which a model names files beside it that hold weights


class OnnxEncoder(AbstractEncoder):
    """f(x) = pool(output of an onnxruntime session): `(batch, ...)` → `(batch, D)`.

    Inputs are given the dtype that the session wants. A session exported for a fixed batch is called with batches of
    that size, the last one filled up with copies of its last item.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        The session; see `load_onnx`.
    layer : str, optional
        The name of an output; the first by default.
    pool : callable
        Output as a tensor `(batch, ...)` → `(batch, D)`; flattens by default. An argument called `mask` is given the
        input ``attention_mask``, or None.
    prepare : callable, optional
        Batch of items → an array, or a mapping of arrays by the names of the inputs; of a mapping, what the session
        has an input for is used.
    batch_size, verbose, name
        As in `AbstractEncoder`.

    Raises
    ------
    UnknownNameError
        When no output is called `layer`.

    Examples
    --------
    >>> from onnx import TensorProto, helper
    >>> from onnxruntime import InferenceSession
    >>> x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2]) for name in "xy")
    >>> graph = helper.make_graph([helper.make_node("Abs", ["x"], ["y"])], "absolute", [x], [y])
    >>> model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 17)])
    >>> OnnxEncoder(InferenceSession(model.SerializeToString()))(np.array([[1.0, -2.0]]))
    array([[1., 2.]], dtype=float32)
    """

    def __init__(
        self,
        session: Any,
        layer: str | None = None,
        *,
        pool: Pooling = flatten,
        prepare: Prepare | None = None,
        batch_size: int = 256,
        verbose: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(batch_size, verbose, name)
        outputs = [output.name for output in session.get_outputs()]
        if layer is not None and layer not in outputs:
            raise UnknownNameError("output", layer, ", ".join(outputs))
        self.session, self.layer, self.pool, self.prepare = session, layer, pool, prepare
        self._output = outputs[0] if layer is None else layer
        self._inputs = {x.name: x for x in session.get_inputs()}
        self._masked = takes_mask(pool)

    def _embed(self, batch: Any) -> Tensor:
        inputs = self._named(batch if self.prepare is None else self.prepare(batch))
        lengths = {name: len(x) for name, x in inputs.items()}
        if len(set(lengths.values())) > 1:
            raise LengthError(**lengths)
        parts = [self._run(part, n) for part, n in self._parts(inputs, next(iter(lengths.values())))]
        activation = torch.from_numpy(np.concatenate(parts))
        if not self._masked:
            return self.pool(activation)
        mask = inputs.get("attention_mask")
        return self.pool(activation, mask=None if mask is None else torch.from_numpy(mask))

    def _named(self, batch: Any) -> dict[str, Array]:
        """The session's inputs by name, in its dtypes and shapes."""
        if not isinstance(batch, Mapping):
            if len(self._inputs) > 1:
                raise ParameterError(
                    "items", f"a mapping with the inputs {', '.join(self._inputs)}", type(batch).__name__,
                    "Say how to make them of a batch: encode(session, prepare=…).",
                )  # fmt: skip
            batch = {next(iter(self._inputs)): batch}
        missing = [name for name in self._inputs if name not in batch]
        if missing:
            raise UnknownNameError("input", missing[0], ", ".join(map(str, batch)))
        return {name: _as_wanted(batch[name], wanted) for name, wanted in self._inputs.items()}

    def _parts(self, inputs: dict[str, Array], n: int) -> Iterator[tuple[dict[str, Array], int]]:
        """Batches of the size that the session was made for, with how many of their items count."""
        sizes = {x.shape[0] for x in self._inputs.values() if x.shape and isinstance(x.shape[0], int)}
        if not sizes:
            yield inputs, n
            return
        size = next(iter(sizes))
        for start in range(0, n, size):
            rows = np.minimum(np.arange(start, start + size), n - 1)
            yield {name: x[rows] for name, x in inputs.items()}, min(size, n - start)

    def _run(self, inputs: dict[str, Array], n: int) -> Array:
        given = len(next(iter(inputs.values())))
        try:
            output = np.asarray(self.session.run([self._output], inputs)[0])
        except Exception as error:
            if not type(error).__module__.startswith("onnxruntime"):
                raise
            raise ParameterError("items", "inputs that the onnx model takes", _first_line(error)) from error
        if output.ndim == 0 or len(output) != given:
            expected = f"({given}, ...), one entry an item"
            raise ShapeError(f"output {self._output!r}", expected, output.shape, "Name another output: layer=…")
        return output[:n]

    def _content(self) -> Any:
        return [_model_of(self.session), self._output, self.pool, self.prepare]

    def _settings(self) -> Any:
        return [self._output, fingerprint_if_told(self.pool), fingerprint_if_told(self.prepare)]

    def __repr__(self) -> str:
        return f"OnnxEncoder(output = {self._output!r})"


def is_session(model: Any) -> bool:
    """Whether `model` is an onnxruntime session, told by the names of its classes.

    Examples
    --------
    >>> is_session(np.ones(3))
    False
    """
    return is_called(model, "InferenceSession", "onnxruntime")


def load_onnx(path: str | Path) -> Any:
    """The onnx model in a file as a session on the CPU.

    Parameters
    ----------
    path : path
        The ``.onnx`` file.

    Returns
    -------
    onnxruntime.InferenceSession
        Pass it to `geodis.encode`.

    Raises
    ------
    FileNotFoundError
        Without the file.
    MissingExtraError
        When onnxruntime is not installed (extra ``onnx``).
    ContentError
        When the file holds no onnx model.

    Examples
    --------
    >>> load_onnx("no.onnx")
    Traceback (most recent call last):
    FileNotFoundError: no.onnx: expected an onnx model, found none.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: expected an onnx model, found none.")
    if find_spec("onnxruntime") is None:
        raise MissingExtraError("onnxruntime", "onnx")
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.log_severity_level = 3
    content = Path(path).read_bytes()
    # From its bytes where it can be: the file may change, but what the session was made of is kept with it.
    model = str(path) if _EXTERNAL in content else content
    try:
        return InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ContentError(path, "an onnx model", _first_line(error)) from error


def _as_wanted(x: Any, wanted: Any) -> Array:
    dtype = DTYPES.get(wanted.type)
    if dtype is None:
        raise ParameterError(f"input {wanted.name!r}", "a tensor of numbers or texts", wanted.type)
    if dtype is np.object_:
        array = np.array([str(item) for item in x], dtype=dtype)
        array = array.reshape(-1, *[1] * (len(wanted.shape or [None]) - 1))
    else:
        array = _numbers(x, wanted.name)
        # Numbers may lose digits on the way, but not become whole numbers.
        if not np.can_cast(array.dtype, dtype, "same_kind"):
            raise ParameterError(f"input {wanted.name!r}", f"numbers of {np.dtype(dtype)}", array.dtype)
        array = array.astype(dtype, copy=False)
    expected = list(wanted.shape or [None])
    fits = [not isinstance(e, int) or e == n for e, n in zip(expected[1:], array.shape[1:], strict=False)]
    if array.ndim != len(expected) or not all(fits):
        text = ", ".join("n" if i == 0 or e is None else str(e) for i, e in enumerate(expected))
        raise ShapeError(f"input {wanted.name!r}", f"({text})", array.shape)
    return np.ascontiguousarray(array)


def _numbers(x: Any, name: str) -> Array:
    rows = [to_numpy(item) for item in x] if isinstance(x, (list, tuple)) else to_numpy(x)
    try:
        array = np.asarray(rows)
    except ValueError as error:
        raise ParameterError(f"input {name!r}", "numbers of one shape", str(error)) from error
    if array.dtype.kind not in "fiub":
        advice = "Say how to make its inputs of a batch: encode(session, prepare=…)."
        raise ParameterError(f"input {name!r}", "numbers", f"dtype {array.dtype}", advice)
    return array


def _model_of(session: Any) -> list[Any]:
    """The model's bytes, hashed, with those of the files that hold its weights."""
    path = getattr(session, "_model_path", None)
    content = getattr(session, "_model_bytes", None) if path is None else Path(path).read_bytes()
    if content is None:
        raise ParameterError(
            "session", "one that says what it was made of", "another", "Give it a name: encode(session, name=…)."
        )
    told = [hashlib.sha256(content).hexdigest()]
    if path is not None and _EXTERNAL in content:
        told += [f"{name} {_digest(Path(path).parent / name)}" for name in _external_files(content)]
    return told


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _external_files(content: bytes) -> list[str]:
    if find_spec("onnx") is None:
        raise MissingExtraError("onnx", "onnx")
    import onnx
    from onnx.external_data_helper import _get_all_tensors, uses_external_data

    found = [tensor for tensor in _get_all_tensors(onnx.load_from_string(content)) if uses_external_data(tensor)]
    return sorted({entry.value for tensor in found for entry in tensor.external_data if entry.key == "location"})


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
