"""Training curves and results of every stage, and how long everything took."""

import dataclasses
import pathlib
import statistics

from tqdm import tqdm

from spl_tf.experiment.resumable import MARKER
from spl_tf.report.collect import Recipe, read_seconds
from spl_tf.report.curves import Curve, read_curves
from spl_tf.report.markup import Html, Section, element, section, table
from spl_tf.report.svg import Series, line_chart
from spl_tf.stages import STAGES
from spl_tf.training.outcome import METRICS, Metrics, read_metrics

# Shares that training shows, of one label a clip and of several, and what is validated of them.
_VALIDATED = {"accuracy": "top_1", "hit_at_1": "hit_at_1"}
_MEASURES = ("loss", *_VALIDATED)
_NOTHING = "-"


@dataclasses.dataclass(frozen=True)
class _Trained:
    """One stage of one run.

    Attributes:
      stage: of STAGES.
      name: strategy and round; "teacher" for the teacher.
      curves: see `read_curves`.
      metrics: content of `metrics.json`.
    """

    stage: str
    name: str
    curves: dict[str, Curve]
    metrics: Metrics


def training_section(recipe: Recipe) -> Section:
    """Curves of the first seed in the open, those of the others folded away.

    Raises:
      UserError: a stage's numbers are missing or damaged.
    """
    folders = {seed: _stage_folders(recipe, seed) for seed in recipe.seeds}
    total = sum(map(len, folders.values()))
    content: list[Html] = []
    with tqdm(total=total, desc="report: curves", unit="stage", delay=1) as bar:
        for seed, stage_folders in folders.items():
            trained = []
            for stage, name, folder in stage_folders:
                metrics = read_metrics(folder)
                trained.append(_Trained(stage, name, read_curves(folder / "logs"), metrics))
                bar.update()
            charts = element("div", *_charts(recipe, seed, trained), class_="charts")
            part = [charts, _end_table(seed, trained)]
            if content:
                part = [element("details", element("summary", f"Seed {seed}"), *part, id=f"curves-seed{seed}")]
            content += part
    text = (
        f"Seed {recipe.seeds[0]}. Accuracy is of the batches trained on, at every point of a few steps (up to "
        "train_stage.steps_per_loop, 20, after the first two), against the labels of the stage: those of "
        "pre-training are other classes with every strategy and compare with nothing. Marks: top-1 on the validation "
        "set, where there is one."
    )
    return section("training", "Training", element("p", text), *content)


def _stage_folders(recipe: Recipe, seed: int) -> list[tuple[str, str, pathlib.Path]]:
    """(stage, name of the run, folder) of every stage of a seed that was trained."""
    web = recipe.web(seed)
    found = [("teacher", "teacher", web.teacher)] if web else []
    for stage in ("selfsup", "pretrain", "finetune"):
        found += [(stage, run.name, recipe.run_folder(run) / stage) for run in recipe.runs_of_seed(seed)]
    return [entry for entry in found if (entry[2] / METRICS).exists()]


def _charts(recipe: Recipe, seed: int, trained: list[_Trained]) -> list[Html]:
    charts = []
    for stage in STAGES:
        of_stage = [one for one in trained if one.stage == stage]
        for measure in _MEASURES:
            series = []
            for one in of_stage:
                colour = 0 if stage == "teacher" else recipe.colour(one.name)
                if curve := one.curves.get(measure):
                    series.append(Series(one.name, curve.steps, curve.values, colour))
                history = one.metrics["evaluations"]
                if history and (validated := _VALIDATED.get(measure)) in history[0]:
                    marks = [entry for entry in history if {"step", validated} <= entry.keys()]
                    steps, values = ([entry[key] for entry in marks] for key in ("step", validated))
                    series.append(Series(f"{one.name}, validation", steps, values, colour, marks=True, line=False))
            if series:
                charts.append(_chart(f"curve-{stage}-{measure}-seed{seed}", stage, measure, series))
    return charts


def _chart(identity: str, stage: str, measure: str, series: list[Series]) -> Html:
    most = max(float(max(one.y)) for one in series)
    limits = (0.0, 1.0) if measure in _VALIDATED else (0.0, most or 1.0)
    return line_chart(
        identity,
        f"{stage}: {measure}",
        series,
        x_title="steps",
        y_title="of the training batches",
        y_limits=limits,
        percent=measure in _VALIDATED,
    )


def _end_table(seed: int, trained: list[_Trained]) -> Html:
    columns = {"stage": "Stage", "strategy": "Strategy", "steps": "Steps", "clips": "Clips", "loss": "Loss"}
    columns |= {"accuracy": "Accuracy (%)", "averaged": "Over steps", "precision": "Precision", "time": "Training time"}
    rows = []
    for one in trained:
        end = one.metrics["train"]
        rows.append(
            [
                one.stage,
                one.name,
                f"{one.metrics['steps']:,}",
                f"{one.metrics['clips']:,}",
                _number(end.get("loss"), ".3f"),
                _number(end.get("accuracy", end.get("hit_at_1")), ".1f", 100),
                _steps(one.metrics.get("train_steps")),
                one.metrics["precision"],
                duration(one.metrics["seconds"]),
            ]
        )
    caption = f"End of training, seed {seed}: loss and accuracy are means over the steps named, the last epoch's"
    if any("accuracy" not in one.metrics["train"] and "hit_at_1" in one.metrics["train"] for one in trained):
        caption += "; with @multi_label accuracy is the share of clips whose highest score is of a class they have"
    return table(f"stages-table-seed{seed}", caption, columns, rows, texts=("strategy", "precision"))


def _steps(ends: list[int] | None) -> str:
    """ "361 to 400"; of older runs the means are over their last steps, at most `steps_per_loop`."""
    return "the last few" if ends is None else " to ".join(f"{end:,}" for end in dict.fromkeys(ends))


def _number(value: float | None, form: str, scale: int = 1) -> str:
    return _NOTHING if value is None else format(scale * value, form)


def duration(seconds: float | None) -> str:
    """ "25.1 s", "4 min 05 s" or "3 h 12 min"; a dash for what was not needed."""
    if seconds is None:
        return _NOTHING
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def timing_section(recipe: Recipe) -> Section:
    """Shards and teacher, which the strategies share, and the steps of every strategy: means over the seeds.

    Raises:
      UserError: a step's record is damaged.
    """
    shared = {name: [folder] for name, folder in _shard_folders(recipe)}
    if webs := [web for seed in recipe.seeds if (web := recipe.web(seed))]:
        shared |= {"teacher": [web.teacher for web in webs], "predictions": [web.predictions for web in webs]}
    times = [(name, _mean_seconds(paths)) for name, paths in shared.items()]
    rows = [[name, duration(seconds)] for name, seconds in times if seconds is not None]
    once = table("timing-shared", "Shared by the strategies", {"step": "Step", "time": "Time"}, rows)

    runs = [recipe.run_folder(run) for name in recipe.names for run in recipe.runs(name)]
    learns_alone = any((folder / "selfsup" / MARKER).exists() for folder in runs)
    steps = (*(("selfsup",) if learns_alone else ()), "predictions", "labels", "pretrain", "finetune", "test")
    rows = []
    for name in recipe.names:
        folders = [recipe.run_folder(run) for run in recipe.runs(name)]
        seconds = [_mean_seconds([folder / step for folder in folders]) for step in steps]
        total = sum(one for one in seconds if one is not None)
        rows.append([name, *map(duration, seconds), duration(total)])
    columns = {"strategy": "Strategy"} | {step: step for step in steps} | {"total": "total"}
    of_strategies = table("timing-table", "Of every strategy, mean over the seeds", columns, rows)
    text = "Time of every step over all sessions, with reading and writing."
    return section("timing", "Timing", element("p", text), once, of_strategies)


def _shard_folders(recipe: Recipe) -> list[tuple[str, pathlib.Path]]:
    """What the shards that were cut are called, and their folders: of all arms, and of those that share others."""
    found = []
    for place in (recipe.folder, *sorted(folder.parent for folder in recipe.folder.glob("*/shards"))):
        where = "shards" if place == recipe.folder else f"shards of {place.name}"
        folders = sorted(marker.parent for marker in place.glob(f"shards/*/{MARKER}"))
        found += [(f"{where}: {folder.name}", folder) for folder in folders if ".replaced-" not in folder.name]
    return found


def _mean_seconds(folders: list[pathlib.Path]) -> float | None:
    found = [seconds for folder in folders if (seconds := read_seconds(folder)) is not None]
    return statistics.mean(found) if found else None
