"""The command line's bindings hold, whatever their scopes; what is lost is told."""

import pathlib

import gin
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import configuration
from spl_tf.training.identity import stage_settings


def _epochs():
    stages = ("teacher", "pretrain", "finetune")
    return {stage: configuration.stage_bindings(stage).get("train_stage.epochs") for stage in stages}


class PrecedenceTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _parse(self, *params, **files):
        paths = []
        for name, text in files.items():
            (self.folder / f"{name}.gin").write_text(text)
            paths.append(f"{name}.gin")
        return configuration.parse(paths, params, [str(self.folder)])

    @parameterized.parameters(
        (["train_stage.epochs = 1"], "1", "1", "1"),
        (["pretrain/train_stage.epochs = 1"], "30", "1", "30"),
        (["pretrain/train_stage.epochs = 2", "train_stage.epochs = 1"], "1", "2", "1"),
        (["train_stage.epochs = 1", "pretrain/train_stage.epochs = 2"], "1", "2", "1"),
        (["train_stage.epochs = 1", "train_stage.epochs = 2"], "2", "2", "2"),
        (["train_stage.batch_size = 1"], "30", "6", "30"),
    )
    def test_a_stage_trains_as_long_as_the_command_line_says(self, params, teacher, pretrain, finetune):
        configuration.parse(["ucf6.gin"], params)
        self.assertEqual(_epochs(), {"teacher": teacher, "pretrain": pretrain, "finetune": finetune})
        for stage, epochs in _epochs().items():
            self.assertEqual(stage_settings(stage)["train_stage.epochs"], epochs)
            with gin.config_scope(stage):  # What gin gives to the function.
                self.assertEqual(str(gin.get_bindings("train_stage")["epochs"]), epochs)

    def test_what_the_command_line_replaces_is_told_on_one_line(self):
        self.assertEqual(
            configuration.parse(["ucf6.gin"], ["train_stage.epochs = 1", "pretrain/classifier.projection_units = 8"]),
            [
                "train_stage.epochs = 1 holds for every stage, instead of teacher/train_stage.epochs = 30, "
                "pretrain/train_stage.epochs = 6, finetune/train_stage.epochs = 30"
            ],
        )
        self.assertEmpty(configuration.parse(["ucf6.gin"], ["train_stage.batch_size = 1", "WEIGHT_DECAY = 0.1"]))

    def test_a_block_of_bindings_hides_single_stages_too_and_gives_them_back(self):
        configuration.parse(["ucf6.gin"])
        with configuration.overridden(["train_stage.epochs = 1", "finetune/train_stage.epochs = 2"]):
            self.assertEqual(_epochs(), {"teacher": "1", "pretrain": "1", "finetune": "2"})
        self.assertEqual(_epochs(), {"teacher": "30", "pretrain": "6", "finetune": "30"})

    def test_a_later_file_that_an_earlier_one_hides_is_told(self):
        a, b = "teacher/train_stage.epochs = 30\n", "train_stage.epochs = 5\n"
        lines = self._parse(a=a, b=b)
        self.assertEqual(
            lines,
            [
                "train_stage.epochs = 5 of b.gin does not hold for stage 'teacher', for which a.gin has "
                "teacher/train_stage.epochs = 30: bind teacher/train_stage.epochs too"
            ],
        )
        self.assertEqual(_epochs(), {"teacher": "30", "pretrain": "5", "finetune": "5"})
        self.assertLen(self._parse(a=a, c="include 'a.gin'\n" + b), 1)

    @parameterized.parameters(
        ({"a": "teacher/train_stage.epochs = 30\ntrain_stage.epochs = 5\n"}, ()),  # Of one file: meant so.
        ({"a": "train_stage.epochs = 5\n", "b": "teacher/train_stage.epochs = 30\n"}, ()),
        ({"a": "teacher/train_stage.epochs = 5\n", "b": "train_stage.epochs = 5\n"}, ()),
        (
            {"a": "teacher/train_stage.epochs = 30\n", "b": "train_stage.epochs = 5\n"},
            ("teacher/train_stage.epochs=1",),
        ),
    )
    def test_nothing_is_told_where_nothing_is_lost(self, files, params):
        self.assertEmpty(self._parse(*params, **files))


if __name__ == "__main__":
    tf.test.main()
