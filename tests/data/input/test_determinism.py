"""TensorFlow's deterministic mode leaves the pipelines parallel.

It makes a pipeline wait for itself, without a word and at a third of its speed, as soon as one of its functions has an
operation that might not be deterministic: `tf.numpy_function` with state, `get_single_element`, `from_tensors`. Its log
says so; a process of its own, since the log's level is read from the environment.
"""

import os
import subprocess
import sys

import pytest
import tensorflow as tf

_ITERATED = """
import sys
import spl_tf, tensorflow as tf
from spl_tf.data.dataset import load_dataset
from spl_tf.data.input.pipeline import evaluation_clips, training_clips
from spl_tf.data.input.targets import join_targets

tf.config.experimental.enable_op_determinism()
dataset = load_dataset(sys.argv[1])
shape = {"batch_size": 2, "num_frames": 2, "frame_stride": 1, "crop_size": 16}
several = join_targets(dataset, form="several")
for clips in (
    training_clips(dataset, join_targets(dataset), seed=0, **shape),
    training_clips(dataset, several, seed=0, class_aware=True, skips=(1, 2), crop_scales=[1.0, 0.8], **shape),
    evaluation_clips(dataset, num_views=2, num_crops=3, **shape),
):
    next(iter(clips))
print("and now one that must wait", file=sys.stderr, flush=True)
numbers = tf.data.Dataset.range(4).map(lambda n: tf.numpy_function(lambda n: n, [n], tf.int64))
next(iter(numbers.map(lambda n: n + 1, num_parallel_calls=2)))
"""


class DeterminismTest(tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _shards(self, color_shards):
        self.shards = color_shards

    def test_no_step_of_the_pipelines_is_made_to_wait(self):
        done = subprocess.run(
            [sys.executable, "-c", _ITERATED, self.shards / "target"],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "0", "TF_CPP_VMODULE": "make_deterministic=1"},
            capture_output=True,
            text=True,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        ours, other = done.stderr.split("and now one that must wait")
        self.assertNotIn("make_deterministic", ours)
        self.assertIn("make_deterministic", other)


if __name__ == "__main__":
    tf.test.main()
