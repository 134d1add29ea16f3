"""Runs arms: what they share once, then labels, pre-training, fine-tuning and test of each; every step is resumable."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from spl_tf import configuration, files
from spl_tf.data.dataset import load_dataset
from spl_tf.errors import UserError
from spl_tf.experiment import tasks
from spl_tf.experiment.arms import Arm
from spl_tf.experiment.resumable import Clips, require_unchanged
from spl_tf.experiment.sets import CleanShards, WebSet, make_clean, make_web, require_comparable
from spl_tf.experiment.shared import (
    CLEAN,
    PREDICTIONS,
    RELABELLED,
    TEACHER,
    WEB,
    arm_of_network,
    asks_for_network,
    loss_with_matrix,
    shared_places,
)
from spl_tf.experiment.table import Result
from spl_tf.experiment.video_lists import VideoLists, list_settings
from spl_tf.inference.stage_folder import BACKBONE
from spl_tf.training.identity import stage_settings


class Runner:
    """An experiment of several arms in one folder.

      videos/, shards/             what arms share lies here, or in a folder of the name they share it by
      seed0/teacher, teacher_test, predictions   likewise
      seed0/ARM/                   selfsup, labels, pretrain, finetune, test

    Args:
      output_dir: everything is written below it.
      arms: all of the experiment; which of them share what depends on all.
      videos: makes or finds the lists of videos.
      fps: frames per second of the shards.
      short_side: of their frames, pixels.
      web_clip_seconds: length of the clips cut from web videos; 0 for whole ones.
      test_clip_seconds: likewise from test videos.
      init_weights: backbone that teachers begin with; None for random weights.
      hold: keeps other processes out of a folder, as `files.locked` with `wait`; by default there are no others.

    Raises:
      UserError: arms share what differs, see `shared_places`.
    """

    def __init__(
        self,
        output_dir: files.Path,
        arms: Sequence[Arm],
        *,
        videos: Callable[[pathlib.Path], VideoLists],
        fps: float,
        short_side: int,
        web_clip_seconds: float = 10.0,
        test_clip_seconds: float = 0.0,
        init_weights: files.Path | None = None,
        hold: Callable[[pathlib.Path], AbstractContextManager[Any]] = contextlib.nullcontext,
    ):
        self.output_dir = pathlib.Path(output_dir)
        # The first rounds of a later one are run too.
        self.arms = tuple(dict.fromkeys(each for arm in arms for each in arm.with_earlier_rounds()))
        self.fps, self.short_side = fps, short_side
        self.web_clip_seconds, self.test_clip_seconds = web_clip_seconds, test_clip_seconds
        self._videos, self._init_weights, self.hold = videos, init_weights, hold
        self._places = shared_places(self.arms)
        self._lists: dict[tuple[tuple[str, str], ...], VideoLists] = {}  # By settings.

    def folder(self, arm: Arm, seed: int) -> pathlib.Path:
        """Holds the arm's own stages."""
        return self.output_dir / f"seed{seed}" / arm.folder_name

    def lock(self, arm: Arm, seed: int) -> pathlib.Path:
        """What to `hold` while an arm is run; not its folder, which may be a teacher's too."""
        return self.output_dir / "locks" / f"seed{seed}" / arm.folder_name

    def require_unchanged(self, arm: Arm, seed: int) -> None:
        """Finds what of an arm's configuration changed since its steps were done; raises as `run_step`."""
        folder, places = self.folder(arm, seed), self._places[arm]
        with configuration.overridden(arm.bindings):
            steps = {
                folder / "finetune": stage_settings("finetune"),
                folder / "test": tasks.settings_of("finetune", tasks.OF_TEST),
            }
            if arm.self_supervised:
                steps[folder / "selfsup"] = stage_settings("selfsup")
            if arm.pretrains:
                steps[folder / "pretrain"] = stage_settings("pretrain")
            if arm.asks_predictions:
                of_seed = {step: self.output_dir / share / f"seed{seed}" for step, share in places.items()}
                predictions = folder if arm.round > 1 else of_seed[PREDICTIONS]
                steps[of_seed[TEACHER] / "teacher"] = stage_settings("teacher")
                steps[predictions / "predictions"] = tasks.settings_of("teacher", ["predict_clips"])
            for step, settings in steps.items():
                require_unchanged(step, settings)

    def lists(self, arm: Arm) -> VideoLists:
        """Made once for all arms that have the same."""
        with configuration.overridden(arm.bindings):
            key = tuple(sorted(list_settings().items()))
            if key not in self._lists:
                self._lists[key] = self._videos(self.output_dir / self._places[arm][CLEAN] / "videos")
        lists = self._lists[key]
        if arm.needs_web and lists.web is None:
            raise UserError(f"arm {arm.name!r}: there is no web set, only 'none' can be run: give the lists one")
        if arm.asks_predictions:
            require_comparable(arm.name, lists)
        return lists

    def clean(self, arm: Arm) -> CleanShards:
        """Cuts the clean sets."""
        folder = self.output_dir / self._places[arm][CLEAN] / "shards"
        with self.hold(folder):
            lists, seconds = self.lists(arm), self.test_clip_seconds
            return make_clean(lists, folder, fps=self.fps, short_side=self.short_side, test_clip_seconds=seconds)

    def web(self, arm: Arm) -> pathlib.Path:
        """Cuts the web set."""
        folder = self.output_dir / self._places[arm][WEB] / "shards"
        lists = self.lists(arm)
        assert lists.web is not None  # It would have been refused.
        with self.hold(folder):
            web = make_web(
                lists,
                lists.web,
                folder,
                fps=self.fps,
                short_side=self.short_side,
                clip_seconds=self.web_clip_seconds,
                clips_per_class=arm.web_clips_per_class,
            )
        if arm.asks_predictions:
            require_comparable(arm.name, lists, web)
        return web

    def labelled_by(self, arm: Arm, seed: int) -> WebSet:
        """The web set with the predictions that the arm's labels are made from: its student's from round 2 on."""
        if arm.round > 1:
            teacher = self.finished(dataclasses.replace(arm, round=arm.round - 1), seed) / "finetune"
            web = self.web(arm)
            with configuration.overridden(arm.bindings):
                return WebSet(web, tasks.predict(teacher, web, self.folder(arm, seed) / "predictions"), teacher)
        clean, web, places = self.clean(arm), self.web(arm), self._places[arm]
        folders = {step: self.output_dir / share / f"seed{seed}" for step, share in places.items()}
        teacher = folders[TEACHER] / "teacher"
        with self.hold(folders[TEACHER]), configuration.overridden(arm.bindings):
            shards = clean.target
            if arm.teacher_shards is not None:
                shards = arm.teacher_shards(self, arm, seed, folders[TEACHER])
            inputs = {"validation_shards": clean.validation, "init_weights": self._init_weights}
            tasks.train("teacher", teacher, seed, shards, same=self._trained_on_target(seed), **inputs)
        with self.hold(folders[PREDICTIONS]), configuration.overridden(arm.bindings):
            predictions = tasks.predict(teacher, web, folders[PREDICTIONS] / "predictions")
        if arm.relabelled is not None:
            folder = folders[RELABELLED]
            with self.hold(folder):
                predictions = arm.relabelled(self, arm, seed, predictions, folder / "relabelled")
        return WebSet(web, predictions, teacher)

    def test_teachers(self, arms: Sequence[Arm], seed: int) -> None:
        """Tests the teachers of pre-trained arms, each as the fine-tuned network of the first arm it is for."""
        first = {self._places[arm][TEACHER]: arm for arm in reversed(arms)}
        for share, arm in first.items():
            folder, clean = self.output_dir / share / f"seed{seed}", self.clean(arm)
            shown: dict[str, str | int] = {"strategy": "teacher", "labels": "", "round": 0, "seed": seed}
            same = [_test_folder(trained) for trained in self._trained_on_target(seed)]
            with self.hold(folder), configuration.overridden(arm.bindings):
                tasks.evaluate(folder / "teacher", clean.test, folder / "teacher_test", shown, same)

    def run(self, arm: Arm, seed: int) -> Result:
        """Runs an arm to its end, with all that it builds on; the row of the table."""
        folder = self.folder(arm, seed)
        clean = self.clean(arm)
        labels = pretrained = web = backbone = None
        self_supervised = self._self_supervised(arm, seed)
        if arm.pretrains:
            labels, pretrained, web = self._pretrain(arm, seed)
            backbone = folder / "pretrain" / BACKBONE
        else:
            backbone = self._initial_weights(arm, seed)
        with configuration.overridden(arm.bindings):
            tuned = tasks.train(
                "finetune",
                folder / "finetune",
                seed,
                clean.target,
                same=() if arm.pretrains else self._trained_on_target(seed),
                validation_shards=clean.validation,
                init_weights=backbone,
            )
            shown: dict[str, str | int] = {"strategy": arm.name, "labels": arm.labels, "round": arm.round}
            same = [] if arm.pretrains else [_test_folder(trained) for trained in self._trained_on_target(seed)]
            tested = tasks.evaluate(folder / "finetune", clean.test, folder / "test", shown | {"seed": seed}, same)
            main_metric = tasks.main_metric(tested)
        return Result(
            arm=arm.name,
            seed=seed,
            round=arm.round,
            classes=labels["num_classes"] if labels else self._own_classes(arm),
            clips=pretrained["clips"] if pretrained else 0,
            noise_ratio=labels["noise_ratio"] if labels else None,
            samples_cover_ratio=labels["samples_cover_ratio"] if labels else None,
            metrics={name: value for name, value in tested.items() if name != "seconds"},
            main_metric=main_metric,
            seconds=sum(trained["seconds"] for trained in (self_supervised, pretrained, tuned) if trained),
            web=web,
        )

    def finished(self, arm: Arm, seed: int) -> pathlib.Path:
        """The folder of an arm that another builds on, once it is run."""
        with self.hold(self.lock(arm, seed)):
            self.run(arm, seed)
        return self.folder(arm, seed)

    def pretrained(self, arm: Arm, seed: int) -> pathlib.Path:
        """Likewise, once its labels are made and it is pre-trained."""
        with self.hold(self.lock(arm, seed)):
            self._pretrain(arm, seed)
        return self.folder(arm, seed)

    def _pretrain(self, arm: Arm, seed: int) -> tuple[tasks.Labelled | None, Clips, WebSet | None]:
        """What labels and pre-training returned; no labels are made where the web set's own are learned."""
        folder = self.folder(arm, seed)
        init_weights = self._initial_weights(arm, seed)
        if not arm.asks_predictions:
            shards = self.web(arm)
            with configuration.overridden(arm.bindings):
                return None, tasks.train("pretrain", folder / "pretrain", seed, shards, init_weights=init_weights), None
        web, target = self.labelled_by(arm, seed), self.clean(arm).target
        more = {}
        if asks_for_network(arm):
            other = arm_of_network(self.arms, arm)
            more["network"] = self.pretrained(other, seed) / "pretrain" if other else None
        with configuration.overridden(arm.bindings):
            labels = tasks.make_labels(
                folder / "labels",
                arm.labels,
                web,
                target,
                seed,
                num_labels=arm.num_labels,
                min_confidence=arm.min_confidence,
            )
            bindings = []
            if arm.transition is not None:
                places = (web.shards, folder / "labels", folder / "transition")
                matrix = arm.transition(*places, seed, init_weights, self.lists(arm).both_labels, **more)
                bindings = [f"{loss_with_matrix()}.transition = {str(matrix)!r}"]
            with configuration.overridden(bindings):
                pretrained = tasks.train(
                    "pretrain",
                    folder / "pretrain",
                    seed,
                    web.shards,
                    labels_dir=folder / "labels",
                    init_weights=init_weights,
                )
                return labels, pretrained, web

    def _own_classes(self, arm: Arm) -> int:
        return load_dataset(self.web(arm)).num_classes if arm.pretrains else 0

    def _trained_on_target(self, seed: int) -> list[pathlib.Path]:
        """Folders of teachers and of arms without pre-training: configured alike, they are one training."""
        shares = dict.fromkeys(places[TEACHER] for places in self._places.values() if TEACHER in places)
        teachers = [self.output_dir / share / f"seed{seed}" / "teacher" for share in shares]
        return teachers + [self.folder(arm, seed) / "finetune" for arm in self.arms if not arm.pretrains]

    def _initial_weights(self, arm: Arm, seed: int) -> pathlib.Path | None:
        """What pre-training, or without it fine-tuning, begins with."""
        if self._self_supervised(arm, seed):
            return self.folder(arm, seed) / "selfsup" / BACKBONE
        return self._given_weights(arm, seed)

    def _given_weights(self, arm: Arm, seed: int) -> pathlib.Path | None:
        given = arm.init_weights
        if callable(given):
            return given(self, arm, seed)
        return None if given is None else pathlib.Path(given)

    def _self_supervised(self, arm: Arm, seed: int) -> Clips | None:
        """What learning without labels returned; arms that are alike in it have it from the first of them."""
        if not arm.self_supervised:
            return None
        shards = self.web(arm) if arm.self_supervised == "web" else self.clean(arm).target
        folder, given = self.folder(arm, seed) / "selfsup", self._given_weights(arm, seed)
        same = [self.folder(other, seed) / "selfsup" for other in self.arms if other.self_supervised]
        with configuration.overridden(arm.bindings):
            return tasks.train("selfsup", folder, seed, shards, same=same, init_weights=given)


def _test_folder(trained: pathlib.Path) -> pathlib.Path:
    """Beside the network's own folder; an arm may be named "teacher" too."""
    return trained.with_name("teacher_test" if trained.name == "teacher" else "test")
