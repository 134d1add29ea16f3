"""The ONNX file gives the SavedModel's scores; without its converter the export says so first."""

import contextlib
import io
import pathlib
import sys
from unittest import mock

import cv2
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import export
from spl_tf.command import execute
from spl_tf.data.dataset import load_dataset
from spl_tf.data.record import clip_from_bytes
from spl_tf.inference.saved_model import export_model
from spl_tf.inference.scores import score_trained
from spl_tf.inference.trained_model import load_trained


class OnnxFileTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, trained_dir, color_shards):
        self.trained_dir, self.shards = trained_dir, color_shards / "test"

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def test_scores_are_those_of_evaluation(self):
        pytest.importorskip("tf2onnx", reason="pip install 'spl_tf[onnx]'")
        onnxruntime = pytest.importorskip("onnxruntime", reason="pip install 'spl_tf[onnx]'")
        version = export_model(self.trained_dir, self.folder / "s", onnx=True)
        session = onnxruntime.InferenceSession(version / "assets.extra" / "model.onnx")
        self.assertEqual(session.get_modelmeta().custom_metadata_map["classes"], "red\ngreen\nblue")
        (clips,) = session.get_inputs()
        self.assertEqual((clips.name, clips.type), ("clips", "tensor(uint8)"))

        dataset = load_dataset(self.shards)
        options = {"batch_size": 4, "num_views": 1, "description": "evaluate"}
        evaluated = list(
            score_trained(load_trained(self.trained_dir), dataset, tf.distribute.get_strategy(), **options)
        )
        records = tf.data.TFRecordDataset([shard.path for shard in dataset.shards]).as_numpy_iterator()
        scores = []
        for record, expected in zip(records, evaluated, strict=True):
            frames = [np.frombuffer(frame, np.uint8) for frame in clip_from_bytes(record).frames]
            pixels = np.stack([cv2.imdecode(frame, cv2.IMREAD_COLOR)[..., ::-1] for frame in frames])
            names = ["scores", "classes", "labels", "features"]
            found = dict(zip(names, session.run(names, {"clips": pixels[None]}), strict=True))
            self.assertAllClose(found["scores"][0], expected.scores, rtol=0, atol=1e-5)
            self.assertAllClose(found["features"][0], expected.features, rtol=1e-4, atol=1e-5)
            self.assertEqual(found["classes"][0], expected.scores.argmax())
            self.assertEqual(found["labels"][0], dataset.classes[expected.scores.argmax()])
            scores.append(expected.scores)
        self.assertGreater(np.ptp(scores, axis=0).max(), 0.01)  # Else any clip would do.

    def _call(self, *arguments):
        """Exit code and standard error."""
        options = [f"--model_dir={self.trained_dir}", f"--output_dir={self.folder / 's'}", "--onnx"]
        with contextlib.redirect_stderr(io.StringIO()) as told:
            code = execute(export.main, export.FLAGS, export.__doc__, ["export", *options, *arguments])
        return code, told.getvalue()

    def test_without_the_converter_nothing_is_exported(self):
        with mock.patch.dict(sys.modules, {"tf2onnx": None}):
            code, complaint = self._call()
        self.assertEqual(code, 2)
        self.assertIn("--onnx needs the package tf2onnx", complaint)
        self.assertIn("pip install 'spl_tf[onnx]'", complaint)
        self.assertFalse((self.folder / "s").exists())

    def test_other_precisions_are_refused(self):
        with mock.patch.dict(sys.modules, {"tf2onnx": mock.Mock()}):
            code, complaint = self._call("--precision=bfloat16")
        self.assertEqual(code, 2)
        self.assertIn("ONNX files compute in float32", complaint)


if __name__ == "__main__":
    tf.test.main()
