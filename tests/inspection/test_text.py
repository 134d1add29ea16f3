"""What is said of a data set by the heads of its clips."""

import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.dataset import ClipDataset
from spl_tf.data.survey import ClipHead, Survey
from spl_tf.inspection.text import contents


class ReportTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.named_parameters(
        ("images", 0.0, 1, ["image size  80 x 60 (100%)"], ["video time", "a second"]),
        ("videos", 2.0, 20, ["video time     6.0 s (0:00:06)", "20, 10 a second"], ["image size"]),
    )
    def test_images_have_no_time(self, seconds, num_frames, said, not_said):
        heads = [ClipHead(0, row, f"clip {row}", f"v{row}", (0,), seconds, num_frames, 60, 80) for row in range(3)]
        dataset = ClipDataset("d", ("a",), (), 3, 3, {"a": 3}, 0.0, 10.0, 60, 90, False, {})
        text = contents(dataset, Survey(heads, 1, 0))
        for line in said:
            self.assertIn(line, text)
        for line in not_said:
            self.assertNotIn(line, text)


if __name__ == "__main__":
    tf.test.main()
