"""The moments of a video by which it is looked for, and a short vector for what happens around each.

A moment is where more changes than within a second before and behind it. Copies, trimmed or inside longer
uploads, have the same moments, so one second in two or so is looked at, instead of all of them at all offsets.
The vector is of coarse pictures, of which what changes counts more than what stays.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from spl_tf.data.duplicates.alignment import Window, pooling, sampling
from spl_tf.data.duplicates.fingerprint_files import Chunk
from spl_tf.data.duplicates.fingerprints import RATE, SIDE

COARSE_SIDE = 4
# Pictures around a moment, up to a second away.
_OFFSETS = np.arange(-RATE, RATE + 1, RATE // 2)
_SHARE_OF_STILL = 0.5
# Of a vector of grey levels: less is dark or flat, and its direction noise.
_LEAST_NORM = 10.0
_SHORT = 6 * RATE
_PART = 4096

# How parts are worked on: `map`, or that of a pool of threads.
Run = Callable[..., Iterator]


@dataclasses.dataclass(frozen=True)
class View:
    """A video as its copy may show it: a part of the picture, mirrored or not, at another speed."""

    window: Window = dataclasses.field(default_factory=Window)
    is_mirrored: bool = False
    speed: float = 1.0

    def inverse(self) -> "View":
        """How the copy must be seen to be like the video."""
        x, y = 1 / self.window.x_scale, 1 / self.window.y_scale
        x_shift = self.window.x_shift if self.is_mirrored else -self.window.x_shift
        window = Window(x, x_shift * x, y, -self.window.y_shift * y)
        return View(window, self.is_mirrored, 1 / self.speed)


@dataclasses.dataclass(frozen=True)
class Moments:
    """Moments of many videos, int64 [n] each.

    Attributes:
      owner: which video.
      place: which of all pictures of all videos.
      first: the video's first picture among those.
      last: its last one.
    """

    owner: np.ndarray
    place: np.ndarray
    first: np.ndarray
    last: np.ndarray

    def __len__(self) -> int:
        return len(self.owner)

    def around(self, rows: np.ndarray | slice, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pictures at these distances from the moments, beyond the video its ends, int64 [n, O]; which are inside."""
        places = self.place[rows, None] + offsets
        clipped = np.clip(places, self.first[rows, None], self.last[rows, None])
        return clipped, places == clipped


def find_moments(chunks: Sequence[Chunk], wanted: np.ndarray, run: Run) -> Moments:
    """The moments of the wanted videos, one or more of each that has pictures.

    Args:
      chunks: fingerprints in order.
      wanted: which of them, bool [N].
      run: works on the chunks.
    """
    parts, videos, pictures = [], 0, 0
    for chunk, (owner, place) in zip(chunks, run(_moments_of, chunks), strict=True):
        is_wanted = wanted[videos : videos + len(chunk.starts) - 1][owner]
        owner, place = owner[is_wanted], place[is_wanted]
        first, last = chunk.starts[owner], chunk.starts[owner + 1] - 1
        parts.append(np.stack([owner + videos, place + pictures, first + pictures, last + pictures]))
        videos, pictures = videos + len(chunk.starts) - 1, pictures + len(chunk.pictures)
    return Moments(*np.concatenate([np.zeros((4, 0), np.int64), *parts], axis=1))


def _moments_of(chunk: Chunk) -> tuple[np.ndarray, np.ndarray]:
    """Which video of the chunk, and which of the chunk's pictures."""
    counts = np.diff(chunk.starts)
    owner = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(owner)) - chunk.starts[owner]
    # As far from both ends as a vector reaches; nearer in a shorter video.
    reach = np.minimum(RATE, (counts[owner] - 1) // 3)
    inside = (place >= reach) & (place < counts[owner] - reach)
    # A second of nothing between two videos.
    apart = np.arange(len(owner)) + RATE * (owner + 1)
    change = np.full(len(owner) + RATE * (len(counts) + 1), -1.0)
    change[apart] = np.where(inside, np.where(reach > 0, _change(chunk.pictures), 0.0), -1.0)
    around = np.lib.stride_tricks.sliding_window_view(change, 2 * RATE + 1)[apart - RATE]
    own = around[:, RATE]
    is_highest = (own > around[:, :RATE].max(axis=1)) & (own >= around[:, RATE + 1 :].max(axis=1))
    # What a short one has is too little to be chosen from.
    chosen = np.flatnonzero(inside & (is_highest | (counts[owner] < _SHORT)))
    return owner[chosen], chosen


def _change(pictures: np.ndarray) -> np.ndarray:
    """How much changes around each picture: the mean square of what the next one has more than the one before."""
    change = np.zeros(len(pictures))
    for start in range(1, len(pictures) - 1, _PART):
        part = pictures[start - 1 : start + _PART + 1].astype(np.float32)
        change[start : start + len(part) - 2] = np.square(part[2:] - part[:-2]).mean(axis=(1, 2))
    return change


def coarse_pictures(chunks: Sequence[Chunk], window: Window, run: Run) -> np.ndarray:
    """All pictures seen through a window, coarse and less their mean, float16 [T, COARSE_SIDE**2]."""
    rows = pooling(COARSE_SIDE) @ sampling(SIDE, window.y_scale, window.y_shift)[0]
    columns = pooling(COARSE_SIDE) @ sampling(SIDE, window.x_scale, window.x_shift)[0]
    both = np.kron(rows, columns).T
    both -= both.mean(axis=1, keepdims=True)
    starts = np.cumsum([0, *(len(chunk.pictures) for chunk in chunks)])
    seen = np.empty((starts[-1], COARSE_SIDE**2), np.float16)

    def fill(chunk: Chunk, start: int) -> None:
        for begin in range(0, len(chunk.pictures), _PART):
            part = chunk.pictures[begin : begin + _PART]
            seen[start + begin : start + begin + len(part)] = part.reshape(len(part), -1).astype(np.float32) @ both

    list(run(fill, chunks, starts[:-1]))
    return seen


def turned(coarse: np.ndarray, view: View) -> np.ndarray:
    """Coarse pictures [..., COARSE_SIDE**2] as the view shows them, mirrored or not."""
    if not view.is_mirrored:
        return coarse
    return coarse.reshape(*coarse.shape[:-1], COARSE_SIDE, COARSE_SIDE)[..., ::-1].reshape(coarse.shape)


def vectors(coarse: np.ndarray, moments: Moments, view: View, run: Run) -> np.ndarray:
    """The moments in pictures seen through the view's window, float32 [n, LENGTH].

    Unit vectors, or 0 where there is nothing to see.
    """
    offsets = np.rint(_OFFSETS * view.speed).astype(int)
    found = np.empty((len(moments), len(offsets) * coarse.shape[1]), np.float32)

    def fill(start: int) -> None:
        part = slice(start, start + _PART)
        seen = turned(coarse[moments.around(part, offsets)[0]].astype(np.float32), view)
        seen -= (1 - _SHARE_OF_STILL) * seen.mean(axis=1, keepdims=True)
        flat = seen.reshape(len(seen), -1)
        norms = np.linalg.norm(flat, axis=1, keepdims=True)
        found[part] = np.where(norms >= _LEAST_NORM, flat / np.maximum(norms, _LEAST_NORM), 0.0)

    list(run(fill, range(0, len(moments), _PART)))
    return found


def stays(found: np.ndarray) -> np.ndarray:
    """The part of vectors [n, LENGTH] that is the same in all their pictures, float32 [n, COARSE_SIDE**2].

    Its product with another one's is what it has in the product of the vectors.
    """
    same = np.tile(np.eye(COARSE_SIDE**2, dtype=np.float32), (len(_OFFSETS), 1)) / np.float32(len(_OFFSETS)) ** 0.5
    return found @ same
