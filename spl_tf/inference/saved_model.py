"""A trained network as a SavedModel for TF Serving: stored frames in, scores out, preprocessing inside."""

import os
import pathlib
import shutil
import tempfile

import keras
import tensorflow as tf

from spl_tf import files
from spl_tf.hardware.precision import choose_policy
from spl_tf.inference import onnx_file, warmup
from spl_tf.inference.serving_signatures import serving_signatures
from spl_tf.inference.trained_model import TrainedModel, load_trained

# A network that tools/convert made was never trained here: it has the latter.
_CONFIGURATIONS = ("operative_config.gin", "network.gin")


def export_model(
    model_dir: files.Path, output_dir: files.Path, *, precision: str = "float32", onnx: bool = False
) -> pathlib.Path:
    """Writes the folded network as the next version below `output_dir`.

    Its signatures are those of `serving_signatures`. Assets are `classes.txt` and the stage's
    gin configuration; `assets.extra` holds `model.json`, TF Serving's warm-up requests and the ONNX file.

    Args:
      model_dir: folder of a finished stage.
      output_dir: gets a folder 1, 2, ... per export, as TF Serving wants it; none is ever
        overwritten, and a new one appears whole. Its name is the model's in the warm-up requests.
      precision: "float32", "bfloat16" or "auto".
      onnx: write an ONNX file too, see `onnx_file`; in float32 only.

    Returns:
      The new version's folder.

    Raises:
      UserError: `model_dir` holds no finished stage, or an ONNX file can't be written.
    """
    model_dir, output_dir = pathlib.Path(model_dir), pathlib.Path(output_dir)
    policy = choose_policy(precision)
    if onnx:
        onnx_file.require_converter(policy)
    trained = load_trained(model_dir, policy)
    with files.locked(output_dir, "the exported model"):
        unfinished = output_dir / ".unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            _write_saved_model(unfinished, trained, model_dir)
            extra = unfinished / "assets.extra"
            extra.mkdir()
            shutil.copy(model_dir / "model.json", extra)
            warmup.write_warmup(extra / warmup.FILE_NAME, output_dir.resolve().name, trained.clip_input)
            if onnx:
                onnx_file.write_onnx(extra / onnx_file.FILE_NAME, trained)
            version = output_dir / str(_next_version(output_dir))
            for path in (*unfinished.rglob("*"), unfinished):
                files.sync(path)
            os.rename(unfinished, version)
            files.sync(output_dir)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)  # On a full disk a part of it would stay.
    return version


def _write_saved_model(folder: pathlib.Path, trained: TrainedModel, model_dir: pathlib.Path) -> None:
    archive = keras.export.ExportArchive()
    archive.track(trained.network)
    for name, (function, inputs) in serving_signatures(trained).items():
        archive.add_endpoint(name, function, input_signature=[inputs])
    with tempfile.TemporaryDirectory() as temporary:
        classes = pathlib.Path(temporary) / "classes.txt"
        files.write_lines(classes, trained.classes)
        configurations = [model_dir / name for name in _CONFIGURATIONS if (model_dir / name).is_file()]
        # `archive.track` keeps layers and lookup tables alone; what it saves hangs on this object.
        archive._tf_trackable.assets = [tf.saved_model.Asset(str(path)) for path in (classes, *configurations)]
        archive.write_out(str(folder), verbose=False)


def _next_version(output_dir: pathlib.Path) -> int:
    return 1 + max((int(path.name) for path in output_dir.iterdir() if path.name.isdecimal()), default=0)
