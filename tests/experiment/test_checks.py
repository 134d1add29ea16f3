"""What is wrong with a recipe is told before the first shard is cut."""

import pathlib
import shutil
from unittest import mock

import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.experiment import checks


class ChecksTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, color_videos, recipe_bindings, run_recipe):
        self.videos, self.bindings, self.run_recipe = color_videos, list(recipe_bindings), run_recipe

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _refused(self, message, *bindings):
        with mock.patch.object(checks, "require_network"), self.assertRaisesRegex(UserError, message):
            self.run_recipe(self.folder / "o", [*self.bindings, *bindings])
        self.assertFalse((self.folder / "o" / "shards").exists())

    @parameterized.parameters(
        ("finetune/train_stage.batch_size = 0", "train_stage.batch_size = 0: give a number above 0"),
        ("pretrain/train_stage.accumulation = 3", "train_stage.batch_size = 4 does not divide by 1 replicas x 3"),
        (
            "finetune/train_stage.select = 'best'",
            "finetune: train_stage.select = 'best', but the lists have no validation set: name one, e.g. video_folder.",
        ),
        (
            "pretrain/train_stage.stop_after_evaluations = 2",
            "pretrain: train_stage.stop_after_evaluations = 2, but pre-training has no .*for teacher/ and finetune/",
        ),
        ("teacher/train_stage.crop_size = 33", "train_stage.crop_size = 33 is larger than recipe.short_side = 32"),
        ("evaluate_model.crop_size = 33", "evaluate_model.crop_size = 33 is larger than recipe.short_side = 32"),
        ("train_stage.precision = 'float8'", "precision 'float8' is none of auto"),
        ("evaluate_model.precision = 'float8'", "precision 'float8' is none of auto"),
        ("predict_clips.top_k = 0", "predict_clips.top_k = 0: give 1 or more"),
        ("evaluate_model.background = 'violet'", "evaluate_model.background = 'violet' is no class of"),
        ("pretrain/train_stage.loss = @sigmoid_cross_entropy", "is no loss of this objective"),
        ("pretrain/SGD.momentum = 2.0", "pretrain/train_stage.optimizer: .*momentum"),
        ("recipe.fps = 0", "fps is 0.0: it must be above 0"),
        ("recipe.web_clip_seconds = -1.0", "clip_seconds is -1.0: it must be 0"),
        ("recipe.web_clips_per_class = 0", "clips_per_class is 0: it must be at least 1"),
        ("recipe.seeds = [0, -1]", "recipe.seeds = "),
    )
    def test_options_of_every_stage(self, binding, message):
        self._refused(message, binding)

    def test_options_of_networks(self):
        with self.assertRaisesRegex(UserError, "resnet3d.depth = 11: choose one of"):
            self.run_recipe(
                self.folder / "o",
                [*self.bindings, "pretrain/train_stage.backbone = @resnet3d", "pretrain/resnet3d.depth = 11"],
            )
        self.assertFalse((self.folder / "o" / "shards").exists())

    @parameterized.parameters("train_stage.epochs", "warmup_cosine.peak")
    def test_an_option_without_a_value(self, name):
        self.bindings = [line for line in self.bindings if name not in line]
        self._refused(f"finetune/{name} has no value: give one in the gin file or with --gin_param")

    def test_all_missing_lists_of_all_arms(self):
        lists = shutil.copytree(self.videos, self.folder / "lists")
        (lists / "classes.txt").unlink()
        arms = "recipe.arms = {'none': {}, 'web': {'labels': 'weak', 'bindings': {'video_folder.web': 'other.csv'}}}"
        bindings = [line for line in self.bindings if not line.startswith("recipe.strategies")]
        self.bindings = [*bindings, arms, f"video_folder.folder = '{lists}'"]
        self._refused("lists has no classes.txt.*; .*lists has no classes.txt, other.csv.*--help says what lies there")

    @parameterized.parameters(
        ("web.csv", "path,label\na.mp4,red\n", r"web.csv has no column 'query' \(it has path, label\)"),
        ("test.csv", "file,class\na.mp4,red\n", r"test.csv has no column 'path' and 'label' \(it has file, class\)"),
        ("test.csv", "path,label\n", "test.csv has no rows"),
    )
    def test_lists_that_no_clip_could_be_cut_of(self, name, content, message):
        lists = shutil.copytree(self.videos, self.folder / "lists")
        (lists / name).write_text(content)
        self._refused(message, f"video_folder.folder = '{lists}'")


if __name__ == "__main__":
    tf.test.main()
