"""The exported SavedModel gives the scores of the network it was made of, without our code."""

import errno
import pathlib
import shutil
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from spl_tf import export
from spl_tf.command import execute
from spl_tf.data.preprocessing import normalize
from spl_tf.inference.export import export_model
from spl_tf.inference.trained_model import load_trained

_LOAD_WITHOUT_US = """
import sys
import numpy as np
import tensorflow as tf
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
outputs = serve(clips=tf.constant(np.load(sys.argv[2])))
assert not any(name.split(".")[0] == "spl_tf" for name in sys.modules)
np.savez(sys.argv[3], **{name: np.array(value.numpy().tolist()) for name, value in outputs.items()})
"""


class ExportTest(tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, trained_dir):
        self.trained_dir = trained_dir

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def test_a_process_without_spl_tf_gets_the_scores_of_the_network(self):
        version = export_model(self.trained_dir, self.folder / "s")
        self.assertEqual(version, self.folder / "s" / "1")
        clips = np.random.default_rng(0).integers(0, 256, (3, 4, 28, 28, 3)).astype(np.uint8)
        np.save(self.folder / "clips.npy", clips)
        arguments = [str(version), str(self.folder / "clips.npy"), str(self.folder / "outputs.npz")]
        done = subprocess.run(
            [sys.executable, "-c", _LOAD_WITHOUT_US, *arguments],
            capture_output=True,
            text=True,
            cwd=self.folder,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        served = np.load(self.folder / "outputs.npz")
        trained = load_trained(self.trained_dir)
        logits = trained.network(normalize(clips), training=False)["logits"].numpy()
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        self.assertAllClose(served["scores"], powers / powers.sum(axis=1, keepdims=True), atol=1e-5)
        self.assertAllEqual(served["classes"], logits.argmax(axis=1))
        self.assertEqual([name.decode() for name in served["labels"]], [trained.classes[i] for i in logits.argmax(1)])

    def test_without_room_nothing_is_half_written(self):
        full = OSError(errno.ENOSPC, "No space left on device")
        with mock.patch.object(shutil, "copy", side_effect=full), self.assertRaises(OSError):
            export_model(self.trained_dir, self.folder / "s")
        self.assertEqual([path.name for path in (self.folder / "s").iterdir() if path.name != ".lock"], [])

    def test_versions_count_up_and_none_is_overwritten(self):
        (self.folder / "s" / "7").mkdir(parents=True)
        argv = ["export", f"--model_dir={self.trained_dir}", f"--output_dir={self.folder / 's'}"]
        self.assertEqual(execute(export.main, export.FLAGS, export.__doc__, argv), 0)
        self.assertEqual(sorted(p.name for p in (self.folder / "s").iterdir() if p.name[0] != "."), ["7", "8"])
        argv[1] = f"--model_dir={self.folder}"
        self.assertEqual(execute(export.main, export.FLAGS, export.__doc__, argv), 2)
