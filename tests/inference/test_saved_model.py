"""The exported SavedModel gives evaluation's scores without our code, and outlives faulty requests."""

import errno
import pathlib
import re
import shutil
import subprocess
import sys
from unittest import mock

import cv2
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import export
from spl_tf.command import execute
from spl_tf.data.clip import Clip
from spl_tf.data.dataset import load_dataset
from spl_tf.data.record import clip_from_bytes, clip_to_bytes
from spl_tf.inference.saved_model import export_model
from spl_tf.inference.scores import score_clips
from spl_tf.inference.trained_model import load_trained

# TensorFlow imports Keras where it is installed: here that fails, as would any later import of it.
_SERVE_WITHOUT_US = """
import sys
sys.modules["keras"] = sys.modules["tf_keras"] = sys.modules["spl_tf"] = None
import numpy as np
import tensorflow as tf
version, pixels, results, *shards = sys.argv[1:]
serve = tf.saved_model.load(version).signatures
pixels = np.load(pixels)
records = [record for shard in shards for record in tf.data.TFRecordDataset(shard).as_numpy_iterator()]
requests = {"serving_default": [], "frames": [], "records": [{"records": records}]}
for number, record in enumerate(records):
    lists = tf.train.SequenceExample.FromString(record).feature_lists.feature_list
    frames = [step.bytes_list.value[0] for step in lists["image/encoded"].feature]
    requests["frames"].append({"frames": [frames, frames]})
    requests["serving_default"].append({"clips": pixels[f"arr_{number}"][None]})
outputs = {}
for signature, inputs in requests.items():
    for request in inputs:
        answer = serve[signature](**{name: tf.constant(values) for name, values in request.items()})
        for name, values in answer.items():
            rows = values.numpy()[:1] if signature == "frames" else values.numpy()
            outputs.setdefault(f"{signature}.{name}", []).extend(rows.tolist())
ours = [name for name in sys.modules if name.split(".")[0] in ("keras", "tf_keras", "spl_tf") and sys.modules[name]]
assert not ours, ours
np.savez(results, **{name: np.array(rows) for name, rows in outputs.items()})
"""


def _pictures(seed, length, height, width):
    """uint8 [length, height, width, 3], BGR, smooth and each unlike the other."""
    coarse = np.random.default_rng(seed).integers(0, 256, (length, 4, 4, 3)).astype(np.uint8)
    return [cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC) for picture in coarse]


def _jpegs(seed, length, height, width):
    return [cv2.imencode(".jpg", picture)[1].tobytes() for picture in _pictures(seed, length, height, width)]


def _unlike_each_other(clips):
    """Longer than a draw, shorter and a single frame; wide, high and square."""
    for number, clip in enumerate(clips):
        length, clip.height, clip.width = ((13, 32, 45), (3, 39, 32), (1, 32, 32), (9, 33, 36))[number % 4]
        clip.frames = _jpegs([*clip.clip_id.encode()], length, clip.height, clip.width)
        clip.timestamps_us = [*range(length)]
    return clips


def _record(frames, **size):
    clip = Clip("a@0", "a", [], [], 0, 1, 10.0, 32, 32, frames, [*range(len(frames))])
    return clip_to_bytes(Clip(**{**vars(clip), **size}))


def _claiming(jpeg, height, width):
    """A JPEG whose header says another size."""
    start = jpeg.index(b"\xff\xc0") + 5  # Of a frame header: marker, length, precision; then height and width.
    return jpeg[:start] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + jpeg[start + 4 :]


_FRAMES = _jpegs(0, 3, 32, 32)
_CUT = _FRAMES[1][: -len(_FRAMES[1]) // 4]
_HUGE = _claiming(_FRAMES[1], 14143, 14143)

# Signature, input, what the error says. All three frames of a clip are drawn.
_FAULTS = {
    "no_clips": ("serving_default", np.zeros((0, 3, 32, 32, 3), np.uint8), r"holds no clips.*\[0 3 32 32 3\]"),
    "no_frames": ("serving_default", np.zeros((1, 0, 32, 32, 3), np.uint8), r"have no frames.*\[1 0 32 32 3\]"),
    "small": ("serving_default", np.zeros((1, 3, 20, 40, 3), np.uint8), r"smaller than the.*28.*\[1 3 20 40 3\]"),
    "rank_4": ("serving_default", np.zeros((3, 32, 32, 3), np.uint8), r"[Ss]hape.*3,32,32,3"),
    "floats": ("serving_default", np.zeros((1, 3, 32, 32, 3), np.float32), "uint8.*float"),
    "frames_no_clips": ("frames", np.zeros((0, 3), "S1"), r"holds no clips.*\[0 3\]"),
    "frames_no_frames": ("frames", np.zeros((2, 0), "S1"), "clip.*[01].*has no frames"),
    "frames_rank_1": ("frames", _FRAMES, r"[Ss]hape.*\[3\]"),
    "not_a_jpeg": ("frames", [_FRAMES, [_FRAMES[0], _FRAMES[1], b"GIF89a"]], r"frame.*2.*of clip.*1.*is no JPEG"),
    "empty_frame": ("frames", [[b"", *_FRAMES]], r"frame.*0.*of clip.*0.*is no JPEG"),
    "cut_header": ("frames", [[_FRAMES[0], _FRAMES[1][:20], _FRAMES[2]]], "Invalid JPEG data"),
    "cut_jpeg": ("frames", [[_FRAMES[0], _CUT, _FRAMES[2]]], "Invalid JPEG data"),
    "huge": ("frames", [[_FRAMES[0], _HUGE, _FRAMES[2]]], "larger than.*4096.*14143"),
    "all_huge": ("frames", [[_HUGE] * 3], "larger than.*4096.*14143"),
    "two_sizes": ("frames", [[*_FRAMES[:2], *_jpegs(1, 1, 40, 32)]], "frame of another size.*40"),
    "small_frames": ("frames", [_jpegs(1, 3, 27, 40)], "smaller than crop_size.*27.*40"),
    "garbage": ("records", [b"hello, world"], "clip.*0.*is no serialized clip record"),
    "empty_record": ("records", [_record(_FRAMES), b""], "clip.*1.*is no serialized clip record"),
    "cut_record": ("records", [_record(_FRAMES)[:-9]], "Invalid protocol message"),
    "other_record": ("records", [tf.train.SequenceExample().SerializeToString() + b"\n\0"], "clip/media_id"),
    "record_no_frames": ("records", [_record([])], "clip.*a@0.*has no frames"),
    "record_of_text": ("records", [_record([b"hello"])], "frame.*0.*of clip.*a@0.*is no JPEG"),
    "record_huge": ("records", [_record([_HUGE], height=14143, width=14143)], "a@0.*larger than.*4096.*14143"),
    "record_lies": ("records", [_record(_FRAMES, height=64)], "a@0.*64.*frame of another size.*32"),
}


class ExportTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(scope="class")
    def version(self, trained_dir, tmp_path_factory):
        """The exported folder and its signatures."""
        folder = export_model(trained_dir, tmp_path_factory.mktemp("served") / "colors")
        return folder, tf.saved_model.load(str(folder))

    @pytest.fixture(autouse=True)
    def _fixtures(self, trained_dir, version, color_shards, rewrite_shards):
        self.trained_dir, self.rewrite_shards, self.shards = trained_dir, rewrite_shards, color_shards / "test"
        self.version, self.loaded = version

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def test_a_process_without_spl_tf_and_keras_gets_the_scores_of_evaluation(self):
        shards = load_dataset(self.rewrite_shards(self.shards, self.folder / "shards", change=_unlike_each_other))
        paths = [shard.path for shard in shards.shards]
        pixels = []
        for record in tf.data.TFRecordDataset(paths).as_numpy_iterator():
            frames = [np.frombuffer(frame, np.uint8) for frame in clip_from_bytes(record).frames]
            pixels.append(np.stack([cv2.imdecode(frame, cv2.IMREAD_COLOR)[..., ::-1] for frame in frames]))
        np.savez(self.folder / "pixels.npz", *pixels)
        self.assertGreater(len({clip.shape for clip in pixels}), 3)
        arguments = [str(self.version), str(self.folder / "pixels.npz"), str(self.folder / "outputs.npz"), *paths]
        done = subprocess.run(
            [sys.executable, "-c", _SERVE_WITHOUT_US, *arguments],
            capture_output=True,
            text=True,
            cwd=self.folder,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        served = np.load(self.folder / "outputs.npz")
        trained = load_trained(self.trained_dir)
        strategy = tf.distribute.get_strategy()
        evaluated = list(
            score_clips(
                trained.network,
                shards,
                trained.clip_input,
                strategy,
                batch_size=5,
                num_views=1,
                description="evaluate",
            )
        )
        scores = np.stack([clip.scores for clip in evaluated])
        self.assertGreater(np.ptp(scores, axis=0).max(), 0.01)  # Else any draw would do.
        for signature in ("serving_default", "frames", "records"):
            self.assertAllClose(served[f"{signature}.scores"], scores, rtol=0, atol=1e-5)
            self.assertAllClose(served[f"{signature}.features"], np.stack([clip.features for clip in evaluated]), 1e-5)
            self.assertAllEqual(served[f"{signature}.classes"], scores.argmax(axis=1))
            names = [trained.classes[number] for number in scores.argmax(axis=1)]
            self.assertEqual([name.decode() for name in served[f"{signature}.labels"]], names)

    @parameterized.named_parameters((name, *fault) for name, fault in _FAULTS.items())
    def test_a_faulty_request_is_named_and_the_model_lives_on(self, signature, values, words):
        serve = self.loaded.signatures[signature]
        (name,) = serve.structured_input_signature[1]
        # Type errors are TensorFlow's own, raised as TypeError by some of its versions.
        with self.assertRaises((tf.errors.InvalidArgumentError, TypeError)) as raised:
            serve(**{name: tf.constant(values)})
        self.assertRegex(str(raised.exception), re.compile(words, re.DOTALL))
        answer = self.loaded.signatures["frames"](frames=tf.constant([_FRAMES]))
        self.assertAllClose(tf.reduce_sum(answer["scores"], axis=1), [1.0])

    def test_class_names_and_configuration_are_assets(self):
        self.assertEqual((self.version / "assets" / "classes.txt").read_text(), "red\ngreen\nblue\n")
        configuration = (self.trained_dir / "operative_config.gin").read_bytes()
        self.assertEqual((self.version / "assets" / "operative_config.gin").read_bytes(), configuration)
        found = {asset.asset_path.numpy().decode() for asset in self.loaded.assets}
        names = ("classes.txt", "operative_config.gin")
        self.assertEqual(found, {str(self.version / "assets" / name) for name in names})
        model = (self.trained_dir / "model.json").read_bytes()
        self.assertEqual((self.version / "assets.extra" / "model.json").read_bytes(), model)

    def test_without_room_nothing_is_half_written(self):
        full = OSError(errno.ENOSPC, "No space left on device")
        with mock.patch.object(shutil, "copy", side_effect=full), self.assertRaises(OSError):
            export_model(self.trained_dir, self.folder / "s")
        self.assertEqual([path.name for path in (self.folder / "s").iterdir() if path.name != ".lock"], [])

    def test_versions_count_up_and_none_is_overwritten(self):
        (self.folder / "s" / "7").mkdir(parents=True)
        argv = ["export", f"--model_dir={self.trained_dir}", f"--output_dir={self.folder / 's'}"]
        self.assertEqual(execute(export.main, export.FLAGS, export.__doc__, [*argv, "--precision=bfloat16"]), 0)
        self.assertEqual(sorted(p.name for p in (self.folder / "s").iterdir() if p.name[0] != "."), ["7", "8"])
        self._assert_near_the_exact_one(tf.saved_model.load(str(self.folder / "s" / "8")))
        argv[1] = f"--model_dir={self.folder}"
        self.assertEqual(execute(export.main, export.FLAGS, export.__doc__, argv), 2)

    def _assert_near_the_exact_one(self, loaded):
        """In low precision the outputs are float32 all the same."""
        exact, low = (model.signatures["frames"](frames=tf.constant([_FRAMES])) for model in (self.loaded, loaded))
        for name, kind in (("scores", "float32"), ("classes", "int64"), ("labels", "string"), ("features", "float32")):
            self.assertEqual(low[name].dtype.name, kind)
        self.assertAllClose(low["scores"], exact["scores"], atol=0.05)
        self.assertNotAllClose(low["features"], exact["features"], atol=1e-6)
