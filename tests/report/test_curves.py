import pathlib

import numpy as np
import tensorflow as tf
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

from spl_tf.report.curves import read_curves


class CurvesTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.logs = pathlib.Path(self.create_tempdir().full_path)

    def _session(self, number, values, tag="train/loss"):
        """Writes the event file of one session, values by step."""
        with tf.summary.create_file_writer(str(self.logs)).as_default():
            for step, value in values.items():
                tf.summary.scalar(tag, value, step=step)
        (path,) = (path for path in self.logs.iterdir() if not path.name.endswith(".done"))
        path.rename(self.logs / f"events.out.tfevents.{number}.done")

    def _loss(self):
        curve = read_curves(self.logs)["loss"]
        return dict(zip(curve.steps.tolist(), curve.values.tolist(), strict=True))

    def test_values_are_those_written_and_other_tags_are_passed_over(self):
        self._session(1, {2: 0.5, 4: 0.25})
        self._session(2, {2: 1.0}, tag="train/learning_rate")
        self._session(3, {4: 0.75}, tag="train/accuracy")
        self.assertEqual(self._loss(), {2: 0.5, 4: 0.25})
        self.assertEqual(read_curves(self.logs)["accuracy"].values.tolist(), [0.75])

    def test_a_later_session_replaces_the_steps_it_did_again(self):
        self._session(1, {2: 4.0, 4: 3.0, 6: 99.0, 9: 99.0})
        self._session(2, {6: 2.0, 8: 1.0})
        self.assertEqual(self._loss(), {2: 4.0, 4: 3.0, 6: 2.0, 8: 1.0})

    def test_what_claims_gigabytes_ends_the_curve_of_its_session(self):
        self._session(1, {2: 4.0, 4: 3.0})
        path = self.logs / "events.out.tfevents.1.done"
        head = (30 << 30).to_bytes(8, "little")
        path.write_bytes(path.read_bytes() + head + masked_crc32c(head).to_bytes(4, "little") + bytes(99))
        self.assertEqual(self._loss(), {2: 4.0, 4: 3.0})

    def test_infinite_values_and_an_empty_folder_are_left_out(self):
        self.assertEqual(read_curves(self.logs), {})
        self._session(1, {1: 0.5, 2: float("nan"), 3: float("inf")})
        self.assertEqual(self._loss(), {1: 0.5})

    def test_a_cut_file_is_read_up_to_its_end(self):
        self._session(1, {1: 0.5, 2: 0.25})
        (path,) = self.logs.iterdir()
        path.write_bytes(path.read_bytes()[:-5])
        self.assertEqual(self._loss(), {1: 0.5})

    def test_long_curves_are_thinned_evenly_with_both_ends(self):
        self._session(1, {step: float(step) for step in range(10, 1010)})
        curve = read_curves(self.logs)["loss"]
        self.assertLen(curve.steps, 200)
        self.assertEqual((curve.steps[0], curve.steps[-1]), (10, 1009))
        self.assertAllEqual(curve.values, curve.steps)
        self.assertLessEqual(np.ptp(np.diff(curve.steps)), 1)


if __name__ == "__main__":
    tf.test.main()
