"""What is done to a tuple of clips, as pictures against numpy, and the losses of the two objectives by hand."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.losses.class_counts import ClassCounts
from spl_tf.training.objectives.cvrl import cvrl
from spl_tf.training.objectives.pcl import pcl
from spl_tf.training.objectives.pretexts import clip_operation, clip_order, clip_rotation, permuted_quadrants
from tests.tiny_network import tiny_network

CLIPS = np.random.default_rng(0).normal(size=(600, 3, 8, 4, 4, 3)).astype(np.float32)


def _batch(count=600, remote=None, seed=1):
    generator = np.random.default_rng(seed)
    return {
        "chance": tf.constant(generator.random((count, 2)).astype(np.float32)),
        "remote": tf.constant(np.zeros(count, bool) if remote is None else remote),
    }


def _quadrants(clip):
    """A B / C D becomes D C / B A."""
    h, w = clip.shape[1] // 2, clip.shape[2] // 2
    a, b, c, d = clip[:, :h, :w], clip[:, :h, w:], clip[:, h:, :w], clip[:, h:, w:]
    return np.concatenate([np.concatenate([d, c], axis=2), np.concatenate([b, a], axis=2)], axis=1)


def _swaps(clip):
    """Every exchange of two quarters in time."""
    for one in range(4):
        for other in range(one):
            quarters = np.split(clip, 4)
            quarters[one], quarters[other] = quarters[other], quarters[one]
            yield np.concatenate(quarters)


class PretextsTest(parameterized.TestCase, tf.test.TestCase):
    def _assert_gradients(self, gradients, network):
        for weight, gradient in zip(network.trainable_weights, gradients, strict=True):
            if "res2_block1" not in weight.path:  # Behind a normalization that begins at zero.
                self.assertGreater(np.abs(gradient).max(), 0, weight.path)

    def test_operations_on_the_middle_clip_are_numpy_s_and_every_form_of_them_occurs(self):
        remote = np.random.default_rng(2).random(600) < 0.2
        batch, pretext = _batch(remote=remote), clip_operation()
        labels = pretext.labels(batch).numpy()
        changed = pretext.change(tf.constant(CLIPS), batch).numpy()
        self.assertAllEqual(changed[:, ::2], CLIPS[:, ::2])
        self.assertAllEqual(labels == 4, remote)
        forms = {0: [], 1: [], 2: [], 3: [], 4: []}
        for label, before, after in zip(labels, CLIPS[:, 1], changed[:, 1], strict=True):
            possible = {
                0: [before],
                1: [np.rot90(before, quarters, axes=(1, 2)) for quarters in (1, 2, 3)],
                2: [_quadrants(before)],
                3: list(_swaps(before)),
                4: [before],
            }[label]
            found = [number for number, form in enumerate(possible) if np.array_equal(form, after)]
            self.assertLen(found, 1)
            forms[label] += found
        for label, count in ((1, 3), (3, 6)):
            shares = np.bincount(forms[label], minlength=count) / len(forms[label])
            self.assertAllClose(shares, np.full(count, 1 / count), atol=0.15)
        self.assertAllClose(np.bincount(labels, minlength=5) / 600, np.full(5, 0.2), atol=0.07)

    def test_an_odd_picture_keeps_all_its_pixels_when_its_quadrants_move(self):
        clip = np.arange(25, dtype=np.float32).reshape(1, 1, 5, 5, 1)
        self.assertAllEqual(permuted_quadrants(tf.constant(clip))[0], _quadrants(clip[0]))

    def test_rotation_turns_the_middle_clip_alone(self):
        batch, pretext = _batch(40), clip_rotation()
        labels = pretext.labels(batch).numpy()
        changed = pretext.change(tf.constant(CLIPS[:40]), batch).numpy()
        self.assertEqual(set(labels), {0, 1, 2, 3})
        for label, before, after in zip(labels, CLIPS, changed, strict=False):
            self.assertAllEqual(after[1], np.rot90(before[1], label, axes=(1, 2)))
            self.assertAllEqual(after[::2], before[::2])

    def test_order_puts_the_clips_as_its_label_says_and_finds_first_and_third_again(self):
        batch, pretext = _batch(60), clip_order()
        labels = pretext.labels(batch).numpy()
        changed = pretext.change(tf.constant(CLIPS[:60]), batch).numpy()
        self.assertEqual(set(labels), set(range(6)))
        for label, before, after, places in zip(labels, CLIPS, changed, pretext.places(batch).numpy(), strict=False):
            order = [int(clip) - 1 for clip in pretext.names[label].split("-")]
            self.assertAllEqual(after, before[order])
            self.assertAllEqual(after[places], before[[0, 2]])

    @parameterized.parameters((clip_operation, 5), (clip_rotation, 4), (clip_order, 6))
    def test_heads_score_tuples_and_every_weight_gets_a_gradient(self, pretext, num_labels):
        objective = pcl(pretext=pretext, negatives=3)
        network = objective.head(tiny_network(), 0, 0)
        objective.build(0, 9, ClassCounts(np.zeros(0, np.int64), 9))
        batch = _batch(2) | {"index": tf.constant([4, 7], tf.int64), "negatives": tf.constant([[1, 2**30, 9]] * 2)}
        clips = np.random.default_rng(3).normal(size=(6, 4, 16, 16, 3)).astype(np.float32)
        with tf.GradientTape() as tape:
            outputs = network(clips, training=True)
            losses = objective.losses(outputs, batch, {}, tf.constant(0.0))
        self.assertEqual(outputs["pretext"].shape, (2, num_labels))
        self.assertEqual(outputs["features"].shape, (6, 32))
        self.assertAllClose(tf.norm(outputs["embedding"], axis=1), np.ones(6))
        self._assert_gradients(tape.gradient(losses, network.trainable_weights), network)
        # The loss by hand.
        embedding = outputs["embedding"].numpy().reshape(2, 3, -1)
        first_bank, second_bank = (variable.numpy() for variable in objective.variables.values())
        labels, places = objective._pretext.labels(batch).numpy(), objective._pretext.places(batch).numpy()
        for clip, index in enumerate((4, 7)):
            scores = outputs["pretext"].numpy()[clip].astype(np.float64)
            expected = np.log(np.exp(scores).sum()) - scores[labels[clip]]
            views = embedding[clip][places[clip]]
            for view, bank in zip(views, (second_bank, first_bank), strict=True):
                logits = bank[[index, 1, 2**30 % 9, 0]].astype(np.float64) @ view / 0.07
                expected += 0.5 * (np.log(np.exp(logits).sum()) - logits[0])
            self.assertAllClose(losses[clip], expected, rtol=1e-5)
        notes = objective.notes(outputs, batch, {})
        self.assertAllEqual(notes["bank0"].values, embedding[[0, 1], places[:, 0]])
        self.assertAllEqual(notes["bank1"].values, embedding[[0, 1], places[:, 1]])

    def test_residual_clips_are_differences_to_the_frame_before_around_the_end(self):
        objective = pcl(pretext=clip_rotation, residual=True, strong_color=False)
        clips = np.random.default_rng(4).integers(0, 256, (2, 3, 4, 6, 6, 3)).astype(np.uint8)
        batch = _batch(2) | {"clips": tf.constant(clips), "color": tf.constant([[[0.0, 1.0, 1.0, 0.0]] * 3] * 2)}
        seen = objective.prepare(batch).numpy().reshape(2, 3, 4, 6, 6, 3)
        scaled = (clips / 255.0 - 0.45) / 0.225
        for view in (0, 2):
            for t in range(4):
                self.assertAllClose(seen[:, view, t], scaled[:, view, t - 1] - scaled[:, view, t], atol=1e-4)

    def test_cvrl_s_head_normalizes_three_hidden_layers_and_every_weight_gets_a_gradient(self):
        objective = cvrl()
        network = objective.head(tiny_network(), 0, 0)
        widths = [layer.units for layer in network.layers if isinstance(layer, keras.layers.Dense)]
        self.assertEqual(widths, [2048, 2048, 2048, 128])
        clips = np.random.default_rng(5).normal(size=(6, 4, 16, 16, 3)).astype(np.float32)
        with tf.GradientTape() as tape:
            outputs = network(clips, training=True)
            losses = objective.losses(outputs, {}, {}, tf.constant(0.0))
        self._assert_gradients(tape.gradient(losses, network.trainable_weights), network)
        z = outputs["embedding"].numpy().reshape(3, 2, -1).astype(np.float64)
        nearest = [np.argmax([z[i, 0] @ z[j, 1] for j in range(3)]) == i for i in range(3)]
        self.assertAllEqual(objective.measures(outputs, {})["contrast_accuracy"], nearest)


if __name__ == "__main__":
    tf.test.main()
