"""The test, class by class: every strategy's measure of each class, and what it takes for what."""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from spl_tf.errors import UserError
from spl_tf.experiment.shown_test import read_test
from spl_tf.experiment.table import METRICS, mean_of_percent
from spl_tf.labels import figures
from spl_tf.metrics.evaluation import Evaluation
from spl_tf.report.collect import AGAIN, Recipe
from spl_tf.report.markup import Html, Section, element, section, table
from spl_tf.report.pictures import figure

TEACHER = "the teacher"
# Beyond, the page would hold tens of thousands of cells.
_MOST_CLASSES = 400
# Of a picture: sharp enough to read, and a page with one a strategy stays at some megabytes.
_DOTS_PER_INCH = 80
_TITLES = {"accuracy": "accuracy", "average_precision": "average precision"}


@dataclasses.dataclass(frozen=True, eq=False)
class _Tested:
    """What one strategy's tests found, one a seed, or the teacher's."""

    name: str
    classes: tuple[str, ...]
    found: list[Evaluation]

    def of_classes(self, measure: str) -> np.ndarray:
        """float64 [N]: mean over the seeds; NaN for a class without videos."""
        return np.mean([one.per_class[measure] for one in self.found], axis=0)

    def confusion(self) -> np.ndarray | None:
        """int64 [N, N]: of all seeds together; None where videos have several labels."""
        matrices = [one.confusion for one in self.found if one.confusion is not None]
        return np.sum(matrices, axis=0) if matrices else None


def teacher_line(recipe: Recipe) -> list[Html]:
    """What the teachers reach on the test set, beside the table of what came of them.

    Raises:
      UserError: the numbers of their tests are damaged.
    """
    tested = _tested(TEACHER, _teacher_folders(recipe))
    if tested is None:
        return []
    values = []
    for metric, title in METRICS.items():
        shares = [one.metrics[metric] for one in tested.found if metric in one.metrics]
        if shares and any(metric in run.metrics for run in recipe.results):
            values.append(f"{title.removesuffix(' (%)')} {mean_of_percent(shares)} %")
    if not values:
        return []
    return [element("p", f"The teacher itself, on the same videos: {', '.join(values)}.", id="teacher-result")]


def tested_sections(recipe: Recipe) -> list[Section]:
    """None of tests that left no measure of a class.

    Raises:
      UserError: numbers of a test are damaged, or tests are of different classes.
    """
    of_names = [_tested(name, _folders(recipe, name)) for name in recipe.names]
    tested = [one for one in [_tested(TEACHER, _teacher_folders(recipe)), *of_names] if one]
    if not tested:
        return []
    if len({one.classes for one in tested}) > 1:
        raise UserError(f"its strategies were tested on different classes: {AGAIN}")
    measure = next(name for name in _TITLES if all(name in one.per_class for each in tested for one in each.found))
    pictures = []
    for one in tested:
        confusion = one.confusion()
        if confusion is not None:
            picture = element("div", _picture(one, confusion), class_="confused")
            pictures.append(element("details", element("summary", one.name), picture, data_confusion=one.name))
    content = [_table(tested, measure)]
    if pictures:
        text = "What is taken for what: test videos by true class (rows) and prediction (columns), all seeds together."
        content += [element("p", text), *pictures]
    return [section("tested", "Test, class by class", *content)]


def _table(tested: Sequence[_Tested], measure: str) -> Html:
    classes = tested[0].classes
    values = np.stack([one.of_classes(measure) for one in tested], axis=1)
    # A class without videos has no measure and comes last.
    order = np.argsort(np.nan_to_num(values.mean(axis=1), nan=2.0), kind="stable")
    left_out = len(classes) - _MOST_CLASSES
    columns = {"class": "Class"} | {f"of-{number}": one.name for number, one in enumerate(tested)}
    rows = [
        [classes[index], *("-" if np.isnan(value) else f"{100 * value:.1f}" for value in values[index])]
        for index in order[:_MOST_CLASSES]
    ]
    more = f"; {left_out} easier ones are in metrics.json of each test" if left_out > 0 else ""
    caption = f"Test: {_TITLES[measure]} of every class (%), mean over the seeds, the hardest first{more}"
    return table("tested-table", caption, columns, rows)


def _picture(one: _Tested, confusion: np.ndarray) -> Html:
    drawn = figures.confusion_figure(confusion, one.classes, rows="true class", columns="prediction")
    drawn.set_dpi(_DOTS_PER_INCH)
    right = np.trace(confusion) / max(int(confusion.sum()), 1)
    text = f"{one.name}: {right:.1%} of {int(confusion.sum()):,} right"
    return figure(figures.pixels(drawn), f"Confusion matrix of the test. {text}", text)


def _folders(recipe: Recipe, name: str) -> list[pathlib.Path]:
    return [recipe.run_folder(run) / "test" for run in recipe.runs(name)]


def _teacher_folders(recipe: Recipe) -> list[pathlib.Path]:
    webs = [recipe.web(seed) for seed in recipe.seeds]
    return [web.teacher.with_name("teacher_test") for web in webs if web]


def _tested(name: str, folders: Sequence[pathlib.Path]) -> _Tested | None:
    read = [read_test(folder) for folder in folders if (folder / "metrics.json").exists()]
    if not read or not read[0][0]:
        return None
    if len({classes for classes, _ in read}) > 1:
        raise UserError(f"{name} was tested on different classes with its seeds: {AGAIN}")
    return _Tested(name, read[0][0], [found for _, found in read])
