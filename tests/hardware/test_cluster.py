"""Which hosts TF_CONFIG and SLURM name."""

import json
import os
from unittest import mock

from absl.testing import absltest, parameterized

from spl_tf.errors import UserError
from spl_tf.hardware.cluster import cluster_of_process


def _tf_config(cluster, kind="worker", index=0):
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}


def _cluster(environment):
    with mock.patch.dict(os.environ, environment, clear=True):
        return cluster_of_process()


class ClusterTest(parameterized.TestCase):
    @parameterized.parameters(
        {}, {"TF_CONFIG": ""}, {"TF_CONFIG": "{}"}, _tf_config({"worker": ["a:1"]}), {"SLURM_STEP_NUM_TASKS": "1"}
    )
    def test_one_host_is_none(self, **environment):
        self.assertIsNone(_cluster(environment))

    def test_workers_are_numbered_in_their_order_behind_the_chief(self):
        cluster = _cluster(_tf_config({"worker": ["a:1", "[::1]:22"]}, index=1))
        self.assertEqual((cluster.addresses, cluster.number), (("a:1", "[::1]:22"), 1))
        self.assertEqual(cluster.endpoint(1), ("::1", 22))
        roles = {"worker": ["a:1", "b:1"], "chief": ["c:1"]}
        self.assertEqual(_cluster(_tf_config(roles, "chief"))[:2], (("c:1", "a:1", "b:1"), 0))
        self.assertEqual(_cluster(_tf_config(roles, index=1)).name(2), "host 2 (b:1)")

    @parameterized.parameters(
        ("nonsense", "TF_CONFIG is damaged or not ours .*unset it"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}}', "names 2 hosts and not which of them this is"),
        (_tf_config({"worker": ["a:1", "b:1"]}, index=2), "calls this worker 2 and names 2 of them"),
        (_tf_config({"worker": ["a:1", "b:1"]}, "chief"), "calls this chief 0 and names 0 of them"),
        (_tf_config({"worker": ["a:1", "b:1"], "ps": ["c:1"]}), "TF_CONFIG has ps, worker.* all hosts train here"),
        (_tf_config({"worker": ["a:1", "b"]}), "names a host 'b': give its name and port"),
        (_tf_config({"worker": ["a:1", "a:1"]}), "names a host twice"),
    )
    def test_mistakes_are_named(self, environment, message):
        environment = {"TF_CONFIG": environment} if isinstance(environment, str) else environment
        with self.assertRaisesRegex(UserError, message):
            _cluster(environment)

    def test_tasks_of_slurm_have_a_port_of_the_job_each_and_know_their_node(self):
        """SLURM counts n9 before n10, the resolver of TensorFlow n10 before n9."""
        step = {
            "SLURM_JOB_ID": "20005",
            "SLURM_STEP_NUM_TASKS": "4",
            "SLURM_STEP_NODELIST": "n[9-10]",
            "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
        }
        tasks = [("0", "n9", "0"), ("1", "n9", "1"), ("2", "n10", "0"), ("3", "n10", "1")]
        clusters = [
            _cluster({**step, "SLURM_PROCID": rank, "SLURMD_NODENAME": node, "SLURM_LOCALID": local})
            for rank, node, local in tasks
        ]
        self.assertCountEqual([cluster.number for cluster in clusters], range(4))
        for cluster, (_, node, local) in zip(clusters, tasks, strict=True):
            self.assertEqual(cluster.addresses[cluster.number], f"{node}:{12005 + int(local)}")
            self.assertEqual(cluster.addresses, clusters[0].addresses)

    def test_tasks_that_srun_has_not_started_are_told_so(self):
        with self.assertRaisesRegex(UserError, "SLURM_STEP_NUM_TASKS = 2.*start the command by srun"):
            _cluster({"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0"})


if __name__ == "__main__":
    absltest.main()
