"""Results of every strategy over the seeds, with intervals of the difference to the reference."""

import statistics
from collections.abc import Sequence

import numpy as np

from spl_tf.errors import UserError
from spl_tf.experiment.table import METRICS, Result, mean_of_percent
from spl_tf.report.collect import AGAIN, Recipe, read_right
from spl_tf.report.intervals import DRAWS, Difference, paired_difference
from spl_tf.report.markup import Html, Section, element, joined, section, table
from spl_tf.report.svg import dots, whisker
from spl_tf.report.tested import teacher_line

_REFERENCES = ("weak", "none")
_NOTHING = "-"
_COLUMNS = {"top_1": "top-1", "top_5": "top-5", "mean_average_precision": "map"}


def results_section(recipe: Recipe) -> Section:
    """The table of strategies, and what its intervals mean."""
    reference = next((name for name in _REFERENCES if name in recipe.names), None)
    differences: dict[str, Difference] = {}
    fault = ""
    if reference:
        try:
            differences = differences_to(recipe, reference)
        except UserError as error:
            fault = f"Intervals are not shown: {error}"
    main, *others = _metrics(recipe)
    columns = {"strategy": "Strategy", "seeds": "Seeds", _column(main): _title(main), "runs": _scale(recipe)}
    if differences:
        columns |= {
            "difference": f"Points above {reference} [95 %]",
            "interval": f"Interval, ± {_reach(differences):g} points",
        }
    columns |= {_column(name): _title(name) for name in others}
    columns |= {"scr": "SCR (%)", "classes": "Classes", "clips": "Clips used", "minutes": "Minutes"}
    rows = []
    for name in recipe.names:
        cells = _cells(recipe, name, differences, reference)
        rows.append([cells[key] for key in columns])
    caption = "Test results: means over the seeds, ± deviation of the sample"
    content = [table("results-table", caption, columns, rows, texts=("runs", "interval"))]
    faults = [fault]
    try:
        content += teacher_line(recipe)
    except UserError as error:
        faults.append(f"The teacher's test is not shown: {error}")
    notes = (_meaning(recipe, reference, differences), *faults)
    content += [element("p", text, class_="note") for text in notes if text]
    return section("results", "Results", *content)


def differences_to(recipe: Recipe, reference: str) -> dict[str, Difference]:
    """Every other strategy minus the reference, over the seeds that both have.

    Raises:
      UserError: top-1 was not measured, a list of test videos is missing or damaged, or names other videos than the
        others.
    """
    if any("top_1" not in run.metrics for run in recipe.results):
        raise UserError("they are of top-1, which is not measured where videos have several labels")
    right: dict[tuple[str, int], dict[str, bool]] = {}
    for run in recipe.results:
        right[run.name, run.seed] = read_right(recipe.run_folder(run))
    videos = list(next(iter(right.values())))
    for (name, seed), videos_right in right.items():
        if videos_right.keys() != set(videos) or not videos:
            raise UserError(f"{name} with seed {seed} was tested on other videos than the first run: {AGAIN}")

    def values(name: str, seeds: Sequence[int]) -> np.ndarray:
        return np.array([[right[name, seed][video] for video in videos] for seed in seeds])

    found = {}
    for name in recipe.names:
        seeds = [seed for seed in recipe.seeds if {(name, seed), (reference, seed)} <= right.keys()]
        if name != reference and seeds:
            found[name] = paired_difference(values(name, seeds), values(reference, seeds))
    return found


def _cells(recipe: Recipe, name: str, differences: dict[str, Difference], reference: str | None) -> dict[str, str]:
    runs = recipe.runs(name)
    colour = recipe.colour(name)
    low, high = _limits(recipe)
    difference = differences.get(name)
    pretrained = runs[0].classes > 0
    return {
        "strategy": name,
        "seeds": str(len(runs)),
        "runs": dots([100 * run.main for run in runs], low, high, colour),
        "difference": _difference(difference) if difference else ("reference" if name == reference else _NOTHING),
        "interval": _interval(difference, differences, colour),
        "scr": mean_of_percent([run.samples_cover_ratio for run in runs if run.samples_cover_ratio is not None]),
        "classes": f"{round(statistics.mean(run.classes for run in runs), 1):,g}" if pretrained else _NOTHING,
        "clips": f"{statistics.mean(run.clips for run in runs):,.0f}" if pretrained else _NOTHING,
        "minutes": f"{statistics.mean(run.seconds for run in runs) / 60:.1f}",
    } | {
        _column(metric): mean_of_percent([run.metrics[metric] for run in runs if metric in run.metrics])
        for metric in _metrics(recipe)
    }


def _metrics(recipe: Recipe) -> list[str]:
    """All that was measured, what the test is about first."""
    names = [recipe.results[0].main_metric, *(name for run in recipe.results for name in run.metrics)]
    return list(dict.fromkeys(names))


def _column(metric: str) -> str:
    return _COLUMNS.get(metric, metric)


def _title(metric: str) -> str:
    title = METRICS.get(metric, metric)
    return title if title.startswith("m") else title.capitalize()


def _difference(difference: Difference) -> Html:
    """Bold where the interval leaves zero out."""
    points = f"{difference.points:+.1f}"
    strong = element("b", points) if difference.is_distinguishable else points
    return joined(strong, f" [{difference.low:+.1f}, {difference.high:+.1f}]")


def _interval(difference: Difference | None, differences: dict[str, Difference], colour: int) -> Html:
    if difference is None:
        return Html("")
    return whisker(difference.points, difference.low, difference.high, _reach(differences), colour)


def _reach(differences: dict[str, Difference]) -> float:
    """The end of the pictures' scale, points: a multiple of 5 that holds every interval."""
    most = max(abs(end) for difference in differences.values() for end in (difference.low, difference.high))
    return 5 * max(1, -(-most // 5))


def _limits(recipe: Recipe) -> tuple[float, float]:
    """Of the dots' scale, percent: multiples of 5 around every run."""
    values = [100 * run.main for run in recipe.results]
    low, high = 5 * (min(values) // 5), -5 * (-max(values) // 5)
    return (low, high) if high > low else (low - 5, high + 5)


def _scale(recipe: Recipe) -> str:
    low, high = _limits(recipe)
    return f"Each run, {low:g} to {high:g} %"


def _meaning(recipe: Recipe, reference: str | None, differences: dict[str, Difference]) -> str:
    """What the columns show and what the intervals leave out."""
    text = "Minutes are of self-supervised learning, pre-training and fine-tuning, as far as there are such stages. "
    text += "SCR: share of the web clips in cells that keep a class. "
    if own := [name for name in recipe.names if _has_own_labels(recipe.runs(name)[0])]:
        text += f"None for {', '.join(own)}, nor a noise ratio: the labels are the web set's own, seen by no teacher. "
    if not differences:
        return text
    text += (
        f"Interval: of the difference in top-1 to {reference}, bootstrap ({DRAWS:,} draws) over seeds and test videos, "
        "paired: both strategies are compared on the same seeds and videos. Bold where it leaves zero out. "
        "Which test videos come from one recording is not known here: they are drawn one by one, so where they do "
        "the true interval is wider. "
    )
    if len(recipe.seeds) == 1:
        text += "With one seed the interval says nothing of the spread between seeds."
    return text


def _has_own_labels(run: Result) -> bool:
    """Whether it was pre-trained on labels that were not made from predictions."""
    return run.classes > 0 and run.samples_cover_ratio is None


def disagreement(recipe: Recipe) -> str:
    """On how many web clips queries and teachers disagree, over the seeds; nothing without a web set.

    Of several web sets it is that of `Recipe.web`, and the arms that have it are named.
    """
    runs = [run for seed in recipe.seeds for run in recipe.runs_on_web(seed)]
    ratios = {run.seed: run.noise_ratio for run in runs if run.noise_ratio is not None}
    if not ratios:
        return ""
    has_others = any(run.web and run.round == 1 and run not in runs for run in recipe.results)
    of = f" of {', '.join(dict.fromkeys(run.arm for run in runs))}" if has_others else ""
    return f"Query and teacher disagree on {mean_of_percent(list(ratios.values()))} % of the web clips{of}."
