"""Losses that tell the views of one clip from those of others, on embeddings of unit length."""

import tensorflow as tf


def info_nce(embeddings: tf.Tensor, positives: tf.Tensor, negatives: tf.Tensor, temperature: float) -> tf.Tensor:
    """Cross-entropy of the positive among the negatives (van den Oord et al. 2018, equation 4), float32 [b].

    Args:
      embeddings: [b, D].
      positives: [b, D], the other view of each.
      negatives: [b, K, D].
      temperature: divides the products.
    """
    embeddings, positives, negatives = (tf.cast(values, tf.float32) for values in (embeddings, positives, negatives))
    own = tf.reduce_sum(embeddings * positives, axis=1, keepdims=True)
    others = tf.linalg.matvec(negatives, embeddings)
    logits = tf.concat([own, others], axis=1) / temperature
    return -tf.nn.log_softmax(logits)[:, 0]


def nt_xent(
    first: tf.Tensor,
    second: tf.Tensor,
    all_first: tf.Tensor,
    all_second: tf.Tensor,
    places: tf.Tensor,
    temperature: float,
) -> tf.Tensor:
    """NT-Xent of two views of every clip (Chen et al. 2020, equation 1), float32 [b].

    Each view is told from the B other clips' both views. The loss of a clip is the sum of its two views', so that the
    mean over the clips is that of CVRL: CE(first -> second, first) + CE(second -> first, second).

    Args:
      first, second: [b, D], the views of this replica's clips.
      all_first, all_second: [B, D], those of the global batch, B of at least 2.
      places: int [b], where in the global batch this replica's clips are.
      temperature: divides the products.
    """
    first, second, all_first, all_second = (
        tf.cast(values, tf.float32) for values in (first, second, all_first, all_second)
    )
    itself = tf.one_hot(places, tf.shape(all_first)[0], on_value=True, off_value=False, dtype=tf.bool)

    def one_way(views: tf.Tensor, all_same: tf.Tensor, all_other: tf.Tensor) -> tf.Tensor:
        to_other = tf.matmul(views, all_other, transpose_b=True) / temperature
        to_same = tf.matmul(views, all_same, transpose_b=True) / temperature
        to_same = tf.where(itself, to_same.dtype.min, to_same)
        return tf.nn.sparse_softmax_cross_entropy_with_logits(places, tf.concat([to_other, to_same], axis=1))

    return one_way(first, all_first, all_second) + one_way(second, all_second, all_first)
