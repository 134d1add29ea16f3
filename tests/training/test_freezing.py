"""Linear evaluation: the head learns on a backbone of which no bit changes."""

import contextlib
import io
import pathlib
from unittest import mock

import gin
import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import configuration
from spl_tf.errors import UserError
from spl_tf.models.transfer import load_backbone_weights, save_backbone_weights
from spl_tf.training import stage
from spl_tf.training.stage import train_stage
from tests.interrupted import stopped_at_checkpoint
from tests.tiny_network import tiny_network
from tests.written import stored_weights

# Whatever could move a weight that has no gradient: both kinds of decay, an average, a second replica.
_OPTIONS = (
    "train_stage.freeze_backbone = True",
    "train_stage.optimizer = @AdamW",
    "AdamW.weight_decay = 0.1",
    "network_style.weight_decay = 0.001",
    "train_stage.average_decay = 0.9",
    "device_strategy.name = 'mirrored'",
    "train_stage.epochs = 20",
    "classifier.dropout = 0.0",
    "train_stage.checkpoint_seconds = 0",
    "train_stage.steps_per_loop = 15",
)


class FreezingTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, color_shards, tiny_bindings, colour_stage):
        self.shards, self.known = color_shards, colour_stage
        self.bindings = [binding for binding in tiny_bindings if not binding.startswith("SGD.")]

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _train(self, name, *bindings, **arguments):
        """`metrics.json`; what is printed goes to `self.told`."""
        configuration.parse([], [*self.bindings, *_OPTIONS, *bindings])
        self.told = io.StringIO()
        with (
            contextlib.redirect_stdout(self.told),
            contextlib.redirect_stderr(self.told),
            gin.config_scope("teacher"),
        ):
            return train_stage("teacher", self.folder / name, train_shards=self.shards / "target", **arguments)

    def _write_backbone(self):
        """A file of weights that know the colours, with statistics of other clips; returns its variables."""
        trunk = tiny_network()
        load_backbone_weights(trunk, self.known / "backbone.weights.h5")
        generator = np.random.default_rng(0)
        for variable in trunk.weights:
            if variable.name in ("moving_mean", "moving_variance"):
                variable.assign(variable * generator.uniform(0.8, 1.2, variable.shape))
        save_backbone_weights(trunk, self.folder / "init.h5")
        return trunk.weights

    def test_the_head_learns_and_no_bit_of_the_backbone_changes_also_over_a_stop(self):
        variables = self._write_backbone()
        given = stored_weights(self.folder / "init.h5")
        metrics = self._train("whole", init_weights=self.folder / "init.h5")
        told = self.told.getvalue()
        self.assertLess(metrics["train"]["loss"], 0.3)  # At first it is log(3) = 1.099.
        self.assertGreater(metrics["train"]["accuracy"], 0.9)

        with stopped_at_checkpoint(3):
            self._train("stopped", init_weights=self.folder / "init.h5")
        self._train("stopped", init_weights=self.folder / "init.h5")

        self.assertIn("gamma", "".join(given))
        heads = []
        for name in ("whole", "stopped"):
            kept = stored_weights(self.folder / name / "backbone.weights.h5")
            self.assertEqual(kept.keys(), given.keys())
            for variable, values in given.items():
                np.testing.assert_array_equal(kept[variable], values, err_msg=variable)
            network = keras.models.load_model(self.folder / name / "model.keras")
            self.assertEqual(len(network.trainable_variables), sum(v.trainable for v in variables) + 2)
            heads.append(network.get_layer("logits").get_weights())
        for whole, stopped in zip(*heads, strict=True):
            np.testing.assert_array_equal(whole, stopped)
        kernel, bias = heads[0]
        self.assertGreater(np.abs(kernel).max(), 0.1)  # It began with a deviation of 0.01,
        self.assertGreater(np.abs(bias).max(), 0)  # and this at zero.

        parameters = sum(variable.value.shape.num_elements() for variable in variables if variable.trainable)
        self.assertIn(f"teacher: {parameters + 33 * 3:,} parameters of which 99 train (the backbone is frozen: ", told)
        self.assertIn("init.h5)", told)

    def test_random_features_are_told_of(self):
        stopped = mock.patch.object(stage, "run_loop", side_effect=KeyboardInterrupt)
        with stopped, self.assertRaises(KeyboardInterrupt):
            self._train("m")
        message = "(the backbone is frozen: random weights, as train_stage.init_weights names none)"
        self.assertIn(message, self.told.getvalue())

    def test_statistics_are_not_estimated_anew(self):
        with self.assertRaisesRegex(UserError, "train_stage.precise_bn_batches estimates the statistics that"):
            self._train("m", "train_stage.precise_bn_batches = 2")


if __name__ == "__main__":
    tf.test.main()
