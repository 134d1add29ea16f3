"""A web set with classes of its own, several a video: pre-trained on as it is, fine-tuned on the target's classes."""

import contextlib
import csv
import io
import json
import pathlib
import shutil

import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import evaluate, shard, train
from spl_tf.command import execute
from spl_tf.data.dataset import load_dataset
from spl_tf.data.record import clip_from_bytes
from spl_tf.errors import UserError
from spl_tf.inference.trained_model import load_trained

TAGS = ("loud", "quiet", "outdoors", "red", "blue sky")


@pytest.fixture(scope="module")
def tagged(color_videos, tmp_path_factory) -> pathlib.Path:
    """The coloured videos, the web ones with one to three of five tags in place of their queries."""
    folder = shutil.copytree(color_videos, tmp_path_factory.mktemp("tagged") / "videos")
    with open(folder / "web.csv", newline="") as opened:
        rows = list(csv.DictReader(opened))
    lines = ["path,query,key"]
    for number, row in enumerate(rows):
        tags = [TAGS[(number + 2 * step) % 5] for step in range(1 + number % 3)]
        lines.append(f"{row['path']},{'|'.join(tags)},made/{number}")
    (folder / "tags.csv").write_text("\n".join(lines) + "\n")
    (folder / "tags.txt").write_text("\n".join(TAGS) + "\n")
    return folder


class OwnLabelsTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, tagged, recipe_bindings, run_recipe, tiny_bindings, tmp_path):
        self.videos, self.run_recipe, self.folder, self.tiny = tagged, run_recipe, tmp_path, tiny_bindings
        self.bindings = [
            *recipe_bindings,
            f"video_folder.folder = '{tagged}'",
            "video_folder.web = 'tags.csv'",
            "video_folder.web_classes = 'tags.txt'",
            "recipe.strategies = ['none', 'own']",
            "pretrain/train_stage.objective = @multi_label",
        ]

    @pytest.mark.slow
    def test_a_recipe_pretrains_on_them_without_a_teacher_and_tests_the_target_s_classes(self):
        output = self.folder / "o"
        results, printed = self.run_recipe(output, self.bindings)
        self.assertEqual([(run.arm, run.classes, run.clips) for run in results], [("none", 0, 0), ("own", 5, 72)])
        self.assertEqual([(run.noise_ratio, run.web) for run in results], [(None, None)] * 2)
        web = load_dataset(output / "shards" / "web")
        self.assertEqual((web.classes, web.multi_label), (TAGS, True))
        seed0 = output / "seed0"
        self.assertCountEqual([path.name for path in seed0.iterdir() if path.is_dir()], ["none", "own"])
        trained = load_trained(seed0 / "own" / "pretrain")
        self.assertEqual((trained.classes, trained.target), (TAGS, "several"))
        identity = json.loads((seed0 / "own" / "finetune" / "run.json").read_text())
        self.assertIn("initial weights", identity)
        self.assertEqual(load_trained(seed0 / "own" / "finetune").classes, ("red", "green", "blue"))
        tested = json.loads((seed0 / "own" / "test" / "metrics.json").read_text())
        self.assertEqual(results[1].metrics["top_1"], tested["top_1"])
        self.assertIn("own", printed)
        page = (output / "report.html").read_text()
        self.assertIn("no strategy of this recipe was pre-trained on any that a teacher", page)
        self.assertIn("None for own, nor a noise ratio: the labels are the web set's own, seen by no teacher", page)
        again, _ = self.run_recipe(output, self.bindings)
        self.assertEqual(again, results)

    @parameterized.parameters(
        (
            ["recipe.strategies = ['weak']"],
            "arm 'weak': the web set has classes of its own, .*tags.txt, but its labels",
        ),
        (
            ["recipe.strategies = ['own']", "pretrain/train_stage.objective = @single_label"],
            "arm 'own': own gives every clip several labels, the objective learns one label",
        ),
        (["recipe.strategies = ['own']", "video_folder.web_classes = 'no.txt'"], "has no no.txt"),
        (
            ["recipe.arms = {'own': {'min_confidence': 0.5}}"],
            "min_confidence is for .*, not for own: leave it out",
        ),
        (["recipe.strategies = ['own']", "recipe.transition = @counted_transition"], "recipe.transition"),
    )
    def test_what_cannot_work_is_told_before_the_first_shard(self, bindings, message):
        kept = [one for one in self.bindings if not one.startswith("recipe.strategies")]
        with self.assertRaisesRegex(UserError, message):
            self.run_recipe(self.folder / "o", [*kept, *bindings])
        self.assertFalse((self.folder / "o" / "shards").exists())

    def test_labels_of_the_target_s_classes_but_several_a_video_ask_for_own_too(self):
        lines = ["path,query", *(f"web_{color}0.mp4,{color}|green" for color in ("red", "blue"))]
        (self.videos / "two.csv").write_text("\n".join(lines) + "\n")
        bindings = [one for one in self.bindings if "web" not in one and "objective" not in one]
        bindings += ["recipe.web_clip_seconds = 0.8", "video_folder.web = 'two.csv'", "recipe.strategies = ['weak']"]
        with self.assertRaisesRegex(
            UserError, "two.csv has several queries for some videos, .*give it the labels 'own'"
        ):
            self.run_recipe(self.folder / "o", bindings)

    @pytest.mark.slow
    def test_single_commands_do_the_same(self):
        def run(module, *arguments):
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as err:
                code = execute(module.main, module.FLAGS, "", ["x", *arguments])
            self.assertEqual(code, 0, err.getvalue())

        formats = ("--fps=10", "--short_side=32", "--workers=1")
        sets = {"web": ("tags.csv", "query", "tags.txt", "0.8"), "target": ("target.csv", "label", "classes.txt", "0")}
        for name, (manifest, column, classes, seconds) in sets.items():
            given = (f"--manifest={self.videos / manifest}", f"--classes={self.videos / classes}")
            more = (f"--label_column={column}", f"--clip_seconds={seconds}", f"--output_dir={self.folder / name}")
            run(shard, *given, *more, *formats)
        records = tf.data.TFRecordDataset(load_dataset(self.folder / "web").shards[0].path).as_numpy_iterator()
        self.assertStartsWith(clip_from_bytes(next(records)).key, "made/")
        (self.folder / "tiny.gin").write_text("\n".join(self.tiny) + "\ntrain_stage.precision = 'float32'\n")
        common = (f"--gin_file={self.folder / 'tiny.gin'}", "--gin_param=train_stage.epochs = 0.5")
        several = "--gin_param=train_stage.objective = @multi_label"
        for stage, shards, more in (("pretrain", "web", [several]), ("finetune", "target", [])):
            if stage == "finetune":
                more = [f"--gin_param=train_stage.init_weights = '{self.folder}/pretrain/backbone.weights.h5'"]
            given = (f"--stage={stage}", f"--gin_param=train_stage.train_shards = '{self.folder / shards}'")
            run(train, *common, *given, f"--model_dir={self.folder / stage}", *more)
        for stage, shards, metric in (("pretrain", "web", "mean_average_precision"), ("finetune", "target", "top_1")):
            given = (f"--model_dir={self.folder / stage}", f"--shards={self.folder / shards}")
            run(evaluate, *given, f"--output_dir={self.folder / stage}_test")
            metrics = json.loads((self.folder / f"{stage}_test" / "metrics.json").read_text())
            self.assertBetween(metrics[metric], 0, 1)


if __name__ == "__main__":
    tf.test.main()
