import keras
import numpy as np
import tensorflow as tf

from spl_tf.models.dropout import ReplicaDropout


class ReplicaDropoutTest(tf.test.TestCase):
    def test_drops_its_rate_and_keeps_the_mean(self):
        layer = ReplicaDropout(0.25)
        outputs = layer(tf.ones([100, 100]), training=True).numpy()
        self.assertAllClose(np.mean(outputs == 0), 0.25, atol=0.02)
        self.assertAllClose(np.unique(outputs), [0.0, 4 / 3])

    def test_inference_passes_values_through_and_does_not_count(self):
        layer = ReplicaDropout(0.5)
        self.assertAllEqual(layer(tf.ones([2, 5])), np.ones([2, 5]))
        self.assertEqual(layer.calls.numpy(), 0)

    def test_every_call_and_every_seed_draws_another_mask(self):
        layer, other = ReplicaDropout(0.5, seed=1), ReplicaDropout(0.5, seed=2)
        masks = [layer(tf.ones([4, 64]), training=True), layer(tf.ones([4, 64]), training=True)]
        masks.append(other(tf.ones([4, 64]), training=True))
        self.assertEqual(layer.calls.numpy(), 2)
        self.assertLen({mask.numpy().tobytes() for mask in masks}, 3)

    def test_the_counter_is_no_weight(self):
        layer = ReplicaDropout(0.5)
        layer(tf.ones([1, 2]), training=True)
        self.assertEmpty(layer.weights)

    def test_replicas_draw_different_masks_and_a_checkpoint_continues_them(self):
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice())

        def build():
            with strategy.scope():
                inputs = keras.Input((64,))
                model = keras.Model(inputs, ReplicaDropout(0.5, seed=3, name="dropout")(inputs))

            @tf.function
            def step():
                masks = strategy.run(lambda: model(tf.ones([2, 64]), training=True))
                return tf.stack(strategy.experimental_local_results(masks))

            return model, step

        model, step = build()
        undisturbed = [step().numpy() for _ in range(4)]
        self.assertLen({mask.tobytes() for masks in undisturbed for mask in masks}, 8)

        model, step = build()
        for expected in undisturbed[:2]:
            self.assertAllEqual(step(), expected)
        path = tf.train.Checkpoint(model=model).save(self.get_temp_dir() + "/checkpoint")
        model, step = build()
        tf.train.Checkpoint(model=model).restore(path).assert_consumed()
        for expected in undisturbed[2:]:
            self.assertAllEqual(step(), expected)


if __name__ == "__main__":
    tf.test.main()
