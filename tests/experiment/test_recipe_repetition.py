"""What a recipe does again after a change or damage, with stages that only leave the files later ones look at."""

import contextlib
import csv
import io
import json
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import command, files
from spl_tf import recipe as recipe_command

# All stages of strategies none and weak, in order.
# Without pre-training it is the teacher's training and test once more: these are copied.
ALL = ["teacher", "predictions", "teacher_test", "weak/pretrain", "weak/finetune", "weak/test"]
# Written whatever there is to do.
_BY_EVERY_RUN = {".lock", "results.csv", "report.html"}
TEACHER = np.arange(72) % 3


@pytest.fixture(scope="module")
def finished(recipe_bindings, run_recipe, fake_stages, tmp_path_factory):
    """(folder, calls) of a finished run with strategies none, weak and spl, to be copied."""
    folder = tmp_path_factory.mktemp("repetition") / "o"
    fake = fake_stages(TEACHER)
    with fake.in_place():
        run_recipe(folder, [*recipe_bindings, "recipe.strategies = ['none', 'weak', 'spl']"])
    return folder, fake.calls


class RepetitionTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, color_videos, recipe_bindings, run_recipe, file_states, fake_stages, finished):
        self.videos, self.bindings, (self.finished, self.first_calls) = color_videos, recipe_bindings, finished
        self.run_recipe, self.file_states, self.fake = run_recipe, file_states, fake_stages(TEACHER)

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        shutil.copytree(self.finished, self.folder / "o")

    def _calls(self, *bindings):
        """The stages that a run calls."""
        self.fake.calls.clear()
        with self.fake.in_place():
            self.run_recipe(self.folder / "o", [*self.bindings, *bindings], replace_changed=True)
        return list(self.fake.calls)

    def test_stages_follow_each_other_and_shared_ones_are_run_once(self):
        self.assertEqual(self.first_calls, [*ALL, "spl/pretrain", "spl/finetune", "spl/test"])

    @parameterized.parameters(
        ("recipe.strategies = ['weak']", []),
        ("recipe.strategies = ['none', 'weak', 'spl_b']", ["spl_b/pretrain", "spl_b/finetune", "spl_b/test"]),
        ("recipe.seeds = [0, 1]", [f"seed1/{name}" for name in ALL]),
        ("SGD.momentum = 0.8", ALL),
        (
            "teacher/train_stage.epochs = 9",
            ["teacher", "predictions", "teacher_test"],
        ),  # The weak labels stay what they are.
        ("predict_clips.num_views = 2", ["predictions"]),
        ("pretrain/train_stage.epochs = 9", ["weak/pretrain", "weak/finetune", "weak/test"]),
        ("finetune/train_stage.epochs = 9", ["none/finetune", "none/test", "weak/finetune", "weak/test"]),
        ("evaluate_model.num_views = 2", ["teacher_test", "weak/test"]),
        ("recipe.num_labels = 5", []),  # Neither is for these strategies.
        ("recipe.min_confidence = 0.5", []),
        ("recipe.web_clips_per_class = 12", ["predictions", "weak/pretrain", "weak/finetune", "weak/test"]),
        ("train_stage.steps_per_loop = 5", []),
        # The web set, from which its videos are kept out, and the labels stay what they are.
        ("video_folder.validation = 'test.csv'", [name for name in ALL if name != "weak/pretrain"]),
        ("video_folder.folder = '{moved}'", []),
    )
    def test_a_binding_redoes_what_it_changes_and_what_builds_on_that(self, binding, redone):
        binding = binding.format(moved=shutil.copytree(self.videos, self.folder / "moved"))
        self.assertEqual(self._calls(binding), redone)
        self.assertEqual(self._calls(binding), [])

    @parameterized.parameters(
        ("SGD.momentum = 0.8", "seed0/none/finetune", "SGD.momentum was 0.9 and is 0.8"),
        ("pretrain/train_stage.epochs = 9", "seed0/weak/pretrain", "train_stage.epochs was 0.5 and is 9"),
        ("recipe.web_clips_per_class = 12", "shards/web", "clips_per_class was None and is 12"),
        ("video_folder.web = 'other.csv'", "shards/web", "manifest: another content than before"),
    )
    def test_a_change_that_nobody_agreed_to_is_named_and_nothing_is_touched(self, binding, step, difference):
        videos = shutil.copytree(self.videos, self.folder / "videos")
        lines = (videos / "web.csv").read_text().splitlines(keepends=True)
        (videos / "other.csv").write_text("".join(lines[:-1]))
        before = self._contents()
        arguments = [f"--gin_param={binding}", f"--gin_param=video_folder.folder = '{videos}'"]
        code, _, complaint = self._call(self.folder / "o", *arguments)
        self.assertEqual((code, self.fake.calls), (2, []), complaint)
        self.assertIn(f"{step} was made from something else: {difference}; --replace_", complaint)
        self.assertEqual(self._contents(), before)
        code, printed, _ = self._call(self.folder / "o", "--replace_changed", *arguments)
        self.assertEqual(code, 0)
        self.assertIn(f"{difference}; done anew, what was there is set aside as ", printed)
        for name, content in before.items():
            if name.startswith(f"{step}/"):
                self.assertEqual((self.folder / "o" / name.replace(step, f"{step}.replaced-1")).read_bytes(), content)

    def test_a_change_of_a_late_step_is_named_before_an_early_one_is_begun(self):
        binding = ["--gin_param=evaluate_model.num_views = 2", "--gin_param=recipe.strategies = ['spl_b', 'weak']"]
        code, _, complaint = self._call(self.folder / "o", *binding)
        self.assertEqual((code, self.fake.calls), (2, []))
        self.assertIn("weak/test was made from something else: evaluate_model.num_views was", complaint)

    def _contents(self):
        """Path below the recipe's folder -> content, of what no run writes anew."""
        paths = [path for path in (self.folder / "o").rglob("*") if path.is_file()]
        written = {str(path.relative_to(self.folder / "o")): path.read_bytes() for path in paths}
        return {name: content for name, content in written.items() if name not in _BY_EVERY_RUN}

    @parameterized.parameters(
        ("shards/target/dataset.json", b'"fingerprint": "', "dataset.json is damaged"),
        ("shards/web/dataset.json", b'"fps": ', "dataset.json is damaged"),
        ("seed0/weak/labels/summary.json", b'"strategy": "', "summary.json is damaged"),
        ("seed0/teacher/step.json", b'"training shards": "', "step.json is damaged"),
        ("seed0/weak/pretrain/step.json", b'"labels": "', "step.json is damaged"),
    )
    def test_a_flipped_bit_of_what_describes_finished_work_is_named_and_nothing_is_touched(self, name, before, message):
        path = self.folder / "o" / name
        content = bytearray(path.read_bytes())
        content[content.index(before) + len(before)] ^= 1  # A digit or letter becomes another one.
        path.write_bytes(content)
        state = self._contents()
        code, _, complaint = self._call(self.folder / "o", "--replace_changed")
        self.assertEqual((code, self.fake.calls), (2, []))
        self.assertIn(message, complaint)
        self.assertLen(complaint.splitlines(), 1)
        self.assertEqual(self._contents(), state)

    def test_damaged_predictions_and_weights_are_named_before_what_was_made_of_them_is_touched(self):
        for name, damaged in (("predictions/predictions.json", b"{"), ("weak/pretrain/backbone.weights.h5", b"x")):
            path = self.folder / "o" / "seed0" / name
            content = path.read_bytes()
            path.write_bytes(damaged)
            state = self._contents()
            code, _, complaint = self._call(self.folder / "o", "--replace_changed")
            self.assertEqual((code, self.fake.calls), (2, []))
            self.assertIn(f"{path.name} is damaged", complaint)
            self.assertEqual(self._contents(), state)
            path.write_bytes(content)
            self.assertEqual(self._call(self.folder / "o")[0], 0)

    def test_a_killed_run_goes_on_without_a_question(self):
        """As the second of two kills leaves it: one step is done but for its marker, another has lost an output."""
        (self.folder / "o/seed0/weak/test/step.json").unlink()
        (self.folder / "o/seed0/none/test/metrics.json").unlink()
        code, printed, _ = self._call(self.folder / "o")
        # Without pre-training the test is the teacher's, which is copied again.
        self.assertEqual((code, self.fake.calls), (0, ["weak/test"]))
        self.assertTrue((self.folder / "o/seed0/none/test/metrics.json").exists())
        self.assertIn("none/test: metrics.json is missing; made again from what is there", printed)
        self.assertEmpty(list((self.folder / "o").rglob("*.replaced-*")))

    def test_without_pretraining_no_web_set_is_needed(self):
        output = self.folder / "new"
        with self.fake.in_place():
            results, _ = self.run_recipe(
                output / "o", [*self.bindings, "recipe.strategies = ['none']", "video_folder.web = None"]
            )
        self.assertEqual(self.fake.calls, ["none/finetune", "none/test"])
        self.assertEqual([path.name for path in sorted((output / "o" / "shards").iterdir())], ["target", "test"])
        self.assertLen(results, 1)

    def test_given_weights_begin_every_training_that_no_other_stage_precedes(self):
        weights = self.folder / "inflated.weights.h5"
        weights.write_bytes(b"weights")
        redone = self._calls(f"recipe.init_weights = '{weights}'")
        self.assertEqual(redone, ALL)
        of_pretraining = self.folder / "o" / "seed0" / "weak" / "pretrain" / "backbone.weights.h5"
        begun = {name: str(path) for name, path in self.fake.init_weights.items()}
        expected = dict.fromkeys(("teacher", "weak/pretrain"), str(weights))
        self.assertEqual(begun, expected | {"weak/finetune": str(of_pretraining)})

    @parameterized.named_parameters(
        ("of_most_clips", np.arange(72) % 2),
        # Clips that change places leave every count as it was, but not the labels.
        ("of_two_clips_that_change_places", TEACHER[[1, 0, *range(2, 72)]]),
    )
    def test_other_predictions_of_the_teacher_redo_what_is_trained_on_them(self, teacher):
        self.fake.teacher = teacher
        redone = self._calls("recipe.strategies = ['spl']", "teacher/train_stage.epochs = 9")
        of_spl = ["spl/pretrain", "spl/finetune", "spl/test"]
        self.assertEqual(redone, ["teacher", "predictions", "teacher_test", *of_spl])

    def test_without_pretraining_the_network_is_the_teacher_where_both_are_configured_alike(self):
        seed0 = self.folder / "o" / "seed0"
        teacher, none = seed0 / "teacher", seed0 / "none" / "finetune"
        same = [
            (teacher / name).read_bytes() == (none / name).read_bytes()
            for name in ("folded.keras", "backbone.weights.h5")
        ]
        self.assertEqual(same, [True, True])
        # Another seed has a teacher of its own, another configuration a network of its own.
        self.assertEqual(self._calls("recipe.strategies = ['none']"), [])
        alone = self._calls("recipe.strategies = ['none']", "recipe.seeds = [7]")
        self.assertEqual(alone, ["seed7/none/finetune", "seed7/none/test"])
        calls = self._calls("recipe.strategies = ['none', 'weak']", "recipe.seeds = [7]")
        self.assertEqual(calls, [f"seed7/{name}" for name in ALL if not name.startswith("teacher")])
        calls = self._calls("finetune/train_stage.epochs = 9", "recipe.seeds = [7]")
        redone = ["none/finetune", "none/test", "weak/finetune", "weak/test"]
        self.assertEqual(calls, [f"seed7/{name}" for name in redone])
        weights = [(folder / "folded.keras").read_bytes() for folder in (seed0.with_name("seed7") / "teacher", teacher)]
        self.assertNotEqual(*weights)

    def test_in_the_second_round_each_strategy_that_asks_a_teacher_asks_its_own_student(self):
        binding = "recipe.rounds = 2"
        redone = self._calls("recipe.strategies = ['none', 'weak', 'spl']", binding)
        self.assertEqual(redone, [f"spl_round2/{name}" for name in ("predictions", "pretrain", "finetune", "test")])
        seed0 = self.folder / "o" / "seed0"
        index = json.loads((seed0 / "spl_round2" / "predictions" / "predictions.json").read_text())
        self.assertEqual(index["model"], files.sha256(seed0 / "spl" / "finetune" / "folded.keras"))
        with open(self.folder / "o" / "results.csv", newline="", encoding="utf-8") as opened:
            rows = [(row["strategy"], row["round"]) for row in csv.DictReader(opened)]
        self.assertEqual(rows, [("none", "1"), ("weak", "1"), ("spl", "1"), ("spl", "2")])
        self.assertEqual(self._calls("recipe.strategies = ['none', 'weak', 'spl']", binding), [])
        # What changes the first student changes the second.
        redone = self._calls("recipe.strategies = ['spl']", binding, "pretrain/train_stage.epochs = 9")
        of_spl = ["pretrain", "finetune", "test"]
        self.assertEqual(
            redone, [f"spl/{name}" for name in of_spl] + [f"spl_round2/{name}" for name in ("predictions", *of_spl)]
        )

    def test_a_finished_run_is_left_as_it_is(self):
        before = self.file_states(self.folder)
        content = (self.folder / "o" / "results.csv").read_bytes()
        self.assertEqual(self._calls("recipe.strategies = ['none', 'weak', 'spl']"), [])
        after = self.file_states(self.folder)
        different = {path for path in before | after if before.get(path) != after.get(path)}
        self.assertLessEqual(different, {"o/results.csv", "o/report.html"})
        self.assertEqual((self.folder / "o" / "results.csv").read_bytes(), content)

    def _call(self, output_dir, *arguments):
        """(exit code, standard output, standard error) of the command on a file of the bindings."""
        (self.folder / "tiny.gin").write_text("\n".join(self.bindings))
        arguments = [f"--gin_file={self.folder / 'tiny.gin'}", f"--output_dir={output_dir}", *arguments]
        stdout, stderr = io.StringIO(), io.StringIO()
        with self.fake.in_place(), contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            module = recipe_command
            code = command.execute(module.main, module.FLAGS, module.__doc__, ["recipe", *arguments])
        return code, stdout.getvalue(), stderr.getvalue()

    def test_command_prints_the_table_and_exits_with_0(self):
        code, printed, _ = self._call(self.folder / "o")
        self.assertEqual(code, 0)
        table = [line.split()[1] for line in printed.splitlines() if line.startswith("| ")]
        self.assertEqual(table, ["strategy", "none", "weak"])

    def test_the_command_runs_the_arms_it_is_told(self):
        code, printed, _ = self._call(self.folder / "o", "--arms=weak")
        self.assertEqual((code, self.fake.calls), (0, []))
        table = [line.split()[1] for line in printed.splitlines() if line.startswith("| ")]
        self.assertEqual(table, ["strategy", "weak"])
        code, _, complaint = self._call(self.folder / "o", "--arms=weak,wek")
        self.assertEqual(code, 2)
        self.assertIn("--arms=wek: there is no such arm (did you mean 'weak'?): give some of none, weak", complaint)

    @parameterized.parameters(
        ("recipe.strategies = ['none', 'spl_x']", "'spl_x'"),
        ("recipe.min_confidence = 1.5", "min_confidence = 1.5"),
        ("video_folder.folder = 'nowhere'", "nowhere is no folder: set video_folder.folder"),
        ("recipe.seed = 1", "did you mean 'seeds'"),
        ("recipe.seeds = 1", "recipe.seeds = 1: give a list"),
        ("recipe.seeds = [0, 1, 0]", "recipe.seeds"),  # The table would take them for three seeds.
        ("recipe.strategies = ['weak', 'weak']", "recipe.strategies"),
        ("recipe.num_labels = 2", "num_labels"),
        ("recipe.rounds = 0", "recipe.rounds = 0"),
        ("video_folder.web = None", "there is no web set, only 'none' can be run"),
        ("recipe.init_weights = 'nowhere.h5'", "recipe.init_weights: nowhere.h5 does not exist"),
        ("recipe.strategies = ['cleannet_soft']\ncleannet.steps = 0", "cleannet.steps = 0: give a whole number"),
        # These would not be part of a stage's identity.
        ("pretrain/train_stage.init_weights = 'w.h5'", "train_stage.init_weights is set by the recipe itself"),
        ("finetune/train_stage.validation_shards = 'v'", "train_stage.validation_shards is set by the recipe"),
    )
    def test_mistakes_are_one_line_and_exit_with_2_before_anything_is_trained(self, binding, message):
        output_dir = self.folder / "new" / "o"
        shutil.copytree(self.finished / "shards", output_dir / "shards")
        binding = f"--gin_param={binding}"
        code, _, complaint = self._call(output_dir, "--gin_param=recipe.strategies = ['spl_m']", binding)
        self.assertEqual(code, 2)
        self.assertIn(message, complaint)
        self.assertLen(complaint.splitlines(), 1)
        self.assertEqual(self.fake.calls, [])
