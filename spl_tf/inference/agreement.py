"""Whether a faster form of a network says of some clips what it says in float32."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from spl_tf.data.dataset import ClipDataset
from spl_tf.data.input.pipeline import evaluation_clips
from spl_tf.data.input.views import ViewShape

# Of the clips, within limits: on few clips it must not take longer than they do.
_SHARE, _FEWEST, _MOST = 0.02, 4, 200


@dataclasses.dataclass(frozen=True)
class Agreement:
    """Of a faster form with float32.

    Attributes:
      equal: clips of which both say the same class.
      compared: clips that were looked at.
      shift: by how much the highest score differs, on average.
    """

    equal: int
    compared: int
    shift: float

    def __str__(self) -> str:
        clips = f"the class of float32 on {self.equal} of {self.compared} clips"
        return f"{clips}, scores of the highest class {self.shift:.4f} apart on average"


@dataclasses.dataclass(frozen=True, eq=False)
class Sample:
    """Some clips of a data set.

    Attributes:
      batches: uint8 [B, T, S, S, 3] each; the last clip is repeated to the end of the last one.
      count: of clips.
    """

    batches: list[np.ndarray]
    count: int

    def agreement(
        self, exact: Callable[[np.ndarray], np.ndarray], fast: Callable[[np.ndarray], np.ndarray]
    ) -> Agreement:
        """Compares functions from clips to scores [n, N]: `exact` of any number of clips, `fast` of whole batches."""
        size = len(self.batches[0])
        first = np.concatenate([exact(batch[: self.count - size * i]) for i, batch in enumerate(self.batches)])
        second = np.concatenate([fast(batch) for batch in self.batches])[: self.count]
        equal = np.count_nonzero(first.argmax(axis=1) == second.argmax(axis=1))
        return Agreement(int(equal), self.count, float(np.abs(first.max(axis=1) - second.max(axis=1)).mean()))


def sample_of(dataset: ClipDataset, view: ViewShape, batch_size: int) -> Sample:
    """Clips from shards all over a data set, the middle of each: a fiftieth, but at least 4 and at most about 200."""
    wanted = min(max(math.ceil(_SHARE * dataset.num_clips), _FEWEST), _MOST)
    filled = [position for position, shard in enumerate(dataset.shards) if shard.records]
    chosen = filled[:: -(-len(filled) // wanted)]
    batches = evaluation_clips(
        dataset,
        batch_size=batch_size,
        num_frames=view.num_frames,
        frame_stride=view.frame_stride,
        crop_size=view.crop_size,
        shards=chosen,
        rows_per_shard=-(-wanted // len(chosen)),
    )
    clips, weights = zip(*((batch["clips"].numpy(), batch["weights"].numpy()) for batch in batches), strict=True)
    return Sample(list(clips), int(np.sum(weights)))
