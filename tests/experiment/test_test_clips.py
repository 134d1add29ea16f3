"""Tests of short clips that follow each other, averaged: the protocol of NoisyActions2M, with 4 frames for its 16."""

import pathlib

import cv2
import keras
import numpy as np
import tensorflow as tf

from spl_tf.data.dataset import load_dataset
from spl_tf.data.record import clip_from_bytes
from spl_tf.data.video.writing import write_video
from spl_tf.experiment.sets import make_clean
from spl_tf.experiment.video_lists import VideoLists
from spl_tf.inference.evaluation import evaluate_model
from spl_tf.inference.trained_model import ClipInput, save_trained

COLORS = {"red": (40, 40, 200), "green": (40, 200, 40), "blue": (200, 40, 40)}  # BGR
# Three frames are left over; one clip; too short for one.
SHOTS = {"long": ("red", 4, "green", 4, "blue", 3), "one": ("green", 4), "short": ("blue", 3)}


class ClipsOfTestVideosTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        rows = ["path,label"]
        for name, shots in SHOTS.items():
            colors = [color for color, count in zip(shots[::2], shots[1::2], strict=True) for _ in range(count)]
            frames = np.stack([np.full((32, 32, 3), COLORS[color], np.uint8) for color in colors])
            write_video(self.folder / f"{name}.mp4", frames, 10)
            rows.append(f"{name}.mp4,{shots[0]}")
        (self.folder / "test.csv").write_text("\n".join(rows) + "\n")
        (self.folder / "classes.txt").write_text("\n".join(COLORS) + "\n")

    def test_a_video_s_scores_are_the_mean_softmax_of_its_clips_one_after_the_other(self):
        listed = self.folder / "test.csv"
        lists = VideoLists(self.folder / "classes.txt", listed, None, listed, "")
        clean = make_clean(lists, self.folder / "shards", fps=10, short_side=32, test_clip_seconds=0.4)
        self.assertEqual(load_dataset(clean.target).num_clips, 3)
        found = {}
        for shard in load_dataset(clean.test).shards:
            for record in tf.data.TFRecordDataset(shard.path).as_numpy_iterator():
                clip = clip_from_bytes(record)
                name = pathlib.PurePath(clip.video_id).stem
                found.setdefault(name, []).append((clip.start_us // 100_000, len(clip.frames)))
        self.assertEqual(
            {name: sorted(clips) for name, clips in found.items()},
            {"long": [(0, 4), (4, 4)], "one": [(0, 4)], "short": [(0, 3)]},
        )

        clips = keras.Input((4, 28, 28, 3))
        mean = keras.layers.GlobalAveragePooling3D()(clips)
        logits = keras.layers.Dense(3, kernel_initializer="identity", name="logits")(mean)
        network = keras.Model(clips, {"features": mean, "logits": logits})
        save_trained(self.folder / "model", network, tuple(COLORS), ClipInput(4, 1, 28, short_side=32, fps=10.0))
        evaluate_model(self.folder / "model", clean.test, self.folder / "evaluated")
        scores = np.load(self.folder / "evaluated" / "scores.npy")
        videos = [
            line.split(",")[0] for line in (self.folder / "evaluated" / "videos.csv").read_text().splitlines()[1:]
        ]
        for video, row in zip(videos, scores, strict=True):
            name = pathlib.PurePath(video).stem
            capture, frames = cv2.VideoCapture(str(self.folder / f"{name}.mp4")), []
            while (read := capture.read())[0]:
                frames.append(read[1][2:30, 2:30, ::-1].astype(np.float64))
            windows = [frames[start : start + 4] for start in range(0, len(frames), 4)]
            windows = [window for window in windows if len(window) == 4] or [[*frames, frames[0]]]
            means = np.array([np.mean(window, axis=(0, 1, 2)) for window in windows])
            powers = np.exp((means / 255 - 0.45) / 0.225)
            expected = (powers / powers.sum(axis=1, keepdims=True)).mean(axis=0)
            self.assertAllClose(row, expected, atol=5e-3)


if __name__ == "__main__":
    tf.test.main()
