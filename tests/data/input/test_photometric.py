"""Strong changes of colour against OpenCV and numpy, and their chances."""

import cv2
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.input.photometric import NUM_DRAWS, Photometric, blurred
from spl_tf.data.input.preprocessing import prepare_training, prepare_views

OFF = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0, "solarize": (0.0, 0.0)}
NEVER = {"jitter": 0.0, "grey": 0.0, "blur": 0.0}


def _clips(count=2, size=20, frames=3):
    return np.random.default_rng(0).random((count, 2, frames, size, size, 3)).astype(np.float32)


def _draws(count=2):
    return np.random.default_rng(1).random((count, 2, NUM_DRAWS)).astype(np.float32)


def _steps_by_hand(clip, factors, order):
    """The four steps in order on float64 [T, H, W, 3], each clipped."""
    brightness, contrast, saturation, hue = factors
    clip = clip.astype(np.float64)
    for step in order:
        luma = clip @ [0.299, 0.587, 0.114]
        if step == 0:
            clip = clip * brightness
        elif step == 1:
            mean = clip.reshape(-1, 3).mean(axis=0)
            clip = mean + contrast * (clip - mean)
        elif step == 2:
            clip = luma[..., None] + saturation * (clip - luma[..., None])
        else:  # In YUV, whose chroma plane is that of YIQ turned and mirrored.
            u, v = 0.492111 * (clip[..., 2] - luma), 0.877283 * (clip[..., 0] - luma)
            turned = (v + 1j * u) * np.exp(-2j * np.pi * hue)
            red, blue = luma + turned.real / 0.877283, luma + turned.imag / 0.492111
            clip = np.stack([red, (luma - 0.299 * red - 0.114 * blue) / 0.587, blue], axis=-1)
        clip = clip.clip(0, 1)
    return clip


class PhotometricTest(parameterized.TestCase, tf.test.TestCase):
    def test_jitter_takes_its_steps_in_the_drawn_order(self):
        strong = Photometric(0.8, 0.8, 0.8, 0.2, (0.0, 0.0), **NEVER | {"jitter": 1.0})
        clips, draws = _clips(12), _draws(12)
        changed = strong.apply(tf.constant(clips), tf.constant(draws)).numpy()
        orders = set()
        clips, draws, changed = (values.reshape(24, *values.shape[2:]) for values in (clips, draws, changed))
        for clip, own, result in zip(clips, draws, changed, strict=True):
            wide = np.array([0.8, 0.8, 0.8, 0.2]) * (2 * own[:4] - 1)
            order = tuple(np.argsort(own[4:8]))
            orders.add(order)
            self.assertAllClose(result, _steps_by_hand(clip, wide + [1, 1, 1, 0], order), atol=5e-4)
        self.assertGreater(len(orders), 10)

    @parameterized.parameters((20, 1), (41, 2), (112, 5))
    def test_blur_is_opencv_s_with_mirrored_edges(self, size, radius):
        clips = _clips(1, size, frames=1)[0]
        sigmas = np.array([0.3, 1.9], np.float32)
        for clip, sigma, result in zip(clips, sigmas, blurred(tf.constant(clips), tf.constant(sigmas)), strict=True):
            kernel = (2 * radius + 1,) * 2
            expected = cv2.GaussianBlur(clip[0], kernel, float(sigma), borderType=cv2.BORDER_REFLECT_101)
            self.assertAllClose(result[0], expected, atol=2e-5)

    def test_grey_is_the_luma_and_solarisation_turns_bright_values(self):
        clips, draws = tf.constant(_clips()), tf.constant(_draws())
        grey = Photometric(**OFF | NEVER | {"grey": 1.0}).apply(clips, draws)
        expected = np.repeat((clips.numpy() @ [0.299, 0.587, 0.114])[..., None], 3, axis=-1)
        self.assertAllClose(grey, expected, atol=1e-6)
        second = Photometric(**OFF | NEVER | {"solarize": (0.0, 1.0)}).apply(clips, draws).numpy()
        self.assertAllEqual(second[:, 0], clips[:, 0])
        self.assertAllClose(second[:, 1], np.where(clips[:, 1] >= 0.5, 1 - clips[:, 1], clips[:, 1]))

    def test_what_is_not_drawn_changes_no_bit(self):
        clips = tf.constant(_clips())
        strong = Photometric(0.8, 0.8, 0.8, 0.2, (0.0, 0.0), **NEVER)
        self.assertAllEqual(strong.apply(clips, tf.constant(_draws())), clips)

    def test_each_change_has_its_chance_and_none_knows_of_another(self):
        """Of pictures that are one bright colour, it is told what was done to them."""
        clips = np.broadcast_to(np.float32([0.9, 0.7, 0.6]), (2000, 2, 1, 20, 20, 3))
        draws = tf.constant(np.random.default_rng(3).random((2000, 2, NUM_DRAWS)).astype(np.float32))
        changes = {"grey": 0.2, "solarize": (0.0, 0.2), "jitter": 0.8}
        colors = Photometric(**OFF | {"brightness": 0.4, "blur": 0.0} | changes).apply(tf.constant(clips), draws)
        pixels = colors.numpy()[:, :, 0, 0, 0]
        grey = np.ptp(pixels, axis=-1) < 1e-5
        for view in range(2):
            self.assertAllClose(grey[:, view].mean(), 0.2, atol=4 * (0.16 / 2000) ** 0.5)
        same = np.abs(pixels - [0.9, 0.7, 0.6]).max(axis=-1) < 1e-4
        self.assertAllClose(same[:, 0].mean(), 0.2 * 0.8, atol=0.04)
        self.assertAllClose(same[:, 1].mean(), 0.2 * 0.8 * 0.8, atol=0.04)
        self.assertLess(abs(np.corrcoef(grey.T)[0, 1]), 4.5 / 2000**0.5)

    def test_views_without_it_are_prepared_like_clips(self):
        clips = (255 * _clips()).astype(np.uint8)
        color = np.random.default_rng(2).random((2, 2, 4)).astype(np.float32)
        views = prepare_views(tf.constant(clips), tf.constant(color), None)
        for view in range(2):
            expected = prepare_training(tf.constant(clips[:, view]), tf.constant(color[:, view]))
            self.assertAllClose(views[:, view], expected, atol=1e-5)


if __name__ == "__main__":
    tf.test.main()
