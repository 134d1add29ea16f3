"""Studies: arms of an experiment with a results file as their memory, run by any number of processes."""

import contextlib
import csv
import dataclasses
import functools
import hashlib
import json
import pathlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import gin

from spl_tf import files
from spl_tf.data.dataset import load_dataset
from spl_tf.errors import UserError
from spl_tf.experiment.arm_sets import ArmSets
from spl_tf.experiment.arms import Arm
from spl_tf.experiment.runner import Runner
from spl_tf.experiment.table import Result
from spl_tf.experiment.tasks import networks_forgotten
from spl_tf.inference.probe import probe_backbone
from spl_tf.stages import STAGES
from spl_tf.training.identity import digest, stage_settings
from tools.study.results import Row, append_row, provenance, read_rows

_OF_OTHER_COLUMNS = ("strategy", "seed", "round")


class Study:
    """What the rows of a results file are run by. A row's key is a dataclass with a seed: what it is known by.

    Args:
      output_dir: for everything but the results.
      arms: key -> arm, of every row of the study.
      plain: the arm whose shards are part of the configuration.
      settings_of: (runner, arm) -> what else is.
      columns_of: (runner, arm, result) -> further columns of a row.
    """

    def __init__(
        self,
        output_dir: files.Path,
        arms: dict[Any, Arm],
        plain: Arm,
        settings_of: Callable[[Runner, Arm], Row] = lambda runner, arm: {},
        columns_of: Callable[[Runner, Arm, Result], Row] = lambda runner, arm, result: {},
    ):
        hold = functools.partial(files.locked, what="what the arms share", wait=True)
        self.runner = configured_runner(output_dir, list(dict.fromkeys([plain, *arms.values()])), hold)
        self._arms, self._plain = arms, plain
        self._self_supervised = any(arm.self_supervised for arm in arms.values())
        self._settings_of, self._columns_of = settings_of, columns_of

    def identity(self, key: Any) -> Row:
        """What tells a row from any other; the configuration as a hash."""
        # Rows of studies without the first stage keep the hash they had before there was one.
        stages = STAGES if self._self_supervised else STAGES[1:]
        settings = {stage: stage_settings(stage) for stage in stages}
        settings |= {str(i): value for i, value in enumerate(self._digests)}
        settings |= self._settings_of(self.runner, self._arms[key])
        config = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
        return dataclasses.asdict(key) | {"config": config}

    def lock(self, key: Any) -> pathlib.Path:
        """Held while a row is run."""
        return self.runner.lock(self._arms[key], key.seed)

    def run(self, key: Any) -> Row:
        """Runs an arm to its end.

        Returns:
          The columns of the recipe's table; `correct`, a digit for each test video in the order of their
          ids; probes of the pre-trained backbone; those of the study; and where and with what it was run.
        """
        arm = self._arms[key]
        result, folder = self.runner.run(arm, key.seed), self.runner.folder(arm, key.seed)
        row = {name: value for name, value in result.columns().items() if name not in _OF_OTHER_COLUMNS}
        row["correct"] = _correct(folder / "test" / "videos.csv")
        if arm.pretrains or arm.self_supervised:
            clean = self.runner.sets.clean(arm)
            with networks_forgotten():
                probed = probe_backbone(folder / ("pretrain" if arm.pretrains else "selfsup"), clean.target, clean.test)
            row |= {"linear_probe": probed.linear, "knn": probed.knn}
        return row | self._columns_of(self.runner, arm, result) | provenance()

    @functools.cached_property
    def _digests(self) -> list[str]:
        clean = self.runner.sets.clean(self._plain)
        folders = (clean.target, self.runner.sets.web(self._plain), clean.test)
        return [digest(load_dataset(folder)) for folder in folders]


def configured_runner(
    output_dir: files.Path, arms: Sequence[Arm], hold: Callable[[pathlib.Path], AbstractContextManager[Any]]
) -> Runner:
    """A runner of these arms with the settings of the recipe that gin has parsed.

    Raises:
      UserError: one of them is for the arms of a recipe, which these are not.
    """
    names = ("videos", "fps", "short_side", "web_clip_seconds", "test_clip_seconds")
    given = gin.get_bindings("recipe")
    of_arms = ("init_weights", "num_labels", "min_confidence", "transition", "web_clips_per_class")
    if unused := [name for name in of_arms if given.get(name) is not None]:
        raise UserError(f"recipe.{unused[0]} is not for this study, whose arms say it themselves: remove the binding")
    settings = {name: given[name] for name in names if name in given}
    return Runner(ArmSets(output_dir, arms, **settings, hold=hold))


def run_arms(study: Study, keys: Sequence[Any], results: files.Path) -> None:
    """Runs the rows in their order that no other process works on and that the results file lacks.

    Args:
      study: knows how.
      keys: of its rows.
      results: gets a line per finished row.

    Raises:
      UserError: what any of the stages raises.
    """
    results = pathlib.Path(results)
    for number, key in enumerate(keys, 1):
        wanted = study.identity(key)
        if finished_row(key, wanted, results):
            continue
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(files.locked(study.lock(key), "an arm of the study"))
            except UserError:
                print(f"{_name(key)}: another process works on it", flush=True)
                continue
            if not finished_row(key, wanted, results):  # The other process may just have finished it.
                print(f"arm {number} of {len(keys)}: {_name(key)}", flush=True)
                append_row(results, wanted | study.run(key))


def finished_row(key: Any, wanted: Row, results: pathlib.Path) -> Row | None:
    """The line of a results file that has a key's identity `wanted`; None without one."""
    # Rows of before an option was there have its default.
    for row in read_rows(results):
        if all(row.get(name, getattr(type(key), name, None)) == value for name, value in wanted.items()):
            return row
    return None


def _name(key: Any) -> str:
    values = dataclasses.asdict(key)
    options = [f"{name} {value}" for name, value in values.items() if value != getattr(type(key), name, None)]
    return ", ".join(options)


def _correct(videos: pathlib.Path) -> str:
    with open(videos, newline="", encoding="utf-8") as opened:
        rows = sorted(csv.DictReader(opened), key=lambda row: row["video_id"])
    return "".join(str(int(row["label"] == row["prediction"])) for row in rows)
