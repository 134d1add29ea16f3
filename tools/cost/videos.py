"""What the headers of a manifest's videos say of their sizes: all of them, or a sample."""

import dataclasses
import os
import pathlib
import random

import av

from spl_tf.data.building.windows import count_windows
from spl_tf.data.lists.csv_tables import PATH, text
from spl_tf.data.lists.rows import read_rows
from spl_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class Measured:
    """A video.

    Attributes:
      seconds: its length.
      width, height: of its frames, pixels.
      fps: its frames per second.
      num_bytes: of its file.
    """

    seconds: float
    width: int
    height: int
    fps: float
    num_bytes: int

    def cut_seconds(self, clip_seconds: float, fps: float) -> float:
        """Of the clips that are cut from it; up to their end it is decoded."""
        if clip_seconds == 0:
            return self.seconds
        return min(self.seconds, clip_seconds * count_windows(round(self.seconds * 1e6), clip_seconds, fps))

    def shown_frames(self, seconds: float, fps: float) -> float:
        """Frames of so many seconds that clips show; one that is shown twice counts once."""
        return seconds * min(self.fps, fps)

    def decoded(self, seconds: float) -> float:
        """Megapixels of the frames of so many seconds."""
        return seconds * self.fps * self.width * self.height / 1e6

    def converted(self, seconds: float, fps: float) -> float:
        """Megapixels of the frames that clips show."""
        return self.shown_frames(seconds, fps) * self.width * self.height / 1e6

    def encoded(self, seconds: float, fps: float, short_side: int) -> float:
        """The same of the scaled frames."""
        return self.converted(seconds, fps) * (short_side / min(self.width, self.height)) ** 2


def measured(manifest: pathlib.Path, sample: int | None) -> tuple[list[Measured], int, int]:
    """Reads headers, of all videos or of some at random.

    Args:
      manifest: its rows name files.
      sample: how many to read; None for all.

    Returns:
      those that can be read, how many were tried, and how many rows the manifest has.

    Raises:
      UserError: none can be read.
    """
    paths = [manifest.parent / path for row in read_rows(manifest, "--manifest") if (path := text(row.get(PATH)))]
    some = paths if sample is None or sample >= len(paths) else random.Random(0).sample(paths, sample)
    videos = [video for path in some if (video := _measured(path)) is not None]
    if not videos:
        raise UserError(f"of {manifest} none of {len(some)} videos can be read: check its paths")
    return videos, len(some), len(paths)


def _measured(path: pathlib.Path) -> Measured | None:
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            rate = stream.average_rate
            seconds = float(container.duration or 0) / av.time_base
            if not rate or seconds <= 0:
                return None
            return Measured(seconds, stream.width, stream.height, float(rate), os.path.getsize(path))
    except (av.FFmpegError, OSError, IndexError):
        return None
