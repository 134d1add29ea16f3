import collections
import json
import math
import pathlib
from unittest import mock

import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.building import plan as plan_module
from spl_tf.data.building.cutting import Probe
from spl_tf.data.building.plan import make_plan, usual_num_shards
from spl_tf.data.building.settings import Settings, require_same_settings, settings_of
from spl_tf.data.building.stored_plan import StoredPlan, write_plan
from spl_tf.data.manifest import Rejection, Video
from spl_tf.data.workers import Failure
from spl_tf.errors import UserError


def settings(**changes):
    values = {
        "manifest": "web",
        "manifest_sha256": "0",
        "label_column": "label",
        "classes": ("a", "b", "c"),
        "clip_seconds": 2.0,
        "fps": 25.0,
        "short_side": 96,
        "jpeg_quality": 90,
        "clips_per_class": None,
        "num_shards": 6,
        "exclude_sha256": (),
        "seed": 0,
    }
    return Settings(**{**values, **changes})


def video(number, class_id=0):
    return Video(f"/v/{number}.mp4", f"{number}.mp4", str(number), (class_id,), ("abc"[class_id],), 0.0, math.inf, ())


class PlanTest(parameterized.TestCase, tf.test.TestCase):
    def make(self, videos, seconds, wanted):
        """Plans without opening a file: the lengths are given."""
        lengths = [Failure("cannot be opened") if end is None else Probe(0, round(end * 1e6)) for end in seconds]
        self.enter_context(mock.patch.object(plan_module, "run_in_workers", return_value=iter(lengths)))
        return make_plan(videos, wanted, num_workers=1, seconds_per_video=1.0)

    def test_every_video_goes_to_one_shard_and_shards_are_of_like_size(self):
        videos = [video(number, number // 40) for number in range(120)]
        seconds = [2 * (1 + number % 7) for number in range(120)]
        plan = self.make(videos, seconds, settings())
        self.assertEqual([shard.name for shard in plan.shards], [f"web-{n:05d}-of-00006" for n in range(6)])
        dealt = [cut.video for shard in plan.shards for cut in shard.cuts]
        self.assertCountEqual(dealt, videos)
        clips = [sum(1 + int(cut.video.video_id) % 7 for cut in shard.cuts) for shard in plan.shards]
        self.assertLessEqual(max(clips) - min(clips), 7)
        for shard in plan.shards:
            self.assertLen(collections.Counter(cut.video.labels for cut in shard.cuts), 3)

    def test_the_seed_decides_the_order(self):
        videos = [video(number) for number in range(30)]
        first, again, other = (self.make(videos, [9.0] * 30, settings(seed=seed)) for seed in (1, 1, 2))
        self.assertEqual(first, again)
        self.assertNotEqual(first, other)

    def test_rows_rejected_before_and_by_probing_are_kept(self):
        gone = Rejection("x.mp4", "x", "a", "no such file")
        plan = self.make([gone, video(1), video(2)], [None, 4.0], settings())
        self.assertEqual(plan.rejected, (gone, Rejection("1.mp4", "1", "a", "cannot be opened")))
        self.assertLen(plan.shards, 1)  # No more shards than videos.

    def test_a_quota_leaves_out_videos_that_give_no_clip(self):
        videos = [video(number, number // 10) for number in range(20)]
        plan = self.make(videos, [9.0] * 20, settings(clips_per_class=4))
        cuts = [cut for shard in plan.shards for cut in shard.cuts]
        self.assertEqual(collections.Counter(cut.video.labels[0] for cut in cuts), {0: 4, 1: 4})
        self.assertEqual({cut.windows for cut in cuts}, {(2,)})  # The middle one of four.

    def test_survives_json(self):
        plan = self.make([video(1), video(2, 1)], [5.0, 5.0], settings(clips_per_class=3))
        path = pathlib.Path(self.create_tempdir().full_path) / "plan.jsonl"
        write_plan(path, settings().as_json(), plan)
        stored = StoredPlan(path)
        self.assertEqual(tuple(map(stored.shard, stored.num_videos)), plan.shards)
        self.assertEqual(tuple(stored.rejected_and_noted()), (plan.rejected, plan.noted))

    @parameterized.parameters((1060, 96, 16), (120, 96, 4), (20_000, 96, 63), (3, 96, 4))
    def test_usual_number_of_shards(self, clips, short_side, expected):
        wanted = settings(clip_seconds=2.56, short_side=short_side)
        self.assertEqual(usual_num_shards([1] * clips, [2_560_000] * clips, wanted), expected)

    @parameterized.parameters(
        ({"fps": 0.0}, "fps is 0.0: it must be above 0"),
        ({"fps": math.nan}, "fps is nan"),
        ({"clip_seconds": -1.0}, "clip_seconds is -1.0"),
        ({"clip_seconds": 0.01}, "shorter than one frame at 25.0 fps"),
        ({"short_side": 0}, "short_side is 0"),
        ({"jpeg_quality": 101}, "jpeg_quality is 101"),
        ({"clips_per_class": 0}, "clips_per_class is 0"),
        ({"num_shards": 0}, "num_shards is 0"),
    )
    def test_settings_out_of_range_are_named(self, changes, message):
        with self.assertRaisesRegex(UserError, message):
            settings(**changes)

    @parameterized.parameters(
        ({"fps": 12.0}, "made with fps 25.0, not 12.0"),
        ({"classes": ("a", "c", "b")}, "another list of classes"),
        ({"manifest_sha256": "1"}, "another content of the manifest"),
        ({"clips_per_class": 7}, "made with clips_per_class None, not 7"),
    )
    def test_the_first_difference_of_settings_is_named(self, changes, message):
        stored = json.loads(json.dumps(settings().as_json()))
        require_same_settings(settings(), stored, "D")
        with self.assertRaisesRegex(UserError, message):
            require_same_settings(settings(**changes), stored, "D")

    def test_settings_follow_the_manifests_content_not_its_place(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        rest = {key: value for key, value in vars(settings()).items() if not key.startswith(("manifest", "decoder"))}
        found = []
        for place, content in (("x", "1"), ("y", "1"), ("z", "2")):
            (folder / place).mkdir()
            (folder / place / "web.csv").write_text(content)
            found.append(settings_of(folder / place / "web.csv", **rest))
        self.assertEqual(found[0], found[1])
        self.assertNotEqual(found[0], found[2])
