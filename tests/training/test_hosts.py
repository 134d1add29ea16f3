"""Stages trained on several hosts: processes of this machine, with real connections between them, and real ends.

Ends and mistakes of hosts that need no training are in tests/hardware/test_hosts.py.
"""

import random
import shutil
import signal
import sys
import time

import gin
import pytest
from absl.testing import parameterized

from spl_tf import checksums
from spl_tf.hardware.hosts import GRACE_SECONDS
from spl_tf.training.outcome import read_metrics
from tests.training.stage_case import StageCase
from tests.written import stored_weights
from tools.cluster.local import LocalHosts

# Two hosts were equal to one with two replicas to the last bit; three add up in another order than three replicas.
TOLERANCE = 1e-5
EVERYTHING = (
    "train_stage.evaluate_epochs = 1",
    "train_stage.select = 'best'",
    "train_stage.average_decay = 0.9",
    "train_stage.precise_bn_batches = 2",
    "train_stage.data_parameters = @DataParameters",
    "DataParameters.mode = 'joint'",
    "train_stage.clip_norm = 1.0",
    "train_stage.accumulation = 2",
    "train_stage.batch_size = 12",
)
OFTEN = ("train_stage.checkpoint_seconds = 0", "train_stage.steps_per_loop = 3", "train_stage.epochs = 20")


class HostsCase(StageCase):
    def hosts(self, name, count=2, bindings=(), arguments=None, environments=None, stage="teacher"):
        """Starts the hosts; `arguments` are of some of them."""
        files = self.folder / f"{name}.gin"
        files.write_text("\n".join([*self.bindings, *bindings]))
        command = [
            *(sys.executable, "-m", "spl_tf.train", f"--gin_file={files}", "--gin_import=tests.tiny_network"),
            *(f"--model_dir={self.folder / name}", f"--stage={stage}", "--wait_for_hosts=120"),
            f"--gin_param=train_stage.train_shards = '{self.shards / 'target'}'",
        ]
        hosts = LocalHosts(command, count, self.folder / f"{name}_logs", None, environments, arguments)
        return self.enter_context(hosts)

    def assert_ended(self, hosts, codes, *lines):
        """All have ended with these codes, and each said such a line at its end, and no traceback."""
        ended = hosts.wait(240)
        logs = [log.read_text(errors="replace") for log in hosts.logs]
        self.assertEqual(ended, list(codes), "\n".join(logs))
        for log, last, line in zip(logs, hosts.last_lines(), lines, strict=True):
            self.assertRegex(last, line)
            self.assertNotIn("Traceback", log)

    def assert_near(self, one, other):
        one, other = (stored_weights(folder / "backbone.weights.h5") for folder in (one, other))
        self.assertEqual(one.keys(), other.keys())
        for name, values in one.items():
            self.assertAllClose(values, other[name], rtol=TOLERANCE, atol=TOLERANCE, msg=name)


class TwoHostsTest(HostsCase):
    def test_two_hosts_train_what_one_with_two_replicas_does(self):
        options = ["train_stage.average_decay = 0.9", "train_stage.epochs = 1", "train_stage.clip_norm = 1.0"]
        hosts = self.hosts("two", bindings=options)
        replicas = ["device_strategy.name = 'mirrored'", "training_clips.lanes = 2"]
        one = self.train("one", bindings=[*options, *replicas])
        self.assert_ended(hosts, [0, 0], *["finished after 3 steps"] * 2)
        self.assert_near(self.folder / "one", self.folder / "two")
        self.assertAllClose(read_metrics(self.folder / "two")["train"], one["train"], rtol=TOLERANCE)
        self.assertNotIn("step/s", hosts.logs[1].read_text())


@pytest.mark.slow
class SeveralHostsTest(HostsCase):
    @parameterized.parameters(2, 3)
    def test_everything_that_training_keeps_is_that_of_one_host(self, count):
        """Data Parameters, EMA, precise statistics, accumulation, validation spread over hosts, the best weights."""
        validation = f"train_stage.validation_shards = '{self.shards / 'test'}'"
        options = [*EVERYTHING, validation, f"training_clips.lanes = {count}"]
        replicas = self.hosts(
            "one",
            1,
            [*options, "device_strategy.name = 'mirrored'"],
            arguments={0: ["--gin_import=tests.logical_devices"]},
            environments={0: {"LOGICAL_CPUS": str(count)}},
        )
        self.assert_ended(replicas, [0], "finished after 4 steps")
        hosts = self.hosts("several", count, options)
        self.assert_ended(hosts, [0] * count, *["finished after 4 steps"] * count)
        self.assert_near(self.folder / "one", self.folder / "several")
        one, several = (read_metrics(self.folder / name) for name in ("one", "several"))
        for expected, found in zip(one["evaluations"], several["evaluations"], strict=True):
            self.assertAllClose(expected, found, rtol=1e-4)
        self.assertEqual(one["clips"], several["clips"])

    @parameterized.parameters("pcl", "cvrl")
    def test_memory_banks_and_contrasts_are_those_of_two_replicas(self, objective):
        options = [
            *(f"train_stage.objective = @{objective}", "train_stage.epochs = 2", "train_stage.num_frames = 8"),
            *("train_stage.frame_stride = 1", "train_stage.checkpoint_seconds = 0", "training_clips.lanes = 2"),
        ]
        options += ["pcl.negatives = 4", "pcl.clip_stride = 1"] if objective == "pcl" else []
        self.train("one", stage="selfsup", bindings=[*options, "device_strategy.name = 'mirrored'"])
        gin.clear_config()
        hosts = self.hosts("two", 2, options, stage="selfsup")
        self.assert_ended(hosts, [0, 0], *["finished after 6 steps"] * 2)
        self.assert_near(self.folder / "one", self.folder / "two")

    def test_random_kills_of_any_host_end_in_the_same_bytes(self):
        options = [*OFTEN, "train_stage.average_decay = 0.9"]
        self.assert_ended(self.hosts("whole", 2, options), [0, 0], *["finished after 60 steps"] * 2)
        generator = random.Random(5)
        for number in (1, 0, 1, 0):
            hosts = self.hosts("killed", 2, options)
            self._await_checkpoint("killed", hosts)
            time.sleep(generator.uniform(0.0, 1.0))
            hosts.processes[number].send_signal(signal.SIGKILL)
            killed_at = time.monotonic()
            other = 1 - number
            self.assertEqual(hosts.processes[other].wait(60), 75, hosts.logs[other].read_text())
            self.assertLess(time.monotonic() - killed_at, GRACE_SECONDS + 10)
            self.assertRegex(
                hosts.last_lines()[other], rf"spl_tf: host {number} \(.*\) is lost \(it ended\): start the"
            )
            self.assertNotIn("Traceback", hosts.logs[other].read_text())
        self.assert_ended(self.hosts("killed", 2, options), [0, 0], *["finished after 60 steps"] * 2)
        for name in ("backbone.weights.h5", "folded.keras", "model.keras"):
            whole, killed = ((self.folder / run / name).read_bytes() for run in ("whole", "killed"))
            self.assertEqual(whole, killed, name)

    @parameterized.parameters(0, 1)
    def test_sigterm_to_one_host_saves_and_ends_all_and_the_same_command_goes_on(self, number):
        hosts = self.hosts("m", 2, [*OFTEN, "train_stage.epochs = 400"])
        self._await_checkpoint("m", hosts)
        hosts.processes[number].send_signal(signal.SIGTERM)
        self.assert_ended(hosts, [143, 143], *[r"stopped at step \d+, saved as .*ckpt-\d+; the same command"] * 2)
        stopped = [int(line.split("stopped at step ")[1].split(",")[0]) for line in hosts.last_lines()]
        self.assertEqual(stopped[0], stopped[1])
        self.assertTrue((self.folder / "m" / "checkpoints" / f"ckpt-{stopped[0]}.index").exists())

    def test_a_loss_that_is_not_finite_ends_all_by_the_same_line(self):
        diverging = ["warmup_cosine.peak = 1e30", "warmup_cosine.warmup_epochs = 1", "train_stage.epochs = 20"]
        hosts = self.hosts("m", 2, [*OFTEN, *diverging])
        self.assert_ended(hosts, [2, 2], *[r"not finite at step \d+; last good checkpoint: .*ckpt-"] * 2)

    def test_hosts_of_other_settings_classes_and_folders_are_told_apart(self):
        other = shutil.copytree(self.shards / "target", self.folder / "other")
        for path in other.glob("*.json"):
            checksums.complete(other, {}, path.name, path.read_text().replace("green", "verde"))
        for name, arguments, message in (
            ("gin", "--gin_param=train_stage.epochs = 3", "train_stage.epochs is 3 on host 1 .* and 4 on host 0"),
            ("classes", f"--gin_param=train_stage.train_shards = '{other}'", "classes is red, verde, blue on host 1"),
            ("folder", f"--model_dir={self.folder / 'elsewhere'}", "--model_dir is .*elsewhere on host 1"),
            ("module", "--gin_import=tests.colour_recipe", "--gin_import=tests.colour_recipe is .* on host 1"),
        ):
            with self.subTest(name):
                hosts = self.hosts(name, 2, arguments={1: [arguments]})
                self.assert_ended(hosts, [2, 2], *[f"spl_tf: {message}.*all hosts must train the same"] * 2)

    def test_a_mistake_on_one_host_alone_ends_both(self):
        hosts = self.hosts("m", 2, arguments={1: ["--gin_file=absent.gin"]})
        self.assert_ended(hosts, [2, 2], r"host 1 \(.*\): no gin file 'absent.gin'", "spl_tf: no gin file 'absent.gin'")

    def _await_checkpoint(self, name, hosts):
        """Until there is a new one."""
        folder = self.folder / name / "checkpoints"
        known = set(folder.glob("*.index"))
        while not set(folder.glob("*.index")) - known and all(process.poll() is None for process in hosts.processes):
            time.sleep(0.01)
        self.assertEqual([process.poll() for process in hosts.processes], [None, None], hosts.last_lines())
