"""A record that claims gigabytes is one line in whatever reads shards, and no room is made for it."""

import dataclasses
import itertools
import os
import pathlib
import struct

import pytest
import tensorflow as tf
from absl.testing import parameterized
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

from spl_tf.data.input.pipeline import evaluation_clips, training_clips
from spl_tf.data.input.reading import readable
from spl_tf.data.input.targets import join_targets
from spl_tf.data.record_lengths import impossible_length
from spl_tf.data.sidecars import Place
from spl_tf.data.thumbnails import read_strips
from spl_tf.errors import UserError
from spl_tf.inference.chosen_clips import read_clips
from spl_tf.inference.trained_model import ClipInput

OPTIONS = {"batch_size": 2, "num_frames": 3, "frame_stride": 2, "crop_size": 16}


def claim(path, row, length):
    """Changes the length of a record and makes its checksum right."""
    content, place = bytearray(pathlib.Path(path).read_bytes()), 0
    for _ in range(row):
        place += 16 + struct.unpack_from("<Q", content, place)[0]
    content[place : place + 8] = struct.pack("<Q", length)
    content[place + 8 : place + 12] = struct.pack("<I", masked_crc32c(bytes(content[place : place + 8])))
    pathlib.Path(path).write_bytes(content)


class RecordLengthsTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _write(self, readable_shards):
        self.dataset = readable_shards.write(self.create_tempdir().full_path, (4, 3))
        self.path = self.dataset.shards[1].path

    def test_whole_shards_and_those_that_are_cut_off_behind_a_record_claim_nothing_impossible(self):
        content = pathlib.Path(self.path).read_bytes()
        for size in (len(content), len(content) - 1, len(content) // 2, 11, 0):
            pathlib.Path(self.path).write_bytes(content[:size])
            self.assertIsNone(impossible_length(self.path))
        pathlib.Path(self.path).write_bytes(content[:12])  # Less than its first record.
        self.assertRegex(impossible_length(self.path)[1], "claims [0-9,]+ bytes, its file has 12")

    @parameterized.product(row=[0, 2], length=[30 << 30, 2**64 - 1, 2**63, 1 << 20])
    def test_the_record_is_named(self, row, length):
        claim(self.path, row, length)
        size = os.path.getsize(self.path)
        self.assertEqual(impossible_length(self.path), (row, f"claims {length:,} bytes, its file has {size:,}"))

    def test_a_record_that_no_protocol_buffer_can_be_is_impossible_in_a_file_of_any_size(self):
        claim(self.path, 1, 3 << 30)
        os.truncate(self.path, 1 << 40)  # Sparse.
        self.assertEqual(impossible_length(self.path)[0], 1)

    def test_every_reader_says_so_in_one_line(self):
        claim(self.path, 1, 30 << 30)
        line = "a record of .* can't be read .*web-00001-of-00002.tfrecord record 1 claims 32,212,254,720.*--verify"
        shard = dataclasses.replace(self.dataset.shards[1], num_bytes=os.path.getsize(self.path))
        dataset = dataclasses.replace(self.dataset, shards=(self.dataset.shards[0], shard))
        with self.assertRaisesRegex(UserError, line), readable(dataset.folder):
            list(evaluation_clips(dataset, **OPTIONS))
        with self.assertRaisesRegex(UserError, line), readable(dataset.folder):
            targets = join_targets(dataset)
            list(itertools.islice(training_clips(dataset, targets, seed=0, **OPTIONS), 9))
        with self.assertRaisesRegex(UserError, line):
            list(read_clips(dataset, [Place(1, 1)], ClipInput(3, 2, 16, 24, 25.0), 1))
        strips = list(read_strips(dataset, [Place(0, 0), Place(1, 1), Place(0, 2)], 2))
        self.assertEqual([strip is None for strip in strips], [False, True, False])

    def test_a_pipe_in_a_shards_place_is_not_waited_for(self):
        os.unlink(self.path)
        os.mkfifo(self.path)
        self.assertEqual(list(read_strips(self.dataset, [Place(1, 0)], 2)), [None])


if __name__ == "__main__":
    tf.test.main()
