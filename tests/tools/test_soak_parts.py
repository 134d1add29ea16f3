"""What a soak is made of: the step that runs, the moment of a kill, the comparison of two runs, the log of kills."""

import csv
import io
import itertools
import os
import pathlib
import zipfile

import gin
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import configuration
from tools.soak.comparison import differences, leftovers
from tools.soak.kills import Kill, read_kills, write_kills
from tools.soak.schedule import draw_moment
from tools.soak.watching import START, VIDEOS, Watch


class WatchTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.clock = itertools.count(1)

    def _mark(self, step, result):
        marker = self.folder / step / "step.json"
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.write_text(f'{{"identity": {{}}, "result": {result}, "seconds": 0}}')
        os.utime(marker, (0, next(self.clock)))

    def test_a_step_runs_when_its_marker_is_of_this_session(self):
        self._mark("shards/web", "{}")
        self._mark("seed0/teacher", "null")
        watch = Watch(self.folder)
        self.assertEqual(watch.step(), START)
        self._mark("seed0/teacher", "null")
        self.assertEqual(watch.step(), "seed0/teacher")
        self.assertEqual(watch.finished(), {"shards/web"})
        self._mark("seed0/teacher", "{}")
        self.assertEqual(watch.step(), "between steps")
        self._mark("seed0/none/finetune", "null")
        self.assertEqual(watch.step(), "seed0/none/finetune")
        self.assertEqual(watch.finished(), {"shards/web", "seed0/teacher"})

    def test_videos_are_rendered_until_their_marker_is_there(self):
        (self.folder / "videos/target").mkdir(parents=True)
        watch = Watch(self.folder)
        self.assertEqual(watch.step(), START)
        (self.folder / "videos/web").mkdir()
        self.assertEqual(watch.step(), VIDEOS)
        (self.folder / "videos/rendered.json").touch()
        self.assertEqual(watch.step(), START)
        self.assertEqual(watch.finished(), {VIDEOS})


class ScheduleTest(parameterized.TestCase, tf.test.TestCase):
    REMAINING = {START: 8.0, "a": 1.0, "b": 10.0, "c": 2.0}  # noqa: RUF012

    def _draw(self, missing, kills_left, run=1, remaining=None):
        """A thousand moments."""
        return [
            draw_moment(np.random.default_rng(seed), remaining or self.REMAINING, missing, kills_left, run)
            for seed in range(1000)
        ]

    def test_a_missing_step_is_never_passed_over(self):
        drawn = self._draw({"b", "c"}, kills_left=2)
        self.assertEqual({moment.step for moment in drawn}, {"b"})
        seconds = [moment.seconds for moment in drawn]
        self.assertBetween(min(seconds), 0.0, 0.1)
        self.assertBetween(max(seconds), 8.9, 9.0)  # Not in its last tenth: it could be over.

    def test_a_later_run_aims_nearer_at_the_beginning(self):
        self.assertBetween(max(moment.seconds for moment in self._draw({"b"}, 1, run=3)), 2.9, 3.0)

    def test_other_kills_are_spread_by_time(self):
        drawn = self._draw((), kills_left=1)
        for step, share in (("a", 1 / 13), ("b", 10 / 13), ("c", 2 / 13)):
            self.assertNear(np.mean([moment.step == step for moment in drawn]), share, 0.04)

    def test_start_comes_by_its_share_and_last_of_all_for_sure(self):
        self.assertNear(np.mean([moment.step == START for moment in self._draw({START, "b"}, 10)]), 0.1, 0.03)
        self.assertEqual({moment.step for moment in self._draw({START}, 1)}, {START})

    def test_without_kills_the_run_goes_on_to_its_end(self):
        self.assertEqual(set(self._draw((), 0)), {None})
        self.assertEqual(set(self._draw((), 3, remaining={START: 1.0})), {None})


class ComparisonTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.create_tempdir().full_path)
        self.one, self.other = folder / "one", folder / "other"
        for run, note in ((self.one, "monday"), (self.other, "tuesday")):
            self._results(run, ["weak", "0.5", note])
            self._table(run, [0, 1, -1], note)
            self._weights(run, np.arange(3, dtype=np.float32), note)
            (run / "shards/web").mkdir(parents=True)
            (run / "shards/web/web-00000-of-00001.tfrecord").write_bytes(b"clips")

    def _results(self, run, row):
        run.mkdir(exist_ok=True)
        with open(run / "results.csv", "w", newline="") as opened:
            csv.writer(opened).writerows([["strategy", "top_1", "seconds"], row])

    def _table(self, run, labels, note):
        path = run / "seed0/weak/labels/web.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"label": labels}).replace_schema_metadata({"made_by": note}), path)

    def _weights(self, run, values, note):
        path = run / "seed0/teacher/folded.keras"
        path.parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as opened:
            opened["layers/conv/kernel"] = values
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("metadata.json", note)
            archive.writestr("model.weights.h5", buffer.getvalue())

    def test_seconds_headers_and_dates_do_not_count(self):
        self.assertEqual(differences(self.one, self.other), [])

    def test_one_row_of_the_table(self):
        self._results(self.other, ["weak", "0.6", "1"])
        (difference,) = differences(self.one, self.other)
        self.assertIn("results.csv row 1 is {'strategy': 'weak', 'top_1': '0.6'} and undisturbed", difference)

    def test_one_label_of_a_side_car(self):
        self._table(self.other, [0, 1, 2], "tuesday")
        self.assertEqual(differences(self.one, self.other), ["seed0/weak/labels/web.parquet differs"])

    def test_one_bit_of_the_weights(self):
        self._weights(self.other, np.nextafter(np.arange(3, dtype=np.float32), 9), "tuesday")
        self.assertEqual(differences(self.one, self.other), ["seed0/teacher/folded.keras differs"])

    def test_one_byte_of_a_shard_and_a_missing_one(self):
        shard = self.other / "shards/web/web-00000-of-00001.tfrecord"
        shard.write_bytes(b"cliPs")
        name = "shards/web/web-00000-of-00001.tfrecord"
        self.assertEqual(differences(self.one, self.other), [f"{name} differs"])
        shard.unlink()
        self.assertEqual(differences(self.one, self.other), [f"{name} is missing in {self.other}"])

    def test_leftovers(self):
        self.assertEqual(leftovers(self.one), [])
        (self.one / "seed0/teacher/.host.7.tmp.model.keras").touch()
        (self.one / "shards/web/.progress/spool-7").mkdir(parents=True)
        (self.one / "seed0/teacher/checkpoints/ckpt-5_temp").mkdir(parents=True)
        self.assertLen(leftovers(self.one), 4)


class KillTest(parameterized.TestCase, tf.test.TestCase):
    def _kill(self, signal_name, exit_code, step="seed0/teacher", survivors="", rows_lost=0):
        return Kill(3, 1, signal_name, step, 0.25, exit_code, 1.5, survivors, rows_lost)

    @parameterized.parameters(
        ("SIGTERM", 143, "seed0/teacher", "", None),
        ("SIGTERM", -15, START, "", None),
        ("SIGKILL", -9, "seed0/teacher", "", None),
        ("SIGTERM", -15, "seed0/teacher", "", "kill 3: SIGTERM in seed0/teacher gave exit code -15"),
        ("SIGTERM", None, "seed0/teacher", "", "kill 3: SIGTERM in seed0/teacher did not end"),
        ("SIGKILL", -9, "shards/web", "python", "kill 3: SIGKILL in shards/web left alive: python"),
    )
    def test_fault_of_the_end(self, signal_name, exit_code, step, survivors, fault):
        self.assertEqual(self._kill(signal_name, exit_code, step, survivors).fault(), fault)

    def test_fault_of_lost_rows(self):
        fault = "kill 3: SIGKILL in seed0/teacher left results.csv 2 rows shorter"
        self.assertEqual(self._kill("SIGKILL", -9, rows_lost=2).fault(), fault)

    def test_the_log_is_read_as_it_was_written(self):
        kills = [self._kill("SIGKILL", -9), self._kill("SIGTERM", None, START, "python python")]
        path = pathlib.Path(self.create_tempdir().full_path) / "kills.csv"
        write_kills(path, kills)
        self.assertEqual(read_kills(path), kills)


class ConfigurationTest(tf.test.TestCase):
    def test_soak_gin_parses_and_is_smaller_than_the_demo(self):
        configuration.parse(["demo.gin"])
        epochs = gin.query_parameter("teacher/train_stage.epochs")
        configuration.parse([str(pathlib.Path(__file__).parents[2] / "tools/soak/soak.gin")])
        self.assertLess(gin.query_parameter("teacher/train_stage.epochs"), epochs)


if __name__ == "__main__":
    tf.test.main()
