"""The teacher's side-cars: what they hold, that a stopped run goes on, and what is refused."""

import contextlib
import io
import json
import pathlib
import shutil
from unittest import mock

import gin
import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import command, configuration, files
from spl_tf import label as label_command
from spl_tf import predict as predict_command
from spl_tf.data.dataset import load_dataset
from spl_tf.errors import UserError
from spl_tf.inference.prediction import predict_clips
from spl_tf.inference.trained_model import load_trained, save_trained
from spl_tf.labels import sidecar_files
from spl_tf.labels.assign import assign_labels
from spl_tf.training.stage import train_stage


@pytest.fixture(scope="module")
def predicted_dir(color_shards, trained_dir, tmp_path_factory):
    """Predictions of all web clips in float32."""
    folder = tmp_path_factory.mktemp("predicted") / "p"
    predict_clips(trained_dir, color_shards / "web", folder, batch_size=7, precision="float32")
    return folder


class _Stopped(BaseException):
    """Stands for whatever ends a process."""


def _states(folder):
    """Name -> (inode, time of the last change, content) of every side-car."""
    paths = sorted(folder.glob("*.parquet"))
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes()) for path in paths}


def _contents(folder):
    return {name: state[2] for name, state in _states(folder).items()}


class PredictTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, color_shards, trained_dir, predicted_dir, records_by_hand, rewrite_shards, tiny_bindings):
        self.web, self.trained_dir, self.predicted_dir = color_shards / "web", trained_dir, predicted_dir
        self.records_by_hand, self.rewrite_shards, self.bindings = records_by_hand, rewrite_shards, tiny_bindings

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _predict(self, output_dir, *, model_dir=None, shards=None, **options):
        options = {"batch_size": 7, "precision": "float32"} | options
        return predict_clips(model_dir or self.trained_dir, shards or self.web, output_dir, **options)

    def _copy_of_predictions(self):
        return pathlib.Path(shutil.copytree(self.predicted_dir, self.folder / "p"))

    def test_sidecars_hold_id_query_and_prediction_of_every_record_in_order(self):
        clip_input = load_trained(self.trained_dir).clip_input
        expected = self.records_by_hand(self.trained_dir / "model.keras", self.web, clip_input)
        dataset = load_dataset(self.web)
        names = [path.name for path in self.predicted_dir.glob("*.parquet")]
        self.assertCountEqual(names, [f"{shard.name}.parquet" for shard in dataset.shards])
        for position, shard in enumerate(dataset.shards):
            records = [record for record in expected if record[0] == position]
            scores = np.stack([record[5] for record in records])
            table = pq.read_table(self.predicted_dir / f"{shard.name}.parquet")
            self.assertEqual(table["clip_id"].to_pylist(), [record[2] for record in records])
            self.assertEqual(table["weak"].to_pylist(), [record[4][0] for record in records])
            self.assertAllClose(table["confidence"].to_numpy(), scores.max(axis=1), atol=2e-5)
            # argmax, but for scores closer than the arithmetic is exact.
            best_two = np.sort(scores, axis=1)[:, -2:]
            clear = best_two[:, 1] - best_two[:, 0] > 1e-4
            self.assertGreater(clear.mean(), 0.9)
            self.assertAllEqual(table["teacher"].to_numpy()[clear], scores.argmax(axis=1)[clear])

    def test_index_lists_classes_and_shards_as_they_are(self):
        index = json.loads((self.predicted_dir / "predictions.json").read_text())
        self.assertEqual(index["classes"], ["red", "green", "blue"])
        self.assertEqual(index["num_clips"], 72)
        made_by = {"model": files.sha256(self.trained_dir / "folded.keras"), "precision": "float32", "num_frames": 4}
        self.assertEqual(index["made_by"], made_by | {"frame_stride": 2, "crop_size": 28, "num_views": 1, "top_k": 3})
        self.assertNotIn("agreement_with_float32", index)
        for name, shard in index["shards"].items():
            self.assertEqual(shard["fingerprint"], files.sha256(self.web / f"{name}.tfrecord"))
            clip_ids = pq.read_table(self.predicted_dir / f"{name}.parquet")["clip_id"].to_pylist()
            self.assertEqual(shard["ids_digest"], sidecar_files.ids_digest(clip_ids))
            self.assertLen(clip_ids, shard["records"])

    def test_only_a_missing_sidecar_is_predicted_again_to_the_same_bytes(self):
        folder = self._copy_of_predictions()
        before = _states(folder)
        missing = sorted(before)[1]
        (folder / missing).unlink()
        self._predict(folder)
        after = _states(folder)
        self.assertEqual([name for name in after if after[name] != before[name]], [missing])
        self.assertEqual(after[missing][2], before[missing][2])

    def test_a_finished_folder_is_left_as_it_is_wherever_the_model_lies_now(self):
        folder = self._copy_of_predictions()
        before = _states(folder)
        model_dir = shutil.copytree(self.trained_dir, self.folder / "moved")
        self._predict(folder, model_dir=model_dir)
        self.assertEqual(_states(folder), before)

    def test_a_stopped_run_leaves_whole_sidecars_but_no_index_and_goes_on(self):
        folder = self.folder / "p"
        write, calls = sidecar_files.write_predictions, []

        def write_one(path, **columns):
            calls.append(path)
            if len(calls) > 1:
                raise _Stopped
            write(path, **columns)

        with mock.patch.object(sidecar_files, "write_predictions", write_one), self.assertRaises(_Stopped):
            self._predict(folder)
        first = _states(folder)
        self.assertLen(first, 1)
        self.assertEqual([path.name for path in folder.iterdir()], list(first))
        with self.assertRaisesRegex(UserError, r"predictions.json does not exist: run spl_tf.predict"):
            assign_labels(folder, "spl", self.folder / "labels")
        self._predict(folder)
        self.assertEqual(_states(folder) | first, _states(folder))
        self.assertEqual(_contents(folder), _contents(self.predicted_dir))
        self.assertTrue((folder / "predictions.json").exists())

    def test_other_classes_are_refused_by_the_first_difference(self):
        shards = self.rewrite_shards(self.web, self.folder / "web", classes=["red", "blue", "green"])
        with self.assertRaisesRegex(UserError, r"class 1 is 'green' in .*teacher and 'blue' in .*web"):
            self._predict(self.folder / "p", shards=shards)
        self.assertFalse((self.folder / "p").exists())

    @parameterized.parameters(
        ({"num_views": 2}, "another num_views"),
        ({"precision": "bfloat16"}, "another precision"),
    )
    def test_predictions_made_otherwise_are_not_mixed(self, options, message):
        folder = self._copy_of_predictions()
        next(folder.glob("*.parquet")).unlink()
        before = _states(folder)
        with self.assertRaisesRegex(UserError, f"parquet was predicted with {message}: use another --output_dir"):
            self._predict(folder, **options)
        self.assertEqual(_states(folder), before)

    @parameterized.parameters(True, False)
    def test_predictions_of_another_model_are_not_mixed(self, finished):
        folder = self._copy_of_predictions()
        if not finished:  # The side-cars alone say who made them.
            (folder / "predictions.json").unlink()
        trained = load_trained(self.trained_dir)
        trained.network.set_weights([2 * weight for weight in trained.network.get_weights()])
        save_trained(self.folder / "other", trained.network, trained.classes, trained.clip_input)
        with self.assertRaisesRegex(UserError, "parquet was predicted with another model: use another --output_dir"):
            self._predict(folder, model_dir=self.folder / "other")

    def test_low_precision_on_two_replicas_predicts_alike_and_says_so(self):
        configuration.parse([], ["device_strategy.name = 'mirrored'"])
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            index = self._predict(self.folder / "p", precision="bfloat16", batch_size=6)
        self.assertEqual(index["made_by"]["precision"], "mixed_bfloat16")
        agreement = index["agreement_with_float32"]
        self.assertEqual(agreement["compared"], 6)  # Two of each of the three shards.
        self.assertIn(f"mixed_bfloat16 predicts the class of float32 on {agreement['equal']} of 6", printed.getvalue())
        equal = []
        for path in sorted(self.predicted_dir.glob("*.parquet")):
            low, exact = (pq.read_table(folder / path.name) for folder in (self.folder / "p", self.predicted_dir))
            equal += np.equal(low["teacher"][:2], exact["teacher"][:2]).tolist()
        self.assertEqual(agreement["equal"], sum(equal))
        for name in _states(self.predicted_dir):
            low, exact = (pq.read_table(folder / name) for folder in (self.folder / "p", self.predicted_dir))
            self.assertEqual(low["clip_id"], exact["clip_id"])
            self.assertEqual(low["weak"], exact["weak"])
            self.assertAllClose(low["confidence"].to_numpy(), exact["confidence"].to_numpy(), atol=0.1)

    def test_an_index_of_earlier_predictions_is_gone_while_others_are_made(self):
        folder = self._copy_of_predictions()
        next(folder.glob("*.parquet")).unlink()
        with (
            mock.patch.object(sidecar_files, "write_predictions", side_effect=_Stopped),
            self.assertRaises(_Stopped),
        ):
            self._predict(folder)
        self.assertFalse((folder / "predictions.json").exists())

    def test_folders_of_labels_and_of_predictions_are_not_taken_for_each_other(self):
        labels = self.folder / "labels"
        assign_labels(self.predicted_dir, "spl_b", labels)
        before = _states(labels)
        folders = [f"--model_dir={self.trained_dir}", f"--shards={self.web}"]
        complaint = self._complaint(predict_command, *folders, f"--output_dir={labels}")
        self.assertIn("labels is a folder of labels: choose another one", complaint)
        self.assertEqual(_states(labels), before)

        folder = self._copy_of_predictions()
        (folder / "predictions.json").unlink()
        before = _states(folder)
        folders = [f"--predictions={self.predicted_dir}", f"--output_dir={folder}"]
        complaint = self._complaint(label_command, "--strategy=spl", *folders)
        self.assertIn("is a prediction, which labels would overwrite", complaint)
        self.assertEqual(_states(folder), before)

    def test_a_damaged_record_is_one_line(self):
        shards = self.rewrite_shards(self.web, self.folder / "web")
        path = pathlib.Path(load_dataset(shards).shards[1].path)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        folders = [f"--model_dir={self.trained_dir}", f"--shards={shards}", f"--output_dir={self.folder / 'p'}"]
        complaint = self._complaint(predict_command, *folders)
        self.assertRegex(complaint, rf"spl_tf: a record of {shards} can't be read \(corrupted record at \d+\): ")
        self.assertIn(f"python -m spl_tf.shard --verify={shards} names it", complaint)

    def _complaint(self, module, *arguments):
        """The only line about its failure that a command prints."""
        stderr = io.StringIO()
        with contextlib.redirect_stderr(stderr):
            code = command.execute(module.main, module.FLAGS, module.__doc__, ["spl_tf", *arguments])
        self.assertEqual(code, 2)
        lines = [line for line in stderr.getvalue().replace("\r", "\n").splitlines() if line.startswith("spl_tf:")]
        self.assertLen(lines, 1)
        self.assertNotIn("Traceback", stderr.getvalue())
        return lines[0]

    def test_labels_follow_from_predictions_and_fit_no_other_shards(self):
        summary = assign_labels(self.predicted_dir, "spl_b", self.folder / "labels")
        tables = [pq.read_table(path) for path in sorted(self.predicted_dir.glob("*.parquet"))]
        weak, teacher = (np.concatenate([table[column] for table in tables]) for column in ("weak", "teacher"))
        self.assertEqual((summary["clips"], summary["kept"], summary["num_classes"]), (72, 72, 6))
        self.assertAllClose(summary["noise_ratio"], np.mean(weak != teacher))
        foreign = self.rewrite_shards(self.web, self.folder / "web", lambda clips: clips[::-1])
        name = load_dataset(self.web).shards[0].name
        configuration.parse([], self.bindings)
        message = f"web has the shard {name}, but .*labels/summary.json lists another one of that name"
        with gin.config_scope("pretrain"), self.assertRaisesRegex(UserError, message):
            train_stage("pretrain", self.folder / "m", train_shards=foreign, labels_dir=self.folder / "labels")
