"""A long video as windows that overlap, each the clip a shard would hold of it: streamed, frame by frame."""

import collections
import concurrent.futures
import dataclasses
import itertools
import math
import os
import pathlib
import pickle
import tempfile
import threading
from collections.abc import Iterator, Sequence

from spl_tf.data.building.cutting import ClipFormat, Cut, Spooled, spool_clips
from spl_tf.data.building.windows import frames_per_clip
from spl_tf.data.clip import Clip
from spl_tf.data.manifest import Video
from spl_tf.data.workers import Failure, run_in_workers
from spl_tf.errors import UserError
from spl_tf.files import Path


class OverlappingClips:
    """Iterates over the clips of a video's windows, in order; to be iterated once.

    The clip of a window is what spl_tf.shard stores of a video whose row begins there: frames are chosen, scaled and
    encoded as JPEG by the same functions, though only once each, as clips of one frame. A process of its own reads
    the video and writes the frames into a pipe, so that a file that crashes the decoder crashes no more, and neither
    memory nor disk holds more than a window of JPEG files. The first window begins with the first picture. A window
    counts when all its frames are shown; a video shorter than one gives a short clip.

    Attributes:
      seconds: up to which the video was read.
      fault: why it could be read no further; None at its end.
      notes: what is to be said of a video that is damaged but was read to its end.
    """

    def __init__(self, path: Path, clip_format: ClipFormat, seconds_between: float):
        """Describes the windows; the file is opened when the iteration begins.

        Args:
          path: the video; an image is a clip of one frame.
          clip_format: length of the windows, frame rate and size.
          seconds_between: the starts of two windows, of which each is moved to the next moment of a frame, k / fps.

        Raises:
          UserError: windows begin more often than frames come.
        """
        if not seconds_between * clip_format.fps >= 1:
            raise UserError(
                f"a window every {seconds_between:g} s: give at least {1 / clip_format.fps:g} s, the time of one frame"
            )
        self._path = path
        self._format = clip_format
        self._seconds_between = seconds_between
        self.seconds = 0.0
        self.fault: str | None = None
        self.notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Clip]:
        """Yields the clips; raises UserError when the file gives none."""
        fps = self._format.fps
        num_frames = frames_per_clip(self._format.clip_seconds, fps)
        starts = (int(number * self._seconds_between * fps + 0.5) for number in itertools.count())
        start = next(starts)
        window: collections.deque[Clip] = collections.deque(maxlen=num_frames)
        for count, frame in enumerate(self._frames(), 1):
            self.seconds = frame.end_us / 1e6
            window.append(frame)
            if count == start + num_frames:
                yield self._joined(window)
                start = next(starts)
        if not window:
            raise UserError(f"{self._path} gives no clip: {self.fault}")
        if start == 0:
            yield self._joined(window)

    def _joined(self, frames: Sequence[Clip]) -> Clip:
        times = [frame.start_us for frame in frames]
        is_whole = len(frames) == frames_per_clip(self._format.clip_seconds, self._format.fps)
        end_us = times[0] + round(self._format.clip_seconds * 1e6) if is_whole else frames[-1].end_us
        return dataclasses.replace(
            frames[0], end_us=end_us, frames=[frame.frames[0] for frame in frames], timestamps_us=times
        )

    def _frames(self) -> Iterator[Clip]:
        """Every frame of the video at the clips' rate, as clips of one frame."""
        one_frame = dataclasses.replace(self._format, clip_seconds=1 / self._format.fps)
        with tempfile.TemporaryDirectory() as folder:
            pipe = os.path.join(folder, "frames")
            os.mkfifo(pipe)
            with open(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), "rb") as frames:
                os.set_blocking(frames.fileno(), True)
                outcome: concurrent.futures.Future[Spooled | Failure] = concurrent.futures.Future()
                # Open until the work is done: before the worker opens it, the pipe would seem to be at its end.
                held = os.open(pipe, os.O_WRONLY)
                arguments = (Cut(video_of(self._path), None, one_frame, pipe), held, outcome)
                # A daemon, for who stops early does not wait: the worker ends as it finds nobody who reads.
                threading.Thread(target=_cut, args=arguments, daemon=True).start()
                try:
                    while True:
                        yield pickle.load(frames)
                except (EOFError, pickle.UnpicklingError):  # The latter in the midst of a frame: the worker died.
                    result = outcome.result()
        if isinstance(result, Failure):
            self.fault = f"{result.kind} {result.detail}".rstrip()
        else:
            self.notes = tuple(f"{note.kind} {note.detail}" for note in result.notes)


def _cut(cut: Cut, held: int, outcome: "concurrent.futures.Future[Spooled | Failure]") -> None:
    """Lets a worker cut into a pipe; closes `held`, a writing end of it, afterwards."""
    try:
        # No time limit: the worker waits for whoever reads.
        (result,) = run_in_workers(spool_clips, [cut], num_workers=1, seconds_per_job=math.inf)
        outcome.set_result(result)
    except BaseException as error:
        outcome.set_exception(error)
    finally:
        os.close(held)


def video_of(path: Path, start_seconds: float = 0.0) -> Video:
    """The row of a manifest that names a file and its start, and no class."""
    return Video(
        path=str(path),
        listed_path=str(path),
        video_id=pathlib.Path(path).stem,
        labels=(),
        label_texts=(),
        start_seconds=start_seconds,
        end_seconds=math.inf,
        queries=(),
    )
