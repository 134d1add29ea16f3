"""The command that compares strategies, and what spl_tf.label says of labels before they are learned."""

import csv
import json
import pathlib

import numpy as np
import tensorflow as tf

from spl_tf import checksums, compare, label
from tests.commands import assert_mistake, run_command
from tests.labels.label_folders import without_figures
from tests.labels.top_scores import CLASSES, write_predictions


class CompareTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.enter_context(without_figures())
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.predictions, self.held_out = self.folder / "P", self.folder / "H"
        rng = np.random.default_rng(0)
        truth = rng.integers(5, size=400)
        weak = np.where(rng.random(400) < 0.5, truth, rng.integers(5, size=400))
        scores = (0.4 * np.eye(5)[truth] + 0.6 * rng.dirichlet(np.ones(5), 400)).astype(np.float32)
        write_predictions(self.predictions, CLASSES, weak, scores, 5, [150, 250])
        write_predictions(self.held_out, CLASSES, truth[:100], scores[:100], 5, [100])
        for folder in (self.predictions, self.held_out):
            index = folder / "predictions.json"
            sidecars = dict.fromkeys(path.name for path in folder.glob("*.parquet"))
            checksums.complete(folder, sidecars, index.name, index.read_text())
        self.truth = self.folder / "looked_at.csv"
        lines = [f"clip {row},{CLASSES[truth[row]]}" for row in range(0, 400, 4)]
        self.truth.write_text("\n".join(["clip_id,label", *lines, "gone,a"]))

    def _compare(self, *arguments):
        return run_command(compare, f"--predictions={self.predictions}", *arguments)

    def test_a_line_for_every_strategy_and_number_of_classes_and_the_same_as_csv(self):
        output = self.folder / "table.csv"
        options = [f"--held_out={self.held_out}", f"--truth={self.truth}", f"--output={output}"]
        code, out, err = self._compare(*options, "--strategies=weak,spl_m,crowdlab", "--num_labels=7,10", "--calibrate")
        self.assertEqual(code, 0, err)
        self.assertIn("temperature ", out)
        self.assertIn("predictions of 100 clean clips", out)
        self.assertIn("Measured, on 100 listed clips", out)
        self.assertIn("1 listed clips are not among the predictions: left out", out)
        with open(output, newline="", encoding="utf-8") as opened:
            rows = list(csv.DictReader(opened))
        self.assertEqual(
            [row["strategy"] for row in rows], ["weak", "spl_m num_labels=7", "spl_m num_labels=10", "crowdlab"]
        )
        self.assertEqual([row["classes"] for row in rows], ["5", "7", "10", "5"])
        for row in rows:
            self.assertIn(f"{float(row['expected_purity']):.1%}", out)
            low, value, high = (float(row[f"measured_purity{end}"]) for end in ("_low", "", "_high"))
            self.assertBetween(value, low, high)
        self.assertEqual(list(self.predictions.parent.glob("*.replaced*")), [])

    def test_faults_are_one_line(self):
        assert_mistake(self._compare("--num_labels=7,x"), "--num_labels=x: give whole numbers")
        assert_mistake(self._compare("--num_labels=99"), "num_labels is 99, but spl_m over 5 classes makes 5 to 25")
        assert_mistake(self._compare("--strategies=splm"), "there is no strategy 'splm': did you mean spl_m?")
        assert_mistake(self._compare("--calibrate"), "--calibrate goes by clean clips: give --held_out")
        assert_mistake(self._compare(f"--held_out={self.folder}"), "predictions.json does not exist")
        assert_mistake(self._compare(f"--truth={self.folder}/no.csv"), "no.csv")

    def test_label_tells_what_its_labels_are_expected_to_be_worth(self):
        options = [f"--predictions={self.predictions}", f"--output_dir={self.folder / 'L'}"]
        code, out, err = run_command(label, *options, "--strategy=spl_b", f"--held_out={self.held_out}", "--calibrate")
        self.assertEqual(code, 0, err)
        expected = json.loads((self.folder / "L" / "summary.json").read_text())["expected"]
        lines = [" ".join(line.split()) for line in out.splitlines()]
        kept = "expected: kept clips that show what most of their label show"
        self.assertIn(f"purity {expected['purity']:.1%} {kept}", lines)
        self.assertIn(f"Expected from {expected['from']}; spl_tf.compare has the other strategies", lines)
        self.assertTrue(any(line.startswith("temperature ") for line in lines))
        code, out, _ = run_command(label, *options, "--strategy=spl_b")
        self.assertNotIn("purity", out)  # Nobody measured this teacher.

    def test_label_points_to_what_it_does_not_do(self):
        options = [f"--predictions={self.predictions}", f"--output_dir={self.folder / 'L'}"]
        assert_mistake(run_command(label, *options, "--strategy=compare"), "use spl_tf.compare --predictions=")
        result = run_command(label, *options, "--strategy=weak", "--calibrate", f"--held_out={self.held_out}")
        assert_mistake(result, "--calibrate is of the teacher, which weak does not ask: leave it out")
        result = run_command(label, *options, "--strategy=crowdlab")
        assert_mistake(result, "give --held_out, which spl_tf.cross_validate writes")


if __name__ == "__main__":
    tf.test.main()
