"""The parts of the study against numbers worked out by hand: truth of clips, parts of lists, intervals, results."""

import contextlib
import io
import pathlib

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import command
from spl_tf.errors import UserError
from spl_tf.labels.label_quality import mutual_information
from spl_tf.report.intervals import paired_difference
from tools.study import hold_out, manifests
from tools.study.arms import Arm, all_arms
from tools.study.collected import Collected
from tools.study.results import append_row, read_rows
from tools.study.truth import clip_truths, label_truth_table, purity


class TruthTest(parameterized.TestCase, tf.test.TestCase):
    def test_the_action_that_fills_most_of_a_clip(self):
        path = pathlib.Path(self.create_tempdir().full_path) / "web_truth.csv"
        path.write_text(
            "video_id,start_s,end_s,action\na@b,0,3.2,run\na@b,3.2,4,jump\na@b,4,5.5,swim\na@b,5.5,9,jump\n"
        )
        clips = ["a@b@0", "a@b@2000", "a@b@4000", "a@b@6000", "a@b@3100"]
        # From 2 to 4 s: run 1.2 s, jump 0.8 s. From 4 to 6 s: swim 1.5 s. From 3.1 to 5.1 s: jump 0.8 s, swim 1.1 s.
        truths = clip_truths(clips, path, ("run", "jump", "swim"), 2.0)
        self.assertEqual(truths.tolist(), [0, 0, 2, 1, 2])
        with self.assertRaisesRegex(UserError, "web_truth.csv does not tell what c shows"):
            clip_truths(["c@0"], path, ("run", "jump", "swim"), 2.0)

    def test_a_clip_that_ends_after_the_list_counts_and_one_that_begins_after_it_is_refused(self):
        path = pathlib.Path(self.create_tempdir().full_path) / "web_truth.csv"
        path.write_text("video_id,start_s,end_s,action\na,0,4.1,jump\n")
        self.assertEqual(clip_truths(["a@4000"], path, ("run", "jump"), 2.0).tolist(), [1])
        with self.assertRaisesRegex(UserError, "web_truth.csv does not tell what clip a@4100 shows"):
            clip_truths(["a@4000", "a@4100"], path, ("run", "jump"), 2.0)

    @parameterized.parameters(
        (
            "video_id,start_s,end_s,action\na,0,2,run\na,2,4,fly\n",
            "web_truth.csv line 3: action 'fly' is not in classes",
        ),
        ("video_id,start_s,end_s,action\na,0,x,run\n", "web_truth.csv line 2: start_s and end_s must be seconds"),
        ("action,video_id,start_s,end_s\nrun,a,0\n", "web_truth.csv line 2: start_s and end_s must be seconds"),
        ("video_id,action\na,run\n", "web_truth.csv lacks the columns end_s, start_s"),
    )
    def test_a_damaged_list_is_refused_by_its_line(self, text, message):
        path = pathlib.Path(self.create_tempdir().full_path) / "web_truth.csv"
        path.write_text(text)
        with self.assertRaisesRegex(UserError, message):
            clip_truths(["a@0"], path, ("run", "jump"), 2.0)

    def test_discarded_clips_are_the_last_row(self):
        table = label_truth_table(np.array([0, 1, 1, -1, 2]), np.array([0, 1, 0, 1, 1]), 4, 2)
        self.assertAllEqual(table, [[1, 0], [1, 1], [0, 1], [0, 0], [0, 1]])

    def test_a_label_out_of_range_is_not_a_discarded_one(self):
        with self.assertRaisesRegex(ValueError, "label 2 is none of 2"):
            label_truth_table(np.array([0, 1, 2]), np.array([0, 0, 0]), 2, 2)

    def test_purity_is_the_share_of_the_most_frequent_action(self):
        self.assertAllEqual(purity(np.array([[3, 1], [0, 0], [0, 5]])), [0.75, np.nan, 1.0])

    @parameterized.parameters(
        ([[5, 0], [0, 5]], 1.0),  # A label names one of two equally frequent actions.
        ([[3, 3], [2, 2]], 0.0),
        ([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], 2.0),
        ([[3, 1], [1, 3]], 1 + 0.75 * np.log2(0.75) + 0.25 * np.log2(0.25)),  # A binary symmetric channel.
        ([[0, 0], [0, 0]], 0.0),
    )
    def test_bits_that_a_label_tells(self, table, bits):
        self.assertAllClose(mutual_information(np.array(table)), bits)


class ManifestsTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters((0.25, [5, 2, 1]), (0.5, [10, 4, 1]), (1.0, [20, 8, 1]))
    def test_every_class_gives_its_share(self, share, counts):
        classes = ["a"] * 20 + ["b"] * 8 + ["c"]
        rows = [manifests.Row(f"/videos/{number}.mp4", name) for number, name in enumerate(classes)]
        drawn = manifests.draw_share(rows, share, seed=0)
        self.assertEqual([sum(row.label == name for row in drawn) for name in "abc"], counts)
        self.assertEqual(drawn, [row for row in rows if row in drawn])
        self.assertContainsSubset(manifests.draw_share(rows, 0.25, seed=0), drawn)
        if share < 1:
            self.assertNotEqual(drawn, manifests.draw_share(rows, share, seed=1))

    def test_a_part_written_elsewhere_names_the_same_files(self):
        folder = pathlib.Path(self.create_tempdir().full_path).resolve()
        (folder / "target.csv").write_text("path,label\nvideos/v_A_g08_c01.mp4,A\nvideos/v_A_g10_c01.mp4,A\n")
        first, second = (manifests.Row(f"{folder}/videos/v_A_g{group}_c01.mp4", "A") for group in ("08", "10"))
        arguments = ["hold_out", f"--target={folder / 'target.csv'}", f"--output_dir={folder / 'new'}"]
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(command.execute(hold_out.main, hold_out.FLAGS, "", arguments), 0)
        self.assertEqual(manifests.read(folder / "new" / "choice_train.csv"), [first])
        self.assertEqual(manifests.read(folder / "new" / "choice_validation.csv"), [second])

    @parameterized.parameters("run.mp4", "my_run.mp4", "v_A_g8.mp4")
    def test_a_video_without_a_group_in_its_name_cannot_be_held_out(self, name):
        folder = pathlib.Path(self.create_tempdir().full_path)
        (folder / "target.csv").write_text(f"path,label\nv_A_g08_c01.mp4,A\n{name},A\n")
        arguments = ["hold_out", f"--target={folder / 'target.csv'}", f"--output_dir={folder / 'new'}"]
        with contextlib.redirect_stderr(io.StringIO()) as said:
            self.assertEqual(command.execute(hold_out.main, hold_out.FLAGS, "", arguments), 2)
        self.assertRegex(said.getvalue(), rf"target.csv: .*{name} has no name like UCF101's, v_<action>_g<group>")
        self.assertFalse((folder / "new").exists())


class IntervalsTest(parameterized.TestCase, tf.test.TestCase):
    def test_the_difference_is_that_of_the_means(self):
        first, second = np.random.default_rng(0).random((2, 3, 40)) < np.array([[[0.7]], [[0.5]]])
        difference = paired_difference(first, second, [str(v // 4) for v in range(40)])
        self.assertAllClose(difference.points, 100 * (first.mean() - second.mean()))
        self.assertBetween(difference.points, difference.low, difference.high)

    def test_one_seed_and_single_videos_give_the_normal_interval(self):
        """For many independent videos the bootstrap is 1.96 standard errors to either side."""
        first, second = np.random.default_rng(1).random((2, 1, 4000)) < 0.6
        difference = paired_difference(first, second, [str(v) for v in range(4000)])
        error = 100 * (first.astype(float) - second).std() / np.sqrt(4000)
        self.assertAllClose(difference.high - difference.low, 2 * 1.96 * error, rtol=0.06)

    def test_videos_of_one_recording_count_as_one(self):
        """Ten copies of every video tell nothing new: the interval stays that of the recordings."""
        first, second = np.random.default_rng(2).random((2, 1, 300)) < 0.6
        single = paired_difference(first, second, [str(v) for v in range(300)])
        copied = paired_difference(
            np.repeat(first, 10, 1), np.repeat(second, 10, 1), [str(v // 10) for v in range(3000)]
        )
        self.assertAllClose([single.low, single.high], [copied.low, copied.high])

    def test_seeds_that_disagree_widen_the_interval(self):
        """Videos agree perfectly and seeds don't: +100, 0 and -100 points; all drawn alike, once in nine times each."""
        first, second = np.array([[1], [0], [0]], bool).repeat(50, 1), np.array([[0], [0], [1]], bool).repeat(50, 1)
        difference = paired_difference(first, second, [str(v) for v in range(50)])
        self.assertAllClose([difference.points, difference.low, difference.high], [0, -100, 100])
        self.assertFalse(difference.is_distinguishable)


class ResultsTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.path = self.folder / "new" / "results.jsonl"

    def test_rows_come_back_and_a_damaged_line_is_named(self):
        self.assertEqual(read_rows(self.path), [])
        rows = [{"study": "main", "seed": 0, "top_1": 0.1 + 0.2}, {"study": "möglich", "query_right": None}]
        for row in rows:
            append_row(self.path, row)
        self.assertEqual(read_rows(self.path), rows)
        self.path.write_text(self.path.read_text()[:-5])
        with self.assertRaisesRegex(UserError, "line 2 of .*results.jsonl is damaged"):
            read_rows(self.path)

    def test_arms_are_distinct_and_the_main_study_has_every_strategy_with_five_seeds(self):
        arms = all_arms()
        self.assertLen(set(arms), len(arms))
        main = {(arm.strategy, arm.seed) for arm in arms if arm.study == "main"}
        names = ("none", "weak", "teacher", "agreement", "spl", "spl_m", "spl_d", "spl_b")
        self.assertEqual(main, {(name, seed) for name in names for seed in range(5)})

    def test_differences_are_taken_over_the_seeds_that_both_arms_have(self):
        (self.folder / "test.csv").write_text("path,label\nvideos/v_A_g01_c01.mp4,A\nvideos/v_A_g02_c01.mp4,A\n")
        rows = [
            {"study": "main", "strategy": name, "seed": seed, "config": "x", "correct": correct}
            for name, seed, correct in (("weak", 0, "00"), ("weak", 1, "11"), ("spl", 0, "11"), ("spl", 2, "00"))
        ]
        defaults = {name: value for name, value in vars(Arm("main", "weak", 0)).items() if name not in rows[0]}
        results = Collected([defaults | row for row in rows], self.folder / "test.csv")
        difference = results.difference(results.main("spl"), results.main("weak"))
        self.assertEqual((difference.points, difference.seeds), (100, 1))
        self.assertIsNone(results.difference(results.main("weak"), results.main("weak")))
        self.assertIsNone(results.difference(results.main("spl_b"), results.main("weak")))
        with self.assertRaisesRegex(
            UserError, r"x \(2 rows\), y \(1 rows\).* give each configuration its own --results"
        ):
            Collected([{"config": "x"}, {"config": "y"}, {"config": "x"}], self.folder / "test.csv")
        with self.assertRaisesRegex(UserError, "no rows: run the study with the same --results first"):
            Collected([], self.folder / "test.csv")
        rows[0]["correct"] = "000"
        with self.assertRaisesRegex(UserError, "has 2 videos"):
            Collected([defaults | row for row in rows], self.folder / "test.csv")


if __name__ == "__main__":
    tf.test.main()
