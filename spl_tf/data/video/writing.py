"""Writes frames as a video file with OpenCV, whole or not at all."""

import cv2
import numpy as np

from spl_tf import files
from spl_tf.errors import UserError


def write_video(path: files.Path, frames: np.ndarray, frame_rate: float) -> None:
    """Writes uint8 frames [T, H, W, 3] in OpenCV's channel order as MPEG-4 part 2 (mp4v).

    Raises:
      UserError: OpenCV wrote no video or not all of it.
    """
    height, width = frames.shape[1:3]
    with files.atomic_path(path) as temporary:
        writer = cv2.VideoWriter(str(temporary), cv2.VideoWriter.fourcc(*"mp4v"), frame_rate, (width, height))
        for frame in frames:
            writer.write(frame)
        writer.release()
        # The writer reports nothing, not even a full disk.
        written = cv2.VideoCapture(str(temporary))
        count = max(0, int(written.get(cv2.CAP_PROP_FRAME_COUNT)))
        written.release()
        if count != len(frames):
            raise UserError(
                f"OpenCV wrote {count} of {len(frames)} frames of {path}: is the disk full, has cv2 no FFmpeg?"
            )
