"""The smoke runs: their data, what is run, what is not run again, and what fails."""

import ast
import contextlib
import inspect
import io
import pathlib
import subprocess
from unittest import mock

import cv2
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import command, configuration
from spl_tf.data.manifest import Video, read_manifest
from spl_tf.experiment.video_lists import video_folder
from tools.smoke import recipes, videos
from tools.smoke.videos import SmokeSet, wanted_set, write_set


class SmokeVideosTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(
        ({}, SmokeSet(4, None, "web.csv")),
        ({"recipe.num_labels": "400", "video_folder.web": "'web_147k.csv'"}, SmokeSet(20, None, "web_147k.csv")),
        ({"train_stage.num_frames": "1"}, SmokeSet(4, None, "web.csv", images=True)),
        ({"video_folder.target": "'train.csv'"}, SmokeSet(4, None, "web.csv", target="train.csv")),
        ({"recipe.num_labels": "4500"}, SmokeSet(68, None, "web.csv")),  # 67 * 67 = 4489
        ({"evaluate_model.background": "'Background'", "video_folder.web": "None"}, SmokeSet(4, "Background", None)),
    )
    def test_a_recipe_gets_the_classes_and_lists_it_asks_for(self, bindings, expected):
        self.assertEqual(wanted_set(bindings), expected)

    def test_the_lists_name_videos_that_are_there_and_another_list_is_added(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        write_set(SmokeSet(4, "Background", "a.csv"), folder)
        first = (folder / "a.csv").stat().st_mtime_ns
        write_set(SmokeSet(4, "Background", "b.csv"), folder)
        self.assertEqual((folder / "a.csv").stat().st_mtime_ns, first)
        classes = tuple((folder / "classes.txt").read_text().splitlines())
        self.assertEqual(classes, ("action 0", "action 1", "action 2", "Background"))
        for name, column, count in (
            ("target_train", "label", 4),
            ("test", "label", 4),
            ("a", "query", 8),
            ("b", "query", 8),
        ):
            listed = read_manifest(folder / f"{name}.csv", classes, column)
            self.assertLen(listed, count)
            for video in listed:
                self.assertIsInstance(video, Video)
                self.assertTrue(cv2.VideoCapture(video.path).read()[0])

    def test_every_list_that_a_recipe_names_is_written(self):
        gin_files = pathlib.Path(__file__).parents[2] / "gin"
        folders = {}
        for path in sorted(gin_files.glob("papers/spl/[tf]*_*.gin")):
            configuration.parse([path])
            bindings = configuration.stage_bindings("finetune")
            wanted = wanted_set(bindings)
            if wanted not in folders:
                folders[wanted] = pathlib.Path(self.create_tempdir().full_path)
                with mock.patch.object(videos, "write_video"):
                    write_set(wanted, folders[wanted])
            for name in ("classes", "target", "web", "test", "validation"):
                default = inspect.signature(video_folder).parameters[name].default
                listed = ast.literal_eval(bindings.get(f"video_folder.{name}", repr(default)))
                if listed is not None:
                    self.assertTrue((folders[wanted] / listed).is_file(), f"{path.stem}: {listed}")


class SmokeRecipesTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _smoke(self, code=0):
        """Exit code, what was printed, and the gin files of the recipes that were started."""
        started = []

        def call(arguments, **options):
            del options
            started.extend(argument for argument in arguments if argument.startswith("--gin_file=papers/spl/table"))
            return code

        printed = io.StringIO()
        argv = ["smoke", f"--output_dir={self.folder}", "--only=table1_spl_b", "--only=table5_imagenet"]
        with mock.patch.object(subprocess, "call", call), contextlib.redirect_stdout(printed):
            exit_code = command.execute(recipes.main, recipes.FLAGS, "", argv)
        return exit_code, printed.getvalue(), [pathlib.Path(name).stem for name in started]

    def test_what_passed_is_not_run_again_until_the_sources_change(self):
        names = ["table1_spl_b", "table1_spl_b_anchor", "table5_imagenet"]
        self.assertEqual(self._smoke()[2], names)
        self.assertEqual(self._smoke(), (0, "3 of 3 recipes ran to their end\n", []))
        with mock.patch.object(recipes, "_digest_of_sources", return_value="other"):
            self.assertEqual(self._smoke()[2], names)

    def test_a_recipe_that_fails_is_named_and_run_again(self):
        code, printed, started = self._smoke(code=1)
        self.assertEqual(code, 1)
        self.assertLen(started, 3)
        self.assertIn("0 of 3 recipes ran to their end", printed)
        self.assertEqual(self._smoke()[2], started)

    def test_a_name_that_is_no_recipe_is_the_users_mistake(self):
        argv = ["smoke", f"--output_dir={self.folder}", "--only=table9"]
        with contextlib.redirect_stderr(io.StringIO()) as printed:
            self.assertEqual(command.execute(recipes.main, recipes.FLAGS, "", argv), 2)
        self.assertIn("--only=['table9']: no recipe of gin/papers/spl has this in its name", printed.getvalue())


if __name__ == "__main__":
    tf.test.main()
