"""A trained network as an ONNX file, for other runtimes: whole stored frames in, scores out, preprocessing inside.

tf2onnx converts the function behind the SavedModel's `serving_default`. Keras' own `Model.export(format="onnx")` calls
the same converter, but for the bare network, which would leave draw, crop and normalisation to every client.
"""

import pathlib

import tensorflow as tf

from spl_tf import files
from spl_tf.errors import UserError
from spl_tf.inference.serving_signatures import serving_signatures
from spl_tf.inference.trained_model import TrainedModel

FILE_NAME = "model.onnx"

# onnxruntime runs it since 1.14, of February 2023.
_OPSET = 18


def require_converter(precision: str) -> None:
    """Raises UserError when no ONNX file can be written: before a long export, not after it."""
    try:
        import tf2onnx  # noqa: F401
    except ImportError as error:
        raise UserError(f"--onnx needs the package tf2onnx ({error}): pip install 'spl_tf[onnx]'") from error
    if precision != "float32":
        raise UserError(f"--onnx with precision {precision}: ONNX files compute in float32, leave the option out")


def write_onnx(path: pathlib.Path, trained: TrainedModel) -> None:
    """Writes one ONNX file, with the class names as its metadata "classes", one a line.

    Input "clips" uint8 [B, T, H, W, 3] and outputs are those of `serving_signatures`. ONNX has no operation that fails
    with a message, so the checks of requests are left out: the caller sees to B and T above 0, and to H and W of at
    least the crop.

    Args:
      path: the file.
      trained: in float32.

    Raises:
      UserError: tf2onnx is not installed.
    """
    require_converter(trained.precision)
    import onnx
    import tf2onnx

    function, clips = serving_signatures(trained)["serving_default"]
    model, _ = tf2onnx.convert.from_function(
        tf.function(function, input_signature=[clips], autograph=False), input_signature=[clips], opset=_OPSET
    )
    onnx.checker.check_model(model)  # The converter goes on when it knows no form of an operation.
    names = model.metadata_props.add()
    names.key, names.value = "classes", "\n".join(trained.classes)
    with files.atomic_path(path) as temporary:
        temporary.write_bytes(model.SerializeToString())
