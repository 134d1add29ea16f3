"""How well what is known of labels before training foretells what comes of it, over the arms of a results file.

  python -m tools.study.foretell --results=results/ucf6_study.jsonl

Spearman's rank correlation of top-1, linear probe and k-NN, each a mean over an arm's seeds, with

  expected    what spl_tf.compare says without looking at a clip, from the confusion matrix and how often the teacher is
              right on clean clips. That is top-1 of the arm "none" of the same seed, a network that was trained as the
              teacher was, its errors spread evenly; the matrix is counted in the rows of "spl" of the same predictions
  measured    the same by what every clip really shows (`label_truth` in the rows)

over the strategies of the main study, and over all arms that differ in their labels alone: main, confidence, rounds,
query, teacher, labels. Arms that are trained otherwise, or on fewer clips, are left out. 95 % intervals by bootstrap
over arms and, within them, over seeds; bold where zero is left out.
"""

import collections
import dataclasses
import pathlib

import numpy as np
from absl import flags

from spl_tf import command
from spl_tf.errors import UserError

FLAGS = flags.FlagValues()
flags.DEFINE_string("results", None, "JSON lines file of tools.study.ucf6.", flag_values=FLAGS)
flags.mark_flag_as_required("results", flag_values=FLAGS)

OUTCOMES = {"top_1": "top-1", "linear_probe": "probe", "knn": "k-NN"}
QUALITIES = ("purity", "bits", "bits_per_clip", "kept", "least_kept")
_LABELS_ALONE = ("main", "confidence", "rounds", "query", "teacher", "labels")
_OF_PREDICTIONS = ("seed", "round", "min_confidence", "teacher_share", "query_right")
_DRAWS = 2000
_LEVEL = 0.95


def main() -> None:
    from tools.study.cells import markdown
    from tools.study.results import read_rows

    rows = [{"variant": ""} | row for row in read_rows(pathlib.Path(FLAGS.results))]
    if not any("label_truth" in row for row in rows):
        raise UserError(f"{FLAGS.results} has no row with label_truth: nothing tells what the labels of its arms show")
    for title, studies in (("Strategies", ("main",)), ("All arms that differ in their labels", _LABELS_ALONE)):
        chosen = [row for row in rows if "label_truth" in row and row["study"] in studies]
        print(f"### {title}\n")
        print(markdown(["known before training", "arms", *OUTCOMES.values()], table(chosen, rows)), "\n")


def table(chosen: list[dict], rows: list[dict]) -> list[list[str]]:
    """A line for every quality of labels: how many arms have it, and its rank correlation with every outcome."""
    lines = []
    for kind, qualities_of in (("expected", lambda row: expected(row, rows)), ("measured", measured)):
        known = [(row, found) for row in chosen if (found := qualities_of(row)) is not None]
        for quality in QUALITIES:
            arms = collections.defaultdict(list)
            for row, found in known:
                outcomes = [row.get(name) for name in OUTCOMES]
                arms[arm_of(row)].append([getattr(found, quality), *outcomes])
            values = [np.array(seeds, np.float64) for seeds in arms.values()]
            cells = [str(correlation(values, place)) for place in range(1, 1 + len(OUTCOMES))]
            lines.append([f"{kind} {quality.replace('_', ' ')}", str(len(arms)), *cells])
    return lines


def arm_of(row: dict) -> tuple:
    """What the rows of an arm have in common."""
    names = ("study", "strategy", "variant", *_OF_PREDICTIONS[1:])
    return tuple(row[name] for name in names)


def measured(row: dict):
    """Quality of a row's labels by what every clip shows."""
    from spl_tf.labels.label_quality import label_quality

    joint = np.array(row["label_truth"], np.float64)
    return label_quality(joint[:-1], joint.sum(axis=0))


def expected(row: dict, rows: list[dict]):
    """Quality of a row's labels as foretold; None where the rows do not tell the matrix or the teacher's accuracy."""
    from spl_tf.labels.cell_truth import expected_truth
    from spl_tf.labels.label_quality import joint_by_cell, label_quality
    from spl_tf.labels.labellers import labeller
    from spl_tf.labels.teacher_confusion import even_confusion

    # The accuracy of other teachers, or on confident clips alone, is in no row.
    if (row["round"], row["min_confidence"], row["teacher_share"]) != (1, 0.0, 1.0):
        return None

    def first(**wanted):
        return next((other for other in rows if all(other[name] == value for name, value in wanted.items())), None)

    predictions = {name: row[name] for name in _OF_PREDICTIONS}
    cells = first(strategy="spl", variant="", **predictions)
    clean = first(study="main", strategy="none", seed=row["seed"])
    if cells is None or clean is None:
        return None
    classes = [name for name in cells["label_names"] if "|" not in name]
    confusion = np.array(cells["label_truth"])[:-1].sum(axis=1).reshape(len(classes), len(classes))
    shown = expected_truth(confusion, even_confusion(clean["top_1"], len(classes), "").rates)
    options = {"num_labels": len(row["label_names"])} if row["strategy"] in ("spl_m", "spl_d") else {}
    fitted = labeller(row["strategy"], **options).fit(confusion, classes)
    return label_quality(joint_by_cell(fitted, shown), shown.sum(axis=(0, 1)))


@dataclasses.dataclass(frozen=True)
class Correlation:
    """Spearman's, with a 95 % interval; nan where all arms are alike."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "-"
        mark = "**" if self.low > 0 or self.high < 0 else ""
        return f"{mark}{self.value:+.2f}{mark} [{self.low:+.2f}, {self.high:+.2f}]"


def correlation(arms: list[np.ndarray], place: int, seed: int = 0) -> Correlation:
    """Of the first column and another one, each a mean over the rows of an arm.

    Args:
      arms: float [seeds, columns] each.
      place: of the other column.
      seed: of the draws.
    """
    pairs = [arm[:, [0, place]] for arm in arms]
    pairs = [arm[~np.isnan(arm).any(axis=1)] for arm in pairs]
    pairs = [arm for arm in pairs if len(arm)]
    if len(pairs) < 3:
        return Correlation(np.nan, np.nan, np.nan)
    value = spearman(np.array([arm.mean(axis=0) for arm in pairs])[np.newaxis])[0]
    generator = np.random.default_rng(seed)
    means = np.empty((_DRAWS, len(pairs), 2))
    for place_of_arm, arm in enumerate(pairs):
        means[:, place_of_arm] = arm[generator.integers(len(arm), size=(_DRAWS, len(arm)))].mean(axis=1)
    drawn = generator.integers(len(pairs), size=(_DRAWS, len(pairs)))
    found = spearman(np.take_along_axis(means, drawn[..., np.newaxis], axis=1))
    if np.isnan(value) or np.isnan(found).all():
        return Correlation(np.nan, np.nan, np.nan)
    low, high = np.nanquantile(found, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Correlation(float(value), float(low), float(high))


def spearman(pairs: np.ndarray) -> np.ndarray:
    """Rank correlations float [n] of pairs [n, arms, 2]; nan where one of the two is everywhere the same."""
    from scipy.stats import rankdata

    ranks = rankdata(np.round(pairs, 12), axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    products = (ranks[..., 0] * ranks[..., 1]).sum(axis=1)
    norms = np.sqrt((ranks**2).sum(axis=1).prod(axis=1))
    return np.divide(products, norms, out=np.full(len(pairs), np.nan), where=norms > 0)


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
