"""Tables of arms: how they are written, what they share, and that a row alone is the row of the table."""

import json
import pathlib
import shutil

import gin
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import configuration
from spl_tf.data.dataset import load_dataset
from spl_tf.errors import UserError
from spl_tf.experiment.arms import Arm, choose_arms, configured_arms, make_arms, unused_options
from spl_tf.experiment.noise_matrices import counted_transition, estimated_transition
from spl_tf.experiment.shared import arm_of_network, shared_places

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


class MakeArmsTest(parameterized.TestCase, tf.test.TestCase):
    def tearDown(self):
        gin.clear_config()
        super().tearDown()

    def test_strategies_are_arms_of_their_names_and_rounds_follow_each_other(self):
        arms = make_arms(["none", "weak", "spl"], rounds=2, num_labels=5, init_weights="w.h5")
        self.assertEqual(
            [(arm.name, arm.labels, arm.round) for arm in arms[:2]], [("none", "none", 1), ("weak",) * 2 + (1,)]
        )
        self.assertEqual([(arm.folder_name, arm.round) for arm in arms[2:]], [("spl", 1), ("spl_round2", 2)])
        self.assertEqual({(arm.num_labels, arm.init_weights) for arm in arms}, {(5, "w.h5")})
        self.assertEqual([arm.name for arm in make_arms()], ["none", "weak", "spl", "spl_b"])

    def test_an_arm_says_what_is_its_own_and_gin_reads_it(self):
        text = """
            QUOTA = 12
            recipe.num_labels = 7
            recipe.arms = {
                'spl_b': {},
                'few': {'labels': 'weak', 'web_clips_per_class': %QUOTA, 'num_labels': None, 'shares': 'few'},
                'forward': {
                    'labels': 'weak',
                    'transition': @counted_transition,
                    'bindings': {
                        'pretrain/train_stage.loss': @forward_correction,
                        'pretrain/anchor_loss.anchor': 'neg',
                        'resnet3d.pool2_kernel': (2, 1, 1),
                    },
                },
            }
        """
        configuration.parse([], [text])
        bindings = (
            "pretrain/train_stage.loss = @forward_correction",
            "pretrain/anchor_loss.anchor = 'neg'",
            "resnet3d.pool2_kernel = (2, 1, 1)",
        )
        self.assertEqual(
            configured_arms(),
            [
                Arm("spl_b", "spl_b", num_labels=7),
                Arm("few", "weak", web_clips_per_class=12, shares="few"),
                Arm("forward", "weak", num_labels=7, bindings=bindings, transition=counted_transition),
            ],
        )
        with configuration.overridden(bindings):  # What gin made of references can be read by it again.
            self.assertEqual(configuration.stage_bindings("pretrain")["train_stage.loss"], "@forward_correction")

    @parameterized.parameters(
        ({"spl_x": {}}, "recipe.arms, 'spl_x': no labels have its name: give 'labels', one of none, own, weak"),
        ({"a": {"label": "weak"}}, r"recipe.arms, 'a': no option 'label' \(did you mean 'labels'\?\)"),
        ({"a": {"labels": "weak", "bindings": ["x.y = 1"]}}, "bindings = .*: give {'pretrain"),
        ({"a": {"labels": "spl_m", "num_labels": "9"}}, "num_labels = '9': give a whole number"),
        ({"weak": ["spl"]}, "are no options: give e.g. {'labels': 'spl_b'}"),
        ({"a/b": {"labels": "weak"}}, "recipe.arms, 'a/b': a name is letters"),
        ({"predictions": {"labels": "weak"}}, "a name is letters, digits and '_', and none of predictions"),
        ({"weak": {"shares": "seed0"}}, "shares = 'seed0': give letters and digits, but not shards"),
        ({}, "there is no arm: give recipe.arms"),
        ({"spl_b": {"num_labels": 9}}, "'spl_b': num_labels is for spl_m, spl_d, not for spl_b: leave it out"),
        ({"a": {"labels": "weak", "min_confidence": 0.5}}, "min_confidence is for teacher, agreement, .* not for weak"),
        ({"none": {"web_clips_per_class": 9}}, "'none': web_clips_per_class is for the pre-training, which 'none' has"),
    )
    def test_mistakes_are_told(self, arms, message):
        with self.assertRaisesRegex(UserError, message):
            make_arms(None, arms)

    def test_a_name_is_no_list_of_names(self):
        with self.assertRaisesRegex(UserError, r"recipe.strategies = 'spl_b': give a list, e.g. \['spl_b'\]"):
            make_arms("spl_b")
        with self.assertRaisesRegex(UserError, r"the arms to run are 'weak': give a list, e.g. \['weak'\]"):
            choose_arms(make_arms(), "weak")

    def test_an_option_that_no_arm_has_a_use_for_is_told(self):
        arms = make_arms(["none", "weak"], num_labels=5, min_confidence=0.5)
        self.assertEqual(unused_options(arms)[0], "recipe.num_labels = 5 changes nothing: it is for spl_m, spl_d")
        self.assertRegex(unused_options(arms)[1], "^recipe.min_confidence = 0.5 changes nothing: it is for teacher, ag")
        self.assertEmpty(unused_options(make_arms(["weak", "spl_m"], num_labels=5, min_confidence=0.5)))
        self.assertEmpty(unused_options(make_arms()))

    def test_one_list_of_arms_is_enough(self):
        with self.assertRaisesRegex(UserError, "recipe.strategies is one list of arms and recipe.arms another"):
            make_arms(["weak"], {"weak": {}})

    def test_arms_are_chosen_by_name_with_all_their_rounds(self):
        arms = make_arms(["none", "spl", "spl_b"], rounds=2)
        self.assertEqual(choose_arms(arms, ["spl"]), arms[1:3])
        self.assertEqual(choose_arms(arms, []), arms)
        with self.assertRaisesRegex(
            UserError, r"--arms=spl_c: there is no such arm \(did you mean 'spl_b'\?\): give some of none"
        ):
            choose_arms(arms, ["spl_c"])


class SharedTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        configuration.parse([], ["video_folder.folder = 'videos'", "train_stage.batch_size = 4", "recipe.fps = 10"])

    def tearDown(self):
        gin.clear_config()
        super().tearDown()

    def test_what_is_done_alike_lies_in_one_folder_and_the_rest_in_the_arm_s(self):
        arms = [
            Arm("a", "weak"),
            Arm("pretraining", "weak", bindings=("pretrain/train_stage.epochs = 9",)),
            Arm("web", "weak", bindings=("video_folder.web = 'b.csv'",), shares="b"),
            Arm("teacher", "spl", bindings=("teacher/train_stage.epochs = 9",), shares="t"),
            Arm("both", "spl", bindings=("video_folder.web = 'b.csv'", "teacher/train_stage.epochs = 9"), shares="bt"),
            Arm("target", "none", bindings=("video_folder.target = 't.csv'",), shares="other"),
            Arm("own", "own", bindings=("video_folder.web_classes = 'c.txt'",), shares="own"),
        ]
        places = shared_places(arms)
        steps = ("clean shards", "web shards", "teacher", "predictions")
        found = {arm.name: tuple(places[arm].get(step) for step in steps) for arm in arms}
        self.assertEqual(
            found,
            {
                "a": ("",) * 4,
                "pretraining": ("",) * 4,
                "web": ("", "b", "", "b"),
                "teacher": ("", "", "t", "t"),
                "both": ("", "b", "t", "bt"),
                "target": ("other", None, None, None),
                "own": ("", "own", None, None),
            },
        )

    @parameterized.parameters(
        ("video_folder.web = 'b.csv'", "web shards, but video_folder.web was not set and is 'b.csv'"),
        ("teacher/train_stage.epochs = 9", "teacher, but train_stage.epochs was not set and is 9"),
        ("train_stage.batch_size = 8", "teacher, but train_stage.batch_size was 4 and is 8"),
        ("predict_clips.num_views = 2", "predictions, but predict_clips.num_views was not set and is 2"),
        ("video_folder.test = 'b.csv'", "clean shards, but video_folder.test was not set and is 'b.csv'"),
    )
    def test_arms_that_would_undo_each_other_are_refused(self, binding, difference):
        arms = [Arm("first", "weak"), Arm("second", "spl", bindings=(binding,))]
        with self.assertRaisesRegex(
            UserError,
            f"arms 'first' and 'second' have one folder for their {difference}: give 'second' a folder of its",
        ):
            shared_places(arms)

    def test_a_network_without_a_teacher_may_be_another(self):
        shared_places([Arm("first", "weak"), Arm("second", "none", bindings=("train_stage.batch_size = 8",))])

    @parameterized.parameters(
        ("recipe.fps = 5", "bindings of arm 'a': recipe.fps was 10 and is 5, but all arms have it in common"),
        ("resnet3d.dept = 5", "did you mean 'depth'"),
        ("pretrian/resnet3d.depth = 18", "did you mean 'pretrain'"),
    )
    def test_bindings_of_an_arm_are_checked(self, binding, message):
        with self.assertRaisesRegex(UserError, message):
            shared_places([Arm("a", "weak", bindings=(binding,))])

    def test_the_network_that_estimates_is_that_of_an_arm_with_cross_entropy_on_the_same_labels(self):
        loss = "pretrain/train_stage.loss = @forward_correction"
        forward = Arm("forward", "weak", bindings=(loss,), transition=estimated_transition)
        weak, longer = Arm("weak", "weak"), Arm("longer", "weak", bindings=("pretrain/train_stage.epochs = 9",))
        anchor = Arm("anchor", "weak", bindings=("pretrain/train_stage.loss = @anchor_loss",))
        other = Arm("other", "weak", web_clips_per_class=9, shares="other")
        self.assertIsNone(arm_of_network([longer, anchor, other, forward], forward))
        self.assertEqual(arm_of_network([longer, anchor, other, weak, forward], forward), weak)
        longer_forward = Arm("forward9", "weak", bindings=(loss, *longer.bindings), transition=estimated_transition)
        self.assertEqual(arm_of_network([weak, longer, longer_forward], longer_forward), longer)


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

    def test_the_report_shows_arms_of_one_web_set_in_its_matrix(self):
        self._run()
        page = (self.folder / "report.html").read_text("utf-8")

        self.assertIn("spl_m_4", page)


if __name__ == "__main__":
    tf.test.main()
