"""What is said of a stage's clips before they are drawn."""

import dataclasses
import re
from unittest import mock

import gin
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.dataset import load_dataset
from spl_tf.data.input import looping
from spl_tf.data.input.view_samplers import RandomViews
from spl_tf.data.input.views import ViewShape
from spl_tf.training.batches import tell_of_looped_clips


@dataclasses.dataclass(frozen=True)
class Learned:
    """As much of an objective as is asked for."""

    views: RandomViews = dataclasses.field(default_factory=RandomViews)


class LoopedClipsTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, color_shards):
        self.dataset = load_dataset(color_shards / "web")
        self.addCleanup(gin.clear_config)

    @parameterized.parameters(
        (9, "", "", ("19", "9")),
        (1, "training_clips.skips = (4, 9)", "", ("9", "4")),
        (1, "pretrain/training_clips.skips = (4, 9)", "pretrain", ("9", "4")),
        (9, "training_clips.skips = (1, 9)", "", None),
        (9, "training_clips.skips = None", "", ("19", "9")),
    )
    def test_three_frames_reach_over_the_smallest_stride_there_is(self, frame_stride, binding, scope, told):
        """Clips have 8 frames; skips take the place of the stride, in the scope that they are bound in."""
        gin.parse_config(binding)
        with mock.patch.object(looping.logging, "warning") as warning, gin.config_scope(scope or None):
            tell_of_looped_clips(self.dataset, ViewShape(3, frame_stride, 16), Learned())
        lines = [call.args[0] % call.args[1:] for call in warning.call_args_list]
        reaches = [re.search(r"the (\d+) frames .* a stride of (\d)", line).groups() for line in lines]
        self.assertEqual(reaches, [told] if told else [])


if __name__ == "__main__":
    tf.test.main()
