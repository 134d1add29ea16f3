"""The tables of the report, in Markdown."""

import pathlib
from collections.abc import Sequence

from tools.na2m_study.arms import CLEAN, NONE, SPOILED, choice_keys, choosable
from tools.na2m_study.choice import PROBE, chosen
from tools.na2m_study.claims import CLAIMS
from tools.study.cells import gain, interval, markdown, mean_top_1, percent
from tools.study.claims import verdict
from tools.study.collected import Collected, Outcomes
from tools.study.results import Row

_MEASURES = {"linear_probe": "probe", "knn": "k-NN", "web_ap": "AP, clips", "web_video_ap": "AP, videos"}


class Results:
    """Finished rows.

    Args:
      rows: of a results file.
      test: list of the test videos, which names their recordings.

    Raises:
      UserError: as `Collected`.
    """

    def __init__(self, rows: Sequence[Row], test: pathlib.Path):
        self.choices = [row for row in rows if PROBE in row and row["pretraining"] in choosable()]
        self.tested = Collected(rows, test)
        is_complete = len(self.choices) == len(choice_keys())
        self.best = chosen(self.choices) if is_complete else None

    def of(self, name: str | None, target: str = CLEAN) -> Outcomes:
        """Of a pre-training, None for the chosen one, whose rows are none as long as none is chosen."""
        name = name or self.best
        return self.tested.where(name or "chosen", {"pretraining": name, "target": target})


def clean_table(results: Results, names: Sequence[str], bases: Sequence[str]) -> str:
    """Pre-trainings against others, and what is measured of each before fine-tuning."""
    rows = []
    for name in names:
        arm = results.of(name)
        seeds = len(arm.rows)
        differences = (interval(results.tested.difference(arm, results.of(base)), seeds) for base in bases)
        measures = (percent(arm.values(column)) for column in _MEASURES)
        minutes = f"{arm.values('seconds').mean() / 60:.1f}" if seeds else "-"
        rows.append([name, f"{seeds}", mean_top_1(arm), *differences, *measures, minutes])
    header = ["pre-training", "seeds", "top-1 (%)", *(f"minus {base}" for base in bases), *_MEASURES.values()]
    return markdown([*header, "minutes"], rows)


def tags_line(results: Results) -> str:
    """What average precision the tags have that networks learned, taken as scores."""
    found = [percent(results.of("bce").values(column)) for column in ("tags_ap", "tags_video_ap")]
    return f"The tags themselves: AP, clips {found[0]}; AP, videos {found[1]}."


def choice_table(results: Results) -> str:
    """The probe that chooses."""
    rows = []
    for name in (name for name in choosable() if name != NONE):
        found = [row[PROBE] for row in results.choices if row["pretraining"] == name]
        mark = "**" if name == results.best else ""
        rows.append([f"{mark}{name}{mark}", f"{len(found)}", percent(found)])
    return markdown(["pre-training", "seeds", "probe on groups 10 and 11 (%)"], rows)


def spoiled_table(results: Results) -> str:
    """None and the chosen pre-training on each target set, the clean one first."""
    rows = []
    for target in (CLEAN, *SPOILED):
        none, best = results.of(NONE, target), results.of(None, target)
        lost = interval(results.tested.difference(none, results.of(NONE)), len(none.rows))
        difference = interval(results.tested.difference(best, none), len(none.rows))
        rows.append([target, f"{len(none.rows)}", mean_top_1(none), mean_top_1(best), difference, lost])
    header = ["target set", "seeds", "none", results.best or "chosen", "minus none", "none minus none on clean"]
    return markdown(header, rows)


def claims_table(results: Results) -> str:
    """Every ordering of the paper's tables, and whether it is found here.

    Beside it what is measured of the pre-trained networks: the mean difference, and in how many seeds it is above zero.
    """
    rows = []
    for claim in CLAIMS:
        higher, lower = results.of(*claim.higher), results.of(*claim.lower)
        difference = results.tested.difference(higher, lower)
        names = (
            arm.name + ("" if side[1] == CLEAN else f", {side[1]}")
            for arm, side in ((higher, claim.higher), (lower, claim.lower))
        )
        seeds = difference.seeds if difference else 0
        measures = (gain(higher, lower, column) for column in ("linear_probe", "web_ap"))
        cells = [claim.source, *names, f"{claim.points:.2f}", f"{seeds}", interval(difference, seeds)]
        rows.append([*cells, verdict(difference), *measures])
    header = ["the paper's", "higher", "lower", "by (paper)", "seeds", "by (here)", "verdict", "probe", "AP, clips"]
    return markdown(header, rows)
