"""Features on disk: equal to the network's own, in the order of the data set, and never made twice."""

import dataclasses
import pathlib
import shutil
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.claims import Claims, Task
from spl_tf.data.dataset import load_dataset
from spl_tf.errors import UserError
from spl_tf.hardware.distribution import device_strategy
from spl_tf.inference import features as module
from spl_tf.inference.features import clip_features
from spl_tf.inference.scores import score_trained
from spl_tf.inference.trained_model import load_trained


@pytest.fixture(scope="module")
def features_dir(colour_teacher, color_shards, tmp_path_factory):
    folder = tmp_path_factory.mktemp("features") / "f"
    clip_features(colour_teacher, color_shards / "web", folder, precision="float32")
    return folder


class ClipFeaturesTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, colour_teacher, color_shards, features_dir, make_features, tmp_path):
        self.teacher, self.web, self.target = colour_teacher, color_shards / "web", color_shards / "target"
        self.folder = pathlib.Path(shutil.copytree(features_dir, tmp_path / "f"))
        self.make_features = make_features

    def _features(self, shards=None, **options):
        return clip_features(self.teacher, shards or self.web, self.folder, **{"precision": "float32"} | options)

    def test_a_task_takes_over_what_a_dead_one_held_and_gives_the_bytes_of_one_process(self):
        def contents():
            return {path.name: path.read_bytes() for path in self.folder.iterdir() if path.name != ".lock"}

        alone = contents()
        for path in list(self.folder.glob("*.npy"))[1:]:
            path.unlink()
        stopped = mock.patch.object(module, "_write", side_effect=KeyboardInterrupt)
        # Killed tasks don't say that they ended.
        with stopped, mock.patch.object(Claims, "_show"), self.assertRaises(KeyboardInterrupt):
            self._features(task=Task(1, 2, 1.0))
        with self.assertRaisesRegex(UserError, "work with batch_size 16, this one with 8"):
            self._features(task=Task(2, 2, 1.0), batch_size=8)
        self._features(task=Task(2, 2, 1.0))
        self.assertEqual(contents(), alone)

    def test_they_are_the_network_s_own_in_the_order_of_the_data_set(self):
        trained = load_trained(self.teacher)
        scored = list(
            score_trained(
                trained, load_dataset(self.web), device_strategy(), batch_size=16, num_views=1, description="score"
            )
        )
        found = self._features()
        self.assertEqual((len(found), found.num_features), (72, 12))
        self.assertEqual([name for names in found.clip_ids() for name in names], [clip.clip_id for clip in scored])
        self.assertAllEqual(found.labels, [clip.label for clip in scored])
        self.assertAllEqual(found.predictions(), [clip.scores.argmax() for clip in scored])
        self.assertAllClose(found.scores(), np.stack([clip.scores for clip in scored]), atol=1e-6)
        self.assertAllClose(found.gather(np.arange(72)), np.stack([clip.features for clip in scored]), rtol=1e-3)

    def test_finished_shards_are_mapped_and_only_a_missing_one_is_run(self):
        with mock.patch.object(module, "score_trained") as score:
            before = self._features()
        score.assert_not_called()
        self.assertIsInstance(before.features[0], np.memmap)
        name = load_dataset(self.web).shards[1].name
        (self.folder / f"{name}.npy").unlink()  # As if stopped between the two files.
        with mock.patch.object(module, "score_trained", wraps=score_trained) as score:
            after = self._features()
        self.assertEqual(score.call_args.kwargs["shards"], [1])
        self.assertAllEqual(before.gather(np.arange(72)), after.gather(np.arange(72)))
        self.assertEqual(list(before.clip_ids()), list(after.clip_ids()))

    def test_rows_are_gathered_across_shards_in_the_order_asked_for(self):
        values = np.arange(10)[:, np.newaxis] + [0, 100]
        features = self.make_features(values, np.zeros(10), sizes=(3, 4))
        rows = np.array([9, 0, 3, 3, 2, 6, 7])
        self.assertAllEqual(features.gather(rows), values[rows])
        self.assertEqual(features.gather(rows).dtype, np.float32)

    def test_other_settings_or_shards_are_refused(self):
        with self.assertRaisesRegex(UserError, "other settings or other shards: move"):
            self._features(num_views=2)
        with self.assertRaisesRegex(UserError, "other settings or other shards: move"):
            self._features(self.target)

    def test_features_beyond_half_precision_are_refused(self):
        def scored(*arguments, **options):
            for clip in score_trained(*arguments, **options):
                yield dataclasses.replace(clip, features=clip.features + 1e5 * (clip.row == 2))

        name = load_dataset(self.web).shards[1].name
        (self.folder / f"{name}.npy").unlink()
        with mock.patch.object(module, "score_trained", scored), self.assertRaisesRegex(UserError, "are not finite or"):
            self._features()
        self.assertFalse((self.folder / f"{name}.npy").exists())

    @parameterized.parameters(".npy", ".features.npy")
    def test_a_damaged_file_is_named(self, suffix):
        path = self.folder / f"{load_dataset(self.web).shards[0].name}{suffix}"
        path.write_bytes(path.read_bytes()[:-7])
        with self.assertRaisesRegex(UserError, f"{path.name} (is damaged|does not exist)"):
            self._features()

    @parameterized.parameters(".npy", ".features.npy")
    def test_any_flipped_bit_of_a_file_is_named_and_the_file_alone_made_again(self, suffix):
        before = self._features()
        expected = before.gather(np.arange(72)), before.scores()
        path = self.folder / f"{load_dataset(self.web).shards[1].name}{suffix}"
        content = path.read_bytes()
        for place in np.random.default_rng(0).integers(len(content), size=30):
            flipped = bytearray(content)
            flipped[place] ^= 1 << (place % 8)
            path.write_bytes(flipped)
            fault = "(damaged|no features of clips|of other clips)"
            with self.assertRaisesRegex(UserError, f"{path.name} .*{fault}.*: delete this file alone"):
                self._features()
        path.unlink()
        with mock.patch.object(module, "score_trained", wraps=score_trained) as score:
            after = self._features()
        self.assertEqual(score.call_args.kwargs["shards"], [1])
        self.assertAllEqual(after.gather(np.arange(72)), expected[0])
        self.assertAllEqual(after.scores(), expected[1])

    def test_files_of_before_there_were_checksums_are_read(self):
        for path in self.folder.glob("*.npy"):
            path.write_bytes(path.read_bytes().rpartition(b"sha256 ")[0])
        self.assertLen(self._features(), 72)

    def test_a_file_of_other_clips_is_refused(self):
        first, second = (load_dataset(self.web).shards[place].name for place in (0, 1))
        shutil.copy(self.folder / f"{first}.npy", self.folder / f"{second}.npy")
        with self.assertRaisesRegex(UserError, f"{second}.npy is of other clips than"):
            self._features()

    def test_files_that_say_not_of_what_they_are_are_left_alone(self):
        (self.folder / "features.json").unlink()
        with self.assertRaisesRegex(UserError, "holds .npy files, but no features.json"):
            self._features()


if __name__ == "__main__":
    tf.test.main()
