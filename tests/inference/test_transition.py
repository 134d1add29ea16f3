"""The command's matrices against the same worked out one clip at a time."""

import contextlib
import io
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import command, transition
from spl_tf.inference.trained_model import load_trained
from spl_tf.labels import sidecar_files
from spl_tf.labels.assign import assign_labels
from spl_tf.labels.predictions import Predictions, write_index

CLASSES = ("red", "green", "blue")


class TransitionTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, trained_dir, color_shards, records_by_hand):
        self.model_dir, self.shards, self.by_hand = trained_dir, color_shards, records_by_hand

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.output = self.folder / "T.npy"

    def _run(self, *arguments):
        """Exit code and what was printed last."""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            code = command.execute(transition.main, transition.FLAGS, transition.__doc__, ["transition", *arguments])
        return code, printed.getvalue()

    @parameterized.parameters(None, 80)
    def test_a_network_says_how_its_surest_clips_may_be_labelled(self, percentile):
        arguments = [f"--model_dir={self.model_dir}", f"--shards={self.shards / 'web'}", f"--output={self.output}"]
        arguments.append('--gin_param=score_shards.precision = "float32"')
        code, printed = self._run(*arguments, *([f"--percentile={percentile}"] if percentile else []))
        self.assertEqual(code, 0, printed)

        clip_input = load_trained(self.model_dir).clip_input
        rows = self.by_hand(self.model_dir / "model.keras", self.shards / "web", clip_input)
        scores = np.array([row[5] for row in rows])
        expected = []
        for i in range(len(CLASSES)):
            ranked = sorted(scores, key=lambda row: row[i])
            # The surest clip, or the surest of those that fewer than the percentile are below.
            place = len(ranked) - 1 if percentile is None else int(np.ceil((len(ranked) - 1) * percentile / 100)) - 1
            expected.append(ranked[place])
        self.assertAllClose(np.load(self.output), expected, atol=2e-3)
        self.assertAllClose(np.load(self.output).sum(axis=1), np.ones(3))
        self.assertIn(f"{self.output}: 3 x 3, ", printed)

    def test_a_list_of_both_labels_is_counted(self):
        (self.folder / "classes.txt").write_text("\n".join(CLASSES) + "\n")
        pairs = ["red,red"] * 3 + ["red,green", "green,green", "blue,green", "blue,blue"]
        (self.folder / "both.csv").write_text("\n".join(["label,query", *pairs]) + "\n")
        arguments = [f"--both_labels={self.folder / 'both.csv'}", f"--output={self.output}"]
        code, printed = self._run(*arguments, f"--classes={self.folder / 'classes.txt'}")
        self.assertEqual(code, 0, printed)
        self.assertAllClose(np.load(self.output), [[0.75, 0.25, 0], [0, 1, 0], [0, 0.5, 0.5]])
        code, printed = self._run(*arguments)
        self.assertEqual((code, "--both_labels and --classes" in printed), (2, True))

    def _label(self, weak, teacher):
        """Labels of clips of which query and teacher are given."""
        folder, ids = self.folder / "P", [f"clip{i}" for i in range(len(weak))]
        folder.mkdir()
        header = sidecar_files.Header(len(ids), "f", sidecar_files.ids_digest(ids), {"model": "m"})
        sidecar_files.write_predictions(
            folder / "web.parquet",
            clip_ids=ids,
            weak=np.array(weak),
            teacher=np.array(teacher),
            confidence=np.ones(len(ids)),
            shard_fingerprint="f",
            made_by=header.made_by,
        )
        write_index(Predictions(folder, CLASSES, {"web": header}), header.made_by)
        assign_labels(folder, "spl_b", self.folder / "L")
        return self.folder / "L"

    def test_labels_are_counted_with_the_teacher_s_class_as_the_true_one(self):
        labels = self._label(weak=[0, 0, 0, 1, 1, 2, 1], teacher=[0, 0, 1, 1, 0, 2, 0])
        code, printed = self._run(f"--labels={labels}", f"--output={self.output}")
        self.assertEqual(code, 0, printed)
        self.assertAllEqual(np.load(self.output), [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
        self.assertIn("  red: right 50.0%, ", printed)

    def test_a_mistake_is_one_line_and_exit_code_2(self):
        labels = self._label(weak=[0, 1], teacher=[0, 0])
        model = [f"--model_dir={self.model_dir}", f"--shards={self.shards / 'web'}"]
        output = f"--output={self.output}"
        for arguments, message in (
            ([f"--labels={labels}", output], "class 'green' has no clip with both a clean and a noisy label"),
            ([output], "give either --labels, or --model_dir and --shards"),
            ([f"--labels={labels}", *model, output], "give either --labels, or"),
            ([model[0], output], "give either --labels, or"),
            ([*model, "--output=T.txt"], "--output=T.txt: give the name of a .npy file"),
            ([*model, output, "--percentile=0"], "--percentile=0: give more than 0, at most 100"),
            ([f"--labels={labels}", output, "--percentile=97"], "with --model_dir"),
            ([f"--labels={self.folder}", output], "summary.json does not exist: run spl_tf.label"),
        ):
            code, printed = self._run(*arguments)
            self.assertEqual(code, 2, printed)
            self.assertIn(message, printed)
            self.assertLen(printed.splitlines(), 1)
        (labels / "confusion.npy").write_bytes(b"x")
        code, printed = self._run(f"--labels={labels}", output)
        self.assertEqual(code, 2)
        self.assertIn("confusion.npy is damaged", printed)
        self.assertFalse(self.output.exists())


if __name__ == "__main__":
    tf.test.main()
