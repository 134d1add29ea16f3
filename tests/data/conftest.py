"""Shards whose pixels say which frame and which place they were cut from."""

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest
import tensorflow as tf

from spl_tf.data.clip import Clip
from spl_tf.data.dataset import ClipDataset, Shard
from spl_tf.data.record import clip_to_bytes


@dataclasses.dataclass(frozen=True)
class ReadableShards:
    """Writes shards of readable clips and reads back what was cut from them."""

    write: Callable[..., ClipDataset]
    cut: Callable[[np.ndarray], list[tuple[list[int], int, int, bool]]]


def _frame(number: int, height: int, width: int) -> bytes:
    """Red: 8 x frame number; green: 4 x column; blue: 4 x row. Nearly lossless."""
    rows, columns = np.mgrid[:height, :width]
    picture = np.stack([4 * rows, 4 * columns, np.full_like(rows, 8 * number)], axis=-1).astype(np.uint8)
    options = [cv2.IMWRITE_JPEG_QUALITY, 100, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    return cv2.imencode(".jpg", picture, options)[1].tobytes()


def _write(
    folder: str,
    sizes: Sequence[int],
    *,
    num_frames: Callable[[int], int] = lambda index: 12,
    broken: Sequence[int] = (),
    width: int = 32,
) -> ClipDataset:
    """Clip i of the data set has id `clip<i>`, video `video<i // 3>`, label i % 3; `broken` ones hold no JPEG."""
    frames = [_frame(number, 24, width) for number in range(24)]
    shards, start = [], 0
    for position, size in enumerate(sizes):
        path = pathlib.Path(folder) / f"web-{position:05d}-of-{len(sizes):05d}.tfrecord"
        indices = range(start, start + size)
        with tf.io.TFRecordWriter(str(path)) as writer:
            for index in indices:
                count = num_frames(index)
                clip = Clip(
                    clip_id=f"clip{index}",
                    video_id=f"video{index // 3}",
                    labels=[index % 3],
                    label_texts=["abc"[index % 3]],
                    start_us=0,
                    end_us=40_000 * count,
                    frame_rate=25.0,
                    height=24,
                    width=width,
                    frames=[b"no JPEG"] * count if index in broken else frames[:count],
                    timestamps_us=[40_000 * number for number in range(count)],
                )
                writer.write(clip_to_bytes(clip))
        digest = hashlib.sha256("\n".join(f"clip{index}" for index in indices).encode()).hexdigest()
        fingerprint = hashlib.sha256(path.read_bytes()).hexdigest()
        shards.append(Shard(path.stem, str(path), size, start, os.path.getsize(path), fingerprint, digest))
        start += size
    return ClipDataset(
        folder=folder,
        classes=("a", "b", "c"),
        shards=tuple(shards),
        num_clips=start,
        num_videos=-(-start // 3),
        clips_per_class={name: len(range(label, start, 3)) for label, name in enumerate("abc")},
        clip_seconds=0.48,
        fps=25.0,
        short_side=24,
        jpeg_quality=100,
        multi_label=False,
        rejected={},
    )


def _cut(clips: np.ndarray) -> list[tuple[list[int], int, int, bool]]:
    """Per clip of uint8 [B, T, S, S, 3]: frame numbers, y, x and whether it is mirrored.

    Asserts that all frames of a clip show the same window.
    """
    cuts = []
    for clip in np.asarray(clips).astype(float):
        middle = (clip.shape[1] - 1) / 2
        ys = np.rint(clip[..., 2].mean(axis=(1, 2)) / 4 - middle)
        xs = np.rint(clip[..., 1].mean(axis=(1, 2)) / 4 - middle)
        mirrored = clip[:, :, 0, 1].mean(axis=1) > clip[:, :, -1, 1].mean(axis=1)
        assert len(set(zip(ys, xs, mirrored, strict=True))) == 1
        numbers = np.rint(clip[..., 0].mean(axis=(1, 2)) / 8).astype(int).tolist()
        cuts.append((numbers, int(ys[0]), int(xs[0]), bool(mirrored[0])))
    return cuts


@pytest.fixture(scope="session")
def readable_shards() -> ReadableShards:
    return ReadableShards(_write, _cut)
