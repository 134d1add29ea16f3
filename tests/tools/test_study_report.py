"""Tables, the list of classes and figures of the study from hand-made rows whose answers are worked out by hand."""

import contextlib
import dataclasses
import io
import json
import pathlib
from unittest import mock

import cv2
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import command
from tools.study import figures, report, tables
from tools.study.arms import PAPER, Arm, all_arms
from tools.study.claims import CLAIMS
from tools.study.collected import Collected
from tools.study.label_classes import label_classes, write_classes

SPL_NAMES = ["run", "run|jump", "jump|run", "jump"]


def _row(study, strategy, seed, correct, label_names=("run", "jump"), label_truth=((3, 1), (1, 3), (0, 0)), **options):
    """A line of a results file; the test videos are all right or all wrong, or as `correct` says for the four."""
    row = dataclasses.asdict(Arm(study, strategy, seed, **options)) | {
        "config": "x",
        "correct": correct,
        "top_1": correct.count("1") / len(correct),
        "classes": 2,
        "clips": 8,
    }
    if strategy == "none":
        return row
    measured = {"noise_ratio": 0.25, "teacher_right": 0.5, "linear_probe": 0.5, "knn": 0.5}
    return row | measured | {"label_names": list(label_names), "label_truth": [list(line) for line in label_truth]}


def _parsed(markdown):
    """Rows of a Markdown table, each a dict of its cells."""
    header, _, *rows = ([cell.strip() for cell in line.strip("|").split(" | ")] for line in markdown.splitlines())
    return [dict(zip(header, row, strict=True)) for row in rows]


def _found(rows, **cells):
    (row,) = [row for row in rows if cells.items() <= row.items()]
    return row


class ReportTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        # All videos are of one recording: only seeds vary, and intervals follow by counting draws of seeds.
        videos = "".join(f"v_A_g01_c0{clip}.mp4,A\n" for clip in range(4))
        (self.folder / "test.csv").write_text(f"path,label\n{videos}")

    def _collected(self, rows):
        return Collected(rows, self.folder / "test.csv")

    def test_queries_are_compared_with_weak_labels_of_the_same_quality_and_with_no_pre_training(self):
        rows = [_row("main", "weak", seed, "1111") for seed in range(5)]
        rows += [_row("main", "none", seed, "0000" if seed < 3 else "1111") for seed in range(5)]
        rows += [_row("query", "weak", seed, "0011" if seed < 2 else "1111", query_right=0.2) for seed in range(3)]
        rows += [_row("query", "weak", seed, "1111", query_right=1.0) for seed in range(3)]
        rows += [_row("query", "spl", seed, "1111", query_right=0.2) for seed in range(3)]
        found = _parsed(tables.query_table(self._collected(rows)))
        spl = _found(found, strategy="spl", **{"queries that are right": "20%"})
        # Gains of the seeds are 50, 50 and 0. All three draws are the last with probability 1/27, which is over 2.5 %.
        self.assertEqual(spl["minus weak"], "+33.3 [+0.0, +50.0]")
        self.assertEqual(spl["minus none"], "**+100.0** [+100.0, +100.0]")
        self.assertEqual(spl["seeds"], "3")
        weak = _found(found, strategy="weak", **{"queries that are right": "20%"})
        self.assertEqual(weak["minus weak"], "-")
        self.assertEqual(weak["top-1 (%)"], "66.7 ± 28.9")  # 50, 50 and 100.
        right = _found(found, **{"queries that are right": "100%"})
        self.assertEqual((right["strategy"], right["minus none"]), ("weak", "**+100.0** [+100.0, +100.0]"))
        missing = _found(found, strategy="spl_b", **{"queries that are right": "60%"})
        self.assertEqual([missing["seeds"], missing["top-1 (%)"], missing["minus weak"]], ["0", "-", "-"])

    def test_the_whole_teacher_is_taken_with_the_seeds_the_smaller_ones_have(self):
        rows = [_row("main", "weak", seed, "0011") for seed in range(5)]
        rows += [_row("main", "none", seed, "0000") for seed in range(5)]
        rows += [_row("main", "spl", seed, "1111" if seed < 3 else "0000") for seed in range(5)]
        rows += [_row("teacher", "spl", seed, "0111", teacher_share=0.25) for seed in range(3)]
        found = _parsed(tables.teacher_table(self._collected(rows)))
        whole = _found(found, strategy="spl", **{"teacher's part of the target set": "100%"})
        self.assertEqual([whole["seeds"], whole["top-1 (%)"]], ["3", "100.0 ± 0.0"])
        self.assertEqual(
            [whole["minus weak"], whole["minus none"]], [f"**+{p}** [+{p}, +{p}]" for p in ("50.0", "100.0")]
        )
        self.assertEqual(whole["minus the same at 100 %"], "-")
        part = _found(found, strategy="spl", **{"teacher's part of the target set": "25%"})
        self.assertEqual([part["minus weak"], part["minus none"]], [f"**+{p}** [+{p}, +{p}]" for p in ("25.0", "75.0")])
        self.assertEqual(part["minus the same at 100 %"], "**-25.0** [-25.0, -25.0]")

    def test_the_threshold_and_the_second_round_are_compared_with_the_strategy_without(self):
        rows = [_row("main", name, seed, "0001") for name in ("weak", "none", "spl") for seed in range(2)]
        rows += [_row("main", "spl_b", seed, "0000") for seed in range(2)]
        rows += [_row("confidence", "spl", seed, "0111", min_confidence=0.5) for seed in range(2)]
        rows += [_row("rounds", "spl_b", seed, "0011", round=2) for seed in range(2)]
        found = _parsed(tables.variants_table(self._collected(rows)))
        minus = ("minus weak", "minus none", "minus the same without")
        confident = _found(found, strategy="spl, confidence >= 0.5")
        self.assertEqual([confident[name] for name in minus], ["**+50.0** [+50.0, +50.0]"] * 3)
        second = _found(found, strategy="spl_b, round 2")
        self.assertEqual([second[name].split()[0] for name in minus], ["**+25.0**", "**+25.0**", "**+50.0**"])

    def test_variants_are_compared_with_their_like_and_with_the_same_without(self):
        rows = [_row("main", name, seed, "0001") for name in ("weak", "none", "spl_b") for seed in range(5)]
        del rows[0]["variant"]  # Rows of before there were variants.
        rows += [_row("frames", "none", seed, "0011", variant="inflated") for seed in range(3)]
        rows += [_row("frames", "weak", seed, "0111", variant="inflated") for seed in range(3)]
        rows += [_row("frames", "spl_b", seed, "1111", variant="inflated") for seed in range(3)]
        rows += [_row("noise", "weak", seed, "0000", variant="data_parameters_class") for seed in range(2)]
        results = self._collected(rows)
        minus = ("minus weak", "minus none", "minus the same without")
        frames = _parsed(tables.paper_table(results, "frames"))
        inflated = _found(frames, strategy="spl_b", variant="inflated")
        self.assertEqual([inflated[name].split()[0] for name in minus], ["**+25.0**", "**+50.0**", "**+75.0**"])
        none = _found(frames, strategy="none", variant="inflated")
        self.assertEqual([none[name].split()[0] for name in minus], ["**-25.0**", "**+25.0**", "**+25.0**"])
        plain = _found(frames, strategy="weak", variant="-")
        self.assertEqual([plain["seeds"], *(plain[name] for name in minus)], ["3", "-", "+0.0 [+0.0, +0.0]", "-"])
        noise = _found(_parsed(tables.paper_table(results, "noise")), variant="data_parameters_class")
        self.assertEqual([noise[name].split()[0] for name in minus], ["**-25.0**"] * 3)

    def test_an_ordering_of_the_paper_holds_or_not_or_cannot_be_told(self):
        rows = [_row("main", name, seed, "0011") for name in ("weak", "teacher", "spl") for seed in range(5)]
        rows += [_row("main", "none", seed, "0001") for seed in range(5)]
        rows += [_row("main", "spl_b", seed, "0000" if seed < 3 else "1111") for seed in range(5)]
        rows += [_row("main", "spl_m", seed, "0111") for seed in range(3)]
        rows += [_row("anchor", "spl_b", seed, "0000", variant="anchor") for seed in range(3)]
        for row, probe in zip(rows[-3:], (0.6, 0.5, 0.75), strict=True):
            row["linear_probe"] = probe  # Without: 0.5.
        rows += [_row("labels", "spl_m", seed, "0000", variant="labels18") for seed in range(3)]
        found = _parsed(tables.claims_table(self._collected(rows)))
        self.assertLen(found, len(CLAIMS))

        def said(higher, lower):
            row = _found(found, higher=higher, lower=lower)
            return row["by (paper)"], row["seeds"], row["by (here)"].split(" ")[0], row["verdict"]

        self.assertEqual(said("weak", "none"), ("2.2", "5", "**+25.0**", "holds"))
        self.assertEqual(said("spl_b", "none"), ("3.7", "5", "+15.0", "not distinguishable"))
        self.assertEqual(said("weak", "teacher"), ("0.9", "5", "+0.0", "not distinguishable"))
        self.assertEqual(said("spl_b", "spl_m"), ("0.4", "3", "**-75.0**", "does not hold"))
        self.assertEqual(said("spl_m, labels18", "spl_m"), ("-", "3", "**-75.0**", "does not hold"))
        self.assertEqual(said("spl_b, anchor", "spl_b"), ("0.3", "3", "+0.0", "not distinguishable"))
        self.assertEqual(said("spl_d", "spl_d, labels9"), ("-", "0", "-", "-"))
        for higher, lower, probe, knn in (
            ("spl_b, anchor", "spl_b", "+11.7 (2 of 3)", "+0.0 (0 of 3)"),
            ("weak", "none", "-", "-"),
            ("spl_d", "spl_d, labels9", "-", "-"),
        ):
            row = _found(found, higher=higher, lower=lower)
            self.assertEqual((row["probe"], row["k-NN"]), (probe, knn))

    def test_every_arm_of_a_claim_is_one_of_the_study(self):
        arms = {(arm.strategy, arm.variant) for arm in all_arms() if arm.variant or arm.study == "main"}
        for claim in CLAIMS:
            self.assertContainsSubset({claim.higher, claim.lower}, arms)

    def test_a_difference_over_fewer_seeds_than_the_row_has_says_so(self):
        rows = [_row("main", "weak", 1, "0000"), *(_row("main", "spl", seed, "1111") for seed in range(3))]
        spl = _found(_parsed(tables.main_table(self._collected(rows))), strategy="spl")
        self.assertEqual([spl["seeds"], spl["minus weak"]], ["3", "**+100.0** [+100.0, +100.0] (seeds: 1)"])

    def _classes(self):
        """Two seeds of SPL, one of SPL-B; the second seed has a draw and a class without clips."""
        tables_of_spl = (
            ((8, 2), (1, 3), (0, 4), (3, 1), (0, 0)),
            ((5, 5), (0, 0), (2, 1), (0, 6), (1, 2)),
        )
        rows = [_row("main", "spl", seed, "1111", SPL_NAMES, table) for seed, table in enumerate(tables_of_spl)]
        binary = ["run", "jump", "run|other", "jump|other"]
        rows.append(_row("main", "spl_b", 0, "1111", binary, ((1, 0), (0, 1), (2, 3), (0, 2), (0, 0))))
        rows.append(_row("rounds", "spl", 0, "1111", SPL_NAMES, tables_of_spl[0], round=2))
        return self._collected(rows)

    def test_every_class_is_listed_with_its_purity(self):
        write_classes(label_classes(self._classes()), self.folder / "classes.csv")
        self.assertEqual(
            (self.folder / "classes.csv").read_text().splitlines(),
            [
                "strategy,seed,class,clips,purity,most_frequent_action",
                "spl,0,run,10,0.8000,run",
                "spl,0,run|jump,4,0.7500,jump",
                "spl,0,jump|run,4,1.0000,jump",
                "spl,0,jump,4,0.7500,run",
                "spl,1,run,10,0.5000,run/jump",
                "spl,1,run|jump,0,,",
                "spl,1,jump|run,3,0.6667,run",
                "spl,1,jump,6,1.0000,jump",
                "spl_b,0,run,1,1.0000,run",
                "spl_b,0,jump,1,1.0000,jump",
                "spl_b,0,run|other,5,0.6000,jump",
                "spl_b,0,jump|other,2,1.0000,jump",
            ],
        )

    def test_classes_are_counted_by_whether_they_show_what_they_are_named_after(self):
        spl, binary = ([*row.values()] for row in _parsed(tables.purity_table(self._classes())))
        # SPL: .5, .67, .75, .75, .8, 1, 1. "jump" shows run once; "jump|run" shows jump, then run; "run|jump" jump.
        self.assertEqual(spl, ["spl", "2", "50.0 %", "75.0 %", "100.0 %", "1 of 4", "1 of 3", "2 of 3"])
        # "jump|other" shows jump although the teacher saw something else there.
        self.assertEqual(binary, ["spl_b", "1", "60.0 %", "100.0 %", "100.0 %", "0 of 2", "1 of 2", "-"])

    @parameterized.parameters(
        (figures.draw_queries, "query", {"query_right": 0.4}, 40),
        (figures.draw_teachers, "teacher", {"teacher_share": 0.5}, 50),
    )
    def test_a_dot_a_seed_and_a_line_through_the_means(self, draw, study, options, place):
        rows = [_row(study, "spl", seed, "0" * seed + "1" * (4 - seed), **options) for seed in range(3)]
        rows += [_row("main", "none", seed, "0001") for seed in range(5)]
        with mock.patch.object(figures, "_save") as save:
            draw(self._collected(rows), self.folder / "figure.png")
        axes = save.call_args.args[0].axes[0]
        dots, means, level = axes.get_lines()
        self.assertAllClose(dots.get_ydata(), [100, 75, 50])
        self.assertAllClose(means.get_ydata(), [75])
        self.assertAllClose(np.append(dots.get_xdata(), means.get_xdata()), [place] * 4, atol=1.5)
        self.assertAllClose(level.get_ydata(), [25, 25])
        self.assertEqual([means.get_label(), level.get_label()], ["spl", "none"])

    def _execute(self, rows):
        (self.folder / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        flags = {"results": "results.jsonl", "test": "test.csv", "figures": "figures"}
        arguments = [f"--{name}={self.folder / value}" for name, value in flags.items()]
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as said:
            code = command.execute(report.main, report.FLAGS, "", ["report", *arguments])
        return code, out.getvalue(), said.getvalue()

    def test_the_command_writes_every_table_figure_and_the_list_for_whatever_is_finished(self):
        code, out, _ = self._execute([_row("main", "none", 0, "0001"), _row("main", "spl_d", 0, "0011")])
        self.assertEqual(code, 0)
        self.assertEqual(out.count("### "), 7 + len(PAPER))
        names = sorted(path.name for path in (self.folder / "figures").iterdir())
        drawn = [f"ucf6_{name}.png" for name in ("differences", "purity", "query", "teacher")]
        self.assertEqual(names, ["ucf6_classes.csv", *drawn])
        for name in drawn:
            self.assertIsNotNone(cv2.imread(str(self.folder / "figures" / name)))

    def test_rows_of_two_configurations_are_refused_in_one_line(self):
        code, out, said = self._execute(
            [_row("main", "none", 0, "0001"), _row("main", "none", 1, "0001") | {"config": "y"}]
        )
        self.assertEqual((code, out, said.count("\n")), (2, "", 1))
        self.assertIn("--results", said)


if __name__ == "__main__":
    tf.test.main()
