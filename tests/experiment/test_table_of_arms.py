"""A table of arms run: what its rows share, that a row alone is the row of the table, and what is refused."""

import json
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

from spl_tf.data.dataset import load_dataset
from spl_tf.errors import UserError

TABLE = """
recipe.arms = {
    'imagenet': {'labels': 'none'},  # A comment.
    'weak': {},
    'momentum': {'labels': 'weak', 'bindings': {'pretrain/SGD.momentum': 0.5}},
    'few': {'labels': 'weak', 'web_clips_per_class': 12, 'shares': 'few'},
    'spl_m_4': {'labels': 'spl_m', 'num_labels': 4},
}
"""
TEACHER = np.arange(72) % 3


class TableOfArmsTest(tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, recipe_bindings, run_recipe, fake_stages, tmp_path):
        self.bindings = [line for line in recipe_bindings if not line.startswith("recipe.strategies")]
        self.run_recipe, self.fake, self.folder = run_recipe, fake_stages(TEACHER), tmp_path / "o"

    def _run(self, *arms, bindings=()):
        """(calls, results) of a run of the table."""
        self.fake.calls.clear()
        with self.fake.in_place():
            results, _ = self.run_recipe(self.folder, [*self.bindings, TABLE, *bindings], *arms)
        return list(self.fake.calls), results

    def test_shared_steps_are_done_once_and_a_row_alone_is_the_row_of_the_table(self):
        of_arm = [f"/{step}" for step in ("pretrain", "finetune", "test")]
        calls, results = self._run()
        few = [name for name in calls if "few" in name]
        self.assertEqual(
            [name for name in calls if name not in few],
            [
                "teacher",
                "predictions",
                "teacher_test",  # And with it "imagenet", which is configured alike.
                *(f"{arm}{step}" for arm in ("weak", "momentum", "spl_m_4") for step in of_arm),
            ],
        )
        # Another quota needs other predictions, but no other teacher.
        self.assertEqual(few, ["few/seed0/predictions", *(f"few{step}" for step in of_arm)])
        self.assertEqual([result.name for result in results], ["imagenet", "weak", "momentum", "few", "spl_m_4"])
        self.assertEqual([result.classes for result in results], [0, 3, 3, 3, 4])
        self.assertEqual(load_dataset(self.folder / "few/shards/web").num_clips, 36)
        self.assertEqual(sorted(path.name for path in (self.folder / "few/shards").iterdir()), ["web"])
        summary = json.loads((self.folder / "seed0/few/labels/summary.json").read_text())
        self.assertEqual(sum(summary["counts"]), 36)
        # Nothing is left to do for a row, and the results are of this call.
        self.assertEqual(self._run("few"), ([], [results[3]]))
        self.assertLen((self.folder / "results.csv").read_text().splitlines(), 2)
        shutil.rmtree(self.folder)
        calls, (alone,) = self._run("few")
        self.assertEqual([name for name in calls if name != "teacher_test"], ["teacher", *few])
        self.assertEqual(alone.columns() | {"seconds": 0}, results[3].columns() | {"seconds": 0})

    def test_what_a_row_binds_is_in_its_stages_alone(self):
        self._run("weak", "momentum")
        identities = {
            name: json.loads((self.folder / f"seed0/{name}/step.json").read_text())["identity"]
            for name in ("weak/pretrain", "momentum/pretrain", "momentum/finetune", "teacher")
        }
        momenta = {name: identity.get("SGD.momentum") for name, identity in identities.items()}
        usual = momenta["teacher"]
        self.assertNotEqual(usual, "0.5")
        self.assertEqual(momenta, dict.fromkeys(identities, usual) | {"momentum/pretrain": "0.5"})

    def test_a_killed_table_goes_on_where_it_was(self):
        train, trained = self.fake.train, []

        def killed(stage, folder, **inputs):
            trained.append(folder)
            if len(trained) == 3:
                raise KeyboardInterrupt
            return train(stage, folder, **inputs)

        self.fake.train = killed
        with self.assertRaises(KeyboardInterrupt):
            self._run()
        before = list(self.fake.calls)
        self.assertEqual(
            [path.relative_to(self.folder / "seed0") for path in trained[2:]], [pathlib.Path("weak/finetune")]
        )
        self.assertLen((self.folder / "results.csv").read_text().splitlines(), 2)
        self.fake.train = train
        calls, _ = self._run()
        self.assertEqual(calls[0], "weak/finetune")
        self.assertNoCommonElements(before, calls)

    def test_a_conflict_is_found_before_anything_is_run(self):
        with (
            self.fake.in_place(),
            self.assertRaisesRegex(UserError, "arms 'weak' and 'spl' have one folder for their web"),
        ):
            table = "recipe.arms = {'weak': {}, 'spl': {'web_clips_per_class': 9}}"
            self.run_recipe(self.folder, [*self.bindings, table])
        self.assertFalse(self.folder.exists())

    def test_labels_that_the_objective_does_not_learn_are_refused_before_the_teacher(self):
        row = "recipe.arms = {'dawid_skene': {'bindings': {'pretrain/train_stage.objective': @%s}}}"
        with (
            self.fake.in_place(),
            self.assertRaisesRegex(UserError, "arm 'dawid_skene': .* a distribution, the objective learns one label"),
        ):
            self.run_recipe(self.folder, [*self.bindings, row % "single_label"])
        self.assertEmpty(self.fake.calls)
        with self.fake.in_place(), self.assertRaisesRegex(UserError, "run spl_tf.predict again"):
            self.run_recipe(self.folder, [*self.bindings, row % "soft_label"])
        # Predictions have no scores here.
        self.assertEqual(self.fake.calls, ["teacher", "predictions", "teacher_test"])

    def test_the_teacher_is_cross_validated_once_for_all_arms_that_ask_and_for_no_other(self):
        soft = "{'bindings': {'pretrain/train_stage.objective': @soft_label}}"
        partial = "{'bindings': {'pretrain/train_stage.objective': @partial_label}}"
        table = f"recipe.arms = {{'spl_b': {{}}, 'partial': {partial}, 'cell_posterior': {soft}, 'more': {{'labels': "
        table += f"'cell_posterior', 'min_confidence': 0.1, {soft[1:]}}}"
        of_arm = [f"/{step}" for step in ("pretrain", "finetune", "test")]
        with self.fake.in_place():
            self.run_recipe(self.folder, [*self.bindings, table], "spl_b", "partial")
            self.assertNotIn("held_out", self.fake.calls)
            self.fake.calls.clear()
            self.run_recipe(self.folder, [*self.bindings, table])
        expected = ["held_out", *(f"{arm}{step}" for arm in ("cell_posterior", "more") for step in of_arm)]
        self.assertEqual(self.fake.calls, expected)
        summaries = [self.folder / f"seed0/{name}/labels/summary.json" for name in ("cell_posterior", "partial")]
        targets = [json.loads(path.read_text())["target"] for path in summaries]
        self.assertEqual(targets, ["distribution", "candidates"])
        # Other folds are other labels.
        bindings = [*self.bindings, table, "held_out_predictions.num_folds = 2"]
        with self.fake.in_place(), self.assertRaisesRegex(UserError, "held_out"):
            self.run_recipe(self.folder, bindings)
        with self.fake.in_place(), self.assertRaisesRegex(UserError, "arm 'cell_posterior': .*leave recipe.rounds out"):
            self.run_recipe(self.folder, [*self.bindings, table, "recipe.rounds = 2"])

    def test_the_report_shows_arms_of_one_web_set_in_its_matrix(self):
        self._run()
        page = (self.folder / "report.html").read_text("utf-8")

        self.assertIn("spl_m_4", page)


if __name__ == "__main__":
    tf.test.main()
