"""Requests that TF Serving runs when it has loaded a model, so that no client waits for what is set up lazily.

TF Serving reads them from `assets.extra/tf_serving_warmup_requests`, a TFRecord file of its messages
PredictionLog. They are encoded here: exporting shall not need tensorflow-serving-api, and of the wire
format only one thing is in use, a field of known length.
"""

import pathlib
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from spl_tf.data.clip import Clip
from spl_tf.data.record import clip_to_bytes
from spl_tf.inference.trained_model import ClipInput

FILE_NAME = "tf_serving_warmup_requests"
BATCH_SIZES = (1, 4)

_GREY = 128

# Field numbers of tensorflow_serving/apis/{prediction_log,predict,model}.proto.
_LOG_PREDICT = 6
_PREDICT_REQUEST = 1
_REQUEST_SPEC = 1
_REQUEST_INPUTS = 2
_SPEC_NAME = 1
_SPEC_SIGNATURE = 3
# Of an entry of any map.
_KEY = 1
_VALUE = 2


def write_warmup(path: pathlib.Path, model_name: str, clip_input: ClipInput) -> None:
    """Writes a request for every signature and batch size.

    Args:
      path: the file.
      model_name: what the model is called in requests.
      clip_input: what the model was trained on.
    """
    with tf.io.TFRecordWriter(str(path)) as writer:
        for batch_size in BATCH_SIZES:
            for signature, inputs in example_inputs(clip_input, batch_size).items():
                writer.write(prediction_log(model_name, signature, inputs))


def example_inputs(clip_input: ClipInput, batch_size: int) -> dict[str, dict[str, np.ndarray]]:
    """Inputs of every signature, by its name: grey clips of a single frame.

    A short clip is looped, so that a single frame runs the network on as many frames as any
    other clip, and the file stays small.
    """
    size = clip_input.crop_size
    picture = np.full((size, size, 3), _GREY, np.uint8)
    frame = tf.io.encode_jpeg(picture).numpy()
    clip = Clip(
        clip_id="warmup@0",
        video_id="warmup",
        labels=[],
        label_texts=[],
        start_us=0,
        end_us=0,
        frame_rate=0,
        height=size,
        width=size,
        frames=[frame],
        timestamps_us=[0],
    )
    return {
        "serving_default": {"clips": np.broadcast_to(picture, (batch_size, 1, *picture.shape))},
        "frames": {"frames": np.array([[frame]] * batch_size, object)},
        "records": {"records": np.array([clip_to_bytes(clip)] * batch_size, object)},
    }


def prediction_log(model_name: str, signature: str, inputs: Mapping[str, np.ndarray]) -> bytes:
    """A serialized tensorflow.serving.PredictionLog of one predict request."""
    spec = _field(_SPEC_NAME, model_name.encode()) + _field(_SPEC_SIGNATURE, signature.encode())
    request = _field(_REQUEST_SPEC, spec)
    for name, values in inputs.items():
        tensor = tf.make_tensor_proto(values).SerializeToString()
        request += _field(_REQUEST_INPUTS, _field(_KEY, name.encode()) + _field(_VALUE, tensor))
    return _field(_LOG_PREDICT, _field(_PREDICT_REQUEST, request))


def _field(number: int, content: bytes) -> bytes:
    """A field that is a string, bytes or a message: they share wire type 2."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Groups of 7 bits, the lowest first; the high bit says that another follows."""
    groups = [value >> shift & 0x7F for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])
