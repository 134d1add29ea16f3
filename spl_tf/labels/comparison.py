"""What every strategy would make of the web set at hand, before anything is trained."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from spl_tf.errors import UserError
from spl_tf.labels.cell_truth import MOST_CLASSES, expected_truth
from spl_tf.labels.confusion import noise_ratio
from spl_tf.labels.counting import Counts, confident, count_predictions, progress
from spl_tf.labels.label_map import FittedLabeller, Pairs
from spl_tf.labels.label_quality import LabelledCells, LabelQuality, joint_by_cell, label_quality
from spl_tf.labels.listed_quality import ListedQuality, listed_quality
from spl_tf.labels.pair_labeller import PairLabeller
from spl_tf.labels.prediction_batches import read_batches, require_columns
from spl_tf.labels.predictions import Predictions
from spl_tf.labels.sidecar_files import TOP_SCORES
from spl_tf.labels.statistics import STATISTICS, TEACHER_RATES
from spl_tf.labels.teacher_confusion import TeacherConfusion
from spl_tf.labels.truth_list import TruthList, video_of


@dataclasses.dataclass(frozen=True)
class Compared:
    """One strategy.

    Attributes:
      name: with its options.
      form: of its targets.
      classes: how many there are.
      kept: share of the clips that get a label.
      expected: its labels by the teacher's confusion; None where that is not known.
      measured: its labels by the listed clips; None without a list, or where none of them is kept.
    """

    name: str
    form: str
    classes: int
    kept: float
    expected: LabelQuality | None
    measured: ListedQuality | None


@dataclasses.dataclass(frozen=True)
class Comparison:
    """All strategies over one web set.

    Attributes:
      rows: in the order in which they were asked for.
      left_out: strategy -> why it could not be compared.
      clips: of the web set.
      noise_ratio: share of the clips on whose class query and teacher disagree.
      teacher: what is known of the teacher's errors, in words; None where nothing is.
      right: expected shares of right queries and right predictions; None where nothing is expected.
      listed: listed clips that were found, and those that were not; None without a list.
      listed_right: shares of right queries and right predictions among the listed clips; likewise.
    """

    rows: list[Compared]
    left_out: dict[str, str]
    clips: int
    noise_ratio: float
    teacher: str | None
    right: tuple[float, float] | None
    listed: tuple[int, int] | None
    listed_right: tuple[float, float] | None


def compare_strategies(
    predictions: Predictions,
    labellers: Sequence[PairLabeller],
    teacher: TeacherConfusion | None,
    truth: TruthList | None = None,
    min_confidence: float = 0.0,
) -> Comparison:
    """Fits every labeller and tells what its labels would be worth; writes nothing.

    Two streams over the side-cars: counts, then the clips one by one, where a labeller goes by more than the pair or
    clips are listed.

    Args:
      predictions: of the web set.
      labellers: with their options.
      teacher: what is known of its errors on clean clips.
      truth: clips that somebody looked at.
      min_confidence: as of `assign_labels`.

    Raises:
      UserError: side-cars that are damaged, an option that does not fit, or no listed clip is one of these.
    """
    possible, left_out = _possible(predictions, labellers, teacher)
    statistics = list(dict.fromkeys(name for each in possible for name in each.statistics if name in STATISTICS))
    counts = count_predictions(predictions, "a comparison", statistics, min_confidence)
    given = counts.statistics | ({} if teacher is None else {TEACHER_RATES: teacher.rates})
    fitted = [each.fit(_usable(counts, each), predictions.classes, given) for each in possible]
    streamed = [LabelledCells(len(predictions.classes)) if each.columns else None for each in fitted]
    listed = _stream(predictions, fitted, streamed, truth, min_confidence)
    shown = shown_usable = None
    if teacher is not None and len(predictions.classes) <= MOST_CLASSES:
        shown = shown_usable = expected_truth(counts.confusion, teacher.rates)
        if min_confidence:
            shown_usable = expected_truth(counts.usable, teacher.rates)
    rows = []
    for entry, labeller, cells in zip(possible, fitted, streamed, strict=True):
        usable = _usable(counts, entry)
        of_cells = shown_usable if entry.uses_teacher else shown
        joint = expected = measured = None
        if shown is not None and of_cells is not None:
            joint = _joint(labeller, cells, of_cells, usable)
            expected = label_quality(joint, shown.sum(axis=(0, 1)))
        if listed is not None:
            measured = listed.measured(entry, labeller, joint, min_confidence)
        kept = float(_joint(labeller, cells, usable[..., np.newaxis], usable).sum() / predictions.num_clips)
        rows.append(Compared(_named(entry), labeller.form, len(labeller.class_names), kept, expected, measured))
    return Comparison(
        rows,
        left_out,
        predictions.num_clips,
        noise_ratio(counts.confusion),
        None if teacher is None else teacher.source,
        None if shown is None else _right(shown),
        None if listed is None or truth is None else (len(listed.classes), len(truth.classes) - len(listed.classes)),
        None if listed is None else listed.right(),
    )


def _usable(counts: Counts, labeller: PairLabeller) -> np.ndarray:
    return counts.usable if labeller.uses_teacher else counts.confusion


def _joint(
    labeller: FittedLabeller, cells: LabelledCells | None, of_cells: np.ndarray, usable: np.ndarray
) -> np.ndarray:
    """Kept clips by label and whatever the clips of every cell are counted by, [N, N, M]: float64 [K, M]."""
    return joint_by_cell(labeller, of_cells) if cells is None else cells.joint(of_cells, usable)


def _named(labeller: PairLabeller) -> str:
    return " ".join([labeller.name, *(f"{name}={value}" for name, value in labeller.options.items())])


def _possible(
    predictions: Predictions, labellers: Sequence[PairLabeller], teacher: TeacherConfusion | None
) -> tuple[list[PairLabeller], dict[str, str]]:
    """Labellers for which there is enough, and what lacks of the others."""
    scores_fault = ""
    try:
        require_columns(predictions, TOP_SCORES.names, "it")
    except UserError as error:
        scores_fault = str(error)
    possible, left_out = [], {}
    for each in labellers:
        if scores_fault and each.asks_scores:
            left_out[_named(each)] = scores_fault
        elif each.needs_held_out and (teacher is None or not teacher.counted):
            left_out[_named(each)] = "it needs --held_out, a folder of spl_tf.cross_validate"
        elif each.asks_scores and len(predictions.classes) > MOST_CLASSES:
            left_out[_named(each)] = f"what the clips of a cell get is not kept of more than {MOST_CLASSES} classes"
        else:
            possible.append(each)
    return possible, left_out


def _right(shown: np.ndarray) -> tuple[float, float]:
    total = shown.sum()
    return float(np.einsum("lty->ly", shown).trace() / total), float(np.einsum("lty->ty", shown).trace() / total)


@dataclasses.dataclass(frozen=True, eq=False)
class _Listed:
    """Listed clips with what is stored of them, what they show and the numbers of their videos."""

    pairs: Pairs
    classes: np.ndarray
    videos: np.ndarray
    num_classes: int

    def measured(
        self, entry: PairLabeller, labeller: FittedLabeller, expected: np.ndarray | None, min_confidence: float
    ) -> ListedQuality | None:
        targets = labeller.targets(self.pairs)
        if min_confidence and entry.uses_teacher:
            targets = targets.only(confident(self.pairs, min_confidence))
        return listed_quality(targets, self.classes, self.videos, self.num_classes, expected)

    def right(self) -> tuple[float, float]:
        return float(np.mean(self.pairs.weak == self.classes)), float(np.mean(self.pairs.teacher == self.classes))


def _stream(
    predictions: Predictions,
    fitted: Sequence[FittedLabeller],
    streamed: Sequence[LabelledCells | None],
    truth: TruthList | None,
    min_confidence: float,
) -> _Listed | None:
    """Second pass: labels clips where a cell does not tell their label, and picks the listed ones."""
    pairs_of, ids_of, places_of = [], [], []
    if truth is None and not any(streamed):
        return None
    columns = {column for each in fitted for column in each.columns}
    columns |= {"confidence"} if min_confidence else set()
    columns |= {"clip_id"} if truth is not None else set()
    with progress(predictions, "looking at clips") as bar:
        for shard in predictions.shards:
            for batch, pairs in read_batches(predictions, shard, columns):
                if truth is not None:
                    rows, places = truth.places(batch.column("clip_id"))
                    pairs_of.append(pairs.take(rows))
                    ids_of += batch.column("clip_id").take(rows).to_pylist()
                    places_of.append(places)
                if min_confidence:
                    pairs = pairs.take(confident(pairs, min_confidence))
                for labeller, cells in zip(fitted, streamed, strict=True):
                    if cells is not None:
                        cells.add(pairs, labeller.targets(pairs))
                bar.update(batch.num_rows)
    if truth is None:
        return None
    if not ids_of:
        raise UserError(
            f"none of the {len(truth.classes):,} clips of {truth.path} is in {predictions.folder}, which has clips "
            f"such as {_a_clip(predictions)}: list clips by these ids"
        )
    _, videos = np.unique([video_of(clip_id) for clip_id in ids_of], return_inverse=True)
    return _Listed(Pairs.joined(pairs_of), truth.classes[np.concatenate(places_of)], videos, len(predictions.classes))


def _a_clip(predictions: Predictions) -> str:
    filled = next(name for name, header in predictions.shards.items() if header.records)
    batch, _ = next(read_batches(predictions, filled, {"clip_id"}))
    return repr(batch.column("clip_id")[0].as_py())
