"""Engines beside TensorFlow: what they predict is compared with float32, and they are refused where it differs."""

import dataclasses
import pathlib
import re
import sys
from unittest import mock

import gin
import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import configuration
from spl_tf.data.dataset import load_dataset
from spl_tf.errors import UserError
from spl_tf.inference import engine
from spl_tf.inference.agreement import Agreement, Sample
from spl_tf.inference.openvino_engine import openvino
from spl_tf.inference.prediction import predict_clips
from spl_tf.inference.scores import score_trained
from spl_tf.inference.trained_model import load_trained


@dataclasses.dataclass(frozen=True)
class Changed:
    """Runs the function it is given and changes the scores."""

    change: object

    def title(self):
        return "changed 1.0"

    def compiled(self, forward, clips, batch_size):
        assert (clips.dtype, len(clips) % batch_size) == (np.uint8, 0), clips.shape

        def run(batch):
            assert len(batch) == batch_size
            scores, features = forward(batch)
            return self.change(scores.numpy()), features.numpy()

        return run


class EngineTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, trained_dir, color_shards):
        self.trained_dir, self.shards = trained_dir, color_shards / "web"
        self.addCleanup(gin.clear_config)

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _choose(self, chosen):
        gin.bind_parameter("inference_engine.engine", lambda: chosen)

    def _scores(self):
        options = {"batch_size": 16, "num_views": 1, "description": "score"}
        clips = score_trained(
            load_trained(self.trained_dir), load_dataset(self.shards), tf.distribute.get_strategy(), **options
        )
        return [np.stack(part) for part in zip(*((clip.scores, clip.features) for clip in clips), strict=True)]

    def test_an_engine_that_agrees_predicts_and_stands_in_the_header(self):
        self._choose(Changed(lambda scores: 0.995 * scores))
        made_by = predict_clips(self.trained_dir, self.shards, self.folder, precision="float32")["made_by"]
        self.assertEqual(made_by["engine"], "changed 1.0")
        confidence = np.concatenate(
            [pq.read_table(path)["confidence"].to_numpy() for path in sorted(self.folder.glob("*.parquet"))]
        )
        gin.clear_config()
        scores, _ = self._scores()
        self.assertAllClose(confidence, 0.995 * scores.max(axis=1), atol=1e-5)
        with self.assertRaisesRegex(UserError, "was predicted with another engine: use another --output_dir"):
            predict_clips(self.trained_dir, self.shards, self.folder, precision="float32")

    @parameterized.parameters(
        (lambda scores: scores[:, ::-1], r"on \d of 6 clips"),
        (lambda scores: 0.9 * scores, r"on 6 of 6 clips, scores of the highest class 0\.0\d+ apart on average"),
    )
    def test_an_engine_that_differs_is_refused_with_the_numbers(self, change, numbers):
        self._choose(Changed(change))
        with self.assertRaisesRegex(UserError, f"changed 1.0 is refused: the class of float32 {numbers}.*99.5%"):
            self._scores()

    def test_agreement_is_of_the_clips_without_the_padding(self):
        """Three clips in batches of two: the fourth, a repetition, counts for nothing."""
        exact = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
        fast = np.array([[0.8, 0.2], [0.7, 0.3], [0.6, 0.4], [0.0, 1.0]])
        batches = [np.array([0, 1]), np.array([2, 3])]
        found = Sample(batches, 3).agreement(lambda clips: exact[clips], lambda clips: fast[clips])
        self.assertEqual((found.equal, found.compared), (2, 3))
        self.assertAlmostEqual(found.shift, (0.1 + 0.1 + 0.0) / 3)
        self.assertIsInstance(found, Agreement)

    @parameterized.parameters(("float32", 1e-4), ("auto", 0.05), ("int8", 0.05))
    def test_openvino_scores_as_tensorflow(self, precision, tolerance):
        pytest.importorskip("openvino", reason="pip install 'spl_tf[openvino]'")
        expected = self._scores()
        # The tiny network's scores are so near each other that 8 bits may exchange the highest two.
        self.enter_context(mock.patch.object(engine, "_LEAST_EQUAL", 0.0))
        configuration.parse([], ["inference_engine.engine = @openvino", f"openvino.precision = '{precision}'"])
        for found, wanted in zip(self._scores(), expected, strict=True):
            self.assertAllClose(found, wanted, rtol=tolerance, atol=tolerance * np.abs(wanted).max())
        made_by = predict_clips(self.trained_dir, self.shards, self.folder, precision="float32")["made_by"]
        self.assertTrue(re.fullmatch(rf"openvino \d\S+ {precision}", made_by["engine"]), made_by)

    def test_what_is_missing_is_said(self):
        with (
            mock.patch.dict(sys.modules, openvino=None),
            self.assertRaisesRegex(UserError, r"not installed.*pip install 'spl_tf\[openvino\]'"),
        ):
            openvino()
        with self.assertRaisesRegex(UserError, "openvino.precision = 'int4' is none of auto, float32, bfloat16, int8"):
            openvino(precision="int4")


if __name__ == "__main__":
    tf.test.main()
