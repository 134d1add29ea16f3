"""A finished stage's network as a folder: the folded network and what its input must look like."""

import dataclasses
import pathlib

import keras

from spl_tf import files
from spl_tf.errors import UserError

FORMAT_VERSION = 1
_WAY_OUT = "name the --model_dir of a finished training stage"


@dataclasses.dataclass(frozen=True)
class ClipInput:
    """The clips a network was trained on.

    Attributes:
      num_frames: T, frames drawn from a record.
      frame_stride: frames of the record from one drawn frame to the next.
      crop_size: height and width of the crop, pixels.
      short_side: short side of the frames the crop is cut from, pixels.
      fps: frame rate of the record; 0 when its videos kept their own.
    """

    num_frames: int
    frame_stride: int
    crop_size: int
    short_side: int
    fps: float


@dataclasses.dataclass(frozen=True)
class TrainedModel:
    """A network ready for inference.

    Attributes:
      network: folded; float [B, T, H, W, 3] -> {"features": [B, C], "logits": [B, N]}.
      classes: names of the N classes.
      clip_input: what it was trained on.
      precision: Keras dtype policy it runs in.
      weights_hash: sha256 of the weights' file.
    """

    network: keras.Model
    classes: tuple[str, ...]
    clip_input: ClipInput
    precision: str
    weights_hash: str


def save_trained(folder: pathlib.Path, folded: keras.Model, classes: tuple[str, ...], clip_input: ClipInput) -> None:
    """Writes `folded.keras`, then `model.json` that describes it."""
    with files.atomic_path(folder / "folded.keras") as path:
        folded.save(path)
    files.write_json(
        folder / "model.json",
        {
            "format_version": FORMAT_VERSION,
            "classes": list(classes),
            "clip_input": dataclasses.asdict(clip_input),
            "folded_sha256": files.sha256(folder / "folded.keras"),
        },
    )


def load_trained(folder: files.Path, policy: str = "float32") -> TrainedModel:
    """Loads a finished stage's network to run under a dtype policy.

    Raises:
      UserError: the folder holds no finished stage, or its files are damaged.
    """
    folder = pathlib.Path(folder)
    description = files.read_json(folder / "model.json", _WAY_OUT)
    path = folder / "folded.keras"
    if not path.is_file():
        raise UserError(f"{path} does not exist: {_WAY_OUT}")
    digest = files.sha256(path)
    if digest != description["folded_sha256"]:
        raise UserError(f"{path} is not the file {folder / 'model.json'} describes: train the stage again")
    return TrainedModel(
        network=with_precision(keras.models.load_model(path, compile=False), policy),
        classes=tuple(description["classes"]),
        clip_input=ClipInput(**description["clip_input"]),
        precision=policy,
        weights_hash=digest,
    )


def with_precision(network: keras.Model, policy: str) -> keras.Model:
    """The same network computing in another precision.

    Networks are stored in mixed precision; float32 replaces every layer's policy,
    while bfloat16 and float16 keep pooling and head in float32.
    """

    def rebuild(layer: keras.layers.Layer) -> keras.layers.Layer:
        if policy != "float32" and layer.dtype_policy.name == "float32":
            return layer.__class__.from_config(layer.get_config())
        return layer.__class__.from_config({**layer.get_config(), "dtype": policy})

    clone = keras.models.clone_model(network, clone_function=rebuild)
    clone.set_weights(network.get_weights())
    return clone
