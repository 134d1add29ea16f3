import json
import os
import pathlib
import shutil

import tensorflow as tf
from absl.testing import parameterized
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

from spl_tf import files
from spl_tf.data import record
from spl_tf.data.verify import verify
from spl_tf.errors import UserError

GOLDEN = pathlib.Path(__file__).parents[2] / "tfrecords_spec/golden"
FIRST, SECOND = "golden-00000-of-00002", "golden-00001-of-00002"


class VerifyTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path) / "D"
        shutil.copytree(GOLDEN, self.folder)

    def rewrite(self, name, change):
        """Changes the clips of a shard and makes its size and fingerprint right again."""
        path = self.folder / f"{name}.tfrecord"
        clips = [record.clip_from_bytes(data) for data in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()]
        change(clips)
        with tf.io.TFRecordWriter(str(path)) as writer:
            for clip in clips:
                writer.write(record.clip_to_bytes(clip))
        description = json.loads((self.folder / "dataset.json").read_text())
        entry = next(entry for entry in description["shards"] if entry["name"] == name)
        entry.update(bytes=path.stat().st_size, fingerprint=files.sha256(path))
        files.write_json(self.folder / "dataset.json", description)

    def faults(self):
        return verify(self.folder).faults

    def test_the_golden_shards_have_no_fault(self):
        report = verify(self.folder)
        self.assertEmpty(report.faults)
        self.assertEqual(report.num_clips, 3)
        self.assertEqual(report.clips_per_class, {"archery": 1, "playing piano": 1, "surfing": 2})
        self.assertIn("surfing               2 " + "#" * 40, str(report))
        self.assertTrue(str(report).endswith("no faults"))

    def test_a_flipped_bit_is_found_by_checksum_and_fingerprint(self):
        path = self.folder / f"{SECOND}.tfrecord"
        content = bytearray(path.read_bytes())
        content[-100] ^= 1  # In the last record.
        path.write_bytes(content)
        fingerprint, damage, count = self.faults()
        self.assertIn(f"{SECOND} has another fingerprint", fingerprint)
        self.assertIn(f"{SECOND} record 1 is damaged (corrupted record", damage)
        self.assertIn("has 1 readable records, dataset.json says 2", count)

    def test_a_shard_cut_short_or_missing_is_named_and_the_others_are_read(self):
        path = self.folder / f"{FIRST}.tfrecord"
        path.write_bytes(path.read_bytes()[:-10])
        faults = self.faults()
        self.assertIn(f"{FIRST} has 3,866 bytes", faults[0])
        self.assertIn(f"{FIRST} record 0 is damaged", faults[1])
        path.unlink()
        report = verify(self.folder)
        self.assertEqual(report.faults, [f"{FIRST} is missing"])
        self.assertEqual(report.num_clips, 2)

    @parameterized.parameters(os.mkdir, os.mkfifo)
    def test_what_is_no_file_in_a_shards_place_is_named(self, make):
        path = self.folder / f"{FIRST}.tfrecord"
        path.unlink()
        make(path)
        report = verify(self.folder)
        self.assertEqual(report.faults, [f"{FIRST} is no regular file"])
        self.assertEqual(report.num_clips, 2)

    def test_a_record_that_claims_gigabytes_is_named_and_those_before_it_are_read(self):
        path = self.folder / f"{SECOND}.tfrecord"
        content = bytearray(path.read_bytes())
        place = 16 + int.from_bytes(content[:8], "little")
        content[place : place + 8] = (30 << 30).to_bytes(8, "little")
        content[place + 8 : place + 12] = masked_crc32c(bytes(content[place : place + 8])).to_bytes(4, "little")
        path.write_bytes(content)
        fingerprint, claim, count = self.faults()
        self.assertIn(f"{SECOND} has another fingerprint", fingerprint)
        self.assertEqual(claim, f"{SECOND} record 1 claims 32,212,254,720 bytes, its file has 4,310")
        self.assertIn("has 1 readable records, dataset.json says 2", count)

    def test_an_id_that_is_no_utf8_is_a_fault_of_its_record(self):
        path = self.folder / f"{FIRST}.tfrecord"
        (content,) = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
        clip_id = record.clip_from_bytes(content).clip_id.encode()
        with tf.io.TFRecordWriter(str(path)) as writer:
            writer.write(content.replace(clip_id, b"\xff" * len(clip_id)))
        self.assertTrue(any(f"{FIRST} record 0 'utf-8'" in fault for fault in self.faults()), self.faults())

    @parameterized.named_parameters(
        ("jpeg", lambda clip: clip.frames.__setitem__(2, clip.frames[2][:300]), "frame 2 is no whole JPEG file"),
        ("text", lambda clip: clip.frames.__setitem__(0, b"hello"), "frame 0 is no whole JPEG file"),
        ("size", lambda clip: setattr(clip, "height", 25), r"frame 0 is \(24, 32, 3\), not \(25, 32, 3\)"),
        ("label", lambda clip: clip.labels.append(3), r"has a label outside 0 to 2: \[1, 2, 3\]"),
        ("name", lambda clip: setattr(clip, "labels", [0, 2]), r"is labelled .* its class ids say \['archery'"),
        ("none", lambda clip: setattr(clip, "labels", []), "has no label"),
        ("order", lambda clip: clip.timestamps_us.reverse(), "has timestamps that do not increase"),
        ("time", lambda clip: setattr(clip, "end_us", 2_600_000), "has timestamps outside 2560000 to 2600000"),
    )
    def test_names_shard_and_record_of(self, damage, message):
        self.rewrite(SECOND, lambda clips: damage(clips[0]))
        self.assertRegex(self.faults()[0], f"^{SECOND} record 0 {message}")

    def test_an_id_that_occurs_twice_is_named_with_both_places(self):
        self.rewrite(SECOND, lambda clips: setattr(clips[1], "clip_id", "bow01@0"))
        faults = self.faults()
        self.assertEqual(faults[0], f"{SECOND} record 1 has the clip id 'bow01@0' of {FIRST} record 0")
        self.assertEqual(faults[1], f"{SECOND} has other clip ids than dataset.json says")

    def test_a_record_of_another_kind_is_named(self):
        path = self.folder / f"{FIRST}.tfrecord"
        with tf.io.TFRecordWriter(str(path)) as writer:
            writer.write(tf.train.Example().SerializeToString())
        self.assertIn(f"{FIRST} record 0 has 0 values of spl/version (int64_list), not 1", self.faults())

    def test_wrong_sums_of_the_description_are_named(self):
        description = json.loads((self.folder / "dataset.json").read_text())
        description["num_clips"] = 4
        description["num_videos"] = 1
        description["clips_per_class"]["surfing"] = 3
        files.write_json(self.folder / "dataset.json", description)
        first, second, third = self.faults()
        self.assertEqual(first, "dataset.json says 4 clips, the shards hold 3")
        self.assertEqual(second, "dataset.json says 1 videos, the shards hold 3")
        self.assertIn("clips per class, the shards hold", third)

    @parameterized.parameters(
        ("short_side", 25, r"record 0 is \d+x\d+, dataset.json says a short side of 25"),
        ("fps", 24.0, "record 0 has 25 frames per second, dataset.json says 24"),
        ("clip_seconds", 0.15, r"record 0 lasts 0.16 s, dataset.json says 0.15"),
    )
    def test_a_setting_the_records_do_not_show_is_named(self, name, value, message):
        description = json.loads((self.folder / "dataset.json").read_text())
        files.write_json(self.folder / "dataset.json", description | {name: value})
        self.assertRegex("\n".join(self.faults()), f"golden-0000[01]-of-00002 {message}")

    def test_a_folder_without_description_is_the_users_mistake(self):
        with self.assertRaisesRegex(UserError, "run spl_tf.shard"):
            verify(self.create_tempdir().full_path)
