"""Local hosts as processes that tell of their environment; the templates by parsers and with stand-ins."""

import contextlib
import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from unittest import mock

import pytest
from absl.testing import absltest, parameterized

from spl_tf.hardware.cluster import cluster_of_process
from tools.cluster.local import LocalHosts, free_addresses, main

TEMPLATES = pathlib.Path(__file__).parents[2] / "tools" / "cluster"
TELL = "import os, sys; print('err', file=sys.stderr); print(os.environ['TF_CONFIG'], *sys.argv[1:])"
# Says what it is called with and exits with the code that the test gave.
STAND_IN = """#!/bin/bash
printf "%s\\n" "$(basename "$0")" "$@" >> "$CALLS"
echo "$TF_CONFIG" >> "$CALLS.config"
exit $CODE
"""


class LocalTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _main(self, *arguments):
        out = io.StringIO()
        with mock.patch.object(sys, "stdout", io.TextIOWrapper(io.BytesIO())), contextlib.redirect_stderr(out):
            code = main(arguments)
            sys.stdout.flush()
            return code, sys.stdout.buffer.getvalue().decode()

    def test_every_host_has_its_number_and_the_addresses_of_all(self):
        logs = self.folder / "logs"
        code, shown = self._main("--hosts=3", f"--log_dir={logs}", "--", sys.executable, "-c", TELL, "--flag")
        self.assertEqual(code, 0)
        clusters = []
        for number in range(3):
            *_, said = (logs / f"host{number}.log").read_text().splitlines()
            config, _, rest = said.rpartition(" ")
            self.assertEqual(rest, "--flag")
            with mock.patch.dict(os.environ, TF_CONFIG=config):
                clusters.append(cluster_of_process())
            self.assertIn(f"host {number}: exit code 0: {said}", shown)
        self.assertEqual([cluster.number for cluster in clusters], [0, 1, 2])
        self.assertLen({cluster.addresses for cluster in clusters}, 1)
        self.assertLen(set(clusters[0].addresses), 3)

    def test_the_exit_code_is_that_of_the_first_host_that_failed(self):
        fail = "import json, os, sys; sys.exit([0, 75, 2][json.loads(os.environ['TF_CONFIG'])['task']['index']])"
        code, shown = self._main("--hosts=3", f"--log_dir={self.folder}", "--", sys.executable, "-c", fail)
        self.assertEqual(code, 75)
        self.assertIn("host 2: exit code 2", shown)

    def test_hosts_differ_where_a_test_says_so_are_signalled_together_and_none_is_left(self):
        wait = "import os, time; print(os.environ.get('ODD'), flush=True); time.sleep(60)"
        command = sys.executable, "-c", wait
        with LocalHosts(command, 2, self.folder, free_addresses(2), {1: {"ODD": "yes"}}) as hosts:
            while not all(log.read_text() for log in hosts.logs):
                time.sleep(0.02)
            self.assertEqual(hosts.last_lines(), ["None", "yes"])
            hosts.send_signal(signal.SIGTERM)
            self.assertEqual(hosts.wait(30), [-signal.SIGTERM] * 2)
        with LocalHosts(command, 2, self.folder) as hosts:
            pass
        self.assertEqual(hosts.wait(), [-signal.SIGKILL] * 2)

    def test_no_hosts_are_refused(self):
        with self.assertRaises(SystemExit) as raised:
            self._main("--hosts=0", f"--log_dir={self.folder}", "--", "true")
        self.assertEqual(raised.exception.code, 2)


class TemplatesTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.calls = self.folder / "calls"

    def _run(self, command, code=0, **environment):
        """Runs bash where srun, scontrol and python are stand-ins; returns its exit code and what they were given."""
        bin_folder = self.folder / "bin"
        bin_folder.mkdir(exist_ok=True)
        for name in ("srun", "scontrol", "python"):
            (bin_folder / name).write_text(STAND_IN)
            (bin_folder / name).chmod(0o755)
        self.calls.unlink(missing_ok=True)
        path = f"{bin_folder}:{os.environ['PATH']}"
        own = {"PATH": path, "CALLS": str(self.calls), "CODE": str(code), **environment}
        ended = subprocess.run([shutil.which("bash"), *command], env=own, check=False)
        return ended.returncode, self.calls.read_text().splitlines()

    @parameterized.parameters((0, False), (2, False), (1, False), (75, True), (143, True))
    def test_slurm_starts_one_task_a_node_and_queues_again_what_can_go_on(self, code, again):
        script = TEMPLATES / "slurm.sbatch"
        given = ["--gin_file=my.gin", "--gin_param=train_stage.epochs = 3"]
        ended, calls = self._run([script, *given], code, SLURM_JOB_ID="7")
        self.assertEqual(ended, code)
        task = ["python", "-m", "spl_tf.train", "--wait_for_hosts=600", *given]
        requeue = ["scontrol", "requeue", "7"] if again else []
        self.assertEqual(calls, ["srun", "--kill-on-bad-exit=0", "--label", *task, *requeue])
        options = [line.split()[1] for line in script.read_text().splitlines() if line.startswith("#SBATCH ")]
        self.assertContainsSubset(["--ntasks-per-node=1", "--requeue", "--signal=TERM@120"], options)

    def test_kubernetes_gives_each_pod_its_number_and_the_names_of_all(self):
        yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
        service, job = yaml.safe_load_all((TEMPLATES / "kubernetes.yaml").read_text())
        name = service["metadata"]["name"]
        pod = job["spec"]["template"]
        self.assertEqual(service["spec"]["selector"], pod["metadata"]["labels"])
        self.assertEqual(service["spec"]["clusterIP"], "None")
        self.assertEqual((job["spec"]["completionMode"], pod["spec"]["subdomain"]), ("Indexed", name))
        (container,) = pod["spec"]["containers"]
        hosts = job["spec"]["completions"]
        self.assertEqual(
            (job["spec"]["parallelism"], container["env"]), (hosts, [{"name": "HOSTS", "value": str(hosts)}])
        )
        addresses = [f"{job['metadata']['name']}-{pod}.{name}:2222" for pod in range(hosts)]
        for number in range(hosts):
            command = [*container["command"], *container["args"]][1:]
            ended, calls = self._run(command, HOSTS=str(hosts), JOB_COMPLETION_INDEX=str(number))
            self.assertEqual(ended, 0)
            self.assertEqual(calls[:3], ["python", "-m", "spl_tf.train"])
            self.assertEqual(calls[-1], "--gin_param=train_stage.train_shards = '/shared/web'")
            config = pathlib.Path(f"{self.calls}.config").read_text()
            pathlib.Path(f"{self.calls}.config").unlink()
            with mock.patch.dict(os.environ, TF_CONFIG=config):
                cluster = cluster_of_process()
            self.assertEqual((list(cluster.addresses), cluster.number), (addresses, number))
            self.assertEqual(json.loads(config)["task"]["type"], "worker")


if __name__ == "__main__":
    absltest.main()
