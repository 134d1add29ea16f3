"""What a network sees in a long video, moment by moment: a table and a picture."""

import csv
import itertools
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import gin
import numpy as np
import tensorflow as tf
import tqdm

from spl_tf import files
from spl_tf.data import record_decoding
from spl_tf.data.building.cutting import ClipFormat
from spl_tf.data.building.overlapping import OverlappingClips
from spl_tf.data.clip import Clip
from spl_tf.data.record import clip_to_bytes
from spl_tf.errors import UserError
from spl_tf.hardware.precision import choose_policy
from spl_tf.inference.timeline_figure import draw_timeline
from spl_tf.inference.trained_model import TrainedModel, load_trained
from spl_tf.ranges import Positive


@gin.configurable
def predict_timeline(
    model_dir: files.Path,
    video: files.Path,
    output_dir: files.Path,
    *,
    seconds_between: Positive = 1.0,
    top_k: int = 5,
    jpeg_quality: int = 90,
    batch_size: int = 16,
    precision: str = "auto",
) -> dict[str, Any]:
    """Scores windows all over a video and writes `timeline.csv`, `timeline.png` and, last, `timeline.json`.

    A window is what the network sees at once, (num_frames - 1) * frame_stride + 1 frames of its frame rate. Its frames
    are those of a shard's clip that begins there, JPEG included, and are decoded and scored as `predict_clips` does.
    One window of JPEG files and one batch of views are in memory, and 4 bytes for every window and class. One device.

    Args:
      model_dir: folder of a finished stage.
      video: the file.
      output_dir: the results' folder.
      seconds_between: the starts of two windows.
      top_k: classes that are named for each window.
      jpeg_quality: 1 to 100, as `spl_tf.shard` was given it for the clips the network was trained on.
      batch_size: windows at once.
      precision: "auto", "float32" or "bfloat16".

    Returns:
      The content of `timeline.json`.

    Raises:
      UserError: there is no finished stage, the file gives no clip, an option is out of its range, or a score is not
        finite.
    """
    for name, value in (("top_k", top_k), ("batch_size", batch_size)):
        if value < 1:
            raise UserError(f"predict_timeline.{name} = {value}: give 1 or more")
    if not 1 <= jpeg_quality <= 100:
        raise UserError(f"predict_timeline.jpeg_quality = {jpeg_quality}: give 1 to 100")
    trained = load_trained(model_dir, choose_policy(precision))
    view = trained.clip_input
    window_seconds = ((view.num_frames - 1) * view.frame_stride + 1) / view.fps
    windows = OverlappingClips(
        video, ClipFormat(window_seconds, view.fps, view.short_side, jpeg_quality), seconds_between
    )
    output_dir = pathlib.Path(output_dir)
    intervals_us: list[tuple[int, int]] = []
    scores: list[np.ndarray] = []
    table_path = output_dir / "timeline.csv"
    with files.atomic_path(table_path) as path, open(path, "w", newline="", encoding="utf-8") as opened:
        table = csv.writer(opened)
        table.writerow(_header(trained.classes, top_k))
        for window, row in _scored(trained, windows, batch_size):
            if not np.isfinite(row).all():
                raise UserError(
                    f"{video}: scores from {window.start_us / 1e6:g} s on are not finite: give "
                    'predict_timeline.precision = "float32", or train the network again'
                )
            table.writerow(_row(window, row, trained.classes, top_k))
            intervals_us.append((window.start_us, window.end_us))
            scores.append(row)
    middles = np.mean(intervals_us, axis=1) / 1e6
    draw_timeline(
        output_dir / "timeline.png", middles, np.stack(scores), trained.classes, title=pathlib.Path(video).name
    )
    content = {
        "video": str(video),
        "seconds": windows.seconds,
        "fault": windows.fault,
        "notes": list(windows.notes),
        "windows": len(scores),
        "looped": intervals_us[0][1] - intervals_us[0][0] < round(window_seconds * 1e6),
        "window_seconds": window_seconds,
        "seconds_between": seconds_between,
        "fps": view.fps,
        "short_side": view.short_side,
        "jpeg_quality": jpeg_quality,
        "classes": list(trained.classes),
        "model": trained.weights_hash,
        "precision": trained.precision,
    }
    files.write_json(output_dir / "timeline.json", content)
    return content


def _scored(trained: TrainedModel, windows: OverlappingClips, batch_size: int) -> Iterator[tuple[Clip, np.ndarray]]:
    """Every window with its scores, float32 [N]."""
    view = trained.clip_input
    record = tf.TensorSpec([], tf.string)
    decode = tf.function(
        lambda serialized: view.uniform(record_decoding.parse(serialized)), input_signature=[record], autograph=False
    )
    score = tf.function(lambda clips: trained(clips)["scores"], autograph=False)
    waiting = iter(windows)
    with tqdm.tqdm(desc="timeline", unit="window", dynamic_ncols=True, mininterval=1.0) as bar:
        while batch := list(itertools.islice(waiting, batch_size)):
            clips = [decode(clip_to_bytes(window)) for window in batch]
            clips += clips[-1:] * (batch_size - len(clips))  # One size: the network is traced once.
            scores = score(tf.stack(clips)).numpy()
            yield from zip(batch, scores, strict=False)
            bar.update(len(batch))


def _header(classes: Sequence[str], top_k: int) -> list[str]:
    best = (name for place in range(1, min(top_k, len(classes)) + 1) for name in (f"class_{place}", f"score_{place}"))
    return ["start_s", "end_s", *best, *(f"score of {name}" for name in classes)]


def _row(window: Clip, scores: np.ndarray, classes: Sequence[str], top_k: int) -> list[str]:
    # Among equal scores the lower class id stands first, as in argmax.
    best = np.argsort(-scores, kind="stable")[:top_k]
    named = (text for number in best for text in (classes[number], str(scores[number])))
    return [f"{window.start_us / 1e6:.3f}", f"{window.end_us / 1e6:.3f}", *named, *map(str, scores)]
