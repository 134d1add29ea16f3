"""Explains what a network decided for chosen clips: Grad-CAM in batches, pictures with captions and a list of them."""

import csv
import dataclasses
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf
import tqdm
from absl import logging

from spl_tf import files
from spl_tf.data.dataset import ClipDataset, load_dataset
from spl_tf.data.input.preprocessing import normalize
from spl_tf.data.sidecars import Place, open_predictions_of
from spl_tf.errors import UserError
from spl_tf.fonts import font_families
from spl_tf.inference import chosen_clips, overlay
from spl_tf.inference.grad_cam import PREDICTED, grad_cam, upsample, with_map
from spl_tf.inference.trained_model import TrainedModel, load_trained, require_fitting_clips
from spl_tf.remote import mirror

LIST_FILE = "clips.csv"

# Below, in height or width, a cell is a quarter of the picture or more, and interpolation makes up what is between.
_LEAST_CELLS = 4


@dataclasses.dataclass(frozen=True)
class Target:
    """Of which class and on which feature map.

    Attributes:
      name: "predicted", "weak" for the clip's own label, or a class of the network.
      layer: see `grad_cam.with_map`.
      per_frame_weights: see `grad_cam.weighted_maps`.
    """

    name: str = "predicted"
    layer: str | None = None
    per_frame_weights: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class Explained:
    """One clip and what spoke for a class of it. Classes are names, empty where they are not known.

    Attributes:
      place: where the clip is stored.
      clip_id: its id.
      weak: its label; of several, all with a | between as in a manifest; empty for none.
      teacher: the class that `place` has from the teacher.
      spl_class: what labelling made of it.
      predicted, predicted_score: the network's class and its score.
      target, score: the class that is explained and its score.
      frames: uint8 [T, S, S, 3], RGB, the clip's middle view.
      maps: float32 [T, S, S] in [0, 1].
      cells: of the map before it was enlarged, height and width; empty where that is not known.
    """

    place: Place
    clip_id: str
    weak: str
    teacher: str
    spl_class: str
    predicted: str
    predicted_score: float
    target: str
    score: float
    frames: np.ndarray
    maps: np.ndarray
    cells: Sequence[int] = ()

    @property
    def caption(self) -> list[str]:
        lines = [self.clip_id, f"weak label: {self.weak or 'none'}"]
        if self.teacher:
            lines.append(f"teacher: {self.teacher}, {self.place.confidence:.2f}")
        if self.spl_class:
            lines.append(f"SPL class: {self.spl_class}")
        kind = f"map of {self.cells[0]} x {self.cells[1]}, too coarse," if too_coarse(self.cells) else "map"
        return [
            *lines,
            f"predicted: {self.predicted}, {self.predicted_score:.2f}",
            f"the {kind} is of what speaks for {self.target}, {self.score:.2f}",
        ]


def too_coarse(cells: Sequence[int]) -> str:
    """Says of a map of so few cells, height and width, that it can't show a place; empty for a finer one."""
    if not cells or min(cells) >= _LEAST_CELLS:
        return ""
    places = "one place" if max(cells) == 1 else f"{cells[0]} x {cells[1]} places"
    return f"the map has {places} a picture, too few to say where"


def explained_clips(
    trained: TrainedModel,
    dataset: ClipDataset,
    places: Sequence[Place],
    target: Target,
    *,
    spl_classes: Sequence[str] | None = None,
    batch_size: int = 8,
) -> Iterator[Explained]:
    """Yields the clips in the order of `places`, each with its map.

    Args:
      trained: in float32.
      dataset: of clips as the network was trained on; its classes may be others.
      places: of the clips; what they have of the teacher is passed on.
      target: what is explained.
      spl_classes: of the clips, for their captions.
      batch_size: clips at once.

    Raises:
      UserError: no such layer or class, a clip has no weak label to explain, a record can't be read, or the network's
        scores or the map of a clip are not finite.
    """
    network = with_map(trained.network, target.layer)
    class_of_label = _class_of_label(target.name, trained, dataset)
    shape = (trained.clip_input.num_frames, *2 * (trained.clip_input.crop_size,))

    def forward(clips: tf.Tensor, classes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        maps, logits = grad_cam(network, normalize(clips), classes, per_frame_weights=target.per_frame_weights)
        return maps, trained.scores(logits)

    # The last batch may be smaller: it is no reason to trace again.
    signature = [tf.TensorSpec([None, *shape, 3], tf.uint8), tf.TensorSpec([None], tf.int32)]
    explain = tf.function(forward, input_signature=signature, autograph=False)
    number = 0
    for batch in chosen_clips.read_clips(dataset, places, trained.clip_input, batch_size):
        has_label = batch["has_label"]
        has_one = has_label.sum(axis=1) == 1
        if target.name == "weak" and not has_one.all():
            clip_id = batch["clip_id"][~has_one][0].decode(errors="backslashreplace")
            raise UserError(f"clip {clip_id} of {dataset.folder} has no label or several: name a class with --target")
        classes = class_of_label[np.where(has_one, has_label.argmax(axis=1), -1)]
        maps, scores = (values.numpy() for values in explain(batch["clips"], classes))
        _require_finite(batch["clip_id"], maps, scores, dataset)
        if number == 0 and (coarse := too_coarse(maps.shape[2:])):
            logging.warning(f"{coarse}: name an earlier --layer")
        predicted = scores.argmax(axis=-1)
        classes = np.where(classes == PREDICTED, predicted, classes)
        for i, own in enumerate(upsample(maps, shape)):
            place = places[number]
            yield Explained(
                place=place,
                clip_id=batch["clip_id"][i].decode(errors="backslashreplace"),
                weak="|".join(dataset.classes[label] for label in np.flatnonzero(has_label[i])),
                teacher=dataset.classes[place.teacher] if place.teacher >= 0 else "",
                spl_class=spl_classes[number] if spl_classes else "",
                predicted=trained.classes[predicted[i]],
                predicted_score=float(scores[i, predicted[i]]),
                target=trained.classes[classes[i]],
                score=float(scores[i, classes[i]]),
                frames=batch["clips"][i],
                maps=own,
                cells=(maps.shape[2], maps.shape[3]),
            )
            number += 1


def explain_clips(
    model_dir: files.Path,
    shards: files.Path,
    output_dir: files.Path,
    choice: chosen_clips.Choice,
    target: Target,
    *,
    predictions_dir: files.Path | None = None,
    labels_dir: files.Path | None = None,
    moving: str | None = None,
    batch_size: int = 8,
) -> int:
    """Writes `<clip id>--<class>.png` for every chosen clip, an animation beside it, and last `clips.csv`.

    TensorBoard shows the same pictures of `logs/`.

    Files of the same names are replaced, so a run that was stopped is made anew.

    Args:
      model_dir: folder of a finished stage.
      shards: folder of shards of the clips' size and rate it was trained on, with any classes.
      output_dir: for the files.
      choice: which clips.
      target: what is explained.
      predictions_dir: what spl_tf.predict wrote for the shards, for the captions.
      labels_dir: what spl_tf.label wrote for them.
      moving: "gif" or "mp4" for an animation too.
      batch_size: clips at once.

    Returns:
      How many clips were explained.

    Raises:
      UserError: model, data, side-cars and options don't fit together, or a record can't be read.
    """
    output_dir = pathlib.Path(output_dir)
    trained, dataset = load_trained(model_dir), load_dataset(shards)
    require_fitting_clips(trained, model_dir, dataset)
    with_map(trained.network, target.layer)  # A mistyped name is told before any clip is looked for.
    _class_of_label(target.name, trained, dataset)
    predictions = None if predictions_dir is None else open_predictions_of(dataset, predictions_dir)
    places = chosen_clips.choose(dataset, choice, predictions, labels_dir)
    if predictions is not None:
        places = chosen_clips.with_teacher(dataset, places, predictions)
    spl_classes = None if labels_dir is None else chosen_clips.spl_classes(dataset, places, labels_dir)
    clips = explained_clips(trained, dataset, places, target, spl_classes=spl_classes, batch_size=batch_size)
    frame_rate = dataset.fps / trained.clip_input.frame_stride
    mirror.remove(output_dir / LIST_FILE)  # Until it is back the folder is incomplete.
    rows = []
    letters: set[str] = set()
    board = tf.summary.create_file_writer(str(output_dir / "logs"))
    with board.as_default(step=0):
        for clip in tqdm.tqdm(clips, desc="explain", total=len(places), unit="clip", dynamic_ncols=True):
            strip = overlay.strip(clip.frames, clip.maps, clip.caption)
            tf.summary.image(f"{clip.clip_id}, {clip.target}", strip[np.newaxis])
            rows.append(_row(clip, dataset, _write(clip, strip, output_dir, moving, frame_rate)))
            letters.update(*clip.caption)
    board.close()
    with files.atomic_path(output_dir / LIST_FILE) as path, open(path, "w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    _, missing = font_families(letters)
    if missing:
        print(f"no installed font has {missing[:20]}: install one, e.g. fonts-noto-cjk")
    return len(rows)


def _require_finite(clip_ids: np.ndarray, maps: np.ndarray, scores: np.ndarray, dataset: ClipDataset) -> None:
    for clip_id, own_map, own_scores in zip(clip_ids, maps, scores, strict=True):
        if not (np.isfinite(own_scores).all() and np.isfinite(own_map).all()):
            raise UserError(
                f"the network's scores or map of clip {clip_id.decode()} in {dataset.folder} are not finite, so there "
                "is nothing to explain: train it again with a lower learning rate or train_stage.clip_norm"
            )


def _class_of_label(target: str, trained: TrainedModel, dataset: ClipDataset) -> np.ndarray:
    """int32 [N + 1]: the network's class that is explained by the clip's weak label; the last entry is for none."""
    if target == "weak":
        where = "--target=weak: the network"
        classes = [chosen_clips.class_index(name, trained.classes, where) for name in dataset.classes]
        return np.array([*classes, PREDICTED], np.int32)
    named = PREDICTED if target == "predicted" else chosen_clips.class_index(target, trained.classes, "the network")
    return np.full(dataset.num_classes + 1, named, np.int32)


def _write(
    clip: Explained, strip: np.ndarray, output_dir: pathlib.Path, moving: str | None, frame_rate: float
) -> list[str]:
    """Writes the clip's pictures; returns the names of the strip and of the animation, empty without one."""
    name = overlay.file_name(clip.clip_id, clip.target)
    overlay.write_png(output_dir / f"{name}.png", strip)
    if moving is None:
        return [f"{name}.png", ""]
    write = {"gif": overlay.write_gif, "mp4": overlay.write_mp4}[moving]
    write(output_dir / f"{name}.{moving}", overlay.animation(clip.frames, clip.maps, clip.caption), frame_rate)
    return [f"{name}.png", f"{name}.{moving}"]


def _row(clip: Explained, dataset: ClipDataset, names: Sequence[str]) -> dict[str, str | int]:
    """Of `clips.csv`."""
    return {
        "clip_id": clip.clip_id,
        "weak": clip.weak,
        "teacher": clip.teacher,
        "confidence": f"{clip.place.confidence:.4f}" if clip.teacher else "",
        "spl_class": clip.spl_class,
        "predicted": clip.predicted,
        "predicted_score": f"{clip.predicted_score:.4f}",
        "target": clip.target,
        "score": f"{clip.score:.4f}",
        "shard": dataset.shards[clip.place.shard].name,
        "record": clip.place.row,
        "strip": names[0],
        "animation": names[1],
    }
