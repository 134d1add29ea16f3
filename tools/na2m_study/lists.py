"""Lists that are made from those of ucf6: the web set with its tags, parts of the target set, and spoiled ones."""

import csv
import pathlib

from absl import flags

from spl_tf import command, files
from spl_tf.data.lists.csv_tables import PATH
from spl_tf.errors import UserError
from spl_tf.experiment.video_lists import VideoLists
from tools.collect import tables
from tools.na2m_study.arms import CHOICE, CLEAN
from tools.robustness import corrupt_videos, label_noise
from tools.study import hold_out

TAGS = "web_tags.csv"
_WEB, _WEB_CLASSES = "web.csv", "web.classes.txt"
# How the tools of tables 6 and 7 spoil the target set.
NOISE = {
    "noise40": ("--kind=stratified", "--share=0.4"),
    "noise80": ("--kind=stratified", "--share=0.8"),
}
CORRUPTION = {
    "random": ("--kind=random", "--probability=1e-4"),
    "contiguous": ("--kind=contiguous", "--share=0.75", "--mode=invert"),
}


class Lists:
    """Files below one folder, each made once, from the lists of a recipe."""

    def __init__(self, folder: pathlib.Path, given: VideoLists):
        self._folder, self._given = folder.absolute(), given

    def web_bindings(self) -> tuple[str, ...]:
        """Of arms that learn from the web set's tags; their list is written.

        Raises:
          UserError: there is no web set, or it has no tags.
        """
        self._write_web()
        web, classes = self._folder / _WEB, self._folder / _WEB_CLASSES
        return f"video_folder.web = {str(web)!r}", f"video_folder.web_classes = {str(classes)!r}"

    def target_bindings(self, target: str, seed: int) -> tuple[str, ...]:
        """Of arms that are fine-tuned on another target set, which `make` makes."""
        bindings = (f"video_folder.target = {str(self._target(target, seed))!r}",)
        return (*bindings, f"video_folder.test = {str(self._validation)!r}") if target == CHOICE else bindings

    def make(self, target: str, seed: int) -> None:
        """Makes the lists, and videos, of a target set that are not there yet."""
        made = self._target(target, seed)
        last = self._validation if target == CHOICE else made
        if target == CLEAN or last.exists():
            return
        options = [f"--list={self._given.target}", f"--seed={seed}"]
        with files.locked(self._folder, "the study's lists", wait=True):
            if last.exists():  # Another process has just made it.
                return
            if target == CHOICE:
                _execute(hold_out, [f"--target={self._given.target}", f"--output_dir={self._folder}"])
            elif target in NOISE:
                made.parent.mkdir(exist_ok=True)
                given = [f"--classes={self._given.classes}", f"--output={made}"]
                _execute(label_noise, [*options, *given, *NOISE[target]])
            else:
                _execute(corrupt_videos, [*options, f"--output_dir={made.parent}", *CORRUPTION[target]])

    @property
    def _validation(self) -> pathlib.Path:
        return self._folder / "choice_validation.csv"

    def _target(self, target: str, seed: int) -> pathlib.Path:
        if target == CHOICE:
            return self._folder / "choice_train.csv"
        return self._folder / f"{target}-seed{seed}" / f"{pathlib.Path(self._given.target).stem}.csv"

    def _write_web(self) -> None:
        if self._given.web is None:
            raise UserError("the study needs a web set: set video_folder.web")
        source = pathlib.Path(self._given.web)
        tags_path = source.with_name(TAGS)
        if not tags_path.is_file():
            raise UserError(f"{tags_path} does not exist: the study needs video_id,tags of every web video")
        with open(tags_path, newline="", encoding="utf-8") as opened:
            tags = {row["video_id"]: row["tags"] for row in csv.DictReader(opened)}
        with open(source, newline="", encoding="utf-8") as opened:
            rows = list(csv.DictReader(opened))
        if untagged := [row["video_id"] for row in rows if row["video_id"] not in tags]:
            raise UserError(f"{tags_path} has no tags for {len(untagged)} web videos, {untagged[0]} first: add them")
        for row in rows:
            row |= {PATH: str((source.parent / row[PATH]).resolve()), "query": tags[row["video_id"]]}
        names = sorted({name for row in rows for name in row["query"].split("|")})
        with files.locked(self._folder, "the study's lists", wait=True):
            tables.write(self._folder / _WEB, list(rows[0]), (list(row.values()) for row in rows))
            with files.atomic_path(self._folder / _WEB_CLASSES) as path:
                path.write_text("\n".join(names) + "\n", encoding="utf-8")


def _execute(tool, arguments: list[str]) -> None:
    """Runs a command of another tool."""
    values: flags.FlagValues = tool.FLAGS
    if command.execute(tool.main, values, "", [tool.__name__, *arguments]):
        raise UserError(f"{tool.__name__} {' '.join(arguments)} failed, for the reason above")
