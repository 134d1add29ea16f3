import contextlib
import io
import pathlib

import h5py
import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.models.classifier import backbone_of, classifier
from spl_tf.models.resnet3d import resnet3d
from spl_tf.models.transfer import load_backbone_weights, read_backbone_weights, save_backbone_weights


def _tiny(**kwargs) -> keras.Model:
    return resnet3d(10, width_multiplier=0.125, **kwargs)


class TransferTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.get_temp_dir()) / "backbone.weights.h5"

    def test_backbone_of_one_head_loads_under_another(self):
        first = classifier(_tiny(), 7, projection_units=12)
        for variable in first.weights:
            variable.assign(np.random.default_rng(0).normal(size=variable.shape))
        save_backbone_weights(backbone_of(first), self.path)

        backbone = _tiny()
        second = classifier(backbone, 5)
        head = second.get_layer("logits").get_weights()
        report = load_backbone_weights(backbone, self.path)
        self.assertEqual(report.matched, tuple(variable.path for variable in backbone.weights))
        self.assertEqual((report.missing, report.unexpected, report.mismatched), ((), (), ()))
        sources = {variable.path: variable for variable in first.weights}
        for variable in backbone.weights:
            self.assertAllEqual(variable, sources[variable.path], variable.path)
        self.assertAllEqual(second.get_layer("logits").get_weights()[0], head[0])

    def test_paths_do_not_depend_on_what_was_built_before(self):
        paths = [[variable.path for variable in classifier(_tiny(), 3).weights] for _ in range(2)]
        self.assertEqual(*paths)
        self.assertIn("res3_block1_conv1_bn/moving_mean", paths[0])

    def test_file_has_one_data_set_per_variable_and_a_version(self):
        backbone = _tiny()
        save_backbone_weights(backbone, self.path)
        with h5py.File(self.path) as opened:
            self.assertEqual(opened.attrs["spl_tf_backbone_format"], 1)
            for variable in backbone.weights:
                self.assertAllEqual(opened[variable.path][()], variable.numpy())

    def test_unmatched_variables_are_an_error_that_changes_nothing(self):
        save_backbone_weights(_tiny(gating="none", stem_kernel=(3, 7, 7)), self.path)
        backbone = _tiny()
        before = backbone.get_weights()
        with self.assertRaisesRegex(
            UserError, "8 missing, 0 unexpected, 1 of another shape; missing: res2_block1_gate/kernel.*stem_conv/kernel"
        ) as caught:
            load_backbone_weights(backbone, self.path)
        self.assertIn(str(self.path), str(caught.exception))
        self.assertNotIn("\n", str(caught.exception))
        for value, expected in zip(backbone.get_weights(), before, strict=True):
            self.assertAllEqual(value, expected)

    def test_left_over_variables_are_an_error(self):
        save_backbone_weights(_tiny(), self.path)
        with self.assertRaisesRegex(UserError, "0 missing, 8 unexpected, 0 of another shape; unexpected: res2_"):
            load_backbone_weights(_tiny(gating="none"), self.path)

    def test_unmatched_variables_may_be_allowed_and_are_reported(self):
        source, backbone = _tiny(gating="none", stem_kernel=(3, 7, 7)), _tiny()
        save_backbone_weights(source, self.path)
        before = backbone.get_layer("stem_conv").get_weights()
        report = load_backbone_weights(backbone, self.path, allow_unmatched=True)
        self.assertLen(report.missing, 8)
        self.assertEqual(report.mismatched, ("stem_conv/kernel",))
        self.assertAllEqual(backbone.get_layer("stem_conv").get_weights()[0], before[0])
        name = "res4_block1_conv2"
        self.assertAllEqual(backbone.get_layer(name).kernel, source.get_layer(name).kernel)

    def test_missing_damaged_and_foreign_files_are_the_users_mistake(self):
        backbone = _tiny()
        with self.assertRaisesRegex(UserError, "does not exist"):
            load_backbone_weights(backbone, self.path)
        self.path.write_bytes(b"no HDF5")
        with self.assertRaisesRegex(UserError, "damaged or not an HDF5 file"):
            load_backbone_weights(backbone, self.path)
        save_backbone_weights(backbone, self.path)
        self.path.write_bytes(self.path.read_bytes()[:-5000])
        with self.assertRaisesRegex(UserError, "damaged or not an HDF5 file"):
            load_backbone_weights(backbone, self.path)
        save_backbone_weights(backbone, self.path)
        with h5py.File(self.path, "a") as opened:
            opened["stem_conv/kernel"][0, 0, 0, 0, 0] += 1e-7
        with self.assertRaisesRegex(UserError, "is damaged .*another checksum than it says.*copy it again"):
            load_backbone_weights(backbone, self.path)
        with h5py.File(self.path, "w") as opened:
            opened["stem_conv/kernel"] = np.zeros(3)
        with self.assertRaisesRegex(UserError, "backbone format None, not 1"):
            load_backbone_weights(backbone, self.path)

    def test_weights_with_a_bit_flipped_anywhere_are_refused_or_the_same(self):
        save_backbone_weights(_tiny(), self.path)
        content, expected = self.path.read_bytes(), read_backbone_weights(self.path)
        refused = 0
        for place in np.random.default_rng(0).integers(len(content), size=100):
            flipped = bytearray(content)
            flipped[place] ^= 1 << (place % 8)
            self.path.write_bytes(flipped)
            try:
                found = read_backbone_weights(self.path)
                self.assertEqual(found.keys(), expected.keys())
                for name, values in expected.items():
                    self.assertAllEqual(found[name], values, name)
            except UserError as error:
                self.assertIn(str(self.path), str(error))
                refused += 1
        self.assertGreater(refused, 50)

    def test_weights_of_before_there_were_checksums_are_read_which_is_told_once(self):
        save_backbone_weights(_tiny(), self.path)
        with h5py.File(self.path, "a") as opened:
            del opened.attrs["spl_tf_backbone_sha256"]
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            for _ in range(2):
                load_backbone_weights(_tiny(), self.path)
        self.assertEqual(said.getvalue(), f"{self.path} has no checksum: it is used unchecked\n")


if __name__ == "__main__":
    tf.test.main()
