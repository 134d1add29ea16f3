import dataclasses
import pathlib

import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data import record
from spl_tf.data.clip import Clip
from spl_tf.data.dataset import load_dataset
from spl_tf.data.record_decoding import CONTEXT_FEATURES, SEQUENCE_FEATURES

GOLDEN = pathlib.Path(__file__).parents[2] / "tfrecords_spec/golden"


def golden_records() -> list[bytes]:
    return [
        serialized
        for shard in load_dataset(GOLDEN).shards
        for serialized in tf.data.TFRecordDataset(shard.path).as_numpy_iterator()
    ]


class RecordTest(parameterized.TestCase, tf.test.TestCase):
    def test_golden_records_survive_parse_and_write(self):
        for golden in golden_records():
            written = record.clip_to_bytes(record.clip_from_bytes(golden))
            self.assertEqual(tf.train.SequenceExample.FromString(written), tf.train.SequenceExample.FromString(golden))

    def test_a_record_has_the_bytes_that_tensorflow_gives_it(self):
        for golden in golden_records():
            theirs = tf.train.SequenceExample.FromString(golden)
            self.assertEqual(
                record.clip_to_bytes(record.clip_from_bytes(golden)), theirs.SerializeToString(deterministic=True)
            )

    def test_golden_jpeg_bytes_are_untouched(self):
        for golden in golden_records():
            clip = record.clip_from_bytes(golden)
            self.assertTrue(all(frame in golden for frame in clip.frames))
            self.assertTrue(all(frame[:2] == b"\xff\xd8" and frame[-2:] == b"\xff\xd9" for frame in clip.frames))

    def test_golden_records_say_what_the_page_says(self):
        video, mixed, image = [record.clip_from_bytes(golden) for golden in golden_records()]
        self.assertEqual((video.clip_id, video.video_id, video.labels), ("bow01@0", "bow01", [0]))
        self.assertEqual((video.start_us, video.end_us, video.frame_rate), (0, 160_000, 25.0))
        self.assertEqual(video.timestamps_us, [0, 40_000, 80_000, 120_000])
        self.assertEqual(mixed.label_texts, ["playing piano", "surfing"])
        self.assertEqual(mixed.queries, ["piano", "海"])
        self.assertEqual((image.start_us, image.end_us, image.frame_rate, len(image.frames)), (0, 0, 0.0, 1))
        self.assertEqual((image.height, image.width), tuple(tf.io.decode_jpeg(image.frames[0]).shape[:2]))

    def test_tensorflow_parses_a_record_with_the_declared_features(self):
        golden = golden_records()[1]
        context, lists = tf.io.parse_single_sequence_example(golden, CONTEXT_FEATURES, SEQUENCE_FEATURES)
        clip = record.clip_from_bytes(golden)
        self.assertEqual(context[record.CLIP_ID].numpy().decode(), clip.clip_id)
        self.assertAllEqual(context[record.LABELS].values, clip.labels)
        self.assertAllEqual(lists[record.TIMESTAMPS], clip.timestamps_us)
        self.assertEqual(list(lists[record.FRAMES].numpy()), clip.frames)

    def test_equal_clips_give_equal_bytes(self):
        clip = record.clip_from_bytes(golden_records()[1])
        self.assertEqual({record.clip_to_bytes(Clip(**vars(clip))) for _ in range(5)}, {record.clip_to_bytes(clip)})

    def test_a_record_has_a_key_where_the_clip_has_one(self):
        golden = record.clip_from_bytes(golden_records()[0])
        self.assertEqual(golden.key, "")  # Written before there were keys.
        written = record.clip_to_bytes(dataclasses.replace(golden, key="flickr/海"))
        self.assertEqual(record.clip_from_bytes(written), dataclasses.replace(golden, key="flickr/海"))
        for content, keys in ((golden_records()[0], []), (written, ["flickr/海".encode()])):
            context, _ = tf.io.parse_single_sequence_example(content, CONTEXT_FEATURES, SEQUENCE_FEATURES)
            self.assertEqual(list(context["spl/key"].values.numpy()), keys)

    @parameterized.named_parameters(
        ("not a protocol buffer", lambda example: b"\xff\xff\xff", "is not a tf.train.SequenceExample"),
        ("nothing", lambda example: b"", "has 0 values of spl/version"),
        (
            "another version",
            lambda example: _with(example, "spl/version", 2),
            "has spl/version 2, this package reads 1",
        ),
        ("no id", lambda example: _without(example, "clip/media_id"), "has 0 values of clip/media_id"),
        ("no frames", lambda example: _without_frames(example), r"has 0 frames .* and 4 times"),
    )
    def test_refuses(self, damage, message):
        example = tf.train.SequenceExample.FromString(golden_records()[0])
        with self.assertRaisesRegex(ValueError, message):
            record.clip_from_bytes(damage(example))


def _with(example: tf.train.SequenceExample, key: str, value: int) -> bytes:
    example.context.feature[key].int64_list.value[0] = value
    return example.SerializeToString()


def _without(example: tf.train.SequenceExample, key: str) -> bytes:
    del example.context.feature[key]
    return example.SerializeToString()


def _without_frames(example: tf.train.SequenceExample) -> bytes:
    del example.feature_lists.feature_list["image/encoded"]
    return example.SerializeToString()
