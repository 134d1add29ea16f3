"""Files of weights that lead to other files, or grow when they are read, are refused before they are."""

import os
import pathlib
import zipfile

import h5py
import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.models.transfer import read_backbone_weights
from spl_tf.models.weight_files import require_sound_model, require_sound_weights


def _external(opened, other):
    opened.create_dataset("w", (8,), "u1", external=[(str(other), 0, 8)])


def _virtual(opened, other):
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource(str(other), "w", (3,))
    opened.create_virtual_dataset("w", layout)


def _link_outside(opened, other):
    opened["w"] = h5py.ExternalLink(str(other), "/w")


def _link_inside(opened, other):
    opened["v"] = np.ones(3)
    opened["deep/w"] = h5py.SoftLink("/v")


def _never_written(opened, other):
    opened.create_dataset("w", (10**9, 1000), "f4")


def _packed(opened, other):
    opened.create_dataset("w", data=np.zeros(10**6), compression="gzip")


def _text(opened, other):
    opened["w"] = "text"


class WeightFilesTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.path = self.folder / "a.weights.h5"

    def test_what_this_package_and_keras_write_is_sound(self):
        network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dropout(0.5)])
        for number, policy in enumerate(("float32", "mixed_bfloat16", "bfloat16", "float16")):
            keras.config.set_dtype_policy(policy)
            other = keras.models.clone_model(network)
            other.save_weights(self.path)
            require_sound_weights(self.path, "")
            other.save(self.folder / f"{number}.keras")
            require_sound_model(self.folder / f"{number}.keras", "")
        keras.config.set_dtype_policy("float32")
        with h5py.File(self.path, "w") as opened:
            opened["group/kernel"], opened["scalar"], opened["empty"] = np.ones((2, 3)), 3.0, np.ones((0, 4))
            opened["group/again"] = opened["group"]  # A circle.
        require_sound_weights(self.path, "")

    @parameterized.parameters(
        (_external, "the content of w lies in another file"),
        (_virtual, "the content of w lies in another file"),
        (_link_outside, "w leads elsewhere"),
        (_link_inside, "deep/w leads elsewhere"),
        (_never_written, "w is said to have 4,000,000,000,000 bytes, the file does not hold them"),
        (_packed, "w is said to have 8,000,000 bytes"),
        (_text, "w holds no numbers"),
    )
    def test_what_is_not_in_the_file_itself_is_refused(self, write, message):
        with h5py.File(self.folder / "other.h5", "w") as other:
            other["w"] = np.ones(3, np.float32)
        with h5py.File(self.path, "w") as opened:
            write(opened, self.folder / "other.h5")
            opened.attrs["spl_tf_backbone_format"] = 1
        with self.assertRaisesRegex(UserError, f"a.weights.h5 is damaged .*{message}.*: mend it"):
            require_sound_weights(self.path, "mend it")
        with self.assertRaisesRegex(UserError, message):
            read_backbone_weights(self.path)
        with zipfile.ZipFile(self.folder / "m.keras", "w") as archive:
            archive.writestr("config.json", "{}")
            archive.writestr("metadata.json", "{}")
            archive.write(self.path, "model.weights.h5")
        with self.assertRaisesRegex(UserError, f"m.keras is damaged or no model .*{message}.*: mend it"):
            require_sound_model(self.folder / "m.keras", "mend it")

    @parameterized.parameters(
        (["config.json", "metadata.json"], zipfile.ZIP_STORED, "other members"),
        (["config.json", "metadata.json", "model.weights.h5", "../evil"], zipfile.ZIP_STORED, "other members"),
        (["config.json", "metadata.json", "model.weights.h5", "config.json"], zipfile.ZIP_STORED, "other members"),
        (["config.json", "metadata.json", "model.weights.h5"], zipfile.ZIP_DEFLATED, "larger than the file"),
    )
    def test_a_model_holds_three_members_as_they_are(self, names, compression, message):
        path = self.folder / "m.keras"
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name in names:
                archive.writestr(name, bytes(1 << 20))
        with self.assertRaisesRegex(UserError, f"m.keras is damaged or no model .*{message}.*: mend it"):
            require_sound_model(path, "mend it")

    def test_what_is_no_file_or_no_archive_is_refused(self):
        for check in (require_sound_model, require_sound_weights):
            self.path.write_bytes(b"PK\3\4 and so on" * 9)
            with self.assertRaisesRegex(UserError, "is damaged or no"):
                check(self.path, "mend it")
            self.path.unlink()
            with self.assertRaisesRegex(UserError, "does not exist: mend it"):
                check(self.path, "mend it")
            os.mkfifo(self.path)
            with self.assertRaisesRegex(UserError, "is a named pipe, not a file: mend it"):
                check(self.path, "mend it")
            self.path.unlink()


if __name__ == "__main__":
    tf.test.main()
