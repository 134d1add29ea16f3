"""How long near-duplicates take to find among many uploads, and how many are found.

Fingerprints are made, not videos: scenes with cuts and motion, smooth as pictures of 32 x 32 are. Some
are planted copies: a border cut off, a change of contrast, noise, and moments that are a little late.

  python -m tools.benchmark.duplicates --uploads=300000 --planted=3000
"""

import pathlib
import resource
import tempfile
import time

import numpy as np
from absl import flags

from spl_tf import command

FLAGS = flags.FlagValues()
flags.DEFINE_integer("uploads", 300_000, "How many uploads there are.", flag_values=FLAGS)
flags.DEFINE_integer("planted", 3_000, "How many of them are copies of another one.", flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "Of the made pictures.", flag_values=FLAGS)

_PER_FILE = 1024
_WAVES = 10
# Strength of what changes within a scene beside the scene itself.
_MOTION = 0.25


def main() -> int:
    from spl_tf.data.duplicates.lookalikes import VIEWS, find_lookalikes
    from spl_tf.data.duplicates.near_duplicates import DISTANCE_LIMIT, distance

    generator = np.random.default_rng(FLAGS.seed)
    uploads, planted = FLAGS.uploads, FLAGS.planted
    # Copies are spread over the list: row `copy` shows what row `original` shows.
    chosen = generator.permutation(uploads)[: 2 * planted]
    originals = {int(copy): int(original) for copy, original in chosen.reshape(-1, 2)}
    with tempfile.TemporaryDirectory() as folder:
        chunks = _make(pathlib.Path(folder), uploads, originals, FLAGS.seed)
        begun = time.monotonic()
        found = find_lookalikes(chunks, np.ones(uploads, bool))
        searched = time.monotonic()
        near = set()
        for first, second, view in found.pairs:
            pictures = (chunks[place // _PER_FILE][place % _PER_FILE] for place in (first, second))
            if distance(*pictures, VIEWS[view]) <= DISTANCE_LIMIT:
                near.add((min(first, second), max(first, second)))
        compared = time.monotonic()
    true = {(min(pair), max(pair)) for pair in originals.items()}
    listed = {(min(first, second), max(first, second)) for first, second, _ in found.pairs}
    all_pairs = uploads * (uploads - 1) // 2
    print(f"uploads {uploads:,}, planted copies {planted:,}")
    print(f"search {searched - begun:.0f} s, exact comparison of {len(listed):,} pairs {compared - searched:.0f} s")
    peak, mapped = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, sum(chunk.nbytes for chunk in chunks) / 1e9
    print(f"peak memory {peak:.2f} GB, of which up to {mapped:.2f} GB are pages of the files of fingerprints")
    print(
        f"coarse comparisons {found.compared:,} in {len(VIEWS)} views: "
        f"{found.compared / (2 * len(VIEWS) * all_pairs):.3%} of all"
    )
    print(f"planted copies found as look-alikes {len(true & listed) / planted:.2%}, in the end", end=" ")
    print(f"{len(true & near) / planted:.2%}")
    print(f"others taken for copies: {len(near - true):,}")
    return 0


def _make(folder: pathlib.Path, uploads: int, originals: dict[int, int], seed: int) -> list[np.ndarray]:
    """Writes all fingerprints and maps them, arrays of uint8 [n, MOMENTS, SIDE, SIDE]."""
    from tqdm import tqdm

    paths = []
    for start in tqdm(range(0, uploads, _PER_FILE), desc="making fingerprints", unit="file"):
        places = range(start, min(start + _PER_FILE, uploads))
        seeds = np.array([[seed, originals.get(place, place)] for place in places])
        pictures = _upload_pictures(seeds, uploads)
        for row, place in enumerate(places):
            if place in originals:
                pictures[row] = _degraded(pictures[row], np.random.default_rng((seed, place, 1)))
        paths.append(folder / f"{start}.npy")
        np.save(paths[-1], np.clip(np.rint(pictures), 0, 255).astype(np.uint8))
    return [np.load(path, mmap_mode="r") for path in paths]


def _upload_pictures(seeds: np.ndarray, num_scenes: int) -> np.ndarray:
    """Pictures of uploads, float32 [N, MOMENTS, SIDE, SIDE]: one to six scenes each, which other uploads show too.

    Pictures are sums of cosine waves, the finer the weaker, as natural ones are.
    """
    from spl_tf.data.duplicates.fingerprints import MOMENTS, SIDE

    waves = np.arange(_WAVES)
    strength = 90 / (1 + waves[:, None] ** 2 + waves**2) ** 0.75
    basis = np.cos(np.pi * (np.arange(SIDE)[:, None] + 0.5) * waves / SIDE)
    weights = np.empty((len(seeds), MOMENTS, _WAVES, _WAVES))
    for row, seed in enumerate(seeds):
        generator = np.random.default_rng(seed)
        cuts = np.sort(generator.random(generator.integers(0, 6)))
        shots = np.searchsorted(cuts, (np.arange(MOMENTS) + 0.5) / MOMENTS)
        scenes = generator.integers(num_scenes, size=len(cuts) + 1)
        still = np.stack([np.random.default_rng((int(scene), 7)).normal(size=(_WAVES, _WAVES)) for scene in scenes])
        weights[row] = still[shots] + _MOTION * generator.normal(size=(MOMENTS, _WAVES, _WAVES))
    return (128 + basis @ (weights * strength) @ basis.T).astype(np.float32)


def _degraded(pictures: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A copy of [MOMENTS, SIDE, SIDE]: up to 15 % off each side, another contrast, up to 0.15 moments late, noise."""
    from spl_tf.data.duplicates.fingerprints import SIDE
    from spl_tf.data.duplicates.near_duplicates import sampling

    views = []
    for _ in range(2):
        first, last = generator.uniform(0, 0.15, 2) * generator.integers(0, 2, 2)
        views.append(sampling(SIDE, 1 - first - last, (first - last) / 2)[0])
    late = generator.uniform(0, 0.15)
    moved = (1 - late) * pictures + late * np.roll(pictures, -1, axis=0)
    shown = generator.uniform(0.8, 1.2) * (views[0] @ moved @ views[1].T) + generator.uniform(-15, 15)
    return shown + generator.normal(0, 2, shown.shape)


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
