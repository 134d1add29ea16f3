"""What the objectives that learn without labels have in common."""

import keras
import tensorflow as tf

from spl_tf.data.input.preprocessing import prepare_views
from spl_tf.labels.targets import NONE
from spl_tf.models.self_supervised import feature_network
from spl_tf.training.objectives.objective import Batch, Objective, Outputs


class SelfSupervised(Objective):
    """Learns from several views of a clip, whatever its labels; what remains is a backbone, without class scores."""

    target = NONE
    selected_by = ""  # There is no validation.

    def stored(self, trunk: keras.Model, network: keras.Model) -> keras.Model:
        return feature_network(trunk)

    def prepare(self, batch: Batch) -> tf.Tensor:
        """The views of every clip one after the other, float32 [b * V, T, H, W, 3]."""
        clips = self.change(prepare_views(batch["clips"], batch["color"], self.photometric), batch)
        return tf.reshape(clips, tf.concat([[-1], tf.shape(clips)[2:]], axis=0))

    def change(self, clips: tf.Tensor, batch: Batch) -> tf.Tensor:
        """What is done to normalized views, float32 [b, V, T, H, W, 3], before the network sees them."""
        return clips

    def embeddings(self, outputs: Outputs) -> tf.Tensor:
        """Of every view of a clip, float32 [b, V, D]."""
        embedding = outputs["embedding"]
        return tf.reshape(embedding, [-1, self.views.num_views, embedding.shape[-1]])
