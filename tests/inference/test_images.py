"""An image is a clip of one frame: files of images through every command that a video goes through."""

import csv
import pathlib

import cv2
import gin
import keras
import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from spl_tf import configuration, explain
from spl_tf.command import execute
from spl_tf.data.building.shards import write_shards
from spl_tf.data.dataset import load_dataset
from spl_tf.data.record import clip_from_bytes
from spl_tf.inference.evaluation import evaluate_model
from spl_tf.inference.prediction import predict_clips
from spl_tf.inference.saved_model import export_model
from spl_tf.inference.trained_model import load_trained
from spl_tf.training.stage import train_stage

COLORS = {"red": (40, 40, 200), "green": (40, 200, 40), "blue": (200, 40, 40)}
BINDINGS = (
    "train_stage.backbone = @resnet2d",
    "resnet2d.depth = 10",
    "resnet2d.stem = 'small'",
    "resnet2d.width_multiplier = 0.125",
    "train_stage.num_frames = 1",
    "train_stage.frame_stride = 1",
    "train_stage.precision = 'float32'",
)


@pytest.fixture(scope="module")
def image_shards(tmp_path_factory):
    """Shards of 4 noisy images a colour, of several sizes and formats."""
    folder = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    rows = ["path,label"]
    for color, value in COLORS.items():
        for size, form in (((32, 32), "png"), ((32, 45), "jpg"), ((50, 32), "webp"), ((64, 64), "bmp")):
            picture = np.array(value) + generator.normal(0, 20, (*size, 3))
            cv2.imwrite(str(folder / f"{color}.{form}"), np.clip(picture, 0, 255).astype(np.uint8))
            rows.append(f"{color}.{form},{color}")
    (folder / "images.csv").write_text("\n".join(rows) + "\n")
    write_shards(folder / "images.csv", folder / "shards", classes=tuple(COLORS), fps=1, short_side=32, clip_seconds=0)
    return folder / "shards"


@pytest.fixture(scope="module")
def trained(image_shards, tiny_bindings, tmp_path_factory):
    """Folder of a network trained for a few steps on the images."""
    folder = tmp_path_factory.mktemp("trained") / "teacher"
    configuration.parse([], [*tiny_bindings, *BINDINGS])
    with gin.config_scope("teacher"):
        train_stage("teacher", folder, train_shards=image_shards)
    gin.clear_config()
    keras.utils.clear_session(free_memory=False)
    return folder


class ImagesTest(tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, trained, image_shards, records_by_hand):
        self.model_dir, self.shards = trained, image_shards
        rows = records_by_hand(trained / "model.keras", image_shards, load_trained(trained).clip_input)
        self.scores = {clip_id: scores for _, _, clip_id, _, _, scores, _ in rows}
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _frames(self):
        """{clip id: its frames as stored}."""
        paths = [shard.path for shard in load_dataset(self.shards).shards]
        clips = map(clip_from_bytes, tf.data.TFRecordDataset(paths).as_numpy_iterator())
        return {clip.clip_id: clip.frames for clip in clips}

    def test_every_image_is_one_clip_of_one_frame(self):
        self.assertEqual([len(frames) for frames in self._frames().values()], [1] * 12)

    def test_predictions_are_the_highest_scores(self):
        predict_clips(self.model_dir, self.shards, self.folder / "p", precision="float32")
        rows = [
            row for path in sorted((self.folder / "p").glob("*.parquet")) for row in pq.read_table(path).to_pylist()
        ]
        highest = {clip_id: scores.argmax() for clip_id, scores in self.scores.items()}
        self.assertEqual({row["clip_id"]: row["teacher"] for row in rows}, highest)

    def test_evaluation_counts_the_images_that_are_right(self):
        metrics = evaluate_model(self.model_dir, self.shards, self.folder / "e")
        names = list(COLORS)
        right = [clip_id.startswith(names[scores.argmax()]) for clip_id, scores in self.scores.items()]
        self.assertAllClose(metrics["top_1"], np.mean(right))

    def test_a_picture_explains_an_image(self):
        argv = ["explain", f"--model_dir={self.model_dir}", f"--shards={self.shards}", "--num_clips=12"]
        argv += [f"--output_dir={self.folder / 'x'}"]
        self.assertEqual(execute(explain.main, explain.FLAGS, explain.__doc__, argv), 0)
        with open(self.folder / "x" / "clips.csv", encoding="utf-8", newline="") as opened:
            rows = list(csv.DictReader(opened))
        for row in rows:
            self.assertAllClose(float(row["predicted_score"]), self.scores[row["clip_id"]].max(), atol=1e-4)
            self.assertEqual(cv2.imread(str(self.folder / "x" / row["strip"])).ndim, 3)
        self.assertEqual({row["clip_id"] for row in rows}, set(self.scores))

    def test_an_exported_network_gives_the_same_scores_for_encoded_images(self):
        serve = tf.saved_model.load(str(export_model(self.model_dir, self.folder / "s"))).signatures["frames"]
        frames = self._frames()
        answer = serve(frames=tf.constant(list(frames.values())))
        self.assertAllClose(answer["scores"], np.stack([self.scores[clip_id] for clip_id in frames]), atol=1e-5)


if __name__ == "__main__":
    tf.test.main()
