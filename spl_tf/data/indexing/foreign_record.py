"""One record of another program: what it says of its clip, or why it gives none."""

import dataclasses
import io
import math
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from PIL import Image

from spl_tf.data import example_proto, record
from spl_tf.data.indexing.keys import RecordKeys
from spl_tf.data.video.errors import UnreadableError
from spl_tf.errors import UserError

INDEX_DIFFERS = "its label index is not the class of its label text, by which it goes"
OTHER_RATE = "it states another frame rate than --fps"
NO_TIMES = "the times of its frames are not one a frame and increasing: even ones in their place"


@dataclasses.dataclass(frozen=True)
class ForeignClip:
    """What a record says, as it says it.

    Attributes:
      height: of the stored frames, pixels.
      width: as well.
      num_frames: at least 1.
      class_ids: under the key of label ids.
      class_names: under that of label texts.
      start_us: of the clip, microseconds; 0 where it is not said.
      seconds: from the clip's start to its end as stated; None where it is not said.
      frame_rate: None where it is not said.
      times_us: of the frames, None where there are none or they cannot be.
      has_faulty_times: whether there are some, but they cannot be.
      video: value of the key for it.
    """

    height: int
    width: int
    num_frames: int
    class_ids: tuple[int, ...]
    class_names: tuple[str, ...]
    start_us: int
    seconds: float | None
    frame_rate: float | None
    times_us: tuple[int, ...] | None
    has_faulty_times: bool
    video: str

    @property
    def rate(self) -> float | None:
        """Frames per second by what is stated, or by times or length; None where nothing says it."""
        if self.frame_rate or self.num_frames == 1:
            return self.frame_rate
        if self.times_us:
            return float(1e6 / np.median(np.diff(self.times_us)))
        return self.num_frames / self.seconds if self.seconds else None


def parse(content: bytes) -> Any:
    """The SequenceExample of a record; ValueError where it is none."""
    try:
        return example_proto.SequenceExample.FromString(content)
    except DecodeError as error:
        raise ValueError("is no tf.train.SequenceExample") from error


def foreign_clip(example: Any, keys: RecordKeys) -> ForeignClip:
    """Reads a record; frames are looked at, not decoded.

    Raises:
      UnreadableError: it gives no clip.
      ValueError: a field holds another kind of value.
    """
    context, lists = example.context.feature, example.feature_lists.feature_list
    height, width, num_frames = _frames(lists, keys.frames)
    texts = next((_values(context, key, "bytes_list") for key in keys.label_text if key in context), ())
    start, end = (_number(context, key, "int64_list") for key in (record.START, record.END))
    rate = _number(context, keys.beside_frames("frame_rate"), "float_list")
    times = _times(lists, keys.beside_frames("timestamp"))
    possible = len(times) == num_frames and bool(np.all(np.diff(times) > 0))
    return ForeignClip(
        height=height,
        width=width,
        num_frames=num_frames,
        class_ids=tuple(dict.fromkeys(_values(context, keys.label_index, "int64_list"))),
        class_names=tuple(dict.fromkeys(text.decode() for text in texts)),
        start_us=start or 0,
        seconds=None if start is None or end is None else (end - start) / 1e6,
        frame_rate=rate if rate is not None and 0 < rate < math.inf else None,
        times_us=times if possible else None,
        has_faulty_times=bool(times) and not possible,
        video=b" ".join(_values(context, keys.video, "bytes_list")).decode() if keys.video else "",
    )


def require_keys(examples: list[tuple[str, Any]], keys: RecordKeys, needs_labels: bool) -> None:
    """Looks at a few records for the keys, before all are read.

    Args:
      examples: names of files, and a record of each.
      keys: that are looked for.
      needs_labels: whether records without a label are left out.

    Raises:
      UserError: none of the records has frames, or labels; names what they have.
    """
    lists = {key for _, example in examples for key in example.feature_lists.feature_list}
    context = {key for _, example in examples for key in example.context.feature}
    name = f"the first record of {examples[0][0]}" + (f" and of {len(examples) - 1} more" if len(examples) > 1 else "")
    if keys.frames not in lists:
        raise UserError(
            f"{name} has no feature list {keys.frames!r}, but {_listed(lists)}: bind record_keys.frames to that with "
            "the frames"
        )
    of_labels = [key for key in (*keys.label_text, keys.label_index) if key]
    if needs_labels and not context.intersection(of_labels):
        raise UserError(
            f"{name} has no label under {' or '.join(map(repr, of_labels))}, but {_listed(context)}: bind "
            "record_keys.label_text or label_index, or give --keep_unlabelled for training without labels"
        )


def _listed(keys: set[str]) -> str:
    return ", ".join(map(repr, sorted(keys))) if keys else "none at all"


def _frames(lists: Any, key: str) -> tuple[int, int, int]:
    """Height, width and number of the frames."""
    steps = [step.bytes_list.value for step in lists[key].feature] if key in lists else []
    if not steps:
        raise UnreadableError("no frames", f"(it has {_listed(set(lists))})")
    sizes: set[tuple[int, int]] = set()
    for number, step in enumerate(steps):
        if len(step) != 1:
            raise UnreadableError("not one frame a step", f"(step {number} of {key!r} has {len(step)})")
        try:
            with Image.open(io.BytesIO(step[0]), formats=("JPEG", "PNG")) as picture:
                sizes.add(picture.size)
                mode = picture.mode
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise UnreadableError("frame neither JPEG nor PNG", f"(frame {number})") from error
        if mode == "CMYK":
            raise UnreadableError("frame of printing colours (CMYK)", f"(frame {number})")
    if len(sizes) > 1:
        raise UnreadableError("frames of several sizes", f"({', '.join(f'{w}x{h}' for w, h in sorted(sizes))})")
    ((width, height),) = sizes
    return height, width, len(steps)


def _times(lists: Any, key: str) -> tuple[int, ...]:
    if key not in lists:
        return ()
    return tuple(value for step in lists[key].feature for value in step.int64_list.value)


def _values(context: Any, key: str, kind: str) -> tuple[Any, ...]:
    """Values of a context field, none where it is absent; looking up a missing key would add it to the map."""
    if key not in context:
        return ()
    found = context[key].WhichOneof("kind")
    if found not in (kind, None):
        raise ValueError(f"has {key!r} as {found}, not as {kind}")
    return tuple(getattr(context[key], kind).value)


def _number(context: Any, key: str, kind: str) -> Any:
    values = _values(context, key, kind)
    return values[0] if values else None
