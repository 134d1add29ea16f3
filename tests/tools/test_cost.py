"""GPU hours against the same product worked out by hand."""

import contextlib
import io

import gin
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import command, configuration
from spl_tf.experiment.arms import configured_arms
from tools.cost import recipe as cost

SMALL = (
    "resnet3d.width_multiplier=0.125",
    "resnet3d.depth=10",
    "train_stage.num_frames=8",
    "train_stage.crop_size=32",
    "evaluate_model.num_frames=16",
    "evaluate_model.crop_size=32",
)


class CostTest(parameterized.TestCase, tf.test.TestCase):
    def tearDown(self):
        gin.clear_config()
        super().tearDown()

    def _parts(self, *bindings):
        configuration.parse(["papers/spl/kinetics200.gin"], [*SMALL, *bindings])
        arms = configured_arms()
        sizes = {"classes": 200, "target_videos": 77_000, "test_videos": 5_000}
        return {part.name: part for part in cost.recipe_parts(arms, arms, sizes)}

    def test_hours_are_two_operations_a_multiply_add_over_the_rate_that_is_used(self):
        part = cost.Part("pre-training", gigamacs=50.0, clips=1000, passes=30)
        self.assertAllClose(part.hours(100.0, 0.5), 2 * 50e9 * 1000 * 30 / (100e12 * 0.5) / 3600)

    def test_clips_and_passes_of_table_1(self):
        """6.7e5 clips for 160 epochs, 77,000 videos for 70, each step forward and twice backward."""
        parts = self._parts("recipe.strategies=['spl_b']")
        found = {name: (part.clips, part.passes) for name, part in parts.items()}
        self.assertEqual(found["pre-training"], (670_000, 480))
        self.assertEqual(found["teacher"], (77_000, 210))
        self.assertEqual(found["fine-tuning"], (77_000, 210))
        self.assertEqual(found["prediction"], (670_000, 1))
        self.assertEqual(found["test"], (2 * 5_000, 3))  # The teacher's too.
        self.assertAllClose(parts["test"].gigamacs, 2 * parts["pre-training"].gigamacs, rtol=0.01)  # Twice the frames.

    def test_seeds_and_strategies_share_the_teacher(self):
        parts = self._parts("recipe.strategies=['none','weak','spl']", "recipe.seeds=[0,1]")
        self.assertEqual(parts["teacher"].clips, 2 * 77_000)
        self.assertEqual(parts["pre-training"].clips, 4 * 670_000)
        self.assertEqual(parts["fine-tuning"].clips, 4 * 77_000)  # That of "none" is the teacher's training.
        self.assertEqual(parts["test"].clips, 6 * 5_000)

    def test_training_without_web_data_that_is_not_the_teacher_s_costs(self):
        bindings = "recipe.strategies=['none','weak']", "finetune/train_stage.accumulation=2"
        parts = self._parts(*bindings)
        self.assertEqual(parts["fine-tuning"].clips, 2 * 77_000)
        self.assertEqual(parts["test"].clips, 3 * 5_000)

    def test_students_of_later_rounds_cost_all_but_a_teacher(self):
        parts = self._parts("recipe.strategies=['none','weak','spl','spl_b']", "recipe.rounds=3")
        found = {name: part.clips for name, part in parts.items()}
        self.assertEqual(found["teacher"], 77_000)
        self.assertEqual(found["prediction"], 5 * 670_000)  # Of the teacher, and of two students of SPL and SPL-B.
        self.assertEqual(found["pre-training"], 7 * 670_000)
        self.assertEqual(found["fine-tuning"], 7 * 77_000)

    def test_a_network_that_estimates_a_noise_matrix_is_another_arm_s_or_one_more(self):
        table = "recipe.arms = {%s'f': {'labels': 'weak', 'transition': @estimated_transition, 'bindings': {"
        table += "'pretrain/train_stage.loss': @forward_correction}}}"
        for others, count in (("", 2), ("'weak': {}, ", 2), ("'t': {'labels': 'teacher'}, ", 3)):
            self.assertEqual(self._parts(table % others)["pre-training"].clips, count * 670_000)

    def test_another_web_set_needs_other_predictions_but_no_other_teacher(self):
        parts = self._parts(
            "recipe.arms = {'weak': {}, 'w': {'labels': 'weak', 'shares': 'w', 'web_clips_per_class': 9}}"
        )
        self.assertEqual(parts["teacher"].clips, 77_000)
        self.assertEqual(parts["prediction"].clips, 670_000 + 1_800)

    def test_a_quota_of_a_web_set_with_classes_of_its_own_is_of_these(self):
        bindings = ["recipe.arms = {'own': {'labels': 'own', 'web_clips_per_class': 9}}", "WEB_CLASSES = 5000"]
        parts = self._parts(*bindings, "video_folder.web_classes = 'web.txt'")
        self.assertEqual(parts["pre-training"].clips, 9 * 5_000)
        self.assertNotIn("teacher", parts)
        self.assertEqual(self._parts(*bindings)["pre-training"].clips, 9 * 200)

    @parameterized.parameters(
        ("papers/spl/table1.gin", "recipe.web_clips_per_class=None", "number of web clips is not known"),
        (
            "papers/spl/table1.gin",
            "video_folder.web_classes='web.txt'",
            "--web_classes missing: the gin files have no macro WEB_CLASSES either",
        ),
        ("demo.gin", "recipe.seeds=[0]", "--classes missing: the gin files have no macro CLASSES either"),
    )
    def test_an_unknown_number_of_clips_is_one_line(self, name, binding, message):
        stderr = io.StringIO()
        with contextlib.redirect_stderr(stderr):
            code = command.execute(cost.main, cost.FLAGS, "", ["cost", f"--gin_file={name}", f"--gin_param={binding}"])
        self.assertEqual(code, 2)
        self.assertIn(message, stderr.getvalue())


if __name__ == "__main__":
    tf.test.main()
