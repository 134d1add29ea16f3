"""Power of a design: variance components and detectable differences against simulations of known components."""

import contextlib
import dataclasses
import io
import json
import pathlib

import numpy as np
from absl.testing import absltest

from spl_tf import command
from spl_tf.report.intervals import paired_difference
from tests.tools.simulated_gains import SIZES, TRUE, simulated
from tools.study import power
from tools.study.arms import STRATEGIES, Arm


class PowerTest(absltest.TestCase):
    def test_components_are_unbiased_with_unbalanced_recordings(self):
        generator = np.random.default_rng(0)
        found = []
        for _ in range(1500):
            ((gains, names),) = simulated(generator, 1, 4, SIZES, mean=0.05)
            found.append(dataclasses.astuple(power.components(gains, names)))
        error = np.std(found, axis=0) / np.sqrt(len(found))
        away = np.abs(np.mean(found, axis=0) - dataclasses.astuple(TRUE)) / error
        self.assertLess(away.max(), 4, away)
        # An estimate can be told from zero, so the comparison says something.
        self.assertGreater((np.array(dataclasses.astuple(TRUE)) / error).min(), 4)

    def test_standard_errors_are_those_of_simulated_designs(self):
        for folds, seeds in ((1, 3), (4, 2), (3, 1)):
            generator = np.random.default_rng(1)
            means = [
                np.sum([gains.sum() for gains, _ in simulated(generator, folds, seeds, SIZES)]) / (seeds * sum(SIZES))
                for _ in range(2000)
            ]
            # Folds of unequal size weigh their trainings unequally, which the formula leaves out: some percent.
            design = power.Design("", folds * seeds, seeds, SIZES)
            self.assertBetween(np.std(means) / power.standard_error(TRUE, design), 0.95, 1.08)

    def test_a_detectable_difference_is_found_by_the_reports_interval_in_four_of_five_studies(self):
        sizes = SIZES * 2
        generator = np.random.default_rng(2)
        points = power.detectable(TRUE, power.Design("", 8, 8, sizes))
        hits = []
        for _ in range(100):
            ((gains, names),) = simulated(generator, 1, 8, sizes, mean=points / 100)
            # The bootstrap takes any numbers: only their difference counts.
            hits.append(paired_difference(gains, np.zeros_like(gains), names).low > 0)
        self.assertBetween(np.mean(hits), 0.68, 0.92)

    def test_command_says_what_the_designs_detect_and_cost(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        videos = [f"v_A_g{group:02}_c{clip:02}" for group in range(1, 5) for clip in range(1, 4)]
        listed = "".join(f"videos/{video}.mp4,A\n" for video in videos)
        (folder / "test.csv").write_text(f"path,label\n{listed}")
        (folder / "target_train.csv").write_text("path,label\nvideos/v_A_g05_c01.mp4,A\n")
        (folder / "web.csv").write_text("video_id,path,query\nw1,web/w1.mp4,A\n")
        (folder / "web_segments.csv").write_text(
            "video_id,order,source,start_s,length_s,crf\nw1,0,v_A_g06_c01.avi,0,3.0,24\nw1,1,v_A_g06_c02.avi,0,3.0,24\n"
        )
        generator = np.random.default_rng(0)
        with open(folder / "rows.jsonl", "w", encoding="utf-8") as opened:
            for seed in range(2):
                for strategy in STRATEGIES:
                    correct = "".join("01"[generator.random() < 0.6] for _ in videos)
                    row = dataclasses.asdict(Arm("main", strategy, seed)) | {"config": "x", "correct": correct}
                    opened.write(json.dumps(row | {"seconds": 90.0}) + "\n")
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            argv = ["power", f"--results={folder / 'rows.jsonl'}", f"--data={folder}"]
            self.assertFalse(command.execute(power.main, power.FLAGS, power.__doc__, argv))
        lines = shown.getvalue().splitlines()
        (line,) = [line for line in lines if line.startswith("| 4 folds, 2 seeds each ")]
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        self.assertEqual(cells[1:3], ["8", "15 of 6 recordings"])
        # Eight strategies and a teacher of 90 s, eight times.
        self.assertEqual(cells[-1], f"{9 * 90 * 8 / 3600:.1f}")


if __name__ == "__main__":
    absltest.main()
