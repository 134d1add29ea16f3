"""Every shipped gin file parses, says what it is, and a smoke variant changes nothing but sizes."""

import ast
import contextlib
import io
import pathlib
import re

import gin
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import command, configuration
from spl_tf.experiment.arms import configured_arms
from spl_tf.experiment.shared import shared_places
from tools.cost import recipe as cost

GIN = pathlib.Path(__file__).parents[1] / "gin"
PAPERS = sorted(str(path.relative_to(GIN)) for path in GIN.glob("papers/*/*.gin"))
TABLES = [name for name in PAPERS if re.search(r"/(table|figure)\d", name)]
# What a smoke variant may change.
SIZES = {
    "recipe.fps",
    "recipe.short_side",
    "recipe.web_clip_seconds",
    "recipe.web_clips_per_class",
    "recipe.init_weights",
    "recipe.test_clip_seconds",
    "train_stage.num_frames",
    "train_stage.frame_stride",
    "train_stage.crop_size",
    "train_stage.batch_size",
    "train_stage.epochs",
    "warmup_cosine.warmup_epochs",
    "anchor_loss.warmup_epochs",
    "warmup_cosine.batch_size",
    "classifier.projection_units",
    "cleannet.steps",
    "evaluate_model.num_frames",
    "evaluate_model.frame_stride",
    "evaluate_model.crop_size",
}


def _bindings(*names):
    """Arm -> stage -> bindings, of the recipe's arms or, without a table of them, of its strategies."""
    if hidden := configuration.parse(names):
        raise AssertionError(f"a file hides a later one's binding: {hidden}")
    try:
        found = {}
        for arm in configured_arms():
            with configuration.overridden(arm.bindings):
                stages = configuration.STAGES if arm.self_supervised else configuration.STAGES[1:]
                found[arm.name] = {stage: configuration.stage_bindings(stage) for stage in stages}
        return found
    finally:
        gin.clear_config()


def _comments(text):
    """Arm -> the comment above it."""
    rows = re.findall(r"((?:^    # .*\n)+)    '(\w+)': ", text, re.M)
    return {arm: " ".join(line.strip(" #") for line in comment.splitlines()) for comment, arm in rows}


class GinFilesTest(parameterized.TestCase, tf.test.TestCase):
    def test_the_tables_and_figures_are_there(self):
        names = [f"spl/table{number}" for number in range(1, 7)] + ["spl/figure4", "spl/figure5"]
        names += [f"na2m/table{number}" for number in range(3, 8)]
        self.assertCountEqual([name.removeprefix("papers/").removesuffix(".gin") for name in TABLES], names)

    @parameterized.parameters(*TABLES)
    def test_a_table_parses_and_says_its_command_and_the_paper_s_number_of_every_row(self, name):
        text = (GIN / name).read_text()
        run = name.removeprefix("papers/").removeprefix("spl/").removesuffix(".gin")
        chosen = re.search(
            rf"^#   python -m spl_tf.recipe --gin_file={name} --output_dir=runs/{run} \[--arms=([\w,]+)\]$", text, re.M
        )[1]
        rows, comments = _bindings(name), _comments(text)
        self.assertContainsSubset(chosen.split(","), rows)
        self.assertEqual(list(comments), list(rows))
        for arm, stages in rows.items():
            self.assertRegex(comments[arm], "The paper: ")
            for bindings in stages.values():
                self.assertNotEmpty(bindings["train_stage.backbone"])
                self.assertFalse([value for value in bindings.values() if re.search(r"%\w", value)])

    @parameterized.parameters(*TABLES)
    def test_arms_share_what_is_the_same_and_say_what_is_not(self, name):
        configuration.parse([name])
        arms = configured_arms()
        places = shared_places(arms)  # Would refuse two that undo each other.
        for arm in arms:
            if arm.shares:
                self.assertIn(arm.shares, places[arm].values())

    @parameterized.parameters(*TABLES)
    def test_a_smoke_variant_changes_sizes_alone(self, name):
        whole, small = _bindings(name), _bindings(name, str(pathlib.PurePath(name).with_name("smoke.gin")))
        self.assertEqual(whole.keys(), small.keys())
        for arm, stages in whole.items():
            for stage, bindings in stages.items():
                smaller = small[arm][stage]
                self.assertEqual(bindings.keys(), smaller.keys())
                changed = {key for key, value in bindings.items() if smaller[key] != value}
                # Of the table of arms only macros are changed, as the arms' own bindings show.
                sizes = {key for key in changed if key in {*SIZES, "recipe.arms"} or key.endswith(".width_multiplier")}
                self.assertEqual(changed, sizes)
                # A stage that no arm has is of no length.
                self.assertContainsSubset({"train_stage.crop_size", "train_stage.epochs"} & bindings.keys(), changed)

    @parameterized.parameters(*TABLES)
    @pytest.mark.slow
    def test_a_table_has_the_hours_that_tools_cost_prints(self, name):
        text = (GIN / name).read_text()
        hours = {arm: re.search(r"Alone ([\d.,]+) GPU hours\.", comment)[1] for arm, comment in _comments(text).items()}
        line = rf"tools.cost.recipe --gin_file={name}\n#   # (.*) GPU hours at 30 % of the 312 TFLOPS of an A100\b"
        for arm, expected in hours.items():
            self.assertEqual(self._cost(name, f"--arms={arm}"), expected, arm)
        self.assertEqual(self._cost(name), re.search(line, text)[1])

    def _cost(self, name, *arguments):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            code = command.execute(cost.main, cost.FLAGS, "", ["cost", f"--gin_file={name}", *arguments])
        self.assertEqual(code, 0)
        return re.search(r"^all +([\d,.]+) GPU hours at 30% of 312 TFLOPS$", printed.getvalue(), re.M)[1]

    def test_the_stages_of_noisyactions2m_see_its_crops_and_skips(self):
        """Section 5 and the authors' code: scales 2^(-k/4), strides 1 to 5 and then 1, 50 and 100 epochs."""
        for name in TABLES:
            if "na2m" not in name:
                continue
            for stages in _bindings(name).values():
                for stage, epochs in (("pretrain", "50"), ("finetune", "100")):
                    bindings = stages[stage]
                    scales = ast.literal_eval(bindings["training_clips.crop_scales"])
                    self.assertAllClose(scales, 2.0 ** (-np.arange(5) / 4), rtol=1e-7)
                    self.assertEqual(
                        (bindings["train_stage.epochs"], bindings["train_stage.batch_size"]), (epochs, "64")
                    )
                    self.assertEqual(bindings["train_stage.frame_stride"], "1")
                self.assertEqual(stages["pretrain"]["training_clips.skips"], "(1, 5)")
                self.assertNotIn("training_clips.skips", stages["finetune"])

    def test_every_macro_is_used(self):
        """gin takes a misspelt macro for a new one."""
        text = "\n".join((GIN / name).read_text() for name in PAPERS)
        assigned = set(re.findall(r"^([A-Z]\w*) =", text, re.M))
        self.assertEqual(
            assigned - set(re.findall(r"%(\w+)", text)),
            {"CLASSES", "WEB_CLASSES", "WEB_CLIPS", "TARGET_VIDEOS", "TEST_VIDEOS"},
        )

    def test_the_multi_label_recipe_learns_several_labels_of_a_web_set_with_classes_of_its_own(self):
        name = "multi_label.gin"
        arms = _bindings(name)
        self.assertEqual(list(arms), ["none", "own"])
        own = arms["own"]
        self.assertEqual(own["pretrain"]["train_stage.objective"], "@multi_label")
        self.assertNotIn("train_stage.objective", own["finetune"])
        self.assertEqual(own["pretrain"]["video_folder.web_classes"], "'web.classes.txt'")
        text = (GIN / name).read_text()
        line = rf"tools.cost.recipe --gin_file={name}\n#   # (.*) GPU hours at 30 % of the 312 TFLOPS of an A100\n"
        self.assertEqual(self._cost(name), re.search(line, text)[1])
        self.assertIn(f"#   python -m spl_tf.recipe --gin_file={name} --output_dir=runs/multi_label\n", text)

    @parameterized.parameters("demo.gin", "ucf6.gin", "na2m_ucf6.gin", "multi_label.gin")
    def test_other_recipes_parse(self, name):
        self.assertNotEmpty(_bindings(name)["none"]["finetune"])


if __name__ == "__main__":
    tf.test.main()
