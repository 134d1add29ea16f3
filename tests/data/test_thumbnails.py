import dataclasses
import pathlib

import cv2
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.clip import Clip
from spl_tf.data.dataset import Shard, read_description
from spl_tf.data.record import clip_to_bytes
from spl_tf.data.sidecars import Place
from spl_tf.data.thumbnails import read_strips

GOLDEN = pathlib.Path(__file__).parents[2] / "tfrecords_spec/golden"


def _clip(times_us, height=84, width=112):
    """Frame i has the brightness 20 * i."""
    frames = [
        cv2.imencode(".jpg", np.full((height, width, 3), 20 * number, np.uint8))[1].tobytes()
        for number in range(len(times_us))
    ]
    return Clip("v@0", "v", [0], ["archery"], times_us[0], times_us[-1] + 1, 10.0, height, width, frames, times_us)


class StripsTest(parameterized.TestCase, tf.test.TestCase):
    def _dataset(self, *contents):
        path = pathlib.Path(self.create_tempdir().full_path) / "s.tfrecord"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for content in contents:
                writer.write(content)
        shard = Shard("s", str(path), len(contents), 0, 0, "", "")
        gone = Shard("gone", str(path.with_name("gone.tfrecord")), 5, len(contents), 0, "", "")
        return dataclasses.replace(read_description(GOLDEN), shards=(shard, gone))

    def _frames(self, clip, num_frames):
        """Numbers of the frames that a strip of the clip shows."""
        (strip,) = read_strips(self._dataset(clip_to_bytes(clip)), [Place(0, 0)], num_frames)
        self.assertEqual(strip.clip_id, "v@0")
        self.assertEqual(strip.picture.shape[0], 84)
        return np.rint(strip.picture[42, 56::112, 0] / 20).astype(int).tolist()

    @parameterized.parameters((1, [5]), (2, [0, 11]), (4, [0, 4, 7, 11]), (12, list(range(12))), (16, list(range(12))))
    def test_frames_are_evenly_spaced(self, num_frames, expected):
        self.assertEqual(self._frames(_clip([100_000 * number for number in range(12)]), num_frames), expected)

    def test_frames_are_spaced_in_time_not_by_number(self):
        # Moments 0, 10, 20, 30: frames crowd at the beginning.
        self.assertEqual(self._frames(_clip([0, 1, 2, 3, 4, 5, 11, 19, 30]), 4), [0, 6, 7, 8])

    def test_an_image_is_one_frame(self):
        self.assertEqual(self._frames(_clip([0]), 4), [0])

    @parameterized.parameters((200, 100, (84, 42)), (100, 300, (37, 112)), (21, 28, (84, 112)))
    def test_a_frame_keeps_its_shape(self, height, width, expected):
        clip = _clip([0], height, width)
        (strip,) = read_strips(self._dataset(clip_to_bytes(clip)), [Place(0, 0)], 1)
        dark = strip.picture[..., 0] < 128
        self.assertEqual((dark.any(axis=1).sum(), dark.any(axis=0).sum()), expected)
        # In the middle.
        self.assertAllClose(np.argwhere(dark).mean(axis=0), [41.5, 55.5], atol=0.6)

    def test_damage_costs_only_its_own_record(self):
        clips = [dataclasses.replace(_clip([0]), clip_id=f"v@{number}") for number in range(8)]
        clips[1].frames = [clips[1].frames[0][:300]]
        contents = [clip_to_bytes(clip) for clip in clips]
        contents[2] = b"no record"
        dataset = self._dataset(*contents)
        path = pathlib.Path(dataset.shards[0].path)
        content = bytearray(path.read_bytes())
        content[sum(len(own) + 16 for own in contents[:4]) + 200] ^= 1  # In record 4: its checksum is wrong.
        path.write_bytes(content[:-10])  # And record 7 is cut short.
        places = [Place(0, row) for row in (0, 1, 2, 3, 4, 5, 6, 7, 8)] + [Place(1, 0), Place(0, 5)]
        ids = [strip and strip.clip_id for strip in read_strips(dataset, places, 2)]
        self.assertEqual(ids, ["v@0", None, None, "v@3", None, "v@5", "v@6", None, None, None, "v@5"])


if __name__ == "__main__":
    tf.test.main()
