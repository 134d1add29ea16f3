import colorsys

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.input.augmentation import NO_JITTER, ColorJitter, apply_color_jitter, draw_color_jitter, draw_uniforms
from spl_tf.errors import UserError


def _clips(batch=2, frames=3, seed=0):
    return np.random.default_rng(seed).random((batch, frames, 5, 6, 3), np.float32)


def _jitter_pixel_by_pixel(clip, brightness, contrast, saturation, hue):
    """One step after the other, each as its definition says, in float64."""
    clip = clip.astype(np.float64) + brightness
    means = [clip[..., channel].sum() / clip[..., channel].size for channel in range(3)]
    result = np.empty_like(clip)
    for place in np.ndindex(clip.shape[:3]):
        red, green, blue = ((value - mean) * contrast + mean for value, mean in zip(clip[place], means, strict=True))
        grey = 0.299 * red + 0.587 * green + 0.114 * blue
        red, green, blue = (grey + saturation * (value - grey) for value in (red, green, blue))
        # Hue in YUV: its chroma plane is that of YIQ, turned by 33 degrees and mirrored.
        luma = 0.299 * red + 0.587 * green + 0.114 * blue
        turned = complex(0.877283 * (red - luma), 0.492111 * (blue - luma)) * np.exp(-2j * np.pi * hue)
        red, blue = luma + turned.real / 0.877283, luma + turned.imag / 0.492111
        green = (luma - 0.299 * red - 0.114 * blue) / 0.587
        result[place] = red, green, blue
    return np.clip(result, 0, 1)


class AugmentationTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(
        (0.1, 1.0, 1.0, 0.0),
        (0.0, 0.6, 1.0, 0.0),
        (0.0, 1.0, 1.7, 0.0),
        (0.0, 1.0, 1.0, -0.15),
        (-0.1, 1.3, 0.5, 0.2),
    )
    def test_one_matrix_equals_the_four_steps_pixel_by_pixel(self, *factors):
        clips = _clips()
        color = tf.constant([factors, (0.05, 0.9, 1.1, 0.1)], tf.float32)
        changed = apply_color_jitter(tf.constant(clips), color)
        for clip, row, result in zip(clips, color.numpy(), changed, strict=True):
            self.assertAllClose(result, _jitter_pixel_by_pixel(clip, *row), atol=2e-4)

    def test_brightness_and_contrast_of_a_single_frame_agree_with_tf_image(self):
        clips = _clips(frames=1)
        color = tf.constant([[0.1, 1.3, 1.0, 0.0]] * 2)
        expected = tf.image.adjust_contrast(tf.image.adjust_brightness(clips, 0.1), 1.3)
        self.assertAllClose(apply_color_jitter(tf.constant(clips), color), tf.clip_by_value(expected, 0, 1), atol=1e-5)

    def test_no_saturation_is_the_grayscale_of_tf_image(self):
        clips = _clips()
        grey = apply_color_jitter(tf.constant(clips), tf.constant([[0.0, 1.0, 0.0, 0.3]] * 2))
        expected = np.repeat(tf.image.rgb_to_grayscale(clips), 3, axis=-1)
        self.assertAllClose(grey, expected, atol=1e-3)  # tf.image rounds its weights to 4 digits.

    def test_contrast_keeps_the_brightness_steps_between_frames(self):
        # A clip that brightens: each frame's own mean would remove or amplify the change unevenly.
        clip = np.stack([np.full((4, 4, 3), level, np.float32) for level in (0.4, 0.5, 0.6)])[None]
        changed = apply_color_jitter(tf.constant(clip), tf.constant([[0.0, 2.0, 1.0, 0.0]]))
        self.assertAllClose(changed[0, :, 0, 0, 0], [0.3, 0.5, 0.7], atol=1e-6)

    def test_hue_turns_as_in_tf_image_and_keeps_luma(self):
        red = np.zeros((1, 1, 1, 1, 3), np.float32) + np.float32([0.5, 0.3, 0.3])
        for turn in (1 / 3, -1 / 3):
            color = apply_color_jitter(tf.constant(red), tf.constant([[0.0, 1.0, 1.0, turn]])).numpy().ravel()
            expected = tf.image.adjust_hue(red, turn).numpy().ravel()
            self.assertEqual(color.argmax(), expected.argmax())
            self.assertAlmostEqual(float(color @ [0.299, 0.587, 0.114]), 0.299 * 0.5 + 0.701 * 0.3, places=5)
            # Same hue to within a twelfth of a turn: YIQ and HSV are different planes.
            difference = colorsys.rgb_to_hsv(*color)[0] - colorsys.rgb_to_hsv(*expected)[0]
            self.assertLess(abs((difference + 0.5) % 1 - 0.5), 1 / 12)

    def test_result_is_clipped(self):
        changed = apply_color_jitter(tf.constant(_clips()), tf.constant([[0.5, 3.0, 2.0, 0.4], [-0.5, 3.0, 2.0, 0.4]]))
        self.assertAllInRange(changed, 0.0, 1.0)

    def test_neutral_factors_change_nothing(self):
        clips = _clips()
        color = draw_color_jitter(NO_JITTER, tf.constant([0.1, 0.9, 0.3, 0.7]))
        self.assertAllEqual(color, [0, 1, 1, 0])
        self.assertAllClose(apply_color_jitter(tf.constant(clips), tf.stack([color, color])), clips, atol=1e-6)

    def test_bfloat16_keeps_its_type(self):
        clips = tf.cast(_clips(), tf.bfloat16)
        color = tf.constant([[0.1, 1.3, 0.7, 0.1]] * 2)
        changed = apply_color_jitter(clips, color)
        self.assertEqual(changed.dtype, tf.bfloat16)
        expected = apply_color_jitter(tf.cast(clips, tf.float32), color)
        self.assertAllClose(tf.cast(changed, tf.float32), expected, atol=0.02)

    def test_factors_fill_their_ranges(self):
        jitter = ColorJitter(brightness=0.1, contrast=(0.5, 1.5), saturation=(0.2, 3.0), hue=0.3)
        self.assertAllClose(draw_color_jitter(jitter, tf.zeros(4)), [-0.1, 0.5, 0.2, -0.3])
        self.assertAllClose(draw_color_jitter(jitter, tf.ones(4)), [0.1, 1.5, 3.0, 0.3])
        self.assertAllClose(draw_color_jitter(jitter, tf.fill([4], 0.5)), [0.0, 1.0, 1.6, 0.0])

    def test_draws_are_a_fixed_function_of_seed_epoch_and_clip(self):
        draw = tf.function(lambda epoch, clip: draw_uniforms(3, epoch, clip)[0])
        first = draw(tf.constant(0, tf.int64), tf.constant("video@0"))
        # Pinned: a change would alter every run that is resumed with a newer version.
        self.assertAllClose(first[:3], [0.59218264, 0.16709685, 0.8576796], atol=1e-6)
        self.assertAllEqual(first, draw_uniforms(3, tf.constant(0, tf.int64), tf.constant("video@0"))[0])
        others = [
            draw_uniforms(4, tf.constant(0, tf.int64), tf.constant("video@0"))[0],
            draw(tf.constant(1, tf.int64), tf.constant("video@0")),
            draw(tf.constant(0, tf.int64), tf.constant("video@1")),
        ]
        for other in others:
            self.assertGreater(np.abs(first - other).min(), 1e-6)

    def test_draws_over_clips_are_uniform_and_uncorrelated(self):
        ids = tf.constant([f"clip{i}" for i in range(2000)])
        draws = tf.vectorized_map(lambda clip: draw_uniforms(0, tf.constant(0, tf.int64), clip)[0], ids).numpy()
        self.assertAllClose(draws.mean(axis=0), np.full(8, 0.5), atol=4 * (1 / 12 / 2000) ** 0.5)
        self.assertAllClose(np.corrcoef(draws.T), np.eye(8), atol=4 / 2000**0.5)

    @parameterized.parameters(
        ({"hue": -0.1}, "hue = -0.1 is negative"),
        ({"brightness": -1}, "brightness"),
        ({"contrast": (1.4, 0.6)}, "contrast = "),
        ({"saturation": (-0.1, 0.6)}, "saturation = "),
    )
    def test_impossible_ranges_are_refused(self, options, message):
        with self.assertRaisesRegex(UserError, message):
            ColorJitter(**options)
