"""Two steps with every network, loss and way of labelling of the papers' tables, at the sizes of smoke.gin."""

import pathlib
from collections.abc import Sequence

import gin
import numpy as np
import pytest
import tensorflow as tf

from spl_tf import configuration
from spl_tf.cleaning.clean_labels import clean_labels
from spl_tf.cleaning.methods import METHODS
from spl_tf.experiment.arms import Arm, configured_arms
from spl_tf.hardware.memory import forget_networks
from spl_tf.inference.prediction import predict_clips
from spl_tf.labels.assign import assign_labels
from spl_tf.models.transfer import read_backbone_weights
from spl_tf.training.stage import train_stage
from tools.smoke.recipes import paper_tables

TABLES = [name for name in paper_tables() if name.startswith("papers/spl/")]
NOISY_ACTIONS = [name for name in paper_tables() if name.startswith("papers/na2m/")]
# The sizes of the shards the test has; float32, as other tests of training.
SIZES = ("SHORT_SIDE = 32", "FPS = 10", "CROP = 28", "train_stage.precision = 'float32'")
TARGET_CLIPS = 12
# Most of the time goes into building graphs. Networks of residual blocks have one block a stage; of S3D, which has one
# size, the first is trained; what is trained with any loss or labels has one block in all. All of them are built whole
# in tests/models, and trained by `make smoke`.
SHALLOW = ("resnet3d.depth = 10", "resnet2d.depth = 10")
SHALLOW_NON_LOCAL = (*SHALLOW, "resnet3d.non_local = [[], [1], [1], []]")
ONE_BLOCK = ("train_stage.backbone = @tiny_network",)
TRANSITIONS = [
    f"{loss}_correction.transition = [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]]"
    for loss in ("forward", "backward")
]


def _parse(table: str) -> None:
    configuration.parse([table, str(pathlib.PurePath(table).with_name("smoke.gin"))], SIZES)


def _combinations() -> dict[tuple, tuple[str, Arm]]:
    """(network, loss, Data Parameters, labels) -> the first table that has them, and its arm."""
    found = {}
    for table in TABLES:
        _parse(table)
        for arm in configured_arms():
            with configuration.overridden(arm.bindings):
                bindings = configuration.stage_bindings(_stage(arm.labels))
            backbone = bindings["train_stage.backbone"].removeprefix("@")
            options = (f"{backbone}.", "train_stage.backbone")
            if "resnet3d.non_local_block" in bindings:
                options += ("cgnl_block.",)
            network = tuple(sorted(item for item in bindings.items() if item[0].startswith(options)))
            training = tuple(bindings.get(f"train_stage.{name}") for name in ("loss", "data_parameters"))
            found.setdefault((network, *training, arm.labels), (table, arm))
    return found


def _trainings() -> dict[tuple, tuple[str, Arm, str]]:
    """What the stages of NoisyActions2M's arms learn -> the first table that has it, its arm and the stage."""
    found = {}
    for table in NOISY_ACTIONS:
        _parse(table)
        for arm in configured_arms():
            with configuration.overridden(arm.bindings):
                of_stage = {stage: configuration.stage_bindings(stage) for stage in configuration.STAGES}
            wanted = {"selfsup": arm.self_supervised, "pretrain": arm.pretrains, "finetune": True}
            for stage in filter(wanted.get, of_stage):
                names = ("train_stage.objective", "train_stage.loss", "one_of_several.assignment")
                learned = tuple(of_stage[stage].get(name, "") for name in names)
                found.setdefault((stage, *learned), (table, arm, stage))
    return found


def _stage(labels: str) -> str:
    return "finetune" if labels == "none" else "pretrain"


class RecipeStepsTest(tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, color_shards):
        self.shards = color_shards

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def test_every_loss_learns_for_two_steps_and_every_way_of_labelling_keeps_clips(self):
        combinations = _combinations()
        _, losses, data_parameters, labels = map(set, zip(*combinations, strict=True))
        self.assertEqual(losses, {None, "@anchor_loss", "@forward_correction", "@backward_correction"})
        self.assertEqual(data_parameters, {None, "@DataParameters"})
        of_pairs = {"weak", "teacher", "agreement", "spl", "spl_m", "spl_d", "spl_b"}
        self.assertEqual(labels, {"none", *of_pairs, "cleannet_soft", "confident_learning"})
        predictions = self._predictions()
        seen = set()
        for number, ((_, loss, data, labelled), (table, arm)) in enumerate(combinations.items()):
            folder = self.folder / str(number)
            with self.subTest(table=table, arm=arm.name):
                if (loss, data) not in seen:
                    self._train_two_steps(table, arm, predictions, folder, ONE_BLOCK)
                elif arm.pretrains and labelled not in seen:
                    _parse(table)
                    with configuration.overridden(arm.bindings), gin.config_scope("pretrain"):
                        self.assertGreater(self._label(arm, predictions, folder), 0)
            seen |= {(loss, data), labelled}

    @pytest.mark.slow
    def test_every_network_learns_for_two_steps(self):
        combinations = _combinations()
        networks = dict.fromkeys(network for network, *_ in combinations)
        self.assertLen(networks, 7)  # R3D-50-G; R3D-50, with non-local, with CGNL blocks; S3D; I3D; ResNet-50.
        predictions = self._predictions()
        backbones = set()
        for number, network in enumerate(networks):
            options = dict(network)
            backbone = options["train_stage.backbone"]
            if backbone == "@s3d" and backbone in backbones:
                continue
            size = SHALLOW_NON_LOCAL if "resnet3d.non_local" in options else SHALLOW
            table, arm = next(found for combination, found in combinations.items() if combination[0] == network)
            with self.subTest(table=table, arm=arm.name):
                self._train_two_steps(table, arm, predictions, self.folder / str(number), size)
            backbones.add(backbone)

    @pytest.mark.slow
    def test_what_noisyactions2m_learns_takes_two_steps(self):
        """With a small network: its own are built whole in tests/models."""
        trainings = _trainings()
        expected = [("finetune", "", "", "")]
        expected += [("selfsup", f"@{objective}", "", "") for objective in ("pcl", "cvrl")]
        expected += [("pretrain", "@one_of_several", "", assignment) for assignment in ("", "'balanced'")]
        losses = ("", "@focal", "@distribution_balanced_na2m", "@distribution_balanced")
        expected += [("pretrain", "@multi_label", loss, "") for loss in losses]
        self.assertCountEqual(trainings, expected)
        for number, (table, arm, stage) in enumerate(trainings.values()):
            _parse(table)
            shards, clips = ("web", 72) if stage == "pretrain" else ("target", TARGET_CLIPS)
            with (
                self.subTest(table=table, arm=arm.name, stage=stage),
                configuration.overridden([*arm.bindings, *ONE_BLOCK]),
                gin.config_scope(stage),
            ):
                folder = self.folder / str(number)
                metrics = train_stage(stage, folder, train_shards=self.shards / shards, epochs=4 / clips)
                self._assert_trained(metrics, folder)

    def _assert_trained(self, metrics: dict, folder: pathlib.Path) -> None:
        self.assertEqual(metrics["steps"], 2)
        for name, values in read_backbone_weights(folder / "backbone.weights.h5").items():
            self.assertTrue(np.isfinite(values).all(), name)
            if name.endswith("moving_mean"):
                self.assertTrue(values.any(), f"{name} is as it began")
        forget_networks()

    def _predictions(self) -> pathlib.Path:
        """Of a teacher of two steps."""
        _parse("papers/spl/table1.gin")
        folder, epochs = self.folder / "predictions", 4 / TARGET_CLIPS
        with gin.config_scope("teacher"):
            train_stage("teacher", self.folder / "teacher", train_shards=self.shards / "target", epochs=epochs)
            predict_clips(self.folder / "teacher", self.shards / "web", folder, precision="float32")
        return folder

    def _label(self, arm: Arm, predictions: pathlib.Path, folder: pathlib.Path) -> int:
        """How many clips the labels of an arm keep."""
        if arm.labels in METHODS:
            return self._clean(arm.labels, folder / "labels")["kept"]
        return assign_labels(predictions, arm.labels, folder / "labels")["kept"]

    def _clean(self, method: str, labels: pathlib.Path) -> dict:
        features = self.folder / "features"
        return clean_labels(
            self.folder / "teacher", self.shards / "web", self.shards / "target", method, labels, features_dir=features
        )

    def _train_two_steps(
        self, table: str, arm: Arm, predictions: pathlib.Path, folder: pathlib.Path, bindings: Sequence[str]
    ) -> None:
        _parse(table)
        inputs, clips = {"train_shards": self.shards / "target"}, TARGET_CLIPS
        stage = _stage(arm.labels)
        with configuration.overridden([*TRANSITIONS, *arm.bindings, *bindings]), gin.config_scope(stage):
            if arm.pretrains:
                clips = self._label(arm, predictions, folder)
                inputs = {"train_shards": self.shards / "web", "labels_dir": folder / "labels"}
            metrics = train_stage(stage, folder / "model", **inputs, epochs=4 / clips)
        self._assert_trained(metrics, folder / "model")


if __name__ == "__main__":
    tf.test.main()
