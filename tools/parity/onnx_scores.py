"""Exports networks with random weights and compares the ONNX file's scores with those of the SavedModel beside it.

Both are used as a user would: the SavedModel by its signature, the ONNX file by onnxruntime, each on the same
whole frames of random pixels and of several lengths and sizes. Needs tf2onnx and onnxruntime:

  nox -s onnx
  python -m tools.parity.onnx_scores --results=results/onnx.csv

Exit code 1 when scores differ by more than 1e-5, features by more than that of the largest one, or classes or labels
at all.
"""

import csv
import importlib.metadata
import pathlib
import tempfile
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from absl import flags

from spl_tf import command, files
from spl_tf.inference.onnx_file import FILE_NAME
from spl_tf.inference.saved_model import export_model
from spl_tf.inference.trained_model import ClipInput, save_trained
from spl_tf.models.cgnl import cgnl_block
from spl_tf.models.classifier import classifier
from spl_tf.models.r2plus1d import r2plus1d, r3d
from spl_tf.models.resnet2d import resnet2d
from spl_tf.models.resnet3d import resnet3d
from spl_tf.models.s3d import s3d

FLAGS = flags.FlagValues()
flags.DEFINE_string("results", None, "CSV file for the differences.", flag_values=FLAGS)

TOLERANCE = 1e-5
_VERSIONS = ("tf2onnx", "onnxruntime", "tensorflow", "keras")
CLASSES = ("brew", "déjà vu", "走る", "plain", "wave")
# Frames, stride, crop; then what is sent.
_VIDEO, _IMAGE = ClipInput(8, 2, 64, short_side=72, fps=25.0), ClipInput(1, 1, 64, short_side=72, fps=1.0)
_CLIPS = ((2, 30, 72, 96, 3), (1, 5, 100, 72, 3))

_NETWORKS: dict[str, tuple[Callable[[], keras.Model], ClipInput]] = {
    "R3D-50-G": (lambda: resnet3d(folded=True, width_multiplier=0.25), _VIDEO),
    "R3D-50, non-local": (lambda: resnet3d(folded=True, width_multiplier=0.25, gating="none", non_local=5), _VIDEO),
    "R3D-50, compact generalized non-local": (
        lambda: resnet3d(folded=True, width_multiplier=0.25, non_local=5, non_local_block=cgnl_block),
        _VIDEO,
    ),
    "S3D-G": (lambda: s3d(folded=True, width_multiplier=0.25, gating="branch"), _VIDEO),
    "R(2+1)D-18": (lambda: r2plus1d(folded=True, width_multiplier=0.25), _VIDEO),
    "R3D-18": (lambda: r3d(folded=True, width_multiplier=0.25), _VIDEO),
    "ResNet-50 over images": (lambda: resnet2d(folded=True, width_multiplier=0.25), _IMAGE),
}


def random_classifier(backbone: keras.Model, view: ClipInput) -> keras.Model:
    """A network whose scores are far from equal."""
    network = classifier(backbone, len(CLASSES))
    clips = np.random.default_rng(0).normal(size=(2, view.num_frames, view.crop_size, view.crop_size, 3))
    head = network.get_layer("logits")
    kernel, bias = head.get_weights()
    head.set_weights([kernel * 3 / np.std(network(clips)["logits"]), bias])
    return network


def compare(version: pathlib.Path) -> list[dict]:
    """Per shape of clips, the largest difference of scores, and of features over the largest feature.

    Raises:
      RuntimeError: classes or their names differ.
    """
    import onnxruntime

    served = tf.saved_model.load(str(version)).signatures["serving_default"]
    session = onnxruntime.InferenceSession(version / "assets.extra" / FILE_NAME, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    rows = []
    for number, shape in enumerate(_CLIPS):
        clips = np.random.default_rng(number).integers(0, 256, shape).astype(np.uint8)
        wanted = {name: values.numpy() for name, values in served(clips=tf.constant(clips)).items()}
        found = dict(zip(names, session.run(names, {"clips": clips}), strict=True))
        labels = [label.decode() for label in wanted["labels"]]
        if found["classes"].tolist() != wanted["classes"].tolist() or list(found["labels"]) != labels:
            raise RuntimeError(f"{shape}: {found['labels']}, in the SavedModel {labels}")
        differences = {name: float(np.abs(found[name] - wanted[name]).max()) for name in ("scores", "features")}
        differences["features"] /= float(np.abs(wanted["features"]).max())
        rows.append({"clips": " x ".join(map(str, shape)), **differences})
    return rows


def main() -> int:
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in _VERSIONS)
    rows, worst = [], 0.0
    for name, (build, view) in _NETWORKS.items():
        keras.utils.set_random_seed(0)
        with tempfile.TemporaryDirectory() as folder:
            save_trained(pathlib.Path(folder, "m"), random_classifier(build(), view), CLASSES, view)
            version = export_model(pathlib.Path(folder, "m"), pathlib.Path(folder, "s"), onnx=True)
            for row in compare(version):
                worst = max(worst, row["scores"], row["features"])
                texts = {column: value if column == "clips" else f"{value:.1e}" for column, value in row.items()}
                rows.append({"network": name, **texts, "versions": versions})
                print(", ".join(f"{column} {text}" for column, text in rows[-1].items()), flush=True)
    if FLAGS.results:
        with files.atomic_path(FLAGS.results) as temporary, open(temporary, "w", newline="") as opened:
            writer = csv.DictWriter(opened, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    return 0 if worst <= TOLERANCE else 1


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
