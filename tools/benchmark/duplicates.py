"""How long copies take to find among many uploads, and how many are found.

Fingerprints are made, not videos: 5 to 25 seconds of scenes with cuts and motion, smooth as pictures of 16 x 16 are.
Some are planted copies: mirrored or not, a border cut off, a change of contrast, noise, up to two seconds off either
end, moments that lie between the original's.

  python -m tools.benchmark.duplicates --uploads=300000 --planted=3000
"""

import os
import pathlib
import resource
import tempfile
import time

import numpy as np
from absl import flags

from spl_tf import command
from tools.benchmark.processes import processor_seconds

FLAGS = flags.FlagValues()
flags.DEFINE_integer("uploads", 300_000, "How many uploads there are.", flag_values=FLAGS)
flags.DEFINE_integer("planted", 3_000, "How many of them are copies of another one.", flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "Of the made pictures.", flag_values=FLAGS)

_PER_FILE = 256
_WAVES = 6
# Strength of what changes within a scene beside the scene itself.
_MOTION = 0.25
_SECONDS = (5, 25)


def main() -> int:
    from spl_tf.data.duplicates.fingerprint_files import FingerprintFiles
    from spl_tf.data.duplicates.lookalikes import VIEWS, find_lookalikes
    from spl_tf.data.duplicates.pairs import Pair, compare_pairs

    generator = np.random.default_rng(FLAGS.seed)
    uploads, planted, workers = FLAGS.uploads, FLAGS.planted, os.cpu_count() or 1
    # Copies are spread over the list: row `copy` shows what row `original` shows.
    chosen = generator.permutation(uploads)[: 2 * planted]
    originals = {int(copy): int(original) for copy, original in chosen.reshape(-1, 2)}
    with tempfile.TemporaryDirectory() as folder:
        chunks = _make(pathlib.Path(folder), uploads, originals, FLAGS.seed)
        fingerprints = FingerprintFiles([(chunk, np.zeros(len(chunk.starts) - 1, bool)) for chunk in chunks])
        times = [_times()]
        found = find_lookalikes(chunks, np.ones(uploads, bool), np.zeros(uploads, bool), workers)
        times.append(_times())
        pairs = [
            Pair(fingerprints[first], fingerprints[second], VIEWS[view], *places, by_pieces=False)
            for first, second, view, *places in found.pairs.tolist()
        ]
        common = list(compare_pairs(pairs, workers))
        times.append(_times())
    near = {tuple(sorted(row[:2])) for row, one in zip(found.pairs.tolist(), common, strict=True) if one}
    true = {(min(pair), max(pair)) for pair in originals.items()}
    listed = {(min(first, second), max(first, second)) for first, second in found.pairs[:, :2].tolist()}
    seconds = fingerprints.seconds.sum()
    print(f"uploads {uploads:,} of {seconds / 3600:,.0f} hours, planted copies {planted:,}")
    search, exact = (f"{wall:.0f} s, {busy:.0f} s of processor" for wall, busy in np.diff(times, axis=0))
    print(f"search {search}, {found.compared:,} comparisons of moments in {len(VIEWS)} views")
    print(f"exact comparison of {len(listed):,} pairs {exact}")
    mapped = sum(chunk.pictures.nbytes for chunk in chunks) / 1e9
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"peak memory {peak:.2f} GB, of which up to {mapped:.2f} GB are pages of the files of fingerprints")
    print(f"planted copies found as look-alikes {len(true & listed) / planted:.2%}, in the end", end=" ")
    print(f"{len(true & near) / planted:.2%}")
    print(f"others taken for copies: {len(near - true):,}; left out {found.left_out:,} pairs of moments")
    return 0


def _times() -> tuple[float, float]:
    """Seconds of wall clock, and of processor of this process and of those that have ended."""
    return time.monotonic(), processor_seconds()


def _make(folder: pathlib.Path, uploads: int, originals: dict[int, int], seed: int) -> list:
    """Writes all fingerprints and maps them, file by file."""
    from tqdm import tqdm

    from spl_tf.data.duplicates.fingerprint_files import Chunk

    chunks = []
    for start in tqdm(range(0, uploads, _PER_FILE), desc="making fingerprints", unit="file"):
        made = []
        for place in range(start, min(start + _PER_FILE, uploads)):
            pictures = _upload(originals.get(place, place), uploads, seed)
            if place in originals:
                pictures = _degraded(pictures, np.random.default_rng((seed, place, 1)))
            made.append(np.clip(np.rint(pictures), 0, 255).astype(np.uint8))
        path = folder / f"{start}.npy"
        np.save(path, np.concatenate(made))
        chunks.append(Chunk(np.load(path, mmap_mode="r"), np.cumsum([0, *map(len, made)])))
    return chunks


def _upload(number: int, num_scenes: int, seed: int) -> np.ndarray:
    """Pictures of an upload, float [T, SIDE, SIDE]: one to six scenes, which other uploads show too.

    Pictures are sums of cosine waves, the finer the weaker, as natural ones are; motion takes half a second or longer.
    """
    from spl_tf.data.duplicates.fingerprints import RATE, SIDE

    generator = np.random.default_rng((seed, number))
    waves = np.arange(_WAVES)
    strength = 90 / (1 + waves[:, None] ** 2 + waves**2) ** 0.75
    basis = np.cos(np.pi * (np.arange(SIDE)[:, None] + 0.5) * waves / SIDE)
    count = int(generator.uniform(*_SECONDS) * RATE)
    cuts = np.sort(generator.random(generator.integers(0, 6)))
    shots = np.searchsorted(cuts, (np.arange(count) + 0.5) / count)
    scenes = generator.integers(num_scenes, size=len(cuts) + 1)
    still = np.stack([np.random.default_rng((int(scene), 7)).normal(size=(_WAVES, _WAVES)) for scene in scenes])
    moving = generator.normal(size=(count + 4, _WAVES, _WAVES))
    moving = sum(weight * moving[lag : lag + count] for lag, weight in enumerate((0.32, 0.48, 0.58, 0.48, 0.32)))
    return 128 + basis @ ((still[shots] + _MOTION * moving) * strength) @ basis.T


def _degraded(pictures: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A copy of [T, SIDE, SIDE]: up to 15 % off each side, another contrast, other moments, noise."""
    from spl_tf.data.duplicates.alignment import sampling
    from spl_tf.data.duplicates.fingerprints import RATE, SIDE

    views = []
    for _ in range(2):
        first, last = generator.uniform(0, 0.15, 2) * generator.integers(0, 2, 2)
        views.append(sampling(SIDE, 1 - first - last, (first - last) / 2)[0])
    late = generator.uniform(0, 0.5)
    moved = (1 - late) * pictures[:-1] + late * pictures[1:]
    # No more than a quarter is lost.
    first, last = generator.integers(0, min(2 * RATE, len(moved) // 8) + 1, 2)
    moved = moved[first : len(moved) - last]
    shown = generator.uniform(0.8, 1.2) * (views[0] @ moved @ views[1].T) + generator.uniform(-15, 15)
    return shown[:, :, :: -1 if generator.integers(2) else 1] + generator.normal(0, 2, shown.shape)


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
