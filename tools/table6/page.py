"""Tables of table 6 with intervals over images and seeds, and what they tell apart, in Markdown."""

import collections
from collections.abc import Mapping, Sequence

import numpy as np

from spl_tf.errors import UserError
from spl_tf.experiment.noise_matrices import counted_transition
from tools.study import power
from tools.study.cells import label_cells, markdown, mean_top_1, percent
from tools.study.collected import Outcomes, correct
from tools.study.results import Row
from tools.table6.differences import Mean, components, holm, means, seed_spread
from tools.table6.rows import ROWS, VARIANTS

BASES = ("weak", "none")
_SEEDS = (1, 3, 5, 10)
_TITLES = {
    "": "The rows",
    "long": "Pre-training four times as long",
    "clean250": "250 clean images",
    "clean2000": "2,000 clean images: the validation images too",
    "swapped": "Other clean images: the validation images in place of the training images",
}

Arms = dict[str, Outcomes]  # By row.


def page(rows: Sequence[Row]) -> str:
    """All tables of a results file.

    Raises:
      UserError: there are no rows, or rows of a variant have several configurations.
    """
    if not rows:
        raise UserError("the results file has no rows: run tools.table6.run with the same --results first")
    arms = {name: _arms(name, [row for row in rows if row.get("variant", "") == name]) for name in VARIANTS}
    parts = [_work(rows)]
    for name, title in _TITLES.items():
        if arms[name]:
            parts += [f"### {title}", *_compared(arms[name])]
        if name and arms[name] and (changes := _changes(arms[name], arms[""])):
            parts += ["Minus the row of the first table:", changes]
    if plain := arms[""]:
        parts += ["### On another set of this kind", _ANOTHER, another_table(plain)]
        parts += [] if _knows_seeds(plain) else [_ONE_SEED]
        parts += ["### What can be told apart", detectable_table(plain)]
    if any("label_truth" in row for arm in plain.values() for row in arm.rows.values()):
        parts += ["### What the labels show", labels_table(plain)]
    return "\n\n".join(parts)


def _arms(variant: str, rows: Sequence[Row]) -> Arms:
    # Rows whose noise matrix is counted on a list of their own have that in their configuration.
    kinds = {ROWS[row["row"]].transition is counted_transition for row in rows}
    configurations = collections.Counter(row["config"] for row in rows)
    if len(configurations) > len(kinds):
        found = ", ".join(f"{name} ({count} rows)" for name, count in configurations.items())
        raise UserError(f"rows of {variant or 'no variant'} mix configurations: {found}: give each its own --results")
    by_row: dict[str, dict[int, Row]] = collections.defaultdict(dict)
    for row in rows:
        by_row[row["row"]][row["seed"]] = row
    return {name: Outcomes(name, by_row[name]) for name in ROWS if name in by_row}


def _gains(arms: Arms, base: Outcomes) -> dict[str, np.ndarray]:
    """First minus base over the seeds that both have, [S, V] of each arm that has some."""
    found = {}
    for name, arm in arms.items():
        seeds = sorted(arm.rows.keys() & base.rows.keys())
        if seeds and arm.rows != base.rows:
            found[name] = correct(arm, seeds).astype(np.float64) - correct(base, seeds)
    return found


def _differences(arms: Arms) -> dict[str, dict[str, Mean]]:
    """By base and row."""
    return {base: means(_gains(arms, arms[base])) if base in arms else {} for base in BASES}


def _compared(arms: Arms) -> list[str]:
    """The table, and the list of what it tells apart."""
    differences = _differences(arms)
    rows = []
    for name, arm in arms.items():
        used = f"{np.mean(arm.values('clips')):,.0f}"
        teacher = percent(arm.values("teacher_right"))
        found = [_interval(differences[base].get(name)) for base in BASES]
        probes = (percent(arm.values(column)) for column in ("linear_probe", "knn"))
        rows.append([name, f"{len(arm.rows)}", used, teacher, mean_top_1(arm), *found, *probes])
    header = ["row", "seeds", "images used", "teacher right", "top-1 (%)", *(f"minus {base}" for base in BASES)]
    told = [f"* **From {base}**: {_verdict(differences[base])}" for base in BASES if differences[base]]
    return [markdown([*header, "probe", "k-NN"], rows), *(["\n".join(told)] if told else [])]


def _verdict(found: Mapping[str, Mean]) -> str:
    """What is above, below, and not told apart."""
    corrected = holm(found)
    of_kind: dict[str, list[str]] = {"higher": [], "lower": [], "not told apart": []}
    for name, mean in sorted(found.items(), key=lambda item: -item[1].points):
        low, high = mean.interval()
        kind = "higher" if low > 0 else "lower" if high < 0 else "not told apart"
        sure = kind == "not told apart" or name in corrected
        of_kind[kind].append(f"{name}{'' if sure else ' (not after correction)'}")
    told = "; ".join(f"{kind} {', '.join(names)}" for kind, names in of_kind.items() if names)
    over_images = " Over images alone: no row has two seeds." if np.inf in {m.freedom for m in found.values()} else ""
    return f"{told}. {len(found)} comparisons, correction of Holm.{over_images}"


def _changes(arms: Arms, plain: Arms) -> str:
    """What a variant does to each row; "" where no seed has both."""
    gains = {name: _gains({name: arm}, plain[name]) for name, arm in arms.items() if name in plain}
    found = means({name: each[name] for name, each in gains.items() if each})
    if not found:
        return ""
    rows = [[name, f"{len(arms[name].rows)}", _interval(mean)] for name, mean in found.items()]
    return markdown(["row", "seeds", "change"], rows)


_ANOTHER = (
    "95 % of the means of as many other seeds on as many other test images lie here, if the same training images are "
    "used: seeds don't draw these anew, so training sets of another draw move a mean further, above all that of `none`."
)


def another_table(arms: Arms) -> str:
    """Where the means of another set should lie."""
    levels = means({name: correct(arm, sorted(arm.rows)).astype(np.float64) for name, arm in arms.items()})
    differences = _differences(arms)
    rows = []
    for name, arm in arms.items():
        low, high = levels[name].of_another_set()
        expected = [_range(differences[base].get(name)) for base in BASES]
        rows.append([name, f"{len(arm.rows)}", f"{low:.1f} to {high:.1f}", *expected])
    return markdown(["row", "seeds", "top-1 (%)", *(f"minus {base}" for base in BASES)], rows)


def detectable_table(arms: Arms) -> str:
    """The difference in points that is found with 80 % power, by what varies, and its parts."""
    rows = []
    for base in BASES:
        gains = _gains(arms, arms[base]) if base in arms else {}
        spread = seed_spread(gains)
        several = {name: table for name, table in gains.items() if len(table) > 1}
        if not gains:
            continue
        found = power.mean_components([components(table) for table in (several or gains).values()])
        num_images = next(iter(gains.values())).shape[1]
        designs = [power.Design("", seeds, seeds, np.ones(num_images)) for seeds in _SEEDS]
        points = [f"{power.detectable(found, design):.1f}" for design in designs]
        if spread is None:
            points = [points[0], *("-" for _ in _SEEDS[1:])]
        parts = [found.seed, found.video, found.rest] if spread else [np.nan, np.nan, found.rest]
        deviations = ["-" if np.isnan(part) else f"{100 * np.sqrt(part):.1f}" for part in parts]
        rows.append([f"from {base}", f"{len(several or gains)}", *deviations, *points])
    columns = [
        "difference",
        "comparisons",
        "deviation: seed",
        "image",
        "rest",
        *(f"{n} seed{'s' * (n > 1)}" for n in _SEEDS),
    ]
    return f"{_DETECTABLE}\n\n{markdown(columns, rows)}"


def _knows_seeds(arms: Arms) -> bool:
    """Whether the spread of seeds can be estimated."""
    return any(len(arm.rows) > 1 for arm in arms.values())


_DETECTABLE = (
    "Standard deviations of a gain in points, and what difference is found with 80 % power at 5 % "
    "([tools.study.power](../tools/study/power.py))."
)
_ONE_SEED = (
    "**No row has two seeds yet**: the spread of seeds is unknown; all of this is over the images alone and too narrow."
)


def labels_table(arms: Arms) -> str:
    """Of the rows whose labels are classes; those of one labeller are the same in several rows."""
    rows, labels_of = [], {}
    for name, arm in arms.items():
        told = {seed: row for seed, row in arm.rows.items() if "label_truth" in row}
        labels = ROWS[name].labels
        if told and labels not in labels_of:
            labels_of[labels] = name
            rows.append([labels, f"{len(told)}", *label_cells(Outcomes(name, told).tables())])
    header = ["labels", "seeds", "classes", "images used", "purity", "bits a used image", "bits an image"]
    return markdown([*header, "rarest class kept"], rows)


def _work(rows: Sequence[Row]) -> str:
    """What the tables are made from."""
    seconds = np.array([row["seconds"] for row in rows])
    commits = ", ".join(dict.fromkeys(row["commit"] for row in rows))
    versions = ", ".join(f"{name} {version}" for name, version in rows[-1]["versions"].items())
    hours = f"{seconds.sum() / 3600:.1f} hours of run time, {np.median(seconds):.0f} s a row (median)"
    return f"{len(rows)} rows; {hours}. Commits {commits}; {versions}."


def _interval(mean: Mean | None) -> str:
    if mean is None:
        return "-"
    low, high = mean.interval()
    mark = "**" if low > 0 or high < 0 else ""
    return f"{mark}{mean.points:+.1f}{mark} [{low:+.1f}, {high:+.1f}]"


def _range(mean: Mean | None) -> str:
    if mean is None:
        return "-"
    low, high = mean.of_another_set()
    return f"{low:+.1f} to {high:+.1f}"
