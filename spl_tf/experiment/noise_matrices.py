"""How the matrix of Forward and Backward correction comes to be in a recipe: `recipe.transition`."""

import hashlib
import pathlib
from collections.abc import Callable
from typing import TypedDict

import gin
import numpy as np

from spl_tf import configuration, files
from spl_tf.errors import UserError
from spl_tf.experiment.resumable import MARKER, Json, run_step
from spl_tf.experiment.tasks import networks_forgotten, settings_of, train
from spl_tf.inference.shard_scores import score_shards
from spl_tf.inference.stage_folder import network_digest
from spl_tf.labels.both_labels import read_both_labels
from spl_tf.labels.label_folder import CONFUSION, read_confusion, require_whole
from spl_tf.labels.transition import count_transition, estimate_transition
from spl_tf.stored import Name, Seconds, Share


class _Saved(TypedDict):
    file: Name
    right: Share
    seconds: Seconds


@gin.configurable(denylist=["web", "labels", "folder", "seed", "init_weights", "both_labels", "network"])
def estimated_transition(
    web: pathlib.Path,
    labels: pathlib.Path,
    folder: pathlib.Path,
    seed: int,
    init_weights: files.Path | None,
    both_labels: pathlib.Path | None,
    network: pathlib.Path | None = None,
    *,
    percentile: float | None = None,
) -> pathlib.Path:
    """Estimated as Patrini et al. 2017 do: a network is trained on the noisy labels first, with cross-entropy.

    Args:
      web: shards of the web set.
      labels: side-cars of its weak labels.
      folder: gets the network and the matrix.
      seed: of the network, which is trained as the stage "pretrain".
      init_weights: backbone it begins with; None for random weights.
      both_labels: unused.
      network: folder of one that has learned them so already; None trains one.
      percentile: as of `estimate_transition`.

    Returns:
      The matrix, a .npy file named after its content.
    """
    del both_labels
    if network is None:
        network = folder / "network"
        with configuration.overridden(["pretrain/train_stage.loss = @softmax_cross_entropy"]):
            train("pretrain", network, seed, train_shards=web, labels_dir=labels, init_weights=init_weights)

    def estimate() -> np.ndarray:
        with networks_forgotten():
            return estimate_transition(score_shards(network, web)[1], percentile)

    identity = {"model": network_digest(network), "percentile": str(percentile)} | settings_of("", ["score_shards"])
    return _save(folder / "matrix", identity, estimate)


@gin.configurable(denylist=["web", "labels", "folder", "seed", "init_weights", "both_labels"])
def counted_transition(
    web: pathlib.Path,
    labels: pathlib.Path,
    folder: pathlib.Path,
    seed: int,
    init_weights: files.Path | None,
    both_labels: pathlib.Path | None,
) -> pathlib.Path:
    """Counted: on what carries a clean and a noisy label, or else with the teacher's class as the clean one.

    Args:
      web, seed, init_weights: unused.
      labels: side-cars of weak labels, with the classes and the teacher's matrix.
      folder: gets the matrix.
      both_labels: see `read_both_labels`; None takes the teacher's class for the clean one.

    Returns:
      The matrix, a .npy file named after its content.

    Raises:
      UserError: `both_labels` is no such list, or there is none and the teacher never says some class.
    """
    del web, seed, init_weights
    classes, confusion = read_confusion(labels)
    if both_labels is None:
        print("noise matrix: counted with the teacher's classes, for there is no list of both labels", flush=True)
        identity = {"confusion": require_whole(labels / CONFUSION)}
        return _save(folder / "matrix", identity, lambda: count_transition(confusion.T, classes))
    counts = read_both_labels(both_labels, classes)
    print(f"noise matrix: counted on the {counts.sum():,} rows of {both_labels}", flush=True)
    identity = {"both labels": files.sha256(both_labels), "classes": ", ".join(classes)}
    return _save(folder / "matrix", identity, lambda: count_transition(counts, classes))


def _save(folder: pathlib.Path, identity: dict[str, str], make: Callable[[], np.ndarray]) -> pathlib.Path:
    """A changed matrix has another name, so that what was trained with it is trained anew."""

    def action() -> Json:
        matrix = make()
        name = _name(matrix)
        with files.atomic_path(folder / name) as temporary, open(temporary, "wb") as opened:
            np.save(opened, matrix)
        return {"file": name, "right": float(np.diagonal(matrix).mean())}

    path = folder / run_step(folder, identity, action, outputs=[], kind=_Saved)["file"]
    try:
        whole = _name(np.load(path, allow_pickle=False)) == path.name
    except (OSError, EOFError, ValueError):
        whole = False
    if not whole:
        raise UserError(f"{path} is missing or damaged: delete {folder / MARKER} alone and run the same command")
    return path


def _name(matrix: np.ndarray) -> str:
    return f"{hashlib.sha256(matrix.tobytes()).hexdigest()[:12]}.npy"
