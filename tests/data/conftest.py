"""Shards whose pixels say which frame and which place they were cut from, and videos whose frames say their number."""

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
    labels: Callable[[int], Sequence[int]] = lambda index: [index % 3],
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
                    labels=list(labels(index)),
                    label_texts=["abc"[label] for label in labels(index)],
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
        clips_per_class={
            name: sum(label in labels(index) for index in range(start)) for label, name in enumerate("abc")
        },
        clip_seconds=0.48,
        fps=25.0,
        short_side=24,
        jpeg_quality=100,
        multi_label=any(len(labels(index)) > 1 for index in range(start)),
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


@dataclasses.dataclass(frozen=True)
class NumberedVideos:
    """Writes videos whose frames carry their number, and reads it from a JPEG file.

    write(path, count, fps=25.0, fourcc="mp4v", size=(64, 48), color=True) draws every frame's number in
    binary over a picture that is each file's own, so that no two videos look alike.
    """

    write: Callable[..., None]
    number: Callable[[bytes], int]


def _numbered_frame(number: int, picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Lower half: the picture, bool [2, 6]; upper half: the same, turned where the number has a 1."""
    bits = np.reshape([number >> bit & 1 for bit in range(12)], (2, 6)).astype(bool)
    blocks = np.where(np.concatenate([picture ^ bits, picture]), 235, 20).astype(np.uint8)
    return cv2.resize(blocks, size, interpolation=cv2.INTER_NEAREST)


def _write_numbered(
    path: pathlib.Path, count: int, fps: float = 25.0, fourcc: str = "mp4v", size=(64, 48), color: bool = True
) -> None:
    picture = np.random.default_rng(list(path.name.encode())).integers(0, 2, (2, 6)).astype(bool)
    odd = size[0] % 2 or size[1] % 2  # FFmpeg's encoders are given even sizes.
    backend = cv2.CAP_OPENCV_MJPEG if odd else cv2.CAP_FFMPEG
    writer = cv2.VideoWriter(str(path), backend, cv2.VideoWriter_fourcc(*fourcc), fps, size, color)
    for number in range(count):
        frame = _numbered_frame(number, picture, size)
        writer.write(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR) if color else frame)
    writer.release()


def _number_of(jpeg: bytes) -> int:
    picture = cv2.resize(cv2.imdecode(np.frombuffer(jpeg, np.uint8), 0), (6, 4), interpolation=cv2.INTER_AREA)
    bright = picture > 127
    return sum(int(turned) << bit for bit, turned in enumerate((bright[:2] ^ bright[2:]).flat))


@pytest.fixture(scope="session")
def numbered_videos() -> NumberedVideos:
    return NumberedVideos(_write_numbered, _number_of)


def _film(seed: int, num_frames: int, *, motion: int | None = None) -> np.ndarray:
    """A made scene, uint8 [T, 120, 160, 3]: a coarse background and blobs that wander over it.

    Args:
      seed: of the background, and of the motion when that is not given.
      num_frames: its length.
      motion: seed of the blobs' ways: another one is another moment of the same scene.
    """
    generator = np.random.default_rng(seed)
    background = cv2.resize(generator.uniform(20, 230, (6, 8, 3)).astype(np.float32), (160, 120))
    generator = np.random.default_rng((seed if motion is None else motion, 1))
    times = np.linspace(0, 1, num_frames)
    ways = [np.interp(times, np.linspace(0, 1, 7), generator.uniform(0.1, 0.9, 7)) for _ in range(6)]
    colors = generator.uniform(0, 255, (3, 3))
    frames = []
    for y, x in zip(np.array(ways[:3]).T, np.array(ways[3:]).T, strict=True):
        frame = background.copy()
        for center, color in zip(zip(x * 160, y * 120, strict=True), colors, strict=True):
            cv2.circle(frame, tuple(round(place) for place in center), 16, color.tolist(), -1)
        frames.append(frame)
    return np.clip(frames, 0, 255).astype(np.uint8)


def _write_film(path: os.PathLike | str, frames: np.ndarray, *, codec: str = "mp4v", fps: float = 20.0) -> str:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), fps, frames.shape[2:0:-1])
    for frame in frames:
        writer.write(frame)
    writer.release()
    return str(path)


@dataclasses.dataclass(frozen=True)
class Films:
    """Makes scenes and writes them as video files."""

    film: Callable[..., np.ndarray]
    write: Callable[..., str]


@pytest.fixture(scope="session")
def films() -> Films:
    return Films(_film, _write_film)
