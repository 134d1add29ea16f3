"""A list gets wrong labels: which rows change, what stays, what is said."""

import csv
import json
import pathlib
import random

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import files
from spl_tf.data.manifest import Video, read_manifest
from tests.commands import run_command
from tests.written import csv_rows
from tools.robustness import label_noise
from tools.robustness.labelled_list import read_labelled_list

SIZES = {"run": 25, "sit": 10, "walk": 3}
ROWS = [(f"v/{name}{number}.avi", name, f"{number}, {name}") for name, size in SIZES.items() for number in range(size)]


class LabelNoiseTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.write("train.csv", ROWS)
        (self.folder / "classes.txt").write_text("run\nsit\nwalk\n")

    def write(self, name, rows, columns=("path", "label", "note")):
        with open(self.folder / name, "w", newline="") as opened:
            csv.writer(opened).writerows([columns, *rows])

    def execute(self, *arguments, source="train.csv", output="noisy.csv"):
        """Runs the command: exit code, stdout, stderr."""
        argv = [f"--list={self.folder / source}", f"--output={self.folder / output}", *arguments]
        return run_command(label_noise, *argv)

    def noisy(self, *arguments, **names):
        """The rows it writes."""
        code, _, error = self.execute(*arguments, **names)
        self.assertEqual((code, error), (0, ""))
        return csv_rows(self.folder / names.get("output", "noisy.csv"))

    def test_every_row_stays_with_its_clean_label_and_the_counts_are_said(self):
        code, out, _ = self.execute("--kind=stratified", "--share=0.4")
        self.assertEqual(code, 0)
        rows = csv_rows(self.folder / "noisy.csv")
        self.assertEqual([(row["path"], row["clean_label"], row["note"]) for row in rows], ROWS)
        flipped = {name: sum(row["label"] != name for row in rows if row["clean_label"] == name) for name in SIZES}
        self.assertEqual(flipped, {"run": 10, "sit": 4, "walk": 2})
        self.assertContainsSubset({row["label"] for row in rows}, SIZES)
        self.assertRegex(out, r"\| walk +\| +3 \| +2 \| 66.7% \|")
        self.assertIn("38 rows of 38 videos, 16 rows of 16 videos with a wrong label, noise ratio 42.11%", out)
        report = json.loads((self.folder / "noisy.noise.json").read_text())
        self.assertEqual((report["kind"], report["share"], report["seed"]), ("stratified", 0.4, 0))
        self.assertEqual(report["list_sha256"], files.sha256(self.folder / "train.csv"))
        self.assertEqual(report["per_class"]["sit"], {"videos": 10, "flipped_videos": 4, "rows": 10, "flipped_rows": 4})
        self.assertAllClose(report["noise_ratio"], 16 / 38)

    @parameterized.parameters("stratified", "symmetric", "pairwise")
    def test_the_order_of_the_rows_changes_nothing_and_the_seed_does(self, kind):
        first = {row["path"]: row["label"] for row in self.noisy(f"--kind={kind}", "--share=0.5")}
        shuffled = random.Random(1).sample(ROWS, len(ROWS))
        self.write("shuffled.csv", shuffled)
        again = self.noisy(f"--kind={kind}", "--share=0.5", source="shuffled.csv", output="again.csv")
        self.assertEqual([row["path"] for row in again], [path for path, *_ in shuffled])
        self.assertEqual({row["path"]: row["label"] for row in again}, first)
        other = self.noisy(f"--kind={kind}", "--share=0.5", "--seed=1", output="other.csv")
        self.assertNotEqual({row["path"]: row["label"] for row in other}, first)

    def test_segments_of_a_video_get_one_label(self):
        rows = [
            (f"{number}.mp4", f"v{number}", second, label)
            for number in range(40)
            for second in range(3)
            for label in ("a" if second < 2 else "b",)
        ]
        # Files of one upload, and ids of parts of one file.
        rows += [(f"cut{part}.mp4", "upload", "", "a") for part in range(3)]
        rows += [(path, video, "", "a") for path, video in (("x.mp4", "x1"), ("./x.mp4", "x2"), ("y.mp4", "x2"))]
        self.write("segments.csv", rows, ("path", "video_id", "start", "label"))
        read = read_labelled_list(self.folder / "segments.csv", "label", None)
        self.assertLen(set(read.units[-6:-3]), 1)
        self.assertLen(set(read.units[-3:]), 1)
        self.assertLen(read.truth, 40 + 40 + 2)
        code, out, _ = self.execute("--kind=stratified", "--share=0.5", source="segments.csv")
        self.assertEqual(code, 0)
        written = csv_rows(self.folder / "noisy.csv")
        found = {}
        for row, unit in zip(written, read.units, strict=True):
            found.setdefault(unit, set()).add(row["label"])
        self.assertEqual({len(labels) for labels in found.values()}, {1})
        flipped = {unit for row, unit in zip(written, read.units, strict=True) if row["label"] != row["clean_label"]}
        self.assertLen(flipped, 21 + 20)  # Of 42 videos with a and 40 with b.
        self.assertIn("126 rows of 82 videos", out)
        self.assertIn("of 41 videos with a wrong label", out)

    def test_pairs(self):
        turned = {"run": "sit", "sit": "walk", "walk": "run"}
        rows = self.noisy("--kind=pairwise", "--share=1")
        self.assertEqual([row["label"] for row in rows], [turned[row["clean_label"]] for row in rows])
        self.write("pairs.csv", [("walk", "sit")], ("label", "to"))
        rows = self.noisy("--kind=pairwise", "--share=1", f"--pairs={self.folder}/pairs.csv", output="p.csv")
        expected = {**{name: name for name in SIZES}, "walk": "sit"}
        self.assertEqual([row["label"] for row in rows], [expected[row["clean_label"]] for row in rows])

    @parameterized.parameters("t.npy", "t.csv")
    def test_a_matrix_is_in_the_order_of_the_classes(self, name):
        matrix = np.array([[0.0, 1, 0], [0, 1, 0], [0.25, 0.75, 0]])
        (self.folder / "classes.txt").write_text("walk\nrun\nsit\n")
        np.save(self.folder / name, matrix) if name == "t.npy" else np.savetxt(
            self.folder / name, matrix, delimiter=","
        )
        rows = self.noisy(
            "--kind=class_dependent", f"--matrix={self.folder / name}", f"--classes={self.folder}/classes.txt"
        )
        labels = {true: {row["label"] for row in rows if row["clean_label"] == true} for true in SIZES}
        self.assertEqual(labels, {"walk": {"run"}, "run": {"run"}, "sit": {"walk", "run"}})

    def test_class_ids_become_names_and_paths_lead_to_the_same_files(self):
        for number in range(6):
            (self.folder / f"{number}.avi").write_text("video")
        self.write("ids.csv", [(f"{number}.avi", number % 3, "") for number in range(6)])
        (self.folder / "out").mkdir()
        code, out, _ = self.execute(
            *("--kind=stratified", "--share=0", f"--classes={self.folder}/classes.txt"),
            **{"source": "ids.csv", "output": "out/noisy.csv"},
        )
        self.assertEqual(code, 0)
        self.assertIn("labels are numbers", out)
        videos = read_manifest(self.folder / "out/noisy.csv", ("run", "sit", "walk"), "label")
        self.assertTrue(all(isinstance(video, Video) for video in videos), videos)
        self.assertEqual([video.labels for video in videos], [(number % 3,) for number in range(6)])
        self.assertTrue(
            all(pathlib.Path(video.path).samefile(self.folder / f"{n}.avi") for n, video in enumerate(videos))
        )

    def test_lines_of_json_and_class_folders_are_read(self):
        (self.folder / "l.jsonl").write_text(
            '{"path": "a.avi", "label": ["x"], "queries": ["q", "r"]}\n{"path": "b.avi", "label": "y"}\n'
        )
        rows = self.noisy("--kind=pairwise", "--share=1", source="l.jsonl")
        self.assertEqual([list(row.values()) for row in rows], [["a.avi", "y", "q|r", "x"], ["b.avi", "x", "", "y"]])
        for name in ("f/x/1.avi", "f/y/2.avi"):
            (self.folder / name).parent.mkdir(parents=True)
            (self.folder / name).write_text("video")
        rows = self.noisy("--kind=pairwise", "--share=1", source="f", output="g.csv")
        self.assertEqual([list(row.values()) for row in rows], [["f/x/1.avi", "y", "x"], ["f/y/2.avi", "x", "y"]])

    @parameterized.parameters(
        (["--share=1.2"], "--share=1.2: give a number from 0 to 1"),
        (["--share=nan"], "--share=nan: give a number from 0 to 1"),
        ([], "--share missing: needed for --kind=stratified"),
        (["--share=0.4", "--seed=-1"], "--seed=-1: give 0 or more"),
        (["--share=0.4", "--kind=salt"], "salt"),
        (["--share=0.4", "--pairs=p.csv"], "--pairs would change nothing: they are not of --kind=stratified"),
        (["--kind=class_dependent"], "--matrix --classes missing"),
        (["--share=0.4", "--list=none.csv"], "none.csv is no file: check --list"),
        (["--share=0.4", "--output=noisy.txt"], "does not end in .csv"),
        (["--share=0.4", "--output=DIR/train.csv"], "train.csv would be read and written over"),
        (["--share=0.4", "--output=DIR/there.csv"], "there.csv is there already: remove it"),
        (["--share=0.4", "--list=DIR/one.csv"], "one.csv has labels of 'run' alone"),
        (["--share=0.4", "--list=DIR/several.csv"], "1 rows of DIR/several.csv have several labels, row 2 first"),
        (["--share=0.4", "--list=DIR/none.csv"], "2 rows of DIR/none.csv have no label, row 1 first"),
        (["--share=0.4", "--list=DIR/there.csv"], "has a column 'clean_label' and so noisy labels already"),
        (["--share=0.4", "--label_column=query"], "has no column 'query'"),
        (["--share=0.4", "--classes=DIR/others.txt"], "25 rows of DIR/train.csv have a label that is no class, 'run'"),
        (["--share=1", "--kind=pairwise", "--pairs=DIR/bad.csv"], "row 2 of DIR/bad.csv: 'run' is there already"),
        (
            ["--kind=class_dependent", "--matrix=DIR/sum.csv", "--classes=DIR/classes.txt"],
            "1 rows of DIR/sum.csv are no distributions, that of 'sit' first (its sum is 0.9)",
        ),
        (["--kind=class_dependent", "--matrix=DIR/two.csv", "--classes=DIR/classes.txt"], "two.csv is float64 (2, 2)"),
        (
            ["--kind=class_dependent", "--matrix=DIR/train.csv", "--classes=DIR/classes.txt"],
            "train.csv holds no matrix",
        ),
    )
    def test_mistakes_are_one_line(self, arguments, message):
        self.write("there.csv", [("a.avi", "run", "sit"), ("b.avi", "sit", "sit")], ("path", "label", "clean_label"))
        self.write("one.csv", ROWS[:5])
        self.write("several.csv", [("a.avi", "run", ""), ("b.avi", "run|sit", "")])
        self.write("none.csv", [("a.avi", "", ""), ("b.avi", "", "")])
        self.write("bad.csv", [("run", "sit"), ("run", "walk")], ("label", "to"))
        (self.folder / "others.txt").write_text("sit\nwalk\n")
        (self.folder / "sum.csv").write_text("1,0,0\n0.1,0.8,0\n0,0,1\n")
        (self.folder / "two.csv").write_text("1,0\n0,1\n")
        arguments = [argument.replace("DIR", str(self.folder)) for argument in arguments]
        code, _, error = self.execute("--kind=stratified", *arguments)
        self.assertEqual(code, 2)
        self.assertIn(message.replace("DIR", str(self.folder)), error)
        self.assertEqual(error.count("\n"), 1)
        self.assertFalse((self.folder / "noisy.csv").exists())
        self.assertEmpty(list(self.folder.glob("*.json")))


if __name__ == "__main__":
    tf.test.main()
