"""Every shipped gin file parses, says what it is, and a smoke variant changes nothing but sizes."""

import contextlib
import io
import pathlib
import re
from unittest import mock

import gin
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import command, configuration
from tools.cost import recipe as cost

GIN = pathlib.Path(__file__).parents[1] / "gin"
PAPERS = sorted(str(path.relative_to(GIN)) for path in GIN.glob("papers/*/*.gin"))
RECIPES = [name for name in PAPERS if re.search(r"/(table|figure)\d", name)]
# What a smoke variant may change.
SIZES = {
    "recipe.fps",
    "recipe.short_side",
    "recipe.web_clip_seconds",
    "recipe.web_clips_per_class",
    "recipe.init_weights",
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


def _bindings(*files):
    if hidden := configuration.parse(files):
        raise AssertionError(f"a file hides a later one's binding: {hidden}")
    try:
        return {stage: configuration.stage_bindings(stage) for stage in configuration.STAGES}
    finally:
        gin.clear_config()


class GinFilesTest(parameterized.TestCase, tf.test.TestCase):
    def test_the_tables_and_figures_are_there(self):
        rows = {re.search(r"/((table|figure)\d)", name)[1] for name in RECIPES}
        self.assertEqual(rows, {"table1", "table2", "table3", "table4", "table5", "table6", "figure4", "figure5"})

    @parameterized.parameters(*RECIPES)
    def test_a_recipe_parses_and_its_header_names_the_paper_s_number_and_the_command(self, name):
        header = "".join(line for line in (GIN / name).read_text().splitlines(True) if line.startswith("#"))
        self.assertIn("# The paper: ", header)
        self.assertIn(
            f"python -m spl_tf.recipe --gin_file={name} --output_dir=runs/{pathlib.Path(name).stem}\n", header
        )
        for bindings in _bindings(name).values():
            self.assertNotEmpty(bindings["recipe.strategies"])
            self.assertNotEmpty(bindings["train_stage.backbone"])
            self.assertFalse([value for value in bindings.values() if "%" in value])

    @parameterized.parameters(*RECIPES)
    def test_a_smoke_variant_changes_sizes_alone(self, name):
        whole, small = _bindings(name), _bindings(name, "papers/spl/smoke.gin")
        for stage, bindings in whole.items():
            self.assertEqual(bindings.keys(), small[stage].keys())
            changed = {key for key, value in bindings.items() if small[stage][key] != value}
            sizes = {key for key in changed if key in SIZES or key.endswith(".width_multiplier")}
            self.assertEqual(changed, sizes)
            self.assertContainsSubset({"train_stage.crop_size", "train_stage.epochs"}, changed)

    def test_headers_have_the_hours_that_tools_cost_prints(self):
        gigamacs = {}

        def measured_once():
            """Building each network takes seconds; most recipes share one."""
            bindings = {**configuration.stage_bindings("pretrain"), **configuration.stage_bindings("finetune")}
            network = ("resnet2d.", "resnet3d.", "s3d.", "cgnl_block.", "train_stage.backbone", "evaluate_model.")
            key = tuple(sorted(item for item in bindings.items() if item[0].startswith(network)))
            if key not in gigamacs:
                gigamacs[key] = measure()
            return gigamacs[key]

        measure = cost._gigamacs
        with mock.patch.object(cost, "_gigamacs", measured_once):
            for name in RECIPES:
                with self.subTest(name), contextlib.redirect_stdout(io.StringIO()) as printed:
                    self.assertEqual(command.execute(cost.main, cost.FLAGS, "", ["cost", f"--gin_file={name}"]), 0)
                    hours = re.search(r"^all +([\d,.]+) GPU hours at 30% of 312 TFLOPS$", printed.getvalue(), re.M)[1]
                    line = f"\n#   # {hours} GPU hours at 30 % of the 312 TFLOPS of an A100\n"
                    self.assertIn(f"tools.cost.recipe --gin_file={name}{line}", (GIN / name).read_text())

    def test_every_macro_is_used(self):
        """gin takes a misspelt macro for a new one."""
        text = "\n".join((GIN / name).read_text() for name in PAPERS)
        assigned = set(re.findall(r"^([A-Z]\w*) =", text, re.M))
        self.assertEqual(
            assigned - set(re.findall(r"%(\w+)", text)), {"CLASSES", "WEB_CLIPS", "TARGET_VIDEOS", "TEST_VIDEOS"}
        )

    @parameterized.parameters("demo.gin", "ucf6.gin")
    def test_other_recipes_parse(self, name):
        self.assertNotEmpty(_bindings(name)["finetune"])


if __name__ == "__main__":
    tf.test.main()
