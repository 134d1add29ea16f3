"""Everything `spl_tf.inspect` does: counts, the side-cars' counts, contact sheets, verification, in this order."""

import pathlib
from collections.abc import Sequence

import numpy as np

from spl_tf import files
from spl_tf.data import random_clips
from spl_tf.data.dataset import ClipDataset, read_description
from spl_tf.data.lists.labels import unknown_label
from spl_tf.data.sidecars import count_confusion, count_labelled, open_predictions_of, read_pairs
from spl_tf.data.survey import survey
from spl_tf.data.thumbnails import Strip
from spl_tf.data.verify import verify
from spl_tf.errors import UserError
from spl_tf.inspection import several_labels, text
from spl_tf.inspection.sheets import write_sheets

# More heads say nothing new, and would take minutes.
MOST_CLIPS = 100_000


def inspect_shards(
    shards: files.Path,
    *,
    predictions_dir: files.Path | None = None,
    labels_dir: files.Path | None = None,
    per: str = "class",
    only: Sequence[str] = (),
    output_dir: files.Path | None = None,
    clips: int = 8,
    frames: int = 4,
    most_rows: int = 200,
    seed: int = 0,
    check: bool = True,
) -> int:
    """Prints what a folder of shards holds and draws contact sheets of it.

    Args:
      shards: the folder; missing and damaged shards are set aside and reported.
      predictions_dir: of exactly these shards.
      labels_dir: made from these predictions.
      per: "class" or "cell": what a row of the sheets shows; cells need predictions.
      only: names of the classes that get a row; all without.
      output_dir: for the sheets; None draws none.
      clips: drawn per row.
      frames: shown of a clip.
      most_rows: of the sheets.
      seed: of the draw.
      check: whether every record is read and checked.

    Returns:
      How many faults the check found.

    Raises:
      UserError: `shards` is no folder of shards or has no class of a name, or the side-cars don't belong to it.
    """
    if per not in ("class", "cell"):
        raise UserError(f"per is {per!r}: choose class or cell")
    if predictions_dir is None and (per == "cell" or labels_dir is not None):
        needed = "a cell is a weak label and the teacher's prediction" if per == "cell" else "labels are made from them"
        raise UserError(f"predictions are missing ({needed}): give the folder that spl_tf.predict wrote")
    dataset = read_description(shards)
    chosen = _chosen_classes(dataset, only, most_rows)
    confusion, pairs_text = None, ""
    if predictions_dir is not None:
        predictions = open_predictions_of(dataset, predictions_dir)
        confusion = count_confusion(dataset, predictions)
        labelled = count_labelled(dataset, predictions, labels_dir, confusion) if labels_dir is not None else None
        pairs_text = text.weak_and_teacher(confusion, dataset.classes, labelled)
    seen = survey(dataset, np.random.default_rng([seed, 0]), most_clips=MOST_CLIPS)
    of_several = several_labels.several_labels(dataset, seen) if dataset.multi_label else ""
    print(text.contents(dataset, seen) + of_several + pairs_text, flush=True)
    if output_dir is not None:
        rng = np.random.default_rng([seed, 1])
        if confusion is None:
            captions, left_out = _class_rows(dataset, None, chosen, most_rows)
            drawn = random_clips.draw_by_label(seen, chosen[:most_rows], clips, rng)
        else:
            if per == "class":
                groups = random_clips.weak_groups(chosen[:most_rows], dataset.num_classes)
                captions, left_out = _class_rows(dataset, confusion, chosen, most_rows)
            else:
                groups = random_clips.cell_groups(confusion, most_rows)
                captions, left_out = _cell_rows(dataset, confusion, groups)
            drawn = random_clips.draw_by_cell(read_pairs(dataset, predictions), groups, len(captions), clips, rng)
        sheets = write_sheets(
            dataset, captions, drawn, lambda strip: _label(strip, dataset, per), output_dir, num_frames=frames
        )
        print("\n" + text.drawn(dataset, sheets, seen if confusion is None else None, left_out), flush=True)
        if dataset.multi_label:
            print(f"clips per class: {several_labels.draw_long_tail(dataset, pathlib.Path(output_dir))}", flush=True)
    if not check:
        return 0
    found = verify(shards)
    print("\n" + text.verification(found))
    return len(found.faults)


def _chosen_classes(dataset: ClipDataset, only: Sequence[str], most_rows: int) -> list[int]:
    """Ids of the classes of these names, in this order; of all without, so that the first `most_rows` are to be drawn.

    Raises:
      UserError: there is no class of a name; the nearest one is told.
    """
    known = {name: class_id for class_id, name in enumerate(dataset.classes)}
    for name in only:
        if name not in known:
            raise UserError(f"{dataset.folder} has no class {unknown_label(name, known, dataset.classes)}")
    if only:
        return [known[name] for name in dict.fromkeys(only)]
    if dataset.multi_label:
        return _along_the_tail(np.array([dataset.clips_per_class[name] for name in dataset.classes]), most_rows)
    return [*range(dataset.num_classes)]


def _along_the_tail(counts: np.ndarray, most: int) -> list[int]:
    """Class ids by falling number of clips; where there are more than `most`, so many from head to tail go first.

    Args:
      counts: int [N], clips of each class.
      most: classes that are to be drawn.
    """
    order = np.argsort(-counts, kind="stable")
    filled = order[: np.count_nonzero(counts)]
    if len(filled) <= most:
        return order.tolist()
    first = filled[np.linspace(0, len(filled) - 1, most).round().astype(int)]
    return [*first.tolist(), *order[~np.isin(order, first)].tolist()]


def _class_rows(
    dataset: ClipDataset, confusion: np.ndarray | None, chosen: Sequence[int], most: int
) -> tuple[list[str], str]:
    """Captions of the first of the chosen classes, and a line about those left out."""
    captions = []
    for index in chosen[:most]:
        name = dataset.classes[index]
        clips = dataset.clips_per_class[name]
        agree = f", teacher agrees on {confusion[index, index] / clips:.1%}" if confusion is not None and clips else ""
        captions.append(f"{name}: {clips:,} clips{agree}")
    rest = chosen[most:]
    clips = sum(dataset.clips_per_class[dataset.classes[index]] for index in rest)
    return captions, f"{len(rest):,} more classes with {clips:,} clips" if rest else ""


def _cell_rows(dataset: ClipDataset, confusion: np.ndarray, groups: np.ndarray) -> tuple[list[str], str]:
    """Captions of the drawn cells by falling count, and a line about those left out."""
    drawn = groups >= 0
    captions = [""] * np.count_nonzero(drawn)
    for weak, teacher in np.argwhere(drawn):
        count = int(confusion[weak, teacher])
        share = count / int(confusion.sum())
        caption = f"{dataset.classes[weak]} x {dataset.classes[teacher]}: {count:,} clips ({share:.1%})"
        captions[groups[weak, teacher]] = caption
    rest = np.where(drawn, 0, confusion)
    cells = np.count_nonzero(rest)
    return captions, f"{cells:,} more cells with {int(rest.sum()):,} clips" if cells else ""


def _label(strip: Strip, dataset: ClipDataset, per: str) -> str:
    """The line under a strip."""
    place = strip.place
    if place.teacher < 0:
        labels = ", ".join(strip.label_texts)
        return f"{labels}  {strip.clip_id}" if dataset.multi_label else strip.clip_id
    seen = f"{dataset.classes[place.teacher]} " if per == "class" else ""
    return f"{seen}{place.confidence:.2f}  {strip.clip_id}"
