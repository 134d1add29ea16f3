import json
import os
import pathlib

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import checksums, label
from spl_tf.files import write_json
from spl_tf.labels import sidecar_files
from tests.commands import assert_mistake, run_command


def write_predictions(folder, classes, weak, teacher, **notes):
    """One prediction side-car, with its index."""
    ids = [f"clip {index}" for index in range(len(weak))]
    sidecar_files.write_predictions(
        folder / "web-00000-of-00001.parquet",
        clip_ids=ids,
        weak=weak,
        teacher=teacher,
        confidence=np.linspace(0, 1, len(weak)),
        shard_fingerprint="f",
    )
    shard = {"fingerprint": "f", "ids_digest": sidecar_files.ids_digest(ids), "records": len(weak)}
    shards = {"web-00000-of-00001": shard}
    index = json.dumps({"format_version": 1, "classes": classes, "shards": shards} | notes)
    checksums.complete(folder, {"web-00000-of-00001.parquet": None}, "predictions.json", index)


class LabelTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        root = pathlib.Path(self.get_temp_dir())
        self.predictions, self.labels = root / "P", root / "L"
        weak, teacher = np.repeat([0, 0, 1, 1], [6, 2, 1, 7]), np.repeat([0, 1, 0, 1], [6, 2, 1, 7])
        write_predictions(self.predictions, ["archery", "horse race"], weak, teacher)

    def _run(self, *arguments):
        """Exit code, standard output, standard error."""
        paths = [f"--predictions={self.predictions}", f"--output_dir={self.labels}"]
        return run_command(label, *paths, *arguments)

    def test_the_command_prints_what_became_of_the_clips(self):
        code, out, _ = self._run("--strategy=spl_d", "--num_labels=3")
        self.assertEqual(code, 0)
        lines = [" ".join(line.split()) for line in out.splitlines()]
        for line in (
            "spl_d: 3 classes",
            "clips 16",
            "kept 15 93.8%",
            "discarded 1 6.2%",
            "noise ratio 18.8% query and teacher disagree",
            "0 archery 6 2",
            "1 horse race 1 7",
            "0 of 2 queries: the teacher agrees with them no more often than by chance",
            "2 archery|horse race 2",
        ):
            self.assertIn(line, lines)
        self.assertEqual(json.loads((self.labels / "summary.json").read_text())["kept"], 15)
        expected = {"web-00000-of-00001.parquet", "cells.npz", "confusion.npy", "confusion.png", "long_tail.png"}
        expected |= {"summary.json", "SHA256SUMS"}
        self.assertEqual({path.name for path in self.labels.iterdir()}, expected | {".lock"})

    def test_an_option_is_given_by_name_or_by_its_own_flag(self):
        for flag in ("--num_labels=3", "--option=num_labels=3"):
            code, out, _ = self._run("--strategy=spl_m", flag)
            self.assertEqual(code, 0)
            self.assertIn("spl_m: 3 classes", out)

    def test_every_querys_agreement_is_printed_and_saved_with_chance(self):
        # 2 of the 4 clips of c are seen as c, and none of the 16 others; nothing was found for d.
        weak, teacher = np.repeat([0, 0, 1, 1, 2], [6, 2, 1, 7, 4]), np.repeat([0, 1, 0, 1, 2, 0], [6, 2, 1, 7, 2, 2])
        write_predictions(self.predictions, ["a", "b", "c", "d"], weak, teacher)
        code, out, _ = self._run("--strategy=spl_b")
        self.assertEqual(code, 0)
        lines = [" ".join(line.split()) for line in out.splitlines()]
        self.assertIn("c 4 50.0% 0.0% 0.032", lines)  # P = C(4, 2) / C(20, 2)
        self.assertIn("d 0 nan% 0.0% 1 no clips", lines)
        text = (self.labels / "summary.json").read_text()
        self.assertNotIn("NaN", text)  # JSON has no such number.
        rows = json.loads(text)["query_agreement"]
        self.assertEqual([row["name"] for row in rows], ["a", "b", "c", "d"])
        self.assertAlmostEqual(rows[2].pop("p_value"), 6 / 190)
        self.assertEqual(rows[2], {"name": "c", "clips": 4, "agreement": 0.5, "chance": 0.0, "flagged": False})
        expected = {"name": "d", "clips": 0, "agreement": None, "chance": 0.0, "p_value": 1.0, "flagged": True}
        self.assertEqual(rows[3], expected)

    def test_spl_m_prints_the_merged_clips(self):
        _, out, _ = self._run("--strategy=spl_m", "--num_labels=3")
        self.assertIn("merged 1 6.2% got their query's class", [" ".join(line.split()) for line in out.splitlines()])

    @parameterized.parameters(
        (None, None, "The teacher was not tested where it was trained (spl_tf.evaluate does)"),
        ([("a", 0.4), ("b", 0.45)], 0.625, "The teacher is right on 45.0% of the videos of b"),
        ([], 0.625, "The teacher is right on 62.5% of its validation videos"),
        ([], None, "The teacher was not tested where it was trained (spl_tf.evaluate does)"),
    )
    def test_beside_queries_it_does_not_agree_with_the_teacher_s_own_accuracy_is_told(self, tests, validated, message):
        """Of a's clips it sees a in half, as in all others: it may be the teacher that does not know a."""
        weak, teacher = np.repeat([0, 0, 1, 1], 4), np.repeat([0, 1, 0, 1], 4)
        model_dir = self.predictions.parent / "teacher"
        notes = {} if tests is None else {"model_dir": str(model_dir)}
        write_predictions(self.predictions, ["a", "b"], weak, teacher, **notes)
        if tests is not None:
            history = [] if validated is None else [{"step": 3, "top_1": 0.9}, {"step": 6, "top_1": validated}]
            write_json(model_dir / "metrics.json", {"evaluations": history, "selected_step": 6})
            for second, (shards, top_1) in enumerate(tests):
                path = model_dir / f"evaluate-{shards}" / "metrics.json"
                write_json(path, {"shards": shards, "top_1": top_1})
                os.utime(path, (second, second))
        code, out, _ = self._run("--strategy=spl_b")
        self.assertEqual(code, 0)
        lines = [" ".join(line.split()) for line in out.splitlines()]
        self.assertIn("a 8 50.0% 50.0% 0.69 no more often than by chance", lines)
        self.assertIn("2 of 2 queries: the teacher agrees with them no more often than by chance", lines)
        self.assertIn(f"{message}: what a weak teacher does not see may be in the clips all the same", lines)

    def test_of_many_queries_only_those_that_the_teacher_does_not_agree_with_are_printed(self):
        weak, teacher = np.repeat(np.arange(60), 20), np.repeat(np.arange(60), 20)
        teacher[weak == 33] = 5
        write_predictions(self.predictions, [f"query {index}" for index in range(60)], weak, teacher)
        code, out, _ = self._run("--strategy=spl_b")
        self.assertEqual(code, 0)
        self.assertNotIn("Confusion matrix", out)
        flagged = [line.split()[:2] for line in out.splitlines() if line.endswith("  no more often than by chance")]
        self.assertEqual(flagged, [["query", "33"]])
        self.assertIn("1 of 60 queries: the teacher agrees with them no more often than by chance", out)
        self.assertIn("... 100 more, see summary.json ...", out)
        self.assertEqual(json.loads((self.labels / "summary.json").read_text())["flagged_queries"], ["query 33"])
        self.assertLen(json.loads((self.labels / "summary.json").read_text())["query_agreement"], 60)

    @parameterized.parameters(
        (["--strategy=spl-d"], "there is no strategy 'spl-d': did you mean spl_d?"),
        (["--strategy=nonsense"], "The strategies are weak, teacher,"),
        (
            ["--strategy=cleannet_soft"],
            "cleannet_soft cleans labels with a teacher's features: use spl_tf.clean",
        ),
        (
            ["--strategy=spl_b", "--num_labels=3"],
            "--num_labels is for spl_m and spl_d, spl_b has its own number: leave",
        ),
        (["--strategy=weak", "--min_confidence=0.5"], "--min_confidence is of the teacher, which weak does not ask"),
        (["--strategy=spl_b", "--option=num_labels=3"], "spl_b has no option num_labels; spl_m, spl_d and spl_ib have"),
        (["--strategy=mopro", "--option=treshold=0.5"], "mopro has no option treshold; did you mean threshold? it has"),
        (["--strategy=mopro", "--option=threshold=high"], "mopro: threshold is 'high': give a number"),
        (["--strategy=mopro", "--option=name=0.5"], "mopro has no option name; it has threshold"),
        (["--strategy=mopro", "--option=output_dir=0.5"], "mopro has no option output_dir; it has threshold"),
        (["--strategy=mopro", "--option=threshold"], "--option=threshold: give a name and a value, e.g."),
        (["--strategy=mopro"], "mopro needs the teacher's best classes and their scores, run spl_tf.predict again"),
        (["--strategy=spl_m", "--num_labels=5"], "num_labels is 5"),
        (["--strategy=spl_m", "--num_labels=many"], "num_labels"),
        (["--strategy=spl", "--min_confidence=2"], "min_confidence is 2"),
        (["--strategy=spl", "--predictions=nowhere"], "predictions.json does not exist: run spl_tf.predict first"),
        (["--strategi=spl"], "strateg"),
        ([], "--strategy"),
    )
    def test_a_mistake_is_one_line_and_exit_code_2(self, arguments, message):
        assert_mistake(self._run(*arguments), message)
        self.assertFalse(self.labels.exists())

    def test_an_output_folder_that_cannot_be_written_is_exit_code_2(self):
        self.labels.write_text("a file, not a folder")
        assert_mistake(self._run("--strategy=spl"), "is a file: choose a folder")


if __name__ == "__main__":
    tf.test.main()
