"""An object does what its action's name says, and no action is told by where or how it looks."""

import cv2
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.demo import action_drawing

_TIMES = np.arange(60) / action_drawing.FRAME_RATE
_SIDE = 120


def _white_oblong():
    sprite = np.zeros((40, 40, 4), np.float32)
    sprite[12:28, 8:32] = (255, 255, 255, 1)
    return sprite


def _measured(action, seed):
    """Draws the bare action in white on black and measures each frame's blob: x, y, area, angle, brightness."""
    motion = action_drawing.ACTIONS[action](_TIMES, np.random.default_rng(seed))
    placed = action_drawing.Motion(
        motion.x + _SIDE / 2, motion.y + _SIDE / 2, motion.scale, motion.turn, motion.opacity
    )
    frames = np.zeros((len(_TIMES), _SIDE, _SIDE, 3), np.float32)
    action_drawing.lay_over(frames, _white_oblong(), placed)
    found = []
    for frame in frames[..., 0]:
        blob = cv2.moments(frame)
        x, y = blob["m10"] / blob["m00"], blob["m01"] / blob["m00"]
        area = (frame > frame.max() / 2).sum()
        angle = 0.5 * np.arctan2(2 * blob["mu11"], blob["mu20"] - blob["mu02"])
        found.append((x, y, area, angle, frame.max()))
    return dict(zip(("x", "y", "area", "angle", "brightness"), np.array(found).T, strict=True))


def _swing(values):
    return values.max() - values.min()


class ActionsTest(parameterized.TestCase, tf.test.TestCase):
    def test_there_are_six_classes_in_order(self):
        self.assertEqual(action_drawing.CLASSES, ("blinks", "bobs", "circles", "slides", "spins", "zooms"))

    @parameterized.product(action=action_drawing.CLASSES, seed=(0, 1, 2))
    def test_action_moves_what_its_name_says_and_nothing_else(self, action, seed):
        measured = _measured(action, seed)
        moved = {
            "x": _swing(measured["x"]) > 5,
            "y": _swing(measured["y"]) > 5,
            "area": measured["area"].max() > 1.5 * measured["area"].min(),
            # The oblong's long axis lies flat at first, and comes round every half turn.
            "angle": _swing(measured["angle"]) > np.pi / 2,
            "brightness": measured["brightness"].max() > 2 * measured["brightness"].min(),
        }
        names = {
            "slides": {"x"},
            "bobs": {"y"},
            "circles": {"x", "y"},
            "spins": {"angle"},
            "zooms": {"area"},
            "blinks": {"brightness"},
        }
        self.assertEqual({name for name, moves in moved.items() if moves}, names[action])

    @parameterized.parameters(0, 1, 2)
    def test_circle_keeps_its_distance_from_the_middle(self, seed):
        measured = _measured("circles", seed)
        radius = np.hypot(measured["x"] - _SIDE / 2, measured["y"] - _SIDE / 2)
        self.assertLess(_swing(radius), 0.5)

    def test_sprite_covers_what_is_behind_it(self):
        frames = np.full((1, 64, 80, 3), 100, np.float32)
        action_drawing.lay_over(frames, _white_oblong(), action_drawing.Motion(x=30, y=20, opacity=0.5))
        self.assertAllClose(frames[0, 20, 30], [177.5] * 3)
        self.assertAllClose(frames[0, 50, 60], [100] * 3)

    def test_sprite_outside_of_the_frame_draws_nothing(self):
        frames = np.full((3, 64, 80, 3), 100, np.float32)
        action_drawing.lay_over(frames, _white_oblong(), action_drawing.Motion(x=np.array([-40, 130, 30]), y=-50.0))
        self.assertAllEqual(frames, np.full_like(frames, 100))

    @parameterized.parameters(0.7, 1.0, 2.3)
    def test_sprite_at_the_border_is_the_part_of_a_whole_one(self, scale):
        small, large = np.zeros((1, 64, 80, 3), np.float32), np.zeros((1, 164, 180, 3), np.float32)
        sprite = action_drawing.draw_sprite(np.random.default_rng(0))
        action_drawing.lay_over(small, sprite, action_drawing.Motion(x=3.0, y=60.0, scale=scale, turn=1.0))
        action_drawing.lay_over(large, sprite, action_drawing.Motion(x=53.0, y=110.0, scale=scale, turn=1.0))
        self.assertAllClose(small[0], large[0, 50:114, 50:130], atol=8)  # OpenCV places pixels to 1/32.
        self.assertGreater(small.max(), 150)


class DrawActionTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(*action_drawing.CLASSES, action_drawing.BACKGROUND)
    def test_shot_is_a_function_of_the_seed(self, action):
        first, again, other = (action_drawing.draw_action(action, 5, np.random.default_rng(s)) for s in (1, 1, 2))
        self.assertEqual((first.shape, first.dtype), ((5, 64, 80, 3), np.uint8))
        self.assertAllEqual(first, again)
        self.assertNotAllEqual(first, other)

    def test_mean_picture_of_the_actions_is_alike(self):
        """Where an object stands, and how bright the picture is, must not tell the class."""
        means = []
        for action in ("bobs", "circles", "slides", "spins", "zooms"):
            frames = [action_drawing.draw_action(action, 1, np.random.default_rng(s))[0] for s in range(80)]
            brightness = np.mean(frames, axis=(0, 3))
            columns, rows = np.arange(80), np.arange(64)
            means.append(
                (
                    brightness.mean() / 10,
                    (brightness * columns).sum() / brightness.sum(),
                    (brightness * rows[:, None]).sum() / brightness.sum(),
                )
            )
        self.assertAllClose(means, np.broadcast_to(np.mean(means, axis=0), (5, 3)), atol=1.5)


if __name__ == "__main__":
    tf.test.main()
