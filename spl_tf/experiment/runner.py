"""Runs arms: what they share once, then labels, pre-training, fine-tuning and test of each; every step is resumable."""

import dataclasses
import pathlib
from collections.abc import Sequence

from spl_tf import configuration, files
from spl_tf.data.dataset import load_dataset
from spl_tf.experiment import tasks
from spl_tf.experiment.arm_sets import ArmSets
from spl_tf.experiment.arms import Arm
from spl_tf.experiment.held_out import HELD_OUT, held_out_predictions
from spl_tf.experiment.resumable import Clips, require_unchanged
from spl_tf.experiment.sets import WebSet
from spl_tf.experiment.shared import (
    PREDICTIONS,
    RELABELLED,
    TEACHER,
    arm_of_network,
    asks_for_network,
    loss_with_matrix,
)
from spl_tf.experiment.table import Result
from spl_tf.inference.stage_folder import BACKBONE
from spl_tf.training.identity import stage_settings


class Runner:
    """An experiment of several arms in one folder.

      videos/, shards/             what arms share lies here, or in a folder of the name they share it by
      seed0/teacher, held_out, teacher_test, predictions   likewise
      seed0/ARM/                   selfsup, labels, pretrain, finetune, test

    Args:
      sets: of all arms of the experiment.
      init_weights: backbone that teachers begin with; None for random weights.
    """

    def __init__(self, sets: ArmSets, init_weights: files.Path | None = None):
        self.sets, self.arms, self.output_dir, self.hold = sets, sets.arms, sets.output_dir, sets.hold
        self._init_weights = init_weights

    def folder(self, arm: Arm, seed: int) -> pathlib.Path:
        """Holds the arm's own stages."""
        return self.output_dir / f"seed{seed}" / arm.folder_name

    def lock(self, arm: Arm, seed: int) -> pathlib.Path:
        """What to `hold` while an arm is run; not its folder, which may be a teacher's too."""
        return self.output_dir / "locks" / f"seed{seed}" / arm.folder_name

    def require_unchanged(self, arm: Arm, seed: int) -> None:
        """Finds what of an arm's configuration changed since its steps were done; raises as `run_step`."""
        folder, places = self.folder(arm, seed), self.sets.places[arm]
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
                if tasks.needs_held_out(arm.labels):
                    predicting = tasks.settings_of("teacher", ["predict_clips"])
                    steps[of_seed[TEACHER] / HELD_OUT] = stage_settings("teacher") | predicting
                steps[predictions / "predictions"] = tasks.settings_of("teacher", ["predict_clips"])
            for step, settings in steps.items():
                require_unchanged(step, settings)

    def labelled_by(self, arm: Arm, seed: int) -> WebSet:
        """The web set with the predictions that the arm's labels are made from: its student's from round 2 on."""
        if arm.round > 1:
            teacher = self.finished(dataclasses.replace(arm, round=arm.round - 1), seed) / "finetune"
            web = self.sets.web(arm)
            with configuration.overridden(arm.bindings):
                return WebSet(web, tasks.predict(teacher, web, self.folder(arm, seed) / "predictions"), teacher)
        clean, web, places = self.sets.clean(arm), self.sets.web(arm), self.sets.places[arm]
        folders = {step: self.output_dir / share / f"seed{seed}" for step, share in places.items()}
        teacher = folders[TEACHER] / "teacher"
        held_out = None
        with self.hold(folders[TEACHER]), configuration.overridden(arm.bindings):
            shards = clean.target
            if arm.teacher_shards is not None:
                shards = arm.teacher_shards(self, arm, seed, folders[TEACHER])
            inputs = {"validation_shards": clean.validation, "init_weights": self._init_weights}
            tasks.train("teacher", teacher, seed, shards, same=self._trained_on_target(seed), **inputs)
            if tasks.needs_held_out(arm.labels):
                held_out = held_out_predictions(folders[TEACHER] / HELD_OUT, seed, shards, inputs)
        with self.hold(folders[PREDICTIONS]), configuration.overridden(arm.bindings):
            predictions = tasks.predict(teacher, web, folders[PREDICTIONS] / "predictions")
        if arm.relabelled is not None:
            folder = folders[RELABELLED]
            with self.hold(folder):
                predictions = arm.relabelled(self, arm, seed, predictions, folder / "relabelled")
        return WebSet(web, predictions, teacher, held_out)

    def test_teachers(self, arms: Sequence[Arm], seed: int) -> None:
        """Tests the teachers of pre-trained arms, each as the fine-tuned network of the first arm it is for."""
        first = {self.sets.places[arm][TEACHER]: arm for arm in reversed(arms)}
        for share, arm in first.items():
            folder, clean = self.output_dir / share / f"seed{seed}", self.sets.clean(arm)
            shown: dict[str, str | int] = {"strategy": "teacher", "labels": "", "round": 0, "seed": seed}
            same = [_test_folder(trained) for trained in self._trained_on_target(seed)]
            with self.hold(folder), configuration.overridden(arm.bindings):
                tasks.evaluate(folder / "teacher", clean.test, folder / "teacher_test", shown, same)

    def run(self, arm: Arm, seed: int) -> Result:
        """Runs an arm to its end, with all that it builds on; the row of the table."""
        folder = self.folder(arm, seed)
        clean = self.sets.clean(arm)
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
            shards = self.sets.web(arm)
            with configuration.overridden(arm.bindings):
                return None, tasks.train("pretrain", folder / "pretrain", seed, shards, init_weights=init_weights), None
        web, target = self.labelled_by(arm, seed), self.sets.clean(arm).target
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
                held_out=web.held_out,
            )
            bindings = []
            if arm.transition is not None:
                places = (web.shards, folder / "labels", folder / "transition")
                matrix = arm.transition(*places, seed, init_weights, self.sets.lists(arm).both_labels, **more)
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
        return load_dataset(self.sets.web(arm)).num_classes if arm.pretrains else 0

    def _trained_on_target(self, seed: int) -> list[pathlib.Path]:
        """Folders of teachers and of arms without pre-training: configured alike, they are one training."""
        shares = dict.fromkeys(places[TEACHER] for places in self.sets.places.values() if TEACHER in places)
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
        shards = self.sets.web(arm) if arm.self_supervised == "web" else self.sets.clean(arm).target
        folder, given = self.folder(arm, seed) / "selfsup", self._given_weights(arm, seed)
        same = [self.folder(other, seed) / "selfsup" for other in self.arms if other.self_supervised]
        with configuration.overridden(arm.bindings):
            return tasks.train("selfsup", folder, seed, shards, same=same, init_weights=given)


def _test_folder(trained: pathlib.Path) -> pathlib.Path:
    """Beside the network's own folder; an arm may be named "teacher" too."""
    return trained.with_name("teacher_test" if trained.name == "teacher" else "test")
