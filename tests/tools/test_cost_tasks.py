"""Simulated tasks over a plan: whoever dies or is paused, every shard is done and every video is in one of them."""

import contextlib
import io
import pathlib

from absl.testing import absltest

from tools.cost.tasks import simulate


class CostTasksTest(absltest.TestCase):
    def simulate(self, **options):
        options = {
            "videos": 700,
            "shards": 60,
            "tasks": 8,
            "die": 0.0,
            "paused": 0.0,
            "seconds_per_shard": 60.0,
        } | options
        with contextlib.redirect_stdout(io.StringIO()):
            return simulate(pathlib.Path(self.create_tempdir().full_path), **options)

    def test_without_deaths_nothing_is_done_twice_and_hardly_any_time_is_lost(self):
        found = self.simulate(shards=300)
        self.assertEqual((found.done, found.videos, found.twice, found.taken_over, found.dead), (300, 700, 0, 0, 0))
        self.assertGreater(found.busy, 0.8)

    def test_half_of_the_tasks_die(self):
        found = [self.simulate(die=0.5, seed=seed) for seed in range(4)]
        self.assertEqual({(one.done, one.videos, one.dead, one.twice) for one in found}, {(60, 700, 4, 0)})
        self.assertBetween(sum(one.taken_over for one in found), 1, 4 * 4)

    def test_paused_tasks_may_do_a_shard_twice_and_it_is_there_once(self):
        found = [self.simulate(shards=10, videos=50, paused=0.7, seed=seed) for seed in range(6)]
        self.assertEqual({(one.done, one.videos, one.dead) for one in found}, {(10, 50, 0)})
        self.assertGreater(sum(one.twice for one in found), 0)


if __name__ == "__main__":
    absltest.main()
