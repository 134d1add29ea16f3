"""gin files are found, and every mistake in them is refused by name."""

import os
import pathlib

import gin
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import configuration
from spl_tf.errors import UserError


class ParseTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    @parameterized.parameters(
        ("resnt3d.depth = 18", "No configurable matching 'resnt3d'.*did you mean 'resnet3d'"),
        ("train_stage.backbone = @resnet3", "No configurable matching reference '@resnet3'.*mean 'resnet3d'"),
        ("resnet3d.depht = 18", "doesn't have a parameter named 'depht'.*did you mean 'depth'"),
        ("pretrian/resnet3d.depth = 18", "gin binding pretrian/resnet3d.depth: no stage 'pretrian'.*mean 'pretrain'"),
        ("resnet3d.depth = ", "Unable to parse value"),
        ("resnet3d.depth = %DEPTH", "No bindings specified for 'DEPTH/gin.macro'"),
    )
    def test_a_mistake_is_one_line_with_the_nearest_name(self, binding, message):
        with self.assertRaisesRegex(UserError, message):
            configuration.parse([], [binding])

    def test_the_nearest_gin_file_is_suggested(self):
        with self.assertRaisesRegex(UserError, r"no gin file 'demo\.gn' \(did you mean 'demo\.gin'\?\); looked in"):
            configuration.parse(["demo.gn"])

    def test_shipped_files_are_found_from_any_folder(self):
        previous = os.getcwd()
        os.chdir(self.folder)
        self.addCleanup(os.chdir, previous)
        for name in ("demo.gin", "ucf6.gin"):
            configuration.parse([name])

    def test_the_working_directory_comes_before_the_search_path(self):
        other = self.folder / "other"
        other.mkdir()
        (self.folder / "a.gin").write_text("resnet3d.depth = 18\n")
        (other / "a.gin").write_text("resnet3d.depth = 34\n")
        (other / "b.gin").write_text("include 'a.gin'\nresnet3d.gating = 'none'\n")
        configuration.parse(["a.gin"], search_path=[str(other)])
        self.assertEqual(gin.query_parameter("resnet3d.depth"), 34)
        previous = os.getcwd()
        os.chdir(self.folder)
        self.addCleanup(os.chdir, previous)
        configuration.parse(["b.gin"], search_path=[str(other)])
        self.assertEqual(gin.query_parameter("resnet3d.depth"), 18)
        self.assertEqual(gin.query_parameter("resnet3d.gating"), "none")

    def test_bindings_for_a_while_leave_no_trace(self):
        configuration.parse([], ["train_stage.epochs = 3", "warmup_cosine.peak = 0.1"])
        warmup_cosine = gin.get_configurable("warmup_cosine")
        warmup_cosine(total_steps=10, steps_per_epoch=1)
        before = gin.config_str(), gin.operative_config_str()
        with configuration.overridden(["warmup_cosine.peak = 0.5", "pretrain/train_stage.epochs = 4"]):
            self.assertEqual(gin.query_parameter("warmup_cosine.peak"), 0.5)
            self.assertEqual(configuration.stage_bindings("pretrain")["train_stage.epochs"], "4")
            warmup_cosine(total_steps=10, steps_per_epoch=1)
            self.assertIn("peak = 0.5", gin.operative_config_str())
        self.assertEqual((gin.config_str(), gin.operative_config_str()), before)
        for mistake in ("warmup_cosine.peek = 0.5", "pretrian/train_stage.epochs = 4"):
            with self.assertRaisesRegex(UserError, "did you mean"), configuration.overridden([mistake]):
                self.fail("the block of a wrong binding was entered")
            self.assertEqual(gin.config_str(), before[0])

    def test_a_stage_sees_its_own_bindings_over_the_shared_ones(self):
        configuration.parse(
            [],
            [
                "WIDTH = 0.5",
                "resnet3d.width_multiplier = %WIDTH",
                "resnet3d.depth = 18",
                "pretrain/resnet3d.depth = 50",
            ],
        )
        self.assertEqual(
            configuration.stage_bindings("pretrain"), {"resnet3d.width_multiplier": "0.5", "resnet3d.depth": "50"}
        )
        self.assertEqual(configuration.stage_bindings("teacher")["resnet3d.depth"], "18")
