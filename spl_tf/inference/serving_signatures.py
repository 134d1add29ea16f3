"""What a served network does with a request: evaluation's one centred view of whole stored frames, then its scores.

Frames, window, decoding and normalisation come from the functions that evaluation calls. Ours are the
checks: a client's bytes are not a shard's, so a faulty request fails with words that name the fault.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from spl_tf.data import record_decoding
from spl_tf.data.input import views
from spl_tf.data.input.preprocessing import normalize
from spl_tf.data.record_decoding import EncodedClip
from spl_tf.inference.trained_model import ClipInput, TrainedModel

# Height and width of a JPEG, in pixels. A header of some hundred bytes can claim 65535 of each.
MAX_SIDE = 4096

_JPEG_START = b"\xff\xd8"
# The tag of `context`, the first field of a SequenceExample.
_RECORD_START = b"\x0a"
_LONGEST_SHAPE = 5


def serving_signatures(trained: TrainedModel) -> dict[str, tuple[Callable, tf.TensorSpec]]:
    """The function and the input of every signature.

    serving_default: "clips" uint8 [B, T, H, W, 3], RGB.
    frames: "frames" string [B, T], the JPEG files of the same frames.
    records: "records" string [B], serialized clip records as in shards; T, H and W of each its own.

    T, H and W are those of the stored frames: any T > 0 (a short clip is looped), H and W at
    least the crop, at most MAX_SIDE where they are decoded. B > 0. Outputs of all three:
    "scores" float32 [B, N], "classes" int64 [B], "labels" string [B], "features" float32 [B, C].

    The functions raise tf.errors.InvalidArgumentError, whose message names the fault and, where
    it is known, the clip: by its place in the request, in "records" by its id.
    """
    view = trained.clip_input
    one = tf.TensorSpec([view.num_frames, view.crop_size, view.crop_size, 3], tf.uint8)

    # One function for all signatures: the network is in the exported graph once.
    @tf.function(input_signature=[tf.TensorSpec([None, *one.shape], tf.uint8)], autograph=False)
    def classify(clips: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = trained.network(normalize(clips), training=False)
        scores = _finite(trained.scores(outputs["logits"]), "scores")
        classes = tf.argmax(scores, axis=-1)
        return {
            "scores": scores,
            "classes": classes,
            "labels": tf.gather(tf.constant(trained.classes), classes),
            "features": _finite(outputs["features"], "features"),
        }

    def serve_clips(clips: tf.Tensor) -> dict[str, tf.Tensor]:
        return classify(_draw(_some(clips, [None, None, None, None, 3]), view))

    def serve_frames(frames: tf.Tensor) -> dict[str, tf.Tensor]:
        parts = _numbered(_some(frames, [None, None]))
        return classify(tf.map_fn(lambda part: _decode_frames(part[0], part[1], view), parts, fn_output_signature=one))

    def serve_records(records: tf.Tensor) -> dict[str, tf.Tensor]:
        parts = _numbered(_some(records, [None]))
        return classify(tf.map_fn(lambda part: _decode_record(part[0], part[1], view), parts, fn_output_signature=one))

    return {
        "serving_default": (serve_clips, tf.TensorSpec([None, None, None, None, 3], tf.uint8, name="clips")),
        "frames": (serve_frames, tf.TensorSpec([None, None], tf.string, name="frames")),
        "records": (serve_records, tf.TensorSpec([None], tf.string, name="records")),
    }


def _draw(clips: tf.Tensor, view: ClipInput) -> tf.Tensor:
    """uint8 [B, T, H, W, 3] -> [B, num_frames, crop_size, crop_size, 3]."""
    size = view.crop_size
    shape = tf.shape(clips)
    shape = _require(shape[1] > 0, ["the clips have no frames: shape", shape], shape)
    shape = _require(
        tf.reduce_all(shape[2:4] >= size),
        ["the clips are smaller than the", size, "x", size, "pixels the network sees: shape", shape],
        shape,
    )
    y, x, _, _ = tf.unstack(views.view_window(shape[2], shape[3], size, 0, 1))
    frames = tf.gather(clips, view.uniform_indices(shape[1]), axis=1)
    return tf.ensure_shape(frames[:, :, y : y + size, x : x + size], [None, view.num_frames, size, size, 3])


def _decode_frames(number: tf.Tensor, frames: tf.Tensor, view: ClipInput) -> tf.Tensor:
    """string [T] -> uint8 [num_frames, crop_size, crop_size, 3]."""
    frames = _require_jpegs(number, frames)
    height, width, _ = tf.unstack(tf.io.extract_jpeg_shape(frames[0]))
    clip = EncodedClip(
        clip_id=number,
        video_id=tf.constant(""),
        labels=tf.zeros([0], tf.int32),
        height=height,
        width=width,
        frames=frames,
    )
    return _decode(clip, view)


def _decode_record(number: tf.Tensor, record: tf.Tensor, view: ClipInput) -> tf.Tensor:
    """string [] -> uint8 [num_frames, crop_size, crop_size, 3]."""
    record = _require(
        tf.strings.substr(record, 0, 1) == _RECORD_START,
        ["clip", number, "is no serialized clip record (tf.train.SequenceExample)"],
        record,
    )
    clip = record_decoding.parse(record)
    return _decode(dataclasses.replace(clip, frames=_require_jpegs(clip.clip_id, clip.frames)), view)


def _decode(clip: EncodedClip, view: ClipInput) -> tf.Tensor:
    """Decodes evaluation's view of a clip with at least one frame, once the headers of the drawn frames are sound."""
    stored = tf.stack([clip.height, clip.width])
    sizes = tf.map_fn(
        lambda frame: tf.io.extract_jpeg_shape(frame)[:2],
        tf.gather(clip.frames, view.uniform_indices(clip.num_frames)),
        fn_output_signature=tf.TensorSpec([2], tf.int32),
    )
    sizes = _require(
        tf.reduce_all(sizes <= MAX_SIDE),
        [
            "clip",
            clip.clip_id,
            "has a frame larger than",
            MAX_SIDE,
            "x",
            MAX_SIDE,
            "pixels: height, width",
            tf.reduce_max(sizes, axis=0),
        ],
        sizes,
    )
    stored = _require(
        tf.reduce_all(sizes == stored),
        [
            "clip",
            clip.clip_id,
            "of height, width",
            stored,
            "has a frame of another size: least and most height, width",
            tf.reduce_min(sizes, axis=0),
            tf.reduce_max(sizes, axis=0),
        ],
        stored,
    )
    return view.uniform(dataclasses.replace(clip, height=stored[0], width=stored[1]))


def _require_jpegs(clip_id: tf.Tensor, frames: tf.Tensor) -> tf.Tensor:
    """The same frames, string [T], once there are some and all begin as a JPEG."""
    frames = _require(tf.size(frames) > 0, ["clip", clip_id, "has no frames"], frames)
    are_jpeg = tf.strings.substr(frames, 0, len(_JPEG_START)) == _JPEG_START
    first = tf.argmin(tf.cast(are_jpeg, tf.int32), output_type=tf.int32)
    return _require(tf.reduce_all(are_jpeg), ["frame", first, "of clip", clip_id, "is no JPEG"], frames)


def _some(batch: tf.Tensor, shape: list[int | None]) -> tf.Tensor:
    """The same batch, once it has the signature's rank, which a server need not check, and holds a clip."""
    batch = tf.ensure_shape(batch, shape)
    return _require(tf.shape(batch)[0] > 0, ["the request holds no clips: shape", tf.shape(batch)], batch)


def _finite(values: tf.Tensor, name: str) -> tf.Tensor:
    """The same values [B, C], once all are finite: a broken network answers no request."""
    are_finite = tf.reduce_all(tf.math.is_finite(values), axis=1)
    first = tf.argmin(tf.cast(are_finite, tf.int32), output_type=tf.int32)
    message = [f"the {name} of clip", first, "are not finite: the network is broken"]
    return _require(tf.reduce_all(are_finite), message, values)


def _require(holds: tf.Tensor, message: list, value: tf.Tensor) -> tf.Tensor:
    """The same value; what is computed from it waits for the check."""
    with tf.control_dependencies([tf.debugging.Assert(holds, message, summarize=_LONGEST_SHAPE)]):
        return tf.identity(value)


def _numbered(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The clips' places in the request, string [B], and the clips."""
    return tf.strings.as_string(tf.range(tf.shape(batch)[0])), batch
