"""A finished stage's network as a folder: the folded network and what its input must look like."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import Annotated

import keras
import msgspec
import numpy as np
import tensorflow as tf

from spl_tf import checksums, files
from spl_tf.data.dataset import ClipDataset, load_dataset
from spl_tf.data.input.looping import tell_of_looping
from spl_tf.data.input.preprocessing import normalize
from spl_tf.data.input.views import ViewShape
from spl_tf.errors import UserError
from spl_tf.hardware.distribution import device_strategy
from spl_tf.hardware.precision import choose_policy
from spl_tf.inference import stage_folder
from spl_tf.labels.classes import require_same_classes
from spl_tf.labels.targets import NONE, SEVERAL, SINGLE, Form
from spl_tf.models.folding import fold_into
from spl_tf.models.weight_files import require_sound_model
from spl_tf.stored import Count, Positive, read_json

FORMAT_VERSION = 1
_REMEDY = "name the --model_dir of a finished stage of spl_tf.train, or finish it with the same command"


@dataclasses.dataclass(frozen=True)
class ClipInput(ViewShape):
    """The clips a network was trained on, and what it saw of them.

    Attributes:
      short_side: short side of the frames the crop is cut from, pixels.
      fps: frames per second of the record.
    """

    short_side: Positive
    fps: Annotated[float, msgspec.Meta(gt=0)]


class Description(msgspec.Struct):
    """`model.json`.

    Attributes:
      classes: names of the N classes.
      clip_input: what the network was trained on.
      folded_sha256: of `folded.keras`.
      target: what it was trained towards; older files know one only.
      clips_of_class: clips of every class in training; None in older files and of converted networks.
    """

    classes: tuple[str, ...]
    clip_input: ClipInput
    folded_sha256: str
    target: Form = "single"
    clips_of_class: tuple[Count, ...] | None = None


@dataclasses.dataclass(frozen=True)
class TrainedModel:
    """A network ready for inference.

    Attributes:
      network: folded; float [B, T, H, W, 3] -> {"features": [B, C], "logits": [B, N]}; of target "none" no logits.
      classes: names of the N classes.
      clip_input: what it was trained on.
      precision: Keras dtype policy it runs in.
      weights_hash: sha256 of the weights' file.
      target: what the logits were trained towards, see `spl_tf.labels.targets`: it says how they become scores.
      clips_of_class: clips of every class in training; None where that is not known.
    """

    network: keras.Model
    classes: tuple[str, ...]
    clip_input: ClipInput
    precision: str
    weights_hash: str
    target: str = SINGLE
    clips_of_class: tuple[int, ...] | None = None

    def __call__(self, clips: np.ndarray | tf.Tensor) -> dict[str, tf.Tensor]:
        """Scores and features of clips as they are stored.

        Args:
          clips: uint8 [B, T, S, S, 3], RGB, of the frames and crop size of `clip_input`.

        Returns:
          {"scores": float32 [B, N], "features": float32 [B, C]}.

        Raises:
          tf.errors.InvalidArgumentError: they are not finite, the network is broken. In a graph the caller looks,
            who knows the clips' names.
        """
        outputs = self.network(normalize(clips), training=False)
        found = {"scores": self.scores(outputs["logits"]), "features": outputs["features"]}
        if tf.executing_eagerly():
            for name, values in found.items():
                tf.debugging.assert_all_finite(values, f"the network's {name} are not finite")
        return found

    def scores(self, logits: tf.Tensor) -> tf.Tensor:
        """Scores of every class, [B, N] or [..., N]; see `scores_of`."""
        return scores_of(logits, self.target)


def scores_of(logits: tf.Tensor, target: str) -> tf.Tensor:
    """Softmax scores, which sum to 1; of a network for several labels a clip sigmoid scores, each by itself."""
    return keras.ops.sigmoid(logits) if target == SEVERAL else keras.ops.softmax(logits)


def folded_for_storage(network: keras.Model, build: Callable[[], keras.Model]) -> keras.Model:
    """The folded form of a trained classifier, as `save_trained` takes it.

    Args:
      network: the classifier.
      build: makes a new folded network of the same configuration.
    """
    policy = keras.mixed_precision.dtype_policy()
    # Stored in mixed precision, which marks the layers that stay in float32 in any precision.
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        folded = build()
    finally:
        keras.mixed_precision.set_dtype_policy(policy)
    fold_into(network, folded)
    return folded


def save_trained(
    folder: pathlib.Path,
    folded: keras.Model,
    classes: tuple[str, ...],
    clip_input: ClipInput,
    target: str = SINGLE,
    clips_of_class: Sequence[int] | None = None,
) -> None:
    """Writes `folded.keras`, checksums, then `model.json` that describes it."""
    with files.atomic_path(folder / stage_folder.NETWORK) as path:
        folded.save(path)
        stage_folder.drop_chance(path)
    digest = files.sha256(folder / stage_folder.NETWORK)
    description = {
        "format_version": FORMAT_VERSION,
        "classes": list(classes),
        "clip_input": dataclasses.asdict(clip_input),
        "target": target,
        **({} if clips_of_class is None else {"clips_of_class": list(clips_of_class)}),
        "folded_sha256": digest,
    }
    checksums.complete(folder, {stage_folder.NETWORK: digest}, "model.json", files.json_text(description))


def read_description(folder: files.Path) -> Description:
    """Reads `model.json`.

    Raises:
      UserError: the folder holds no finished stage, or the file is damaged or of another version of this package.
    """
    path = pathlib.Path(folder) / "model.json"
    description = read_json(path, Description, _REMEDY, version=FORMAT_VERSION)
    counts, classes = description.clips_of_class, description.classes
    if counts is not None and len(counts) != len(classes):
        raise UserError(f"{path} is damaged ({len(counts)} clips_of_class of {len(classes)} classes): {_REMEDY}")
    return description


def require_distributions(folder: files.Path, asked_by: str) -> None:
    """Raises UserError for the stage of a network of several labels: its scores are none over one class each."""
    if read_description(folder).target == SEVERAL:
        raise UserError(
            f"{asked_by} needs probabilities of one class a clip, {folder} was trained towards several: give a network "
            "of train_stage.objective = @single_label"
        )


def load_trained(folder: files.Path, policy: str = "float32", *, needs_scores: bool = True) -> TrainedModel:
    """Loads a finished stage's network to run under a dtype policy.

    Args:
      folder: of the stage.
      policy: Keras' dtype policy.
      needs_scores: False takes a network without class scores too, which self-supervised learning leaves.

    Raises:
      UserError: the folder holds no finished stage, its files are damaged or of another version of this package, or
        its network has no class scores.
    """
    folder = pathlib.Path(folder)
    path = folder / stage_folder.NETWORK
    description = read_description(folder)
    if description.target == NONE and needs_scores:
        raise UserError(
            f"{folder} was trained without labels and gives no class scores: fine-tune it first, with "
            f"train_stage.init_weights = '{folder / stage_folder.BACKBONE}'"
        )
    if not path.is_file():
        raise UserError(f"{path} does not exist: {_REMEDY}")
    stage_folder.require_whole(folder / "model.json")
    digest = stage_folder.network_digest(folder)
    if digest != description.folded_sha256:
        raise UserError(f"{path} is not the file {folder / 'model.json'} describes: train the stage again")
    return TrainedModel(
        network=with_precision(_read_network(path), policy),
        classes=description.classes,
        clip_input=description.clip_input,
        precision=policy,
        weights_hash=digest,
        target=description.target,
        clips_of_class=description.clips_of_class,
    )


def _read_network(path: pathlib.Path) -> keras.Model:
    remedy = "train the stage again, or copy its folder again"
    require_sound_model(path, remedy)
    try:
        # Safe mode: a network is made of known layers, no code is taken from a file.
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever it meets on its way through a file.
        first = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise UserError(f"{path} cannot be read by Keras ({first[0][:200]}): {remedy}") from error


def load_with_clips(
    folder: files.Path, shards: files.Path, precision: str
) -> tuple[TrainedModel, ClipDataset, tf.distribute.Strategy]:
    """A finished stage's network on this machine's devices, and clips of its classes; tells of those it will loop.

    Args:
      folder: of a finished stage.
      shards: folder of shards.
      precision: "auto", "float32" or "bfloat16".

    Raises:
      UserError: one of them can't be loaded, there is no clip, or they don't fit together.
    """
    strategy = device_strategy()
    with strategy.scope():
        trained = load_trained(folder, choose_policy(precision))
    dataset = load_dataset(shards)
    if not dataset.num_clips:
        raise UserError(f"{dataset.folder} holds no clip: run spl_tf.shard on videos that can be read")
    require_fitting_data(trained, folder, dataset)
    tell_of_looping(dataset, trained.clip_input)
    return trained, dataset, strategy


def require_fitting_data(trained: TrainedModel, model_dir: files.Path, dataset: ClipDataset) -> None:
    """Refuses a data set of other classes, or whose clips are not like those the network was made for.

    Raises:
      UserError: they don't fit together.
    """
    require_same_classes(trained.classes, str(model_dir), dataset.classes, dataset.folder)
    require_fitting_clips(trained, model_dir, dataset)


def require_fitting_clips(trained: TrainedModel, model_dir: files.Path, dataset: ClipDataset) -> None:
    """Refuses clips of another size or frame rate: crop and stride would show a smaller part, or a longer time.

    Raises:
      UserError: they don't fit together.
    """
    clip_input = trained.clip_input
    if (clip_input.short_side, clip_input.fps) != (dataset.short_side, dataset.fps):
        raise UserError(
            f"{model_dir} was trained on clips of {clip_input.short_side} pixels at {clip_input.fps:g} frames per "
            f"second, those of {dataset.folder} have {dataset.short_side} pixels at {dataset.fps:g}: run "
            f"{dataset.made_by} with --short_side={clip_input.short_side} --fps={clip_input.fps:g}"
        )


def with_precision(network: keras.Model, policy: str) -> keras.Model:
    """The same network computing in another precision.

    Networks are stored in mixed precision; float32 replaces every layer's policy,
    while bfloat16 keeps global pooling and head in float32.
    """

    def rebuild(layer: keras.layers.Layer) -> keras.layers.Layer:
        if policy != "float32" and layer.dtype_policy.name == "float32":
            return layer.__class__.from_config(layer.get_config())
        return layer.__class__.from_config({**layer.get_config(), "dtype": policy})

    clone = keras.models.clone_model(network, clone_function=rebuild)
    clone.set_weights(network.get_weights())
    return clone
