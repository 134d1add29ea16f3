"""Learning without labels before the stages of an arm: its backbone is what they begin with."""

import json
import pathlib

import gin
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import configuration
from spl_tf.errors import UserError
from spl_tf.experiment.arms import configured_arms
from spl_tf.inference.stage_folder import backbone_digest
from tools.cost import recipe as cost

ARMS = """recipe.arms = {
    'pcl': {'labels': 'none', 'self_supervised': 'web'},
    'pcl_own': {'labels': 'own', 'self_supervised': 'web'},
}"""


class SelfSupervisedArmsTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, recipe_bindings, run_recipe, tmp_path):
        self.run_recipe, self.folder = run_recipe, tmp_path
        self.bindings = [one for one in recipe_bindings if not one.startswith("recipe.strategies")]
        self.bindings += ["selfsup/train_stage.objective = @pcl", "pcl.negatives = 7", "pcl.clip_stride = 2"]
        self.bindings += ["pcl.strong_color = False", "train_stage.epochs = 0.5"]
        self.bindings += ["selfsup/train_stage.precision = 'bfloat16'"]

    @pytest.mark.slow
    def test_the_stages_of_an_arm_begin_with_it_and_arms_that_are_alike_train_it_once(self):
        results, printed = self.run_recipe(self.folder, [*self.bindings, ARMS])
        self.assertEqual([run.arm for run in results], ["pcl", "pcl_own"])
        seed0 = pathlib.Path(self.folder) / "seed0"
        self.assertIn(f"{seed0 / 'pcl_own' / 'selfsup'}: the same as {seed0 / 'pcl' / 'selfsup'}", printed)
        for stage, before in (("pcl/finetune", "pcl/selfsup"), ("pcl_own/pretrain", "pcl/selfsup")):
            identity = json.loads((seed0 / stage / "run.json").read_text())
            self.assertEqual(identity["initial weights"], backbone_digest(seed0 / before / "backbone.weights.h5"))
        self.assertEqual(
            json.loads((seed0 / "pcl_own" / "finetune" / "run.json").read_text())["initial weights"],
            backbone_digest(seed0 / "pcl_own" / "pretrain" / "backbone.weights.h5"),
        )
        again, _ = self.run_recipe(self.folder, [*self.bindings, ARMS])
        self.assertEqual(again, results)

    @parameterized.parameters(
        ({"self_supervised": "test"}, "self_supervised = 'test': give 'web' or 'target'"),
        ({"self_supervised": "web", "bindings": {"selfsup/train_stage.select": "best"}}, "select = 'best'"),
    )
    def test_what_cannot_work_is_told_before_the_first_shard(self, options, message):
        with self.assertRaisesRegex(UserError, message):
            self.run_recipe(self.folder, [*self.bindings, f"recipe.arms = {{'none': {options!r}}}"])
        self.assertFalse((self.folder / "shards").exists())

    @parameterized.parameters(
        ("single_label", "epochs = 5", "selfsup/train_stage.objective learns from labels"),
        ("cvrl", "accumulation = 2", "accumulation = 2: the objective compares"),
        ("pcl", "num_frames = 6", "num_frames = 6: the objective cuts the frames of a clip into 4 equal parts"),
    )
    def test_an_objective_that_does_not_fit_is_told_too(self, objective, option, message):
        bindings = [one for one in self.bindings if "objective" not in one]
        bindings += [f"selfsup/train_stage.objective = @{objective}", f"selfsup/train_stage.{option}", ARMS]
        with self.assertRaisesRegex(UserError, message):
            self.run_recipe(self.folder, bindings)
        self.assertFalse((self.folder / "shards").exists())

    def test_its_cost_counts_its_views_and_once_for_arms_that_are_alike(self):
        configuration.parse([], [*self.bindings, ARMS, "selfsup/train_stage.epochs = 5"])
        sizes = {"classes": 3, "target_videos": 12, "test_videos": 12, "web_clips": 72}
        parts = cost.recipe_parts(configured_arms(), configured_arms(), sizes)
        found = [(part.clips, part.passes) for part in parts if part.name == "self-supervised"]
        self.assertEqual(found, [(72, 3 * 3 * 5)])
        gin.clear_config()


if __name__ == "__main__":
    tf.test.main()
