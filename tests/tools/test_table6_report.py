"""The page of table 6 from hand-made rows, and what its variants change."""

import json
import pathlib

import gin
import tensorflow as tf
from absl.testing import absltest

from spl_tf import configuration
from spl_tf.training.identity import stage_settings
from tests.commands import assert_mistake, run_command
from tools.table6 import report
from tools.table6.rows import ROWS, VARIANTS, Arm
from tools.table6.study import _arm


def _row(row, seed, right, of=400, **columns):
    """The first `right` of the test images are right."""
    versions = {"python": "3"}
    made = {"row": row, "seed": seed, "config": "c", "classes": 2, "clips": 8, "seconds": 60.0, "commit": "abc"}
    return made | {"correct": "1" * right + "0" * (of - right), "top_1": right / of, "versions": versions} | columns


LABELS = {"label_truth": [[6, 2], [0, 0], [0, 0]], "teacher_right": 0.75}


class ReportTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.results, self.page = self.folder / "rows.jsonl", self.folder / "page.md"

    def _run(self, *rows, page=True):
        self.results.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return run_command(report, f"--results={self.results}", *([f"--page={self.page}"] if page else []))

    def test_tables_take_the_place_of_older_ones_and_the_text_stays(self):
        self.page.write_text("# Title\n\nAbove.\n\n<!-- tables -->\n\nOLDER\n\n<!-- end of tables -->\n\nBelow.\n")
        code, _, err = self._run(_row("none", 0, 100), _row("weak", 0, 200, **LABELS), _row("spl", 0, 201, **LABELS))
        self.assertEqual(code, 0, err)
        text = self.page.read_text()
        self.assertStartsWith(text, "# Title\n\nAbove.\n\n<!-- tables -->\n\n3 rows; ")
        self.assertEndsWith(text, "\n\n<!-- end of tables -->\n\nBelow.\n")
        self.assertNotIn("OLDER", text)
        self.assertIn("* **From weak**: lower none; not told apart spl. 2 comparisons", text)
        self.assertIn("* **From none**: higher spl, weak. 2 comparisons", text)
        self.assertIn("| weak | 1 | 2 | 100.0 % | 75.0 % |", text)
        self.assertIn("**No row has two seeds yet**", text)

    def test_a_row_of_one_seed_has_the_spread_of_rows_of_several(self):
        several = [_row(name, seed, 200 + 20 * (name == "spl") * seed) for name in ("weak", "spl") for seed in (0, 1)]
        rows = [*several, _row("agreement", 0, 210)]
        code, out, err = self._run(*rows, page=False)
        self.assertEqual(code, 0, err)
        self.assertNotIn("images alone", out)
        self.assertIn("not told apart agreement, spl", out)
        _, alone, _ = self._run(_row("weak", 0, 200), _row("agreement", 0, 210), page=False)
        self.assertIn("higher agreement", alone)  # Ten images of 400, whatever other seeds would have.

    def test_a_variant_is_compared_with_its_own_rows_and_with_the_same_row_of_the_first_table(self):
        rows = [_row("weak", 0, 200), _row("spl", 0, 240)]
        rows += [_row(name, 0, right, variant="clean250", config="d") for name, right in (("weak", 100), ("spl", 180))]
        code, out, err = self._run(*rows, page=False)
        self.assertEqual(code, 0, err)
        section = out.partition("### 250 clean images")[2].partition("###")[0]
        self.assertIn("| spl | 1 | 8 | - | 45.0 | **+20.0** ", section)
        changes = section.partition("Minus the row of the first table:")[2]
        self.assertIn("| weak | 1 | **-25.0** ", changes)
        self.assertIn("| spl | 1 | **-15.0** ", changes)

    def test_mistakes_are_told(self):
        assert_mistake(self._run(_row("weak", 0, 1), _row("spl", 0, 1, config="other")), "mix configurations")
        assert_mistake(self._run(_row("weak", 0, 1)), "has no lines <!-- tables -->")
        assert_mistake(self._run(), "has no rows")


class VariantsTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.addCleanup(gin.clear_config)
        configuration.parse(["cifar10n.gin"])

    def _epochs(self, variant):
        with configuration.overridden(_arm(Arm("spl", 0, variant)).bindings):
            stages = ("teacher", "pretrain", "finetune")
            return [float(stage_settings(stage)["train_stage.epochs"]) for stage in stages]

    def test_clean_sets_of_all_sizes_have_as_many_steps(self):
        of_target, of_web, _ = self._epochs("")
        for variant, images in (("clean250", 250), ("clean2000", 2000), ("swapped", 1000)):
            teacher, pretrain, finetune = self._epochs(variant)
            self.assertEqual([teacher * images, finetune * images], [of_target * 1000] * 2)
            self.assertEqual(pretrain, of_web)

    def test_long_changes_pre_training_alone(self):
        self.assertEqual(self._epochs("long"), [40, 24, 40])
        self.assertEqual(_arm(Arm("spl", 0, "long")).shares, "")

    def test_rows_without_a_variant_are_what_they_were(self):
        for name, row in ROWS.items():
            self.assertEqual(_arm(Arm(name, 0)), row)

    def test_no_variant_trains_on_images_that_validate(self):
        lists = {}
        for variant in VARIANTS:
            with configuration.overridden(_arm(Arm("weak", 0, variant)).bindings):
                given = gin.get_bindings("video_folder")
                lists[variant] = given.get("target", "target_train.csv"), given["validation"]
        self.assertEqual(lists["clean250"], ("target_250.csv", "validation.csv"))
        self.assertEqual(lists["clean2000"], ("target_2000.csv", None))
        self.assertEqual(lists["swapped"], ("validation.csv", "target_train.csv"))


if __name__ == "__main__":
    tf.test.main()
