"""What goes into a stage, and its identity: enough to tell this run from any other."""

import dataclasses
import pathlib
import re

import gin

from spl_tf import checksums, configuration, files
from spl_tf.data.dataset import ClipDataset, load_dataset
from spl_tf.data.input.pipeline import training_clips
from spl_tf.data.sidecars import open_labels_of
from spl_tf.errors import UserError
from spl_tf.inference.stage_folder import FINISHED, backbone_digest
from spl_tf.labels.classes import require_same_classes
from spl_tf.labels.label_folder import Summary, sidecar_digests
from spl_tf.remote import addresses, mirror
from spl_tf.stored import read_json

_TAKE_OVER = "delete this file alone and run the same command: what else lies there is then taken for this run's"

# Of one file or of several.
_DIGESTS = re.compile(r"[0-9a-f]{16,64}( [0-9a-f]{16,64})*")

# Where the configurables of the package live that decide what a run trains.
_DECISIVE = (
    "spl_tf.training.",
    "spl_tf.models.",
    "spl_tf.losses.",
    "spl_tf.data.input.",
    "spl_tf.hardware.",
    "keras.optimizers.",
)
_PACKAGE = "spl_tf."
# But where things lie, and how often is looked at them, decides nothing; what lies there is in the identity itself.
_NOT_TRAINED = (
    "train_stage.train_shards",
    "train_stage.validation_shards",
    "train_stage.labels_dir",
    "train_stage.init_weights",
    "train_stage.steps_per_loop",
    "train_stage.checkpoint_seconds",
    "train_stage.profile_steps",
)


@dataclasses.dataclass(frozen=True)
class StageInputs:
    """Data, labels and initial weights of one stage.

    Attributes:
      train: shards trained on.
      labels: of side-cars that replace their labels.
      validation: shards evaluated on now and then.
      init_weights: backbone weights of an earlier stage.
      classes: names of the classes of the head.
    """

    train: ClipDataset
    labels: Summary | None
    validation: ClipDataset | None
    init_weights: pathlib.Path | None
    classes: tuple[str, ...]


def open_inputs(
    train_shards: files.Path,
    labels_dir: files.Path | None = None,
    validation_shards: files.Path | None = None,
    init_weights: files.Path | None = None,
) -> StageInputs:
    """Opens a stage's inputs.

    Raises:
      UserError: something is missing, or validation has other classes than training.
    """
    train = load_dataset(mirror.open_folder(train_shards))
    labels = None if labels_dir is None else open_labels_of(train, mirror.open_folder(labels_dir))
    classes = train.classes if labels is None else labels.class_names
    validation = None
    if validation_shards is not None:
        validation = load_dataset(mirror.open_folder(validation_shards))
        require_same_classes(classes, str(labels_dir or train.folder), validation.classes, validation.folder)
    weights = None if init_weights is None else mirror.open_file(init_weights)
    if weights is not None and addresses.is_address(init_weights):
        mirror.refresh(weights.parent / checksums.SUMS)
    if weights is not None and not weights.is_file():
        raise UserError(f"{init_weights} does not exist: train_stage.init_weights names a backbone.weights.h5")
    return StageInputs(train, labels, validation, weights, classes)


def stage_settings(stage: str) -> dict[str, str]:
    """What the configuration says of a stage's training: equal settings, inputs and seeds train to equal weights."""
    bindings = configuration.stage_bindings(stage, _is_decisive)
    return {name: value for name, value in bindings.items() if name not in _NOT_TRAINED}


def _is_decisive(selector: str) -> bool:
    """Whether a configurable may change weights; of modules of the user's own (`--gin_import`) each may."""
    return selector.startswith(_DECISIVE) or not selector.startswith(_PACKAGE)


def run_identity(stage: str, seed: int, inputs: StageInputs, num_hosts: int = 1) -> dict[str, str]:
    """Configuration and inputs of a run as flat text; equal identities train to equal weights.

    Args:
      stage: its name.
      seed: of the run.
      inputs: as from `open_inputs`.
      num_hosts: that train together; it decides the order of the clips where no binding does.

    Raises:
      UserError: an input is damaged: nothing is built on it, and damage does not pass for another input.
    """
    identity = stage_settings(stage)
    if num_hosts > 1:
        identity["training_clips.lanes"] = str(gin.get_bindings(training_clips).get("lanes") or num_hosts)
    identity |= {"stage": stage, "seed": str(seed), "training shards": digest(inputs.train)}
    if inputs.validation is not None:
        identity["validation shards"] = digest(inputs.validation)
    if inputs.labels is not None:
        # Not the summary: it also tells of the teacher, which labels such as the weak ones don't depend on.
        identity["label classes"] = ", ".join(inputs.classes)
        identity["labels"] = " ".join(digest[:16] for digest in sidecar_digests(inputs.labels.path.parent))
    if inputs.init_weights is not None:
        identity["initial weights"] = backbone_digest(inputs.init_weights)
    return identity


def hyper_parameters(stage: str, seed: int, inputs: StageInputs) -> dict[str, str | int]:
    """What tells apart the runs of one configuration, as columns of TensorBoard's table of runs."""
    labels, starts_from = "the shards' own", "random weights"
    if inputs.labels is not None:
        labels = inputs.labels.strategy
    if inputs.init_weights is not None:
        # E.g. seed0/spl_b/pretrain/backbone.weights.h5: of a fine-tuning, only this tells the strategy.
        starts_from = str(pathlib.Path(*inputs.init_weights.absolute().parts[-4:]))
    return {"stage": stage, "labels": labels, "starts_from": starts_from, "seed": seed}


def claim_folder(model_dir: pathlib.Path, identity: dict[str, str]) -> None:
    """Marks a folder as this run's.

    A run that was stopped before its first checkpoint leaves nothing to lose, so its
    folder is taken over.

    Raises:
      UserError: it holds another run; the first difference is named.
    """
    path = model_dir / "run.json"
    mirror.fetch_folder(model_dir / "checkpoints")
    holds_work = any((model_dir / "checkpoints").glob("ckpt-*.index")) or (model_dir / FINISHED).exists()
    if holds_work and path.exists():
        known = checksums.unsealed(read_json(path, dict[str, str], _TAKE_OVER), path, _TAKE_OVER)
        if difference := first_difference(known, identity):
            raise UserError(
                f"{model_dir} holds another run: {difference}; use another --model_dir, or move it away to train anew"
            )
    else:
        if holds_work:
            print(f"{path} is missing: what else lies there is taken for this run's", flush=True)
        files.write_json(path, checksums.sealed(identity))


def first_difference(known: dict[str, str], identity: dict[str, str]) -> str | None:
    """E.g. "train_stage.epochs was 20 and is 30"; None when nothing differs."""
    for name in sorted(known.keys() | identity.keys()):
        was, now = known.get(name, "not set"), identity.get(name, "not set")
        if was != now:
            is_content = _DIGESTS.fullmatch(was) and _DIGESTS.fullmatch(now)
            return f"{name}: another content than before" if is_content else f"{name} was {was} and is {now}"
    return None


def digest(dataset: ClipDataset) -> str:
    """The content of a data set on one line."""
    return " ".join(shard.fingerprint[:16] for shard in dataset.shards)
