"""A trained network as a SavedModel for TF Serving: uint8 clips in, scores out, preprocessing inside."""

import os
import pathlib
import shutil

import keras
import tensorflow as tf

from spl_tf import files
from spl_tf.data.preprocessing import normalize
from spl_tf.hardware.precision import choose_policy
from spl_tf.inference.trained_model import load_trained


def export_model(model_dir: files.Path, output_dir: files.Path, *, precision: str = "float32") -> pathlib.Path:
    """Writes the folded network as the next version below `output_dir`.

    The signature `serving_default` takes "clips", uint8 [B, T, H, W, 3], RGB, cut as for
    evaluation, and gives "scores" float32 [B, N], "classes" int64 [B], "labels" string [B]
    and "features" float32 [B, C].

    Args:
      model_dir: folder of a finished stage.
      output_dir: gets a folder 1, 2, ... per export, as TF Serving wants it; none is ever
        overwritten, and a new one appears whole.
      precision: "float32", "bfloat16", "float16" or "auto".

    Returns:
      The new version's folder.

    Raises:
      UserError: `model_dir` holds no finished stage.
    """
    trained = load_trained(model_dir, choose_policy(precision))
    names = tf.constant(trained.classes)

    def serve(clips: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = trained.network(normalize(clips), training=False)
        scores = tf.nn.softmax(outputs["logits"])
        classes = tf.argmax(scores, axis=-1)
        return {
            "scores": scores,
            "classes": classes,
            "labels": tf.gather(names, classes),
            "features": outputs["features"],
        }

    archive = keras.export.ExportArchive()
    archive.track(trained.network)
    clips = tf.TensorSpec([None, None, None, None, 3], tf.uint8, name="clips")
    archive.add_endpoint("serving_default", serve, input_signature=[clips])
    output_dir = pathlib.Path(output_dir)
    with files.locked(output_dir, "the exported model"):
        unfinished = output_dir / ".unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            archive.write_out(str(unfinished), verbose=False)
            assets = unfinished / "assets.extra"
            assets.mkdir()
            shutil.copy(pathlib.Path(model_dir) / "model.json", assets)
            version = output_dir / str(_next_version(output_dir))
            os.rename(unfinished, version)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)  # On a full disk a part of it would stay.
    return version


def _next_version(output_dir: pathlib.Path) -> int:
    return 1 + max((int(path.name) for path in output_dir.iterdir() if path.name.isdigit()), default=0)
