"""Matrices for the correction losses, and a recipe on coloured videos that makes one."""

import json

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import configuration
from spl_tf.errors import UserError
from spl_tf.experiment.noise_matrices import counted_transition
from spl_tf.experiment.recipe import recipe
from spl_tf.experiment.resumable import replacing_changed

LOSS = "pretrain/train_stage.loss = @forward_correction"
WEAK = "recipe.strategies = ['weak']"
# Red is found as red three times of four, and as green once.
PAIRS = [("red", "red")] * 3 + [("red", "green"), ("green", "green"), ("blue", "green"), ("blue", "blue")]
COUNTED = [[0.75, 0.25, 0], [0, 1, 0], [0, 0.5, 0.5]]


class TransitionsTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, recipe_bindings, run_recipe, color_videos, tmp_path):
        self.videos = color_videos
        self.bindings, self.run_recipe, self.folder = recipe_bindings, run_recipe, tmp_path

    def _labels(self, confusion):
        """A folder of labels as far as its matrix goes."""
        folder = self.folder / "labels"
        folder.mkdir()
        np.save(folder / "confusion.npy", np.array(confusion))
        classes = ["red", "green", "blue"]
        summary = {
            "format_version": 1,
            "strategy": "weak",
            "class_names": classes,
            "source_classes": classes,
            "shards": {},
        }
        (folder / "summary.json").write_text(json.dumps(summary))
        return folder

    def _pairs(self, pairs):
        path = self.folder / "pairs.csv"
        path.write_text("\n".join(["label,query", *(f"{label},{query}" for label, query in pairs)]) + "\n")
        return path

    def _count(self, labels, both_labels=None):
        return counted_transition(self.folder, labels, self.folder / "o", 0, None, both_labels)

    def test_pairs_of_a_clean_and_a_noisy_label_are_counted(self):
        path = self._count(self._labels(np.eye(3, dtype=int)), self._pairs(PAIRS))
        self.assertAllClose(np.load(path), COUNTED)

    def test_without_pairs_the_teacher_s_class_is_the_clean_one(self):
        queries_by_teacher = [[6, 0, 5], [2, 10, 0], [0, 0, 5]]
        path = self._count(self._labels(queries_by_teacher))
        self.assertAllClose(np.load(path), [[0.75, 0.25, 0], [0, 1, 0], [0.5, 0, 0.5]])

    def test_a_changed_list_makes_a_matrix_of_another_name_and_an_equal_one_none(self):
        labels = self._labels(np.eye(3, dtype=int))
        first = self._count(labels, self._pairs(PAIRS))
        made = first.stat().st_mtime_ns
        self.assertEqual(self._count(labels, self._pairs(PAIRS)), first)
        self.assertEqual(first.stat().st_mtime_ns, made)
        with self.assertRaisesRegex(UserError, "both labels: another content than before; --replace_changed"):
            self._count(labels, self._pairs([*PAIRS, ("green", "red")]))
        with replacing_changed(True):
            second = self._count(labels, self._pairs([*PAIRS, ("green", "red")]))
        self.assertNotEqual(second.name, first.name)
        self.assertAllClose(np.load(second), [COUNTED[0], [0.5, 0.5, 0], COUNTED[2]])

    @parameterized.parameters(True, False)
    def test_a_damaged_or_missing_matrix_is_named_and_counted_again(self, damaged):
        labels = self._labels(np.eye(3, dtype=int))
        path = self._count(labels, self._pairs(PAIRS))
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1])) if damaged else path.unlink()
        with self.assertRaisesRegex(UserError, f"{path.name} is missing or damaged: delete .*step.json alone"):
            self._count(labels, self._pairs(PAIRS))
        (path.parent / "step.json").unlink()
        self.assertEqual(self._count(labels, self._pairs(PAIRS)).read_bytes(), content)

    @parameterized.parameters(
        ([("red", "pink")], "line 2 of .*pairs.csv: 'pink' is no class"),
        ([("red", "red"), ("green", "green")], "has no row of class 'blue'"),
        ([], "has no row of class 'red'"),
    )
    def test_a_list_with_other_classes_or_without_one_is_named(self, pairs, words):
        with self.assertRaisesRegex(UserError, words):
            self._count(self._labels(np.eye(3, dtype=int)), self._pairs(pairs))

    def test_a_missing_list_is_named(self):
        with self.assertRaisesRegex(UserError, "nowhere.csv does not exist"):
            self._count(self._labels(np.eye(3, dtype=int)), self.folder / "nowhere.csv")

    def test_a_list_of_both_labels_beside_the_others_is_found_and_read_before_anything_is_done(self):
        for path in self.videos.iterdir():
            (self.folder / path.name).symlink_to(path)
        (self.folder / "both_labels.csv").write_text("label,query\nred,pink\n")
        bindings = (*self.bindings, f"video_folder.folder = '{self.folder}'", WEAK, LOSS)
        configuration.parse([], (*bindings, "recipe.transition = @counted_transition"))
        with self.assertRaisesRegex(UserError, "line 2 of .*both_labels.csv: 'pink' is no class"):
            recipe(self.folder / "o")
        self.assertFalse((self.folder / "o").exists())

    @parameterized.named_parameters(
        ("no_loss", (), "@forward_correction or @backward_correction"),
        ("spl", (LOSS, "recipe.strategies = ['weak', 'spl']"), "not 'spl'"),
    )
    def test_a_recipe_that_has_no_use_for_a_matrix_is_refused(self, more, words):
        configuration.parse([], (*self.bindings, WEAK, "recipe.transition = @counted_transition", *more))
        with self.assertRaisesRegex(UserError, words):
            recipe(self.folder / "o")

    @pytest.mark.slow
    def test_a_recipe_estimates_it_with_a_network_of_its_own_and_pretrains_with_it(self):
        (result,), _ = self.run_recipe(
            self.folder / "o", (*self.bindings, WEAK, "recipe.transition = @estimated_transition", LOSS)
        )
        self.assertEqual((result.arm, result.classes), ("weak", 3))
        weak = self.folder / "o/seed0/weak"
        (path,) = (weak / "transition/matrix").glob("*.npy")
        self.assertAllClose(np.load(path).sum(axis=1), np.ones(3))
        losses, matrices = [], []
        for stage in ("transition/network", "pretrain"):
            # What it wrote of its configuration repeats it.
            configuration.parse([weak / stage / "operative_config.gin"])
            bindings = configuration.stage_bindings("pretrain")
            losses.append(bindings["train_stage.loss"])
            matrices.append(bindings.get("forward_correction.transition"))
        self.assertEqual(losses, ["@softmax_cross_entropy", "@forward_correction"])
        self.assertEqual(matrices, [None, repr(str(path))])


if __name__ == "__main__":
    tf.test.main()
