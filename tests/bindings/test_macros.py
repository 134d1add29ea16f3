"""Macros without a value, in circles, or never used are refused; those that other programs or files use are not."""

import pathlib

import gin
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import configuration
from spl_tf.bindings import macros
from spl_tf.errors import UserError
from tools.cost import recipe as cost


class MacrosTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _parse(self, *params, **files):
        for name, text in files.items():
            (self.folder / f"{name}.gin").write_text(text)
        configuration.parse([f"{name}.gin" for name in files], params, [str(self.folder)])

    @parameterized.parameters(
        ("epochs = 3", r"gin: {}epochs = 3: no binding uses .*\(did you mean train_stage\.epochs = 3\?\)$"),
        ("WEIGHT_DECY = 1", r"gin: {}WEIGHT_DECY = 1: .*\(did you mean 'WEIGHT_DECAY'\?\)$"),
        ("A = %B\nB = 1", "gin: {}A = %B: no binding uses a macro"),
        ("crop_sise = 3", r"\(did you mean 'crop_size'\?\)$"),
    )
    def test_one_that_nothing_uses_is_refused_in_a_file_and_on_the_command_line(self, text, message):
        used = "WEIGHT_DECAY = 1e-4\nnetwork_style.weight_decay = %WEIGHT_DECAY\ntrain_stage.epochs = 1\n"
        with self.assertRaisesRegex(UserError, message.format("")):
            self._parse(text, a=used)
        with self.assertRaisesRegex(UserError, message.format(r"b\.gin: ")):
            self._parse(a=used, b=text)
        self._parse(a=used)
        with self.assertRaisesRegex(UserError, message.format("")), configuration.overridden([text]):
            self.fail("the block of a wrong binding was entered")

    def test_one_of_the_command_line_must_be_used_by_a_binding_that_holds(self):
        """Table 4 has no web set, though a file it includes would take its name from WEB."""
        with self.assertRaisesRegex(UserError, "gin: WEB = 'w.csv': no binding uses"):
            configuration.parse(["papers/spl/table4.gin"], ["WEB = 'w.csv'"])
        configuration.parse(["papers/spl/table5.gin"], ["WEB = 'w.csv'"])
        self.assertEqual(configuration.stage_bindings("")["video_folder.web"], "'w.csv'")

    def test_a_file_may_set_what_the_others_of_its_folder_use(self):
        self._parse(sizes="CROP = 32\n", other="train_stage.epochs = 1\n", one="train_stage.crop_size = %CROP\n")
        self._parse(sizes="CROP = 32\n", other="train_stage.epochs = 1\n")  # `one` lies beside.
        (self.folder / "one.gin").unlink()
        with self.assertRaisesRegex(UserError, r"sizes\.gin: CROP = 32: no binding uses"):
            self._parse(sizes="CROP = 32\n", other="train_stage.epochs = 1\n")

    def test_the_macros_of_tools_are_the_flags_of_tools_cost(self):
        self._parse(*(f"{name} = 1" for name in macros.READ_BY_TOOLS))
        flags = {name for name, flag in cost.FLAGS.flag_values_dict().items() if flag is None}
        self.assertContainsSubset({name.lower() for name in macros.READ_BY_TOOLS}, flags)

    @parameterized.parameters(
        (["A = %B", "B = %A", "train_stage.epochs = %A"], "gin: A = %B = %A: these macros stand for each other"),
        (["A = %A", "train_stage.epochs = %A"], "gin: A = %A: these"),
        (["A = [1, %B]", "B = (%A, 2)", "recipe.seeds = %A"], "gin: A = %B = %A: "),
        (["train_stage.epochs = %EPOCS", "EPOCHS = 1"], r"macro EPOCS has no value \(did you mean 'EPOCHS'\?\)"),
        (["recipe.seeds = [%SEED]"], r"gin binding recipe\.seeds = \[%SEED\]: the macro SEED has no value"),
        (["pretrain/EPOCHS = 1"], "macro pretrain/EPOCHS: a macro holds for all stages"),
    )
    def test_one_without_a_value_is_one_line(self, bindings, message):
        with self.assertRaisesRegex(UserError, message):
            configuration.parse([], bindings)

    def test_macros_in_lists_of_macros_are_used(self):
        configuration.parse([], ["ONE = 1", "SEEDS = [%ONE, 2]", "recipe.seeds = %SEEDS"])
        self.assertEqual(gin.query_parameter("%ONE"), 1)
        self.assertEqual(configuration.stage_bindings("")["recipe.seeds"], "[1, 2]")


if __name__ == "__main__":
    tf.test.main()
