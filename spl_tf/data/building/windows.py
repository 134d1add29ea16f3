"""Which windows of a video become clips, and at which moments their frames are taken.

A video is divided into windows of `clip_seconds` that follow one another without
overlap. A window counts when all its frames are shown; what is left at the end is
dropped, unless the whole video is shorter than a window: then it is one short clip.
"""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np


def frames_per_clip(clip_seconds: float, fps: float) -> int:
    """Frames of a full window; the last of them lies inside it."""
    return max(1, int(clip_seconds * fps + 0.5))


def window_start_us(index: int, clip_seconds: float, origin_us: int) -> int:
    return origin_us + round(index * clip_seconds * 1e6)


def target_times_us(start_us: int, fps: float, num_frames: int | None) -> Iterator[int]:
    """Moments of a clip's frames, microseconds; endless where `num_frames` is None."""
    steps = itertools.count() if num_frames is None else range(num_frames)
    return (start_us + round(step * 1e6 / fps) for step in steps)


def count_windows(duration_us: int, clip_seconds: float, fps: float) -> int:
    """Clips that `duration_us` microseconds give: at least one, and exactly one when `clip_seconds` is 0."""
    if clip_seconds == 0:
        return 1
    # A window needs its last frame shown, not the whole of that frame's time.
    needed_us = round((frames_per_clip(clip_seconds, fps) - 1) * 1e6 / fps)
    return max(1, 1 + int((duration_us - 1 - needed_us) // (clip_seconds * 1e6)))


def choose_for_quota(
    windows: Sequence[int], video_classes: Sequence[int], clips_per_class: int, seed: int
) -> list[tuple[int, ...]]:
    """Draws up to `clips_per_class` windows per class, spread over the class's videos.

    This caps the head and keeps the tail: a class with fewer windows is kept whole.
    Within a class no video gives a clip more than another unless the other has no
    window left, and a video's clips are spread over its length. ("Roughly balanced"
    clips, following Ghadiyaram et al., CVPR 2019; the paper gives no more detail.)

    Args:
      windows: windows each video has.
      video_classes: one class id per video (see `one_class_each`).
      clips_per_class: the quota.
      seed: decides which videos give the odd clips.

    Returns:
      Per video the indices of its chosen windows, in order; may be empty.
    """
    chosen: list[tuple[int, ...]] = [()] * len(windows)
    members: dict[int, list[int]] = {}
    for video, class_id in enumerate(video_classes):
        members.setdefault(class_id, []).append(video)
    for class_id, videos in members.items():
        order = np.random.default_rng([seed, class_id]).permutation(len(videos))
        available = [windows[videos[place]] for place in order]
        for place, share in zip(order, _even_shares(available, clips_per_class), strict=True):
            chosen[videos[place]] = spread(share, windows[videos[place]])
    return chosen


def one_class_each(labels: Sequence[Sequence[int]], seed: int) -> list[int]:
    """One of each video's labels, drawn at random: what a quota counts a multi-label video for."""
    generator = np.random.default_rng([seed, len(labels)])
    return [video[int(generator.integers(len(video)))] for video in labels]


def spread(share: int, available: int) -> tuple[int, ...]:
    """`share` of `available` places, evenly spaced and centred."""
    return tuple((2 * step + 1) * available // (2 * share) for step in range(share))


def _even_shares(available: Sequence[int], total: int) -> list[int]:
    """Divides `total` as evenly as the `available` amounts allow; the first in the sequence get the odd ones."""
    shares = [0] * len(available)
    open_places = [place for place, amount in enumerate(available) if amount > 0]
    left = min(total, sum(available))
    while left > 0:
        each = max(1, left // len(open_places))
        for place in open_places:
            more = min(each, available[place] - shares[place], left)
            shares[place] += more
            left -= more
        open_places = [place for place in open_places if shares[place] < available[place]]
    return shares
