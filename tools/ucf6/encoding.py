"""H.264 by the ffmpeg program where there is one with libx264, otherwise MPEG-4 part 2 by OpenCV."""

import fractions
import pathlib
import shutil
import subprocess

import numpy as np

from spl_tf import files
from spl_tf.data.video.writing import write_video
from spl_tf.errors import UserError


def find_ffmpeg() -> str | None:
    """The ffmpeg on PATH if it has libx264."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        return None
    encoders = subprocess.run([ffmpeg, "-hide_banner", "-encoders"], capture_output=True, text=True, check=False)
    return ffmpeg if "libx264" in encoders.stdout else None


def encode(path: pathlib.Path, frames: np.ndarray, frame_rate: float, crf: int, ffmpeg: str | None) -> None:
    """Writes frames, uint8 [T, H, W, 3] in OpenCV's channel order, as an mp4 file.

    Args:
      path: the file; written whole or not at all.
      frames: all frames.
      frame_rate: per second; 29.97 becomes 30000/1001.
      crf: x264's constant rate factor; OpenCV's encoder has no such setting.
      ffmpeg: the program from `find_ffmpeg`, None for OpenCV.

    Raises:
      UserError: the encoder failed.
    """
    if ffmpeg is None:
        write_video(path, frames, frame_rate)
        return
    height, width = frames.shape[1:3]
    rate = fractions.Fraction(frame_rate).limit_denominator(1001)
    raw = ["-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{width}x{height}", "-r", str(rate), "-i", "-"]
    coded = ["-c:v", "libx264", "-crf", str(crf), "-pix_fmt", "yuv420p"]
    with files.atomic_path(path) as temporary:
        command = [ffmpeg, "-y", "-loglevel", "error", *raw, *coded, str(temporary)]
        run = subprocess.run(command, input=frames.tobytes(), capture_output=True, check=False)
        if run.returncode:
            reason = run.stderr.decode(errors="replace").strip().splitlines()
            raise UserError(f"ffmpeg could not write {path}: {reason[0] if reason else run.returncode}")
