"""The clip record: one clip as a `tf.train.SequenceExample` with MediaSequence's key names.

The contract is stated field by field in `tfrecords_spec/README.md`; golden shards
beside that page hold writer and reader to it.
"""

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import DecodeError

from spl_tf.data import example_proto
from spl_tf.data.clip import Clip

VERSION = 1

# MediaSequence, as read by DMVR and by tf-models-official's video_input.
CLIP_ID = "clip/media_id"
LABELS = "clip/label/index"
LABEL_TEXTS = "clip/label/text"
START = "clip/start/timestamp"
END = "clip/end/timestamp"
FORMAT = "image/format"
HEIGHT = "image/height"
WIDTH = "image/width"
CHANNELS = "image/channels"
FRAME_RATE = "image/frame_rate"
FRAMES = "image/encoded"
TIMESTAMPS = "image/timestamp"
# Ours.
RECORD_VERSION = "spl/version"
VIDEO_ID = "spl/video_id"
QUERIES = "spl/query"
KEY = "spl/key"
STORED_SIZE = "spl/stored_size"  # In heads alone: frames are scaled from it to `HEIGHT` and `WIDTH`.


def clip_to_bytes(clip: Clip) -> bytes:
    """Serializes a clip; equal clips give equal bytes."""
    frames = [example_proto.Feature(bytes_list={"value": [frame]}) for frame in clip.frames]
    return _serialized(
        clip,
        {FORMAT: _texts(["JPEG"]), CHANNELS: _integers([3])},
        {FRAMES: example_proto.FeatureList(feature=frames)},
    )


def head_to_bytes(clip: Clip, stored_height: int, stored_width: int) -> bytes:
    """Serializes all but a clip's frames, for a record that another program wrote.

    That record's bytes and these, one after the other, are one record: of a field that both have, a reader of
    protocol buffers takes the later one.

    Args:
      clip: its height and width are those that the frames are scaled to.
      stored_height: of the frames in the record, pixels.
      stored_width: as well.
    """
    return _serialized(clip, {STORED_SIZE: _integers([stored_height, stored_width])}, {})


def _serialized(clip: Clip, context: dict[str, Any], lists: dict[str, Any]) -> bytes:
    """With these fields beside those that records and heads have both."""
    context = context | {
        CLIP_ID: _texts([clip.clip_id]),
        LABELS: _integers(clip.labels),
        LABEL_TEXTS: _texts(clip.label_texts),
        START: _integers([clip.start_us]),
        END: _integers([clip.end_us]),
        HEIGHT: _integers([clip.height]),
        WIDTH: _integers([clip.width]),
        FRAME_RATE: example_proto.Feature(float_list={"value": [clip.frame_rate]}),
        RECORD_VERSION: _integers([VERSION]),
        VIDEO_ID: _texts([clip.video_id]),
        QUERIES: _texts(clip.queries),
    }
    if clip.key:  # Without, the record has the bytes it had before there were keys.
        context[KEY] = _texts([clip.key])
    times = example_proto.FeatureList(feature=[_integers([time]) for time in clip.timestamps_us])
    lists = lists | {TIMESTAMPS: times}
    example = example_proto.SequenceExample(context={"feature": context}, feature_lists={"feature_list": lists})
    # Protocol buffer maps have no order of their own: without this, equal clips differ in their bytes.
    return example.SerializeToString(deterministic=True)


def clip_from_bytes(record: bytes, frames_key: str = FRAMES) -> Clip:
    """Parses a record; frames stay encoded.

    Args:
      record: serialized; with its head behind it where another program wrote it.
      frames_key: of the feature list with the frames.

    Raises:
      ValueError: the record is not a clip record; says what is wrong with it.
    """
    try:
        example = example_proto.SequenceExample.FromString(record)
    except DecodeError as error:
        raise ValueError("is not a tf.train.SequenceExample") from error
    context = example.context.feature
    version = _one(context, RECORD_VERSION, "int64_list")
    if version != VERSION:
        raise ValueError(f"has {RECORD_VERSION} {version}, this package reads {VERSION}")
    lists = example.feature_lists.feature_list
    frames = [step.bytes_list.value for step in lists[frames_key].feature] if frames_key in lists else []
    times = [step.int64_list.value for step in lists[TIMESTAMPS].feature] if TIMESTAMPS in lists else []
    if any(len(step) != 1 for step in [*frames, *times]):
        raise ValueError(f"has a step of {frames_key} or {TIMESTAMPS} without exactly one value")
    if len(frames) != len(times) or not frames:
        raise ValueError(f"has {len(frames)} frames ({frames_key}) and {len(times)} times ({TIMESTAMPS})")
    return Clip(
        clip_id=_one(context, CLIP_ID, "bytes_list").decode(),
        video_id=_one(context, VIDEO_ID, "bytes_list").decode(),
        labels=list(context[LABELS].int64_list.value) if LABELS in context else [],
        label_texts=_decoded(context, LABEL_TEXTS),
        start_us=_one(context, START, "int64_list"),
        end_us=_one(context, END, "int64_list"),
        frame_rate=_one(context, FRAME_RATE, "float_list"),
        height=_one(context, HEIGHT, "int64_list"),
        width=_one(context, WIDTH, "int64_list"),
        frames=[step[0] for step in frames],
        timestamps_us=[step[0] for step in times],
        queries=_decoded(context, QUERIES),
        key=_one(context, KEY, "bytes_list").decode() if KEY in context else "",
    )


def _texts(values: list[str]) -> Any:
    return example_proto.Feature(bytes_list={"value": [value.encode() for value in values]})


def _integers(values: list[int]) -> Any:
    return example_proto.Feature(int64_list={"value": values})


def _one(context: Any, key: str, kind: str) -> Any:
    """The single value of a context field. Looking up a missing key would add it to the map."""
    values: Sequence[Any] = getattr(context[key], kind).value if key in context else ()
    if len(values) != 1:
        raise ValueError(f"has {len(values)} values of {key} ({kind}), not 1")
    return values[0]


def _decoded(context: Any, key: str) -> list[str]:
    return [value.decode() for value in context[key].bytes_list.value] if key in context else []
