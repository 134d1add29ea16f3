"""Where records of other programs keep what is used of them."""

import dataclasses
from collections.abc import Sequence

import gin

from spl_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class RecordKeys:
    """Keys of a `tf.train.SequenceExample`; see `record_keys`."""

    frames: str
    label_index: str
    label_text: tuple[str, ...]
    video: str

    def beside_frames(self, name: str) -> str:
        """What MediaSequence keeps under the prefix of the frames, e.g. `FORWARD/image/timestamp`."""
        return f"{self.frames.rpartition('/')[0]}/{name}".lstrip("/")


@gin.configurable
def record_keys(
    frames: str = "image/encoded",
    label_index: str = "clip/label/index",
    label_text: Sequence[str] = ("clip/label/text", "clip/label/string"),
    video: str = "",
) -> RecordKeys:
    """Names of the fields that spl_tf.index reads. By default those of DMVR, TF Model Garden and MediaPipe.

    Args:
      frames: feature list with one JPEG or PNG file a step. What stands beside it is taken for the frames' times and
        rate: of `FORWARD/image/encoded`, `FORWARD/image/timestamp` and `FORWARD/image/frame_rate`.
      label_index: context field with class ids; '' reads none.
      label_text: context fields with class names, of which the first that a record has counts, before its ids; () reads
        none, so that ids count.
      video: context field that tells which records are of one video, such as 'video/filename': their scores are
        averaged in evaluation. '' makes each record a video of its own.
    """
    keys = RecordKeys(frames, label_index, (label_text,) if isinstance(label_text, str) else tuple(label_text), video)
    if not keys.frames:
        raise UserError("record_keys.frames is empty: name the feature list with the frames, e.g. 'image/encoded'")
    if not keys.label_index and not any(keys.label_text):
        raise UserError("record_keys.label_index and label_text are both empty: name the field with the labels")
    return keys
