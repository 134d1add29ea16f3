"""Files and lines are read strictly: what a file names is known, and nothing in it runs."""

import pathlib

import gin
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import configuration
from spl_tf.errors import UserError


class ReadingTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _parse(self, *names):
        configuration.parse(names, search_path=[str(self.folder)])

    @parameterized.parameters(
        "import subprocess",
        "from __gin__ import dynamic_registration",
        "import spl_tf.models.resnet3d",
        "from os import path as p",
    )
    def test_an_import_is_refused_wherever_it_stands(self, line):
        (self.folder / "inner.gin").write_text(f"train_stage.epochs = 1\n{line}\nsubprocess.getoutput.cmd = 'id'\n")
        (self.folder / "a.gin").write_text("include 'inner.gin'\n")
        for names in (["inner.gin"], ["a.gin"]):
            with self.assertRaisesRegex(UserError, rf"^gin: inner\.gin line 2: {line}: a gin file imports no module"):
                self._parse(*names)
        with self.assertRaisesRegex(UserError, f"^gin: {line}: a gin file imports no module"):
            configuration.parse([], [line])
        configuration.parse([])
        with self.assertRaisesRegex(UserError, "no module"), configuration.overridden([line]):
            self.fail("the block of an import was entered")

    @parameterized.parameters(
        "train_stage.profile_steps = " + "[" * 50_000,
        "".join(f"M{number} = %M{number + 1}\n" for number in range(3000)) + "M3000 = 3\ntrain_stage.epochs = %M0",
    )
    def test_what_is_nested_too_deeply_is_one_line(self, text):
        (self.folder / "deep.gin").write_text(text)
        with self.assertRaisesRegex(UserError, "^gin: [^\n]*(nested too deeply|too many nested)"):
            self._parse("deep.gin")

    def test_what_the_program_sets_itself_is_no_setting(self):
        for binding in (
            "train_stage.model_dir = 'm'",
            "train_stage.stage = 'teacher'",
            "warmup_cosine.total_steps = 3",
            "SGD.learning_rate = 0.1",
            "training_clips.batch_size = 2",
            "anchor_loss.epoch = 1",
        ):
            name = binding.split(" ")[0]
            with self.assertRaisesRegex(UserError, f"^gin: {name} is set by the program itself: remove the binding$"):
                configuration.parse([], [binding])

    def test_a_mistyped_option_of_an_optimizer_is_refused_though_it_takes_any(self):
        with self.assertRaisesRegex(
            UserError, "'SGD' doesn't have a parameter named 'momentm'.*did you mean 'momentum'"
        ):
            configuration.parse([], ["SGD.momentm = 0.9"])

    def test_a_file_that_is_no_text_or_includes_itself_is_one_line(self):
        (self.folder / "latin.gin").write_bytes("# Größe\nresnet3d.depth = 18\n".encode("latin-1"))
        with self.assertRaisesRegex(UserError, r"gin file .*latin\.gin is no UTF-8 text \(.*\): save it as UTF-8$"):
            self._parse("latin.gin")
        (self.folder / "a.gin").write_text("include 'b.gin'\n")
        (self.folder / "b.gin").write_text("include 'a.gin'\n")
        with self.assertRaisesRegex(UserError, r"gin file a\.gin includes itself, by way of .*b\.gin"):
            self._parse("a.gin")
        (self.folder / "c.gin").write_text("include 'demo.gn'\n")
        with self.assertRaisesRegex(UserError, r"no gin file 'demo\.gn' \(did you mean 'demo\.gin'\?\)"):
            self._parse("c.gin")

    def test_blocks_and_repeated_includes_are_gin_s_own(self):
        (self.folder / "a.gin").write_text("train_stage:\n  epochs = 3  # a comment\n  batch_size = 4\n")
        (self.folder / "b.gin").write_text("include 'a.gin'\ntrain_stage.epochs = 5\ninclude 'a.gin'\n")
        self._parse("b.gin", "a.gin")
        self.assertEqual(gin.get_bindings("train_stage"), {"epochs": 3, "batch_size": 4})

    def test_the_line_of_a_mistake_in_an_included_file_is_named(self):
        (self.folder / "a.gin").write_text("# a comment\nresnet3d.depht = 18\n")
        (self.folder / "b.gin").write_text("include 'a.gin'\n")
        with self.assertRaisesRegex(UserError, r"^gin: a\.gin line 2: .*'depht'.*did you mean 'depth'"):
            self._parse("b.gin")


if __name__ == "__main__":
    tf.test.main()
