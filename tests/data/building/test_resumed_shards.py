"""A run of shards that was stopped goes on, with damaged notes too, and what is finished is not touched again."""

import contextlib
import io
import json
import pathlib
import signal
import subprocess
import sys
import time
from unittest import mock

from absl.testing import parameterized

from spl_tf import checksums
from spl_tf.data.building import shard_files
from spl_tf.data.building.resume import Progress
from spl_tf.data.verify import verify
from spl_tf.errors import UserError
from tests.data.building.shards_case import CLASSES, ShardsCase, shard_bytes

ROOT = pathlib.Path(__file__).parents[3]


class ResumedShardsTest(ShardsCase):
    def test_a_plan_of_another_version_is_made_anew(self):
        stopped = mock.patch.object(shard_files, "write_missing_shards", side_effect=KeyboardInterrupt)
        with stopped, self.assertRaises(KeyboardInterrupt):
            self.write()
        path = self.output / ".progress/plan.jsonl"
        settings, head, *shards = path.read_text().splitlines()[:-1]
        shards = [json.loads(line) for line in shards]
        fewer = [[name, [[*video[:-1], windows] for *video, windows in cuts]] for name, cuts in shards]
        path.write_text("".join(f"{line}\n" for line in [settings, head, *map(json.dumps, fewer)]))
        checksums.append_checksum(path)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            self.assertEqual(self.write().num_clips, 18)
        self.assertIn("plan.jsonl is of another version of the package: planned anew", printed.getvalue())

    def test_a_stopped_run_goes_on_without_touching_finished_shards(self):
        self.write(self.folder / "E")
        whole = shard_bytes(self.folder / "E")
        write_shard, calls = shard_files.write_shard_file, []

        def stop_at_the_third(*arguments):
            calls.append(1)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return write_shard(*arguments)

        with (
            self.assertRaises(KeyboardInterrupt),
            mock.patch.object(shard_files, "write_shard_file", stop_at_the_third),
        ):
            self.write()
        self.assertLen(shard_bytes(self.output), 2)
        self.assertFalse((self.output / "dataset.json").exists())
        with self.assertRaisesRegex(UserError, "made with fps 10.0, not 5.0"):
            self.write(fps=5.0)
        # A killed run leaves half-written files too.
        (self.output / ".host.123.tmp.web-00002-of-00004.tfrecord").write_bytes(b"half")
        (self.output / ".notes.tmpl").write_text("not ours")
        first = next(self.output.glob("web-00000*"))
        written_at = first.stat().st_mtime_ns
        self.write()
        self.assertEqual(shard_bytes(self.output), whole)
        self.assertEqual(first.stat().st_mtime_ns, written_at)
        self.assertCountEqual(
            [path.name for path in self.output.iterdir()],
            [*whole, "dataset.json", "rejected.csv", "notes.csv", "SHA256SUMS", ".lock", ".notes.tmpl"],
        )

    def test_notes_of_a_run_killed_at_its_very_end_are_cleared(self):
        with mock.patch.object(Progress, "clear", side_effect=KeyboardInterrupt), self.assertRaises(KeyboardInterrupt):
            self.write()
        self.assertTrue((self.output / "dataset.json").exists())
        self.assertTrue((self.output / ".progress").exists())
        written_at = (self.output / "dataset.json").stat().st_mtime_ns
        self.write()
        self.assertFalse((self.output / ".progress").exists())
        self.assertEqual((self.output / "dataset.json").stat().st_mtime_ns, written_at)

    @parameterized.named_parameters(
        ("a_shard_is_missing", "plan.jsonl", lambda text: "".join(text.splitlines(True)[:-1])),
        ("cut_off", "plan.jsonl", lambda text: text[:-9]),
        ("empty", "plan.jsonl", lambda text: ""),
        ("another_video", "plan.jsonl", lambda text: text.replace("v3.mp4", "v4.mp4")),
        ("other_settings", "plan.jsonl", lambda text: text.replace('"fps": 10.0', '"fps": 11.0')),
        ("other_names", "web-00000-of-00004.json", lambda text: text.replace('"records"', '"recordsx"')),
        ("other_counts", "web-00000-of-00004.json", lambda text: text.replace('"videos": ', '"videos": 1')),
        ("no_object", "web-00000-of-00004.json", lambda text: "[]"),
    )
    def test_a_damaged_note_is_told_of_and_what_it_is_about_is_made_again(self, name, damage):
        with mock.patch.object(Progress, "clear"):
            made = self.write(num_shards=4)
        whole = shard_bytes(self.output)
        times = {path.name: path.stat().st_mtime_ns for path in self.output.glob("*.tfrecord")}
        (self.output / "dataset.json").unlink()
        note = self.output / ".progress" / name
        damaged = damage(note.read_text())
        self.assertNotEqual(damaged, note.read_text())
        note.write_text(damaged)
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            self.assertEqual(self.write(num_shards=4), made)
        self.assertIn(f"{name} is damaged", said.getvalue())
        self.assertEqual(shard_bytes(self.output), whole)
        again = {path for path, time in times.items() if (self.output / path).stat().st_mtime_ns != time}
        self.assertEqual(again, set() if name == "plan.jsonl" else {f"{name.removesuffix('.json')}.tfrecord"})
        self.assertEmpty(verify(self.output).faults)

    def test_a_finished_folder_is_not_touched_again(self):
        made = self.write()
        (self.folder / "v0.mp4").unlink()
        self.assertEqual(self.write(workers=2, seconds_per_video=5.0), made)
        with self.assertRaisesRegex(UserError, "made with short_side 24, not 32: choose another --output_dir"):
            self.write(short_side=32)
        with self.assertRaisesRegex(UserError, "another list of classes"):
            self.write(classes=CLASSES[::-1])
        self.write_manifest(self.rows[1:])
        with self.assertRaisesRegex(UserError, "another content of the manifest"):
            self.write()

    @parameterized.parameters(signal.SIGKILL, signal.SIGTERM)
    def test_a_killed_command_goes_on(self, stop):
        (self.folder / "classes.txt").write_text("\n".join(CLASSES) + "\n")
        for number in range(9, 40):
            (self.folder / f"v{number}.mp4").write_bytes((self.folder / f"v{number % 9}.mp4").read_bytes())
        self.manifest = self.write_manifest([[f"v{number}.mp4", CLASSES[number % 3]] for number in range(40)])
        command = [sys.executable, "-m", "spl_tf.shard", "--clip_seconds=0.4", "--fps=10", "--short_side=24"]
        command += [f"--manifest={self.manifest}", f"--classes={self.folder}/classes.txt", "--num_shards=40"]
        command += ["--keep_duplicates"]
        process = subprocess.Popen(
            [*command, f"--output_dir={self.output}", "--workers=1"], cwd=ROOT, stderr=subprocess.DEVNULL
        )
        while not shard_bytes(self.output) and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(stop)
        self.assertEqual(process.wait(), 143 if stop == signal.SIGTERM else -stop)
        self.assertLess(len(shard_bytes(self.output)), 40)
        self.assertNotEmpty(json.loads((self.output / ".progress/plan.jsonl").read_text().splitlines()[0]))
        dataset = self.write(num_shards=40, keep_duplicates=True)
        self.assertEqual(dataset.num_clips, sum(1 + (number % 9) % 3 for number in range(40)))
        self.assertEmpty(verify(self.output).faults)
