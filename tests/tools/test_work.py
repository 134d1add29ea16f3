"""What a step and its input do, against what was counted before: no clock, so any machine will do."""

import json
import pathlib

import tensorflow as tf

from tools.benchmark import work

COUNTED = json.loads(pathlib.Path(__file__).with_name("work.json").read_text())
# Graph optimizers fuse a little more or less from one TensorFlow and processor to another.
MORE = 1.02


class WorkTest(tf.test.TestCase):
    def test_a_step_runs_no_more_kernels_and_moves_no_more_bytes(self):
        if tf.__version__.rpartition(".")[0] != COUNTED["tensorflow"]:
            self.skipTest(f"counted with TensorFlow {COUNTED['tensorflow']}")
        found, before = work.step_work(), COUNTED["step"]
        more = {
            name: (before["by_operation"].get(name, 0), count)
            for name, count in found["by_operation"].items()
            if count > before["by_operation"].get(name, 0)
        }
        advice = f"operations with more (before, now): {more}; if there is a reason: python -m tools.benchmark.work"
        self.assertLessEqual(found["kernels"], MORE * before["kernels"], advice)
        self.assertLessEqual(found["bytes"], MORE * before["bytes"], advice)
        # What there is to compute: R3D-10 has a stem, eight convolutions of 3 x 3 x 3 and three shortcuts. One of 64
        # channels has its filter gradient as products.
        for kernel, count in (("Conv3D", 12), ("Conv3DBackpropFilterV2", 11), ("Conv3DBackpropInputV2", 11)):
            counts = [value for name, value in found["by_operation"].items() if name.endswith(kernel)]
            self.assertEqual(sum(counts), count, kernel)

    def test_only_frames_that_are_shown_are_decoded_and_each_shard_is_opened_twice(self):
        """Three shards are opened for their lengths and to be read, by training for two epochs."""
        found = work.input_work(pathlib.Path(self.create_tempdir().full_path))
        self.assertEqual(found, COUNTED["input"])
        self.assertEqual((found["training_frames_of_a_clip"], found["evaluation_frames_of_a_clip"]), (4.0, 4.0))
        self.assertEqual((found["training_shards_opened"], found["evaluation_shards_opened"]), (12, 6))


if __name__ == "__main__":
    tf.test.main()
