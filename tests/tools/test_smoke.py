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
from spl_tf.experiment.arms import configured_arms
from spl_tf.experiment.video_lists import video_folder
from tools.smoke import recipes, videos
from tools.smoke.videos import SmokeSet, wanted_set, wanted_sets, write_set


class SmokeVideosTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(
        ({}, None, SmokeSet(4, None, "web.csv")),
        ({"video_folder.web": "'web_147k.csv'"}, 400, SmokeSet(20, None, "web_147k.csv")),
        ({"train_stage.num_frames": "1"}, None, SmokeSet(4, None, "web.csv", images=True)),
        ({"video_folder.target": "'train.csv'"}, None, SmokeSet(4, None, "web.csv", target="train.csv")),
        ({}, 4500, SmokeSet(68, None, "web.csv")),  # 67 * 67 = 4489
        (
            {"evaluate_model.background": "'Background'", "video_folder.web": "None"},
            None,
            SmokeSet(4, "Background", None),
        ),
        ({"video_folder.web_classes": "'tags.txt'"}, None, SmokeSet(4, None, "web.csv", web_classes="tags.txt")),
    )
    def test_an_arm_gets_the_classes_and_lists_it_asks_for(self, bindings, num_labels, expected):
        self.assertEqual(wanted_set(bindings, num_labels), expected)

    def test_arms_in_one_folder_have_the_classes_of_the_largest(self):
        configuration.parse(["papers/spl/figure4.gin"])
        wanted = wanted_sets(configured_arms())
        self.assertEqual(wanted, [("data/kinetics200", SmokeSet(68, None, "web_147k.csv"))] * 6)
        configuration.parse(["papers/spl/table4.gin"])
        folders = [folder for folder, _ in wanted_sets(configured_arms())]
        self.assertEqual(folders, ["data/ucf101_split1"] * 2 + ["data/hmdb51_split1"] * 2)

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

    def test_a_web_set_with_classes_of_its_own_has_two_a_video_and_a_list_may_lie_deeper(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        write_set(SmokeSet(4, None, "web.csv", target="deep/train.csv", web_classes="tags.txt"), folder)
        tags = tuple((folder / "tags.txt").read_text().splitlines())
        self.assertLen(tags, 4)
        for video in read_manifest(folder / "web.csv", tags, "query"):
            self.assertLen(video.labels, 2)
        for video in read_manifest(folder / "deep/train.csv", tuple(f"action {label}" for label in range(4)), "label"):
            self.assertTrue(cv2.VideoCapture(video.path).read()[0])

    def test_every_list_that_an_arm_names_is_written(self):
        for table in recipes.paper_tables():
            configuration.parse([table])
            arms = configured_arms()
            here = pathlib.Path(self.create_tempdir().full_path)
            for folder, wanted in wanted_sets(arms):
                with mock.patch.object(videos, "write_video"):
                    write_set(wanted, here / folder)
            for arm in arms:
                with configuration.overridden(arm.bindings):
                    bindings = configuration.stage_bindings("finetune")
                folder = here / ast.literal_eval(bindings["video_folder.folder"])
                for name in ("classes", "target", "web", "web_classes", "test", "validation"):
                    default = inspect.signature(video_folder).parameters[name].default
                    listed = ast.literal_eval(bindings.get(f"video_folder.{name}", repr(default)))
                    if listed is not None:
                        self.assertTrue((folder / listed).is_file(), f"{table}, {arm.name}: {listed}")


class SmokeRecipesTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _smoke(self, code=0):
        """Exit code, what was printed, and the rows that were started."""
        started = []

        def call(arguments, *, cwd, **options):
            del options
            (arm,) = (argument.removeprefix("--arms=") for argument in arguments if argument.startswith("--arms="))
            started.append(f"{cwd.name}_{arm}")
            return code

        printed = io.StringIO()
        argv = ["smoke", f"--output_dir={self.folder}", "--only=spl_table1_spl_b", "--only=spl_table5_imagenet"]
        argv.append("--only=na2m_table3_none")
        with mock.patch.object(subprocess, "call", call), contextlib.redirect_stdout(printed):
            exit_code = command.execute(recipes.main, recipes.FLAGS, "", argv)
        return exit_code, printed.getvalue(), started

    def test_what_passed_is_not_run_again_until_the_sources_change(self):
        names = ["na2m_table3_none", "spl_table1_spl_b", "spl_table1_spl_b_anchor", "spl_table5_imagenet"]
        self.assertEqual(self._smoke()[2], names)
        self.assertEqual(self._smoke(), (0, "4 of 4 rows ran to their end\n", []))
        with mock.patch.object(recipes, "_digest_of_sources", return_value="other"):
            self.assertEqual(self._smoke()[2], names)

    def test_a_recipe_that_fails_is_named_and_run_again(self):
        code, printed, started = self._smoke(code=1)
        self.assertEqual(code, 1)
        self.assertLen(started, 4)
        self.assertIn("0 of 4 rows ran to their end", printed)
        self.assertEqual(self._smoke()[2], started)

    def test_a_name_that_is_no_recipe_is_the_users_mistake(self):
        argv = ["smoke", f"--output_dir={self.folder}", "--only=table9"]
        with contextlib.redirect_stderr(io.StringIO()) as printed:
            self.assertEqual(command.execute(recipes.main, recipes.FLAGS, "", argv), 2)
        self.assertIn("--only=['table9']: no row of gin/papers has this in its name", printed.getvalue())


if __name__ == "__main__":
    tf.test.main()
