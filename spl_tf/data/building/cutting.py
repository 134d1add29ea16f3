"""One video to its clips: the work of a video worker. Frames are encoded while the video is decoded."""

import contextlib
import dataclasses
import itertools
import math
import pickle
from collections.abc import Callable, Iterator

import cv2
import numpy as np

from spl_tf.data.building.damage import Damage, Note
from spl_tf.data.building.windows import frames_per_clip, target_times_us, window_start_us
from spl_tf.data.clip import Clip
from spl_tf.data.file_kinds import is_image
from spl_tf.data.manifest import Video
from spl_tf.data.video.errors import UnreadableError
from spl_tf.data.video.frame_folder import Reader, open_reader
from spl_tf.data.video.images import read_image
from spl_tf.data.video.scaling import encoded, frames_in_turn, scaled, scaled_in_turn, scaled_size
from spl_tf.data.workers import Failure

# Matroska, WebM and FLV round times to milliseconds: a frame that is late by so little is on time.
_TOLERANCE_US = 1000
# A damaged header may promise years, and the plan divides the shards by it.
_LONGEST_US = 12 * 3600 * 1_000_000
# A protocol buffer holds less than 2 GiB.
_MAX_CLIP_BYTES = 1 << 30
# Annotated ends lie a little behind the video's, one of which more is missing may not show its event; headers err.
_LEAST_SHOWN = 0.9


@dataclasses.dataclass(frozen=True)
class ClipFormat:
    """How clips are cut and stored.

    Attributes:
      clip_seconds: length; 0 makes one clip of the whole video.
      fps: frames per second of the clips.
      short_side: of the stored frames, pixels; smaller videos are enlarged to it.
      jpeg_quality: 1 to 100.
    """

    clip_seconds: float
    fps: float
    short_side: int
    jpeg_quality: int


@dataclasses.dataclass(frozen=True)
class Cut:
    """A job: which windows of a video (None: all) become clips, and the file they are spooled to."""

    video: Video
    windows: tuple[int, ...] | None
    clip_format: ClipFormat
    spool: str


@dataclasses.dataclass(frozen=True)
class Probe:
    """The part of a video's interval that has pictures, microseconds, up to 12 hours of it."""

    start_us: int
    end_us: int
    notes: tuple[Note, ...] = ()

    @property
    def duration_us(self) -> int:
        return max(0, self.end_us - self.start_us)


@dataclasses.dataclass(frozen=True)
class Spooled:
    """How many clips a video gave, and what is to be said of them."""

    count: int
    notes: tuple[Note, ...]


def probe(video: Video) -> Probe | Failure:
    """Decodes a video's first frame and reads the times of all others, so that a plan rests on what is there."""
    try:
        with contextlib.closing(open_reader(video.path, video.frames_fps)) as reader:
            end_us, promised_us = reader.duration_us(), reader.promised_us
            start_us = max(reader.start_us, round(video.start_seconds * 1e6))
            notes = [Note(kind, detail) for kind, detail in reader.container_faults()]
    except (UnreadableError, cv2.error) as error:
        return _failure(error)
    if end_us < _LEAST_SHOWN * promised_us:
        detail = f"({end_us / 1e6:.1f} of {promised_us / 1e6:.1f} s)"
        notes.append(Note("shorter than its header says", detail))
    return Probe(start_us, round(min(end_us, _end_us(video), start_us + _LONGEST_US)), tuple(notes))


def spool_clips(cut: Cut) -> Spooled | Failure:
    """Cuts a video into `cut.spool`, one pickled `Clip` after the other."""
    cv2.setNumThreads(1)  # Scaling too: there is a worker per core.
    count, notes = 0, list[Note]()
    with open(cut.spool, "wb") as spool:
        try:
            for clip in cut_clips(cut.video, cut.windows, cut.clip_format, notes.append):
                pickle.dump(clip, spool, protocol=pickle.HIGHEST_PROTOCOL)
                count += 1
        except (UnreadableError, cv2.error) as error:
            return _failure(error)
    return Spooled(count, tuple(notes))


def read_spool(path: str, count: int) -> Iterator[Clip]:
    """Reads back what `spool_clips` wrote, one clip in memory at a time."""
    with open(path, "rb") as spool:
        for _ in range(count):
            yield pickle.load(spool)


def cut_clips(
    video: Video,
    windows: tuple[int, ...] | None,
    clip_format: ClipFormat,
    note: Callable[[Note], None] = lambda note: None,
) -> Iterator[Clip]:
    """Yields a video's clips in order, each as soon as its last frame is decoded.

    The first window begins with the interval, or with the first picture where that comes later.

    Args:
      video: the row of the manifest.
      windows: indices of the wanted windows, None for all (see `spl_tf.data.building.windows`).
      clip_format: length, frame rate and size.
      note: gets what is to be said of a video that gave clips though it is damaged.

    Raises:
      UnreadableError: the file gives no clip, or less than 9/10 of the interval that shall be one.
    """
    if is_image(video.path):
        yield _image_clip(video, clip_format)
        return
    with contextlib.closing(open_reader(video.path, video.frames_fps)) as reader:
        damage = Damage(reader)
        for clip in _cut(reader, video, windows, clip_format):
            damage.count_in(clip)
            yield clip
        for found in damage.notes():
            note(found)


def _cut(reader: Reader, video: Video, windows: tuple[int, ...] | None, clip_format: ClipFormat) -> Iterator[Clip]:
    size = scaled_size(reader.height, reader.width, clip_format.short_side)
    num_frames = None if clip_format.clip_seconds == 0 else frames_per_clip(clip_format.clip_seconds, clip_format.fps)
    origin_us = max(reader.start_us, round(video.start_seconds * 1e6))
    targets = _all_targets(origin_us, _end_us(video), windows, clip_format, num_frames)
    first_target = next(targets, None)
    if first_target is not None:
        reader.start_before(first_target)
        targets = itertools.chain([first_target], targets)
    made, times, frames, num_bytes = 0, [], [], 0
    for time_us, jpeg in _frames_at(reader, targets, size, clip_format.jpeg_quality):
        times.append(time_us)
        frames.append(jpeg)
        num_bytes += len(jpeg)
        if num_bytes > _MAX_CLIP_BYTES:
            raise UnreadableError("clip too large", "(more than 1 GiB of frames: give shorter clips)")
        if len(frames) == num_frames:
            yield _clip(video, clip_format, size, times, frames, times[0] + round(clip_format.clip_seconds * 1e6))
            made, times, frames, num_bytes = made + 1, [], [], 0
    starts_at_first = windows is None or windows[0] == 0
    if frames and not made and starts_at_first:
        end_us = times[-1] + round(1e6 / clip_format.fps)
        if clip_format.clip_seconds == 0:
            _require_most_shown(video, end_us)
        yield _clip(video, clip_format, size, times, frames, end_us)
    elif not made:
        raise UnreadableError("no frame in the interval" if starts_at_first else "shorter than its packets say")


def _require_most_shown(video: Video, end_us: int) -> None:
    """Refuses a clip that ends long before the row's interval: the file is cut off, whatever its header says."""
    shown = end_us / 1e6 - video.start_seconds
    wanted = video.end_seconds - video.start_seconds
    if math.isfinite(wanted) and shown < _LEAST_SHOWN * wanted:
        raise UnreadableError("shorter than its interval", f"({shown:.1f} of {wanted:.1f} s)")


def _all_targets(
    origin_us: int, end_us: float, windows: tuple[int, ...] | None, clip_format: ClipFormat, num_frames: int | None
) -> Iterator[int]:
    """Moments of the frames of all clips, microseconds, increasing, up to the end of the video's interval."""
    indices = windows if windows is not None else itertools.count()
    starts = (window_start_us(index, clip_format.clip_seconds, origin_us) for index in indices)
    targets = itertools.chain.from_iterable(target_times_us(start, clip_format.fps, num_frames) for start in starts)
    return itertools.takewhile(lambda target: target < end_us, targets)


def _frames_at(
    reader: Reader, targets: Iterator[int], size: tuple[int, int], jpeg_quality: int
) -> Iterator[tuple[int, bytes]]:
    """Yields (target, JPEG file) for each moment up to the video's end.

    The frame is the one the video shows at that moment, the last that began: a slower
    source repeats frames, a faster one drops some. Stops reading after the last target.
    """
    shown = _shown(reader, targets)
    while turn := list(itertools.islice(shown, frames_in_turn(reader.height, reader.width))):
        for frame, (_, moments) in zip(scaled_in_turn([pixels for pixels, _ in turn], *size), turn, strict=True):
            jpeg = encoded(frame, jpeg_quality)
            yield from ((moment, jpeg) for moment in moments)


def _shown(reader: Reader, targets: Iterator[int]) -> Iterator[tuple[Callable[[], np.ndarray], list[int]]]:
    """What gives the pixels of each frame that is shown at a target, and those targets."""
    target = next(targets, None)
    pixels: Callable[[], np.ndarray] | None = None

    def due_before(limit_us: int) -> list[int]:
        nonlocal target
        due = []
        while target is not None and target < limit_us:
            due.append(target)
            target = next(targets, None)
        return due

    for time_us in reader:
        if pixels is not None and (due := due_before(time_us - _TOLERANCE_US)):
            yield pixels, due
        if target is None:
            return
        # Only a frame that is shown at a target is converted.
        pixels = reader.later()
    if pixels is not None and (due := due_before(reader.shown_until_us - _TOLERANCE_US)):
        yield pixels, due


def _image_clip(video: Video, clip_format: ClipFormat) -> Clip:
    image = read_image(video.path, clip_format.short_side)
    height, width = image.shape[:2]
    size = scaled_size(height, width, clip_format.short_side)
    clip = _clip(video, clip_format, size, [0], [encoded(scaled(image, *size), clip_format.jpeg_quality)], 0)
    clip.frame_rate = 0.0
    return clip


def _clip(
    video: Video,
    clip_format: ClipFormat,
    size: tuple[int, int],
    times: list[int],
    frames: list[bytes],
    end_us: int,
) -> Clip:
    return Clip(
        clip_id=f"{video.video_id}@{times[0] // 1000}",
        video_id=video.video_id,
        labels=list(video.labels),
        label_texts=list(video.label_texts),
        start_us=times[0],
        end_us=end_us,
        frame_rate=clip_format.fps,
        height=size[0],
        width=size[1],
        frames=frames,
        timestamps_us=times,
        queries=list(video.queries),
        key=video.key,
    )


def _end_us(video: Video) -> float:
    """End of the video's interval, microseconds, rounded like its start; may be infinite."""
    return video.end_seconds if math.isinf(video.end_seconds) else round(video.end_seconds * 1e6)


def _failure(error: Exception) -> Failure:
    if isinstance(error, UnreadableError):
        return Failure(error.kind, error.detail)
    return Failure("decoder error", f"({' '.join(str(error).split())})")
