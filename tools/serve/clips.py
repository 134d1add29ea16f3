"""What of a video a client sends: one clip, cut and scaled by the functions that spl_tf.shard runs."""

import os
import tempfile

import numpy as np

from spl_tf import files
from spl_tf.data.building.cutting import ClipFormat, Cut, read_spool, spool_clips
from spl_tf.data.building.overlapping import video_of
from spl_tf.data.clip import Clip
from spl_tf.data.workers import Failure, run_in_workers
from spl_tf.errors import UserError

# Signature -> name of its input, see spl_tf.export.
SIGNATURES = {"frames": "frames", "records": "records", "serving_default": "clips"}

_SECONDS_TO_CUT = 600.0
# A protocol buffer holds less than 2 GiB.
_MAX_PIXEL_BYTES = 1 << 30


def cut_clip(path: files.Path, clip_format: ClipFormat, start_seconds: float = 0.0) -> Clip:
    """Cuts the clip that spl_tf.shard cuts first from a video whose manifest says this start.

    A process of its own reads the video: a damaged one may crash the decoder.

    Args:
      path: a video, or an image, which is a clip of one frame.
      clip_format: length, frame rate and size.
      start_seconds: the clip's first moment.

    Raises:
      UserError: the file gives no clip.
    """
    with tempfile.TemporaryDirectory() as folder:
        cut = Cut(video_of(path, start_seconds), (0,), clip_format, os.path.join(folder, "clip"))
        (outcome,) = run_in_workers(spool_clips, [cut], num_workers=1, seconds_per_job=_SECONDS_TO_CUT)
        if isinstance(outcome, Failure):
            raise UserError(f"{path} gives no clip: {outcome.kind} {outcome.detail}".rstrip())
        (clip,) = read_spool(cut.spool, outcome.count)
    return clip


def request_inputs(clip: Clip, signature: str) -> dict[str, np.ndarray]:
    """A request's inputs for a batch of this one clip.

    Args:
      clip: T JPEG files of height H and width W.
      signature: "frames" (strings [1, T]), "records" (strings [1]) or "serving_default" (uint8 [1, T, H, W, 3], RGB).

    Raises:
      UserError: the pixels are too many for one message.
    """
    if signature == "frames":
        values = np.array([clip.frames], object)
    elif signature == "records":
        from spl_tf.data.record import clip_to_bytes

        values = np.array([clip_to_bytes(clip)], object)
    else:
        values = _pixels(clip)
    return {SIGNATURES[signature]: values}


def _pixels(clip: Clip) -> np.ndarray:
    """uint8 [1, T, H, W, 3], RGB."""
    import cv2

    if len(clip.frames) * clip.height * clip.width * 3 > _MAX_PIXEL_BYTES:
        raise UserError(
            f"{len(clip.frames)} frames of {clip.height}x{clip.width} pixels are more than 1 GiB: "
            "send --signature=frames, or a shorter clip (--clip_seconds)"
        )
    frames = [cv2.imdecode(np.frombuffer(frame, np.uint8), cv2.IMREAD_COLOR) for frame in clip.frames]
    return np.stack(frames)[None, ..., ::-1]
