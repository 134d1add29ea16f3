import dataclasses
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from spl_tf.data.input.record_labels import read_record_labels
from spl_tf.errors import UserError

LABELS = [[2, 0], [], [1], [1, 1, 0], [2]]


class RecordLabelsTest(tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _readable(self, readable_shards):
        self.readable = readable_shards

    def setUp(self):
        super().setUp()
        self.dataset = self.readable.write(self.create_tempdir().full_path, (2, 0, 3), labels=LABELS.__getitem__)

    def test_labels_come_in_their_order_and_once_with_the_numbers_of_videos(self):
        targets, videos = read_record_labels(self.dataset)
        rows = np.split(targets.classes, targets.offsets[1:-1])
        self.assertEqual([own.tolist() for own in rows], [[2, 0], [], [1], [1, 0], [2]])
        self.assertAllEqual(targets.values, np.ones(6))
        self.assertAllEqual(targets.kept, [True] * 5)
        self.assertAllEqual(videos, [0, 0, 0, 1, 1])

    def test_a_label_that_is_no_class_is_named(self):
        fewer = dataclasses.replace(self.dataset, classes=("a", "b"))
        with self.assertRaisesRegex(UserError, "web-00000-of-00003.tfrecord record 0 has label 2, but there are 2"):
            read_record_labels(fewer)

    def test_a_record_without_a_readable_head_is_named(self):
        path = pathlib.Path(self.dataset.shards[2].path)
        content = bytearray(path.read_bytes())
        second = 16 + int.from_bytes(content[:8], "little") + 12
        content[second + 4 : second + 44] = b"\xff" * 40
        path.write_bytes(content)
        with self.assertRaisesRegex(UserError, "00002-of-00003.tfrecord record 1 has no readable head: .*--verify="):
            read_record_labels(self.dataset)
        path.unlink()
        with self.assertRaisesRegex(UserError, "00002-of-00003.tfrecord record 0 has no readable head"):
            read_record_labels(self.dataset)


if __name__ == "__main__":
    tf.test.main()
