import json
import pathlib
import shutil

import tensorflow as tf
from absl.testing import parameterized

from spl_tf import files
from spl_tf.data.dataset import load_dataset
from spl_tf.errors import UserError
from spl_tf.labels.sidecar_files import ids_digest

GOLDEN = pathlib.Path(__file__).parents[2] / "tfrecords_spec/golden"


class DatasetTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path) / "D"
        shutil.copytree(GOLDEN, self.folder)

    def edit(self, **changes):
        path = self.folder / "dataset.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    def test_describes_the_golden_folder(self):
        dataset = load_dataset(self.folder)
        self.assertEqual(dataset.classes, ("archery", "playing piano", "surfing"))
        self.assertEqual((dataset.num_clips, dataset.num_classes, dataset.multi_label), (3, 3, True))
        self.assertEqual([(shard.start, shard.records) for shard in dataset.shards], [(0, 1), (1, 2)])
        self.assertEqual(dataset.clips_per_class["surfing"], 2)
        self.assertEqual(dataset.shards[1].ids_digest, ids_digest(["mixé@2560", "photo@0"]))
        for shard in dataset.shards:
            self.assertEqual(shard.fingerprint, files.sha256(shard.path))
            self.assertEqual(pathlib.Path(shard.path), self.folder / f"{shard.name}.tfrecord")

    def test_names_the_command_where_the_description_is_missing(self):
        (self.folder / "dataset.json").unlink()
        with self.assertRaisesRegex(UserError, "dataset.json does not exist: run spl_tf.shard"):
            load_dataset(self.folder)

    def test_names_a_missing_shard(self):
        (self.folder / "golden-00001-of-00002.tfrecord").unlink()
        with self.assertRaisesRegex(UserError, "golden-00001-of-00002.tfrecord is missing"):
            load_dataset(self.folder)

    def test_names_a_shard_cut_short(self):
        path = self.folder / "golden-00000-of-00002.tfrecord"
        path.write_bytes(path.read_bytes()[:-7])
        with self.assertRaisesRegex(UserError, "golden-00000-of-00002.tfrecord has 3,869 bytes, .* says 3,876"):
            load_dataset(self.folder)

    @parameterized.parameters(
        ({"format_version": 2}, "has format version 2, this package reads 1"),
        ({"shards": [{"name": "x"}]}, "is damaged"),
        ({"clips_per_class": 5}, "is damaged"),
        ({"clips_per_class": {"archery": 1}}, "is damaged .*clips_per_class names other classes"),
    )
    def test_refuses_a_description_it_does_not_understand(self, changes, message):
        self.edit(**changes)
        with self.assertRaisesRegex(UserError, message):
            load_dataset(self.folder)

    def test_refuses_a_description_that_is_no_object(self):
        (self.folder / "dataset.json").write_text("[1]")
        with self.assertRaisesRegex(UserError, "is damaged"):
            load_dataset(self.folder)
