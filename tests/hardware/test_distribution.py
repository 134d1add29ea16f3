"""A batch dealt out to the replicas and put together again."""

import os
from unittest import mock

import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.hardware.cluster import Cluster
from spl_tf.hardware.distribution import device_strategy, join_batch, split_batch
from spl_tf.hardware.precision import choose_policy


class DistributionTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(("one_device", 1), ("mirrored", 2))
    def test_rows_come_back_in_their_order(self, name, replicas):
        strategy = device_strategy(name)
        self.assertEqual(strategy.num_replicas_in_sync, replicas)
        rows = tf.range(6)
        run = tf.function(lambda values: strategy.run(lambda part: part * 10, args=(values,)))
        self.assertAllEqual(join_batch(strategy, run(split_batch(strategy, rows))), rows * 10)

    def test_one_process_shares_one_mirrored_strategy(self):
        self.assertIs(device_strategy("mirrored"), device_strategy("mirrored"))

    def test_what_does_not_train_on_several_hosts_refuses_them(self):
        config = '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}'
        with mock.patch.dict(os.environ, TF_CONFIG=config):
            device_strategy.__wrapped__.cache_clear()
            self.addCleanup(device_strategy.__wrapped__.cache_clear)
            with self.assertRaisesRegex(UserError, "only spl_tf.train runs on several: unset TF_CONFIG"):
                device_strategy("one_device")

    def test_a_strategy_of_one_host_is_refused_on_several(self):
        with self.assertRaisesRegex(UserError, "name = 'mirrored' is of one host, and TF_CONFIG names 2: leave it at"):
            device_strategy("mirrored", cluster=Cluster(("a:1", "b:1"), 0, "TF_CONFIG"))

    def test_unknown_names_are_refused(self):
        with self.assertRaisesRegex(UserError, "'miror' is none of auto, one_device, mirrored"):
            device_strategy("miror")
        with self.assertRaisesRegex(UserError, "precision 'half' is none of auto, float32"):
            choose_policy("half")

    @parameterized.parameters(("float32", "float32"), ("bfloat16", "mixed_bfloat16"))
    def test_a_pinned_precision_is_taken(self, precision, policy):
        self.assertEqual(choose_policy(precision), policy)
