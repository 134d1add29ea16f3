"""What TensorBoard finds of a test: numbers by strategy in HParams, every class, the confusion matrix."""

import pathlib

import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from spl_tf import files
from spl_tf.errors import UserError
from spl_tf.experiment.shown_test import read_test, show_test

SHOWN = {"strategy": "spl_b", "labels": "spl_b", "round": 1, "seed": 0}


class ShowTestTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        rows = {"run": {"videos": 4, "accuracy": 0.75, "average_precision": 0.5}}
        rows["jump"] = {"videos": 0, "accuracy": None, "average_precision": None}
        numbers = {"top_1": 0.75, "top_5": 1.0, "mean_average_precision": 0.5, "videos": 4, "background": None}
        files.write_json(self.folder / "metrics.json", numbers | {"per_class": rows})
        np.save(self.folder / "confusion.npy", np.array([[3, 1], [0, 0]]))

    def _shown(self):
        found = EventAccumulator(str(self.folder / "logs"), size_guidance={"tensors": 0})
        found.Reload()
        return found

    def test_a_test_is_a_trial_whose_metrics_are_its_numbers(self):
        for _ in range(2):  # A second time it replaces the first.
            show_test(self.folder, SHOWN)
        self.assertLen(list((self.folder / "logs").iterdir()), 1)
        found = self._shown()
        numbers = {tag: found.Tensors(tag) for tag in found.Tags()["tensors"]}
        shown = {
            tag: float(tf.make_ndarray(events[0].tensor_proto))
            for tag, events in numbers.items()
            if "/" in tag
            and tag not in ("test/confusion",)
            and not tag.endswith("_of_a_class")
            and "hparams" not in tag
        }
        expected = {"test/top_1": 0.75, "test/top_5": 1.0, "test/mean_average_precision": 0.5}
        self.assertEqual(shown, expected | {"test_accuracy/run": 0.75, "test_average_precision/run": 0.5})
        self.assertIn("test/confusion", numbers)
        content = found.PluginTagToContent("hparams")
        started = HParamsPluginData.FromString(content[metadata.SESSION_START_INFO_TAG]).session_start_info
        values = {name: value.string_value or value.number_value for name, value in started.hparams.items()}
        self.assertEqual(values, SHOWN | {"stage": "test"})
        self.assertIn(metadata.SESSION_END_INFO_TAG, content)

    def test_what_was_measured_is_read_back(self):
        classes, found = read_test(self.folder)
        self.assertEqual(classes, ("run", "jump"))
        self.assertEqual(found.metrics, {"top_1": 0.75, "top_5": 1.0, "mean_average_precision": 0.5})
        self.assertAllEqual(found.per_class["accuracy"], [0.75, np.nan])
        self.assertAllEqual(found.confusion, [[3, 1], [0, 0]])

    @parameterized.parameters("[]", '{"top_1": "x"}', '{"per_class": [1]}', '{"per_class": {"a": {"accuracy": "x"}}}')
    def test_damaged_numbers_are_one_line(self, content):
        (self.folder / "metrics.json").write_text(content)
        with self.assertRaisesRegex(UserError, "metrics.json is damaged or not ours .*: run spl_tf.recipe again"):
            read_test(self.folder)


if __name__ == "__main__":
    tf.test.main()
