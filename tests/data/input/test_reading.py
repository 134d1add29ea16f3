"""Damage of every kind becomes one line, whoever reads; a fault of a network stays what it is."""

import pathlib

import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.input.pipeline import evaluation_clips, training_clips
from spl_tf.data.input.reading import readable
from spl_tf.data.input.targets import join_targets
from spl_tf.data.record import clip_from_bytes, clip_to_bytes
from spl_tf.errors import UserError

OPTIONS = {"batch_size": 2, "num_frames": 3, "frame_stride": 2, "crop_size": 16}


def _flip_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _rewrite(path, change):
    records = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(change(record))


def _break_jpeg(record):
    clip = clip_from_bytes(record)
    clip.frames = [frame[:40] + bytes(len(frame) - 40) for frame in clip.frames]
    return clip_to_bytes(clip)


def _train(batches):
    """A loop of training: the error comes out of a function over an iterator on two replicas."""
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    iterator = iter(strategy.experimental_distribute_dataset(batches))

    @tf.function
    def steps():
        total = 0.0
        for _ in tf.range(9):
            sums = strategy.run(lambda batch: tf.reduce_sum(tf.cast(batch["clips"], tf.float32)), (next(iterator),))
            total += strategy.reduce("SUM", sums, axis=None)
        return total

    return steps()


class ReadableTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _readable(self, readable_shards):
        self.shards = readable_shards

    def setUp(self):
        super().setUp()
        self.dataset = self.shards.write(self.create_tempdir().full_path, (3, 3))

    @parameterized.product(
        damage=[
            (_flip_bit, "corrupted record at [0-9]+"),
            (pathlib.Path.unlink, r"web-00000-of-00002.tfrecord; No such file or directory"),
            (lambda path: _rewrite(path, lambda record: b"garbage"), "Invalid protocol message input.*"),
            (lambda path: _rewrite(path, _break_jpeg), "jpeg::Uncompress failed.*"),
        ],
        train=[False, True],
    )
    def test_damage_is_one_line_that_names_data_set_and_check(self, damage, train):
        do_damage, cause = damage
        do_damage(pathlib.Path(self.dataset.shards[0].path))
        folder = self.dataset.folder
        expected = rf"^a record of {folder} can't be read \([^{{}}\n]*{cause}\): .* --verify={folder} names it$"
        with self.assertRaisesRegex(UserError, expected), readable(folder):
            if train:
                _train(training_clips(self.dataset, join_targets(self.dataset), seed=0, **OPTIONS))
            else:
                list(evaluation_clips(self.dataset, **OPTIONS))

    def test_errors_of_a_network_pass(self):
        iterator, size = iter(evaluation_clips(self.dataset, **OPTIONS)), tf.Variable(7)

        @tf.function
        def forward():
            return tf.reshape(next(iterator)["clips"], [size, -1])

        with self.assertRaises(tf.errors.InvalidArgumentError), readable(self.dataset.folder):
            forward()
        for error in (tf.errors.NotFoundError, tf.errors.InvalidArgumentError):
            with self.assertRaises(error), readable(self.dataset.folder):
                raise error(None, None, "No algorithm worked! [[{{node conv}}]] [[IteratorGetNext/_4]]")
