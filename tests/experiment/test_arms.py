"""Tables of arms: how they are written, and which of their steps are one."""

import gin
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import configuration
from spl_tf.errors import UserError
from spl_tf.experiment.arms import Arm, choose_arms, configured_arms, make_arms, unused_options
from spl_tf.experiment.noise_matrices import counted_transition, estimated_transition
from spl_tf.experiment.shared import arm_of_network, shared_places


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
        ({"spl_b": {"num_labels": 9}}, "'spl_b': num_labels is for spl_m, spl_d, spl_ib, not for spl_b: leave it out"),
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
        self.assertEqual(
            unused_options(arms)[0], "recipe.num_labels = 5 changes nothing: it is for spl_m, spl_d, spl_ib"
        )
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


if __name__ == "__main__":
    tf.test.main()
