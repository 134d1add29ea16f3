"""Label side-cars for a web set whose wrong labels were looked for: weighted by CleanNet, or left out."""

import hashlib
import pathlib
from typing import Any, NamedTuple

import gin
import numpy as np

from spl_tf import files
from spl_tf.claims import Task
from spl_tf.cleaning.cleannet_training import cleannet, require_options
from spl_tf.cleaning.confident_learning import find_mistakes, require_cleanlab
from spl_tf.cleaning.methods import CONFIDENT_LEARNING, require_method
from spl_tf.cleaning.verified_pairs import make_pairs, web_labels_of
from spl_tf.data.dataset import ClipDataset, load_dataset
from spl_tf.errors import UserError
from spl_tf.inference.features import ClipFeatures, clip_features
from spl_tf.inference.trained_model import require_distributions
from spl_tf.labels import sidecar_files
from spl_tf.labels.classes import require_same_classes
from spl_tf.labels.confusion import count_pairs
from spl_tf.labels.label_writing import Written, labels_identity, stale_labels, write_folder
from spl_tf.labels.labellers import weak as weak_labels
from spl_tf.labels.predictions import Predictions
from spl_tf.labels.targets import DISCARDED


@gin.configurable
def hard_weights(cosine: np.ndarray, *, threshold: float = 0.1) -> np.ndarray:
    """1 where clip and class resemble each other enough, else 0: float32 [n].

    Args:
      cosine: of every clip with its class, [n].
      threshold: the least cosine that counts; 0.1 is the margin of the loss.
    """
    return (cosine >= threshold).astype(np.float32)


def soft_weights(cosine: np.ndarray) -> np.ndarray:
    """max(0, cos): float32 [n]."""
    return np.maximum(cosine, 0).astype(np.float32)


_WEIGHTS = {"cleannet_soft": soft_weights, "cleannet_hard": hard_weights}


class Seen(NamedTuple):
    """What the teacher sees in the sets that a method looks at.

    Attributes:
      web_set: the web shards.
      target: the folder of labels to be, with the web set's classes and shards.
      web: features and scores of the web clips.
      clean: of the clean clips; None for a method that does not look at them.
    """

    web_set: ClipDataset
    target: Predictions
    web: ClipFeatures
    clean: ClipFeatures | None


def see_clips(
    model_dir: files.Path,
    web: files.Path,
    clean: files.Path | None,
    method: str,
    folder: files.Path,
    features_dir: files.Path | None = None,
    task: Task | None = None,
) -> Seen:
    """Makes the features that `clean_labels` needs, nearly all of its work; those that are there stay.

    Args:
      model_dir, web, clean, method, folder, features_dir: as of `clean_labels`.
      task: this process is one of several that make them together; each returns when all are there.

    Raises:
      UserError: as `require_method_options`, teacher and data don't fit together, clips without exactly one label, or
        the folder holds anything but labels of these shards.
    """
    # All that can be wrong is found before the teacher runs over the web set.
    require_method_options(method)
    if method == CONFIDENT_LEARNING:
        clean = None  # Not looked at, even where it is given.
        require_distributions(model_dir, method)
    elif clean is None:
        raise UserError(f"{method} needs a clean set: give --clean_shards")
    folder = pathlib.Path(folder)
    features_dir = pathlib.Path(features_dir or folder / "features")
    web_set, clean_clips = _load_labelled(web), None
    headers = {
        shard.name: sidecar_files.Header(shard.records, shard.fingerprint, shard.ids_digest) for shard in web_set.shards
    }
    target = Predictions(folder, web_set.classes, headers)
    stale_labels(folder, target)
    if clean is not None:
        clean_set = _load_labelled(clean)
        require_same_classes(web_set.classes, web_set.folder, clean_set.classes, clean_set.folder)
        clean_clips = clip_features(model_dir, clean, features_dir / "clean", task=task)
    return Seen(web_set, target, clip_features(model_dir, web, features_dir / "web", task=task), clean_clips)


def clean_labels(
    model_dir: files.Path,
    web: files.Path,
    clean: files.Path | None,
    method: str,
    folder: files.Path,
    seed: int = 0,
    features_dir: files.Path | None = None,
) -> dict[str, Any]:
    """Writes the labels of a web set with a weight for each; those with the weight 0 are discarded.

    Args:
      model_dir: folder of a finished stage, the teacher, whose features and scores are used.
      web: folder of the web shards.
      clean: folder of the clean shards, which CleanNet needs and confident learning does not: it asks the
        teacher, and what that learned from was the clean set.
      method: one of METHODS.
      folder: for the labels, as `assign_labels` writes them, with `features` in it.
      seed: of CleanNet.
      features_dir: for the features instead, to share them between methods.

    Returns:
      The content of `summary.json`: that of `assign_labels` with the strategy `method`; the samples cover
      ratio is the share of the clips that are kept, and "cleaning" says what was learned from.

    Raises:
      UserError: as `see_clips`, or no clip is kept.
    """
    folder = pathlib.Path(folder)
    web_set, target, web_clips, clean_clips = see_clips(model_dir, web, clean, method, folder, features_dir)
    weak, teacher = web_clips.labels, web_clips.predictions()
    confusion = count_pairs(weak, teacher, web_set.num_classes)
    notes: dict[str, float] = {}
    if clean_clips is None:
        weights = (~find_mistakes(weak, web_clips.scores())).astype(np.float32)
    else:
        cosine, notes = _similarity(web_clips, clean_clips, confusion, seed)
        weights = _WEIGHTS[method](cosine)
    kept = weights > 0
    if not kept.any():
        raise UserError(f"{method} finds no right label in {web}: there is nothing to train on, use another method")
    labels = np.where(kept, weak, np.int32(DISCARDED))
    notes |= {"seed": seed, "mean_weight": float(weights.mean())}
    summary = {"strategy": method, "min_confidence": 0.0, "cleaning": notes}
    label_map = weak_labels(confusion, web_set.classes)
    found = hashlib.sha256(labels.tobytes() + weights.tobytes()).hexdigest()
    identity = labels_identity(target, label_map, **summary, found=found)

    def write_sidecars() -> Written:
        kept_of_shard = dict.fromkeys(target.shards, 0)
        filled = [shard for shard in web_set.shards if shard.records]
        ids_of = dict(zip((shard.name for shard in filled), web_clips.clip_ids(), strict=True))
        for shard in web_set.shards:
            rows = slice(shard.start, shard.start + shard.records)
            sidecar_files.write_labels(
                folder / f"{shard.name}.parquet",
                clip_ids=ids_of.get(shard.name, []),
                labels=labels[rows],
                weights=weights[rows],
                shard_fingerprint=shard.fingerprint,
                identity=identity,
            )
            kept_of_shard[shard.name] = int(np.count_nonzero(kept[rows]))
        return Written(kept_of_shard, np.bincount(weak[kept], minlength=web_set.num_classes).astype(np.float64))

    usable = count_pairs(weak[kept], teacher[kept], web_set.num_classes)
    return write_folder(folder, target, label_map, identity, confusion, usable, write_sidecars, **summary)


def require_method_options(name: str) -> None:
    """Finds what is wrong with a method, under the gin configuration, before hours of work.

    Raises:
      UserError: there is no such method, an option of CleanNet's is out of range, or cleanlab is missing.
    """
    require_method(name)
    if name == CONFIDENT_LEARNING:
        require_cleanlab()
    else:
        require_options(gin.get_bindings("cleannet"))


def _similarity(
    web: ClipFeatures, clean: ClipFeatures, confusion: np.ndarray, seed: int
) -> tuple[np.ndarray, dict[str, float]]:
    """CleanNet's cosine of every web clip, and how many pairs of which kind it learned from."""
    pairs = make_pairs(clean.labels, web_labels_of(clean, web), confusion, np.random.default_rng(seed))
    right = int(np.count_nonzero(pairs.right))
    notes: dict[str, float] = {
        "right_pairs": right,
        "wrong_pairs": len(pairs.right) - right,
        "both_labelled": pairs.both_labelled,
    }
    return cleannet(web, clean, pairs, num_classes=len(confusion), seed=seed), notes


def _load_labelled(folder: files.Path) -> ClipDataset:
    """A data set whose clips have one label each; `dataset.json` tells without reading them."""
    dataset = load_dataset(folder)
    if dataset.multi_label:
        raise UserError(f"{dataset.folder} has several labels per clip: only one can be cleaned")
    if missing := dataset.num_clips - sum(dataset.clips_per_class.values()):
        raise UserError(f"{dataset.folder} has {missing:,} clips without a label: give every video one in the manifest")
    return dataset
