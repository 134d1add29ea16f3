"""OpenVINO runs a network on processors of Intel and AMD, in bfloat16 where they multiply it or in 8 bits."""

import dataclasses
import importlib.metadata
from collections.abc import Callable
from typing import TYPE_CHECKING

import gin
import numpy as np
import tensorflow as tf

from spl_tf.errors import UserError

if TYPE_CHECKING:
    from spl_tf.inference.engine import Run

# OpenVINO's names; "auto" is its own choice, bfloat16 where the processor has instructions for it.
_HINTS = {"auto": None, "float32": "f32", "bfloat16": "bf16", "int8": None}


@dataclasses.dataclass(frozen=True)
class OpenVino:
    """An `Engine` of one precision."""

    precision: str

    def title(self) -> str:
        return f"openvino {importlib.metadata.version('openvino')} {self.precision}"

    def compiled(self, forward: Callable, clips: np.ndarray, batch_size: int) -> "Run":
        import openvino

        signature = [tf.TensorSpec([batch_size, *clips.shape[1:]], tf.uint8, name="clips")]
        graph = tf.function(forward, input_signature=signature, autograph=False).get_concrete_function()
        model = openvino.convert_model(graph)
        if self.precision == "int8":
            model = _quantized(model, np.split(clips, len(clips) // batch_size))
        hint = _HINTS[self.precision]
        compiled = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": hint} if hint else {})
        scores, features = compiled.outputs

        def run(batch: tf.Tensor) -> tuple[np.ndarray, np.ndarray]:
            found = compiled(np.asarray(batch))
            return found[scores], found[features]

        return run


def _quantized(model, batches: list[np.ndarray]):
    """The model in 8 bits, whose ranges are those of the activations on these batches."""
    try:
        import nncf
    except ImportError as error:
        raise _missing(error) from error
    return nncf.quantize(model, nncf.Dataset(batches), subset_size=len(batches))


@gin.configurable
def openvino(*, precision: str = "auto") -> OpenVino:
    """Runs networks with OpenVINO; needs `pip install 'spl_tf[openvino]'`.

    Args:
      precision: "auto" (bfloat16 where the processor has instructions for it, else float32), "float32", "bfloat16", or
        "int8", calibrated on some of the clips to be scored.

    Raises:
      UserError: it is not installed, or there is no such precision.
    """
    if precision not in _HINTS:
        raise UserError(f"openvino.precision = {precision!r} is none of {', '.join(_HINTS)}")
    try:
        import openvino  # noqa: F401
    except ImportError as error:
        raise _missing(error) from error
    return OpenVino(precision)


def _missing(error: ImportError) -> UserError:
    return UserError(f"@openvino needs packages that are not installed ({error}): pip install 'spl_tf[openvino]'")
