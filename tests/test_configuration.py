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
        ("DATA=/x/m", r"""gin: DATA=/x/m: no value .*need quotes, e\.g\. --gin_param="DATA='/x/m'"$"""),
        ("recipe.init_weights = runs/m", r"""texts need quotes, e\.g\. --gin_param="recipe.init_weights='runs/m'"$"""),
        ("DATA = ['/x', /m]", r"gin: DATA = \['/x', /m\]: no value that can be read; texts need quotes$"),
        ("resnet3d.depth = 18 34", "gin: resnet3d.depth = 18 34: Expected newline"),
        ("DATA = [1, 2", "gin: "),
        ("resnet3d.depth = %DEPTH", "gin binding resnet3d.depth = %DEPTH: the macro DEPTH has no value, give it one$"),
    )
    def test_a_mistake_is_one_line_with_the_nearest_name(self, binding, message):
        with self.assertRaisesRegex(UserError, message):
            configuration.parse([], [binding])

    @parameterized.parameters(
        (["evaluate_model.num_views = 'a'"], "evaluate_model.num_views = 'a': give a whole number$"),
        (["evaluate_model.num_views = 1.5"], "evaluate_model.num_views = 1.5: give a whole number$"),
        (["evaluate_model.num_frames = '8'"], "evaluate_model.num_frames = '8': give a whole number or None$"),
        (["evaluate_model.precision = 16"], "evaluate_model.precision = 16: give a text in quotes$"),
        (["evaluate_model.fully_convolutional = 1"], "fully_convolutional = 1: give True or False$"),
        (["pretrain/train_stage.epochs = True"], "pretrain/train_stage.epochs = True: give a "),
        (["STEPS = 'a'", "cleannet.steps = %STEPS"], "gin binding cleannet.steps = 'a': give a whole number$"),
        (["cleannet.learning_rate = [1]"], r"cleannet.learning_rate = \[1\]: give a number$"),
    )
    def test_a_value_of_another_type_is_refused_by_the_name_of_its_binding(self, bindings, message):
        with self.assertRaisesRegex(UserError, f"gin binding .*{message}" if "gin" not in message else message):
            configuration.parse([], bindings)
        configuration.parse([])
        with self.assertRaisesRegex(UserError, message), configuration.overridden(bindings):
            self.fail("the block of a wrong binding was entered")

    def test_values_that_a_parameter_takes_are_not_refused(self):
        configuration.parse(
            [],
            [
                "WIDTH = 1",
                "RATE = %WIDTH",
                "cleannet.learning_rate = %RATE",  # A whole number is a number.
                "evaluate_model.num_frames = None",
                "train_stage.backbone = @resnet3d",
            ],
        )
        self.assertEqual(gin.get_bindings("cleannet"), {"learning_rate": 1})

    def test_a_text_is_no_list_of_files_or_bindings(self):
        with self.assertRaisesRegex(UserError, r"gin_files = 'demo.gin': give a list, e.g. \['demo.gin'\]"):
            configuration.parse("demo.gin")
        with self.assertRaisesRegex(UserError, "gin_params = 'train_stage.epochs = 1': give a list"):
            configuration.parse([], "train_stage.epochs = 1")

    def test_a_mistake_in_a_file_names_its_line(self):
        path = self.folder / "a.gin"
        path.write_text("resnet3d.depth = 18\nDATA = /x\n")
        with self.assertRaisesRegex(UserError, r"a\.gin line 2: DATA = /x: no value"):
            configuration.parse([str(path)])

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
