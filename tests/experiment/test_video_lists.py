"""The lists a recipe starts from: found in a folder, or rendered."""

import csv
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import configuration
from spl_tf.data.dataset import load_dataset
from spl_tf.errors import UserError
from spl_tf.experiment.video_lists import rendered_videos, video_folder


class VideoFolderTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        for name in ("classes.txt", "target_train.csv", "web.csv", "test.csv", "other.csv"):
            (self.folder / name).touch()

    def test_lists_lie_in_the_folder_and_nothing_is_written(self):
        lists = video_folder(self.folder / "videos", folder=str(self.folder), test="other.csv")
        self.assertEqual(lists.classes, self.folder / "classes.txt")
        self.assertEqual(lists.target, self.folder / "target_train.csv")
        self.assertEqual(lists.web, self.folder / "web.csv")
        self.assertEqual(lists.test, self.folder / "other.csv")
        self.assertIsNone(lists.validation)
        self.assertEqual(lists.note, f"lists of {self.folder}")
        self.assertFalse((self.folder / "videos").exists())

    def test_a_validation_split_is_one_more_list(self):
        lists = video_folder(self.folder, folder=self.folder, validation="other.csv")
        self.assertEqual(lists.validation, self.folder / "other.csv")
        with self.assertRaisesRegex(UserError, f"{self.folder} has no none.csv .*: set video_folder.folder .python -m"):
            video_folder(self.folder, folder=self.folder, validation="none.csv")

    def test_a_folder_stands_for_a_list_but_not_for_the_classes(self):
        (self.folder / "train").mkdir()
        self.assertEqual(video_folder(self.folder, folder=self.folder, target="train").target, self.folder / "train")
        with self.assertRaisesRegex(UserError, "has no train"):
            video_folder(self.folder, folder=self.folder, classes="train")

    @parameterized.parameters("classes.txt", "target_train.csv", "web.csv", "test.csv")
    def test_a_missing_list_is_named_with_how_to_get_it(self, name):
        (self.folder / name).unlink()
        message = rf"{self.folder} has no {name} \(there are other.csv\): run the tool"
        with self.assertRaisesRegex(UserError, message):
            video_folder(self.folder / "videos", folder=self.folder, how_to_get="run the tool")

    def test_all_missing_lists_are_named_at_once(self):
        empty = self.folder / "empty"
        empty.mkdir()
        with self.assertRaisesRegex(UserError, f"{empty} has no classes.txt, target_train.csv, web.csv, test.csv: do"):
            video_folder(self.folder / "videos", folder=empty, how_to_get="do it")
        with self.assertRaisesRegex(UserError, f"{empty / 'x'} is no folder: do it"):
            video_folder(self.folder / "videos", folder=empty / "x", how_to_get="do it")


class RenderedVideosTest(tf.test.TestCase):
    def test_lists_and_videos_are_made_where_they_should_and_the_note_tells_noise_and_seed(self):
        folder = pathlib.Path(self.create_tempdir().full_path) / "videos"
        per_class = ("target_per_class = 1", "test_per_class = 1", "web_per_class = 1")
        options = (*per_class, "noise_rate = 0.35", "seed = 11")
        configuration.parse([], [f"render_actions.{option}" for option in options])
        lists = rendered_videos(folder)
        self.assertIn("seed 11", lists.note)
        self.assertIn("35%", lists.note)
        self.assertNotIn("\n", lists.note)
        classes = lists.classes.read_text().split()
        for manifest, column in ((lists.target, "label"), (lists.web, "query"), (lists.test, "label")):
            with open(manifest, newline="", encoding="utf-8") as opened:
                rows = list(csv.DictReader(opened))
            self.assertCountEqual([row[column] for row in rows], classes)
            for row in rows:
                path = manifest.parent / row["path"]
                self.assertTrue(path.is_file())
                self.assertTrue(path.is_relative_to(folder))


class ClassFoldersTest(tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, color_videos, recipe_bindings, run_recipe, fake_stages, tmp_path):
        self.videos, self.bindings, self.run_recipe, self.folder = color_videos, recipe_bindings, run_recipe, tmp_path
        self.fake = fake_stages(np.zeros(72, np.int64))

    def test_a_recipe_runs_on_folders_named_by_class(self):
        lists = self.folder / "lists"
        for name in ("target", "web", "test"):
            with open(self.videos / f"{name}.csv", newline="") as opened:
                for row in csv.DictReader(opened):
                    place = lists / name / row.get("query", row.get("label")) / row["path"]
                    place.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(self.videos / row["path"], place)
        shutil.copy(self.videos / "classes.txt", lists)
        sets = [f"video_folder.{name} = '{name}'" for name in ("target", "web", "test")]
        with self.fake.in_place():
            results, _ = self.run_recipe(self.folder / "o", [*self.bindings, f"video_folder.folder = '{lists}'", *sets])
        self.assertEqual([result.arm for result in results], ["none", "weak"])
        counts = [load_dataset(self.folder / "o/shards" / name).num_clips for name in ("target", "web", "test")]
        self.assertEqual(counts, [12, 72, 12])
