"""An embedding of every clip of the data set, as it was seen in earlier steps (Wu et al., CVPR 2018)."""

import tensorflow as tf

_MOMENTUM = 0.5


class MemoryBank:
    """Embeddings of unit length, one a clip; create it inside the strategy's scope.

    It begins with random values of that length on average, and follows what a batch shows:
    v <- (v / 2 + f / 2) / |v / 2 + f / 2|. A step reads and writes the rows of its clips alone.
    """

    def __init__(self, num_clips: int, units: int, seed: int):
        """Creates the variable.

        Args:
          num_clips: rows, 4 * units bytes each.
          units: D.
          seed: of the values it begins with, uniform within sqrt(3 / D).
        """
        limit = (3.0 / units) ** 0.5
        values = tf.random.stateless_uniform([num_clips, units], [seed, 0], -limit, limit, alg="philox")
        self.values = tf.Variable(values, trainable=False)

    def gather(self, clips: tf.Tensor) -> tf.Tensor:
        """Rows of this replica's copy: int [...] -> float32 [..., D]; there is no gradient to them."""
        return tf.raw_ops.ResourceGather(resource=self.values.handle, indices=clips, dtype=tf.float32)

    def update(self, strategy: tf.distribute.Strategy, seen: tf.IndexedSlices) -> None:
        """Moves the rows of a global batch, in cross-replica context; a clip that is in it twice moves to the mean.

        Args:
          strategy: under whose scope it was created.
          seen: embeddings [B, D] and their clips.
        """

        def move(values: tf.Variable, seen: tf.IndexedSlices) -> None:
            clips, positions = tf.unique(seen.indices)
            means = tf.math.unsorted_segment_mean(seen.values, positions, tf.size(clips))
            old = tf.raw_ops.ResourceGather(resource=values.handle, indices=clips, dtype=tf.float32)
            moved = tf.math.l2_normalize(_MOMENTUM * old + (1.0 - _MOMENTUM) * means, axis=1)
            values.scatter_update(tf.IndexedSlices(moved, clips))

        strategy.extended.update(self.values, move, args=(seen,))
