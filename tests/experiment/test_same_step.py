"""A step that is done elsewhere is copied, but for what belongs to that one alone."""

import json
import pathlib

import tensorflow as tf
from absl.testing import parameterized

from spl_tf import files
from spl_tf.experiment.resumable import Clips, run_step
from spl_tf.experiment.same_step import take_over

OUTPUTS = ["weights"]


class TakeOverTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        root = pathlib.Path(self.create_tempdir().full_path)
        self.teacher, self.none = root / "teacher", root / "none"
        self.identity = {"stage": "teacher", "seed": "0", "SGD.momentum": "0.9"}

        def action():
            for name in ("weights", "logs/events", "checkpoints/ckpt-1", "finished.json"):
                files.write_text(self.teacher / name, name)
            (self.teacher / ".host.1.tmp.weights").write_text("half-written")
            return {"clips": 12, "seconds": 60.0}

        run_step(self.teacher, self.identity, action, OUTPUTS, Clips)

    def _take_over(self, **other):
        identity = self.identity | {"stage": "finetune"} | other
        return take_over(self.none, identity, [self.none, self.teacher], OUTPUTS, without="checkpoints")

    def test_the_files_are_copied_and_the_result_is_that_of_the_step(self):
        self.assertEqual(self._take_over(), {"clips": 12, "seconds": 60.0})
        found = sorted(str(path.relative_to(self.none)) for path in self.none.rglob("*") if path.is_file())
        self.assertEqual(found, ["finished.json", "logs/events", "weights"])
        (self.none / "weights").write_text("changed")
        self.assertEqual((self.teacher / "weights").read_text(), "weights")

    def test_a_step_tells_the_time_of_what_it_copied_as_its_result_and_its_own_as_its_own(self):
        identity = self.identity | {"stage": "finetune"}
        result = run_step(self.none, identity, self._take_over, OUTPUTS, Clips)
        self.assertEqual(result, {"clips": 12, "seconds": 60.0})
        self.assertLess(json.loads((self.none / "step.json").read_text())["seconds"], 60.0)

    @parameterized.parameters({"seed": "1"}, {"SGD.momentum": "0.8"}, {"initial weights": "abc"})
    def test_another_identity_is_another_step(self, **other):
        self.assertIsNone(self._take_over(**other))
        self.assertFalse(self.none.exists())

    @parameterized.parameters('{"identity": {}, "result": null, "seconds": 1}', "{", "[]", '{"identity": []}')
    def test_an_unfinished_or_damaged_step_is_none(self, content):
        (self.teacher / "step.json").write_text(content)
        self.assertIsNone(self._take_over())

    def test_nor_is_one_whose_outputs_are_gone(self):
        (self.teacher / "weights").unlink()
        self.assertIsNone(self._take_over())


if __name__ == "__main__":
    tf.test.main()
