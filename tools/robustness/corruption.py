"""Video files with wrong bits: "Beyond the Pixels" (Chang, Fu, Li, Re 2020), as in NoisyActions2M (appendix B.2).

A file is its bytes, the container's header and index among them. What is wrong is drawn as a mask over all its bits,
with which the bytes are XORed.
"""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterator

import numpy as np

from spl_tf import files

_PIECE = 1 << 20  # Bytes in memory at a time. Another number gives other draws.


@dataclasses.dataclass(frozen=True)
class RandomFlips:
    """Each bit is flipped on its own with the probability."""

    probability: float

    def masks(self, num_bytes: int, generator: np.random.Generator) -> Iterator[np.ndarray]:
        """The mask of a file in pieces, uint8.

        How many bits are flipped is drawn from a binomial distribution, then their places without replacement. Of
        independent bits it makes no difference that this is done piece by piece.
        """
        for size in _sizes(num_bytes):
            count = generator.binomial(8 * size, self.probability)
            bits = generator.choice(8 * size, count, replace=False, shuffle=False)
            mask = np.zeros(size, np.uint8)
            np.bitwise_xor.at(mask, bits >> 3, (1 << (bits & 7)).astype(np.uint8))
            yield mask


@dataclasses.dataclass(frozen=True)
class ContiguousSegment:
    """One segment of the file is replaced, which begins anywhere with equal chance.

    Attributes:
      share: its length in that of the file, rounded to bytes.
      mode: "invert" flips all its bits, as NoisyActions2M says. "random" puts random bits in their place, as Chang et
        al. do: whatever was there, XORed with random bits it is random.
    """

    share: float
    mode: str

    def masks(self, num_bytes: int, generator: np.random.Generator) -> Iterator[np.ndarray]:
        """The mask of a file in pieces, uint8."""
        length = round(self.share * num_bytes)
        start = int(generator.integers(0, num_bytes - length, endpoint=True))
        begin = 0
        for size in _sizes(num_bytes):
            mask = np.zeros(size, np.uint8)
            inside = mask[max(0, start - begin) : max(0, start + length - begin)]
            inside[:] = 255 if self.mode == "invert" else generator.integers(0, 256, inside.size, np.uint8)
            begin += size
            yield mask


Corruption = RandomFlips | ContiguousSegment


@dataclasses.dataclass(frozen=True)
class Job:
    """A file to corrupt.

    Attributes:
      name: decides the draws, with the seed.
      source: path of the file.
      target: path of the corrupted one.
      corruption: how.
      seed: 0 or more.
    """

    name: str
    source: str
    target: str
    corruption: Corruption
    seed: int


@dataclasses.dataclass(frozen=True)
class Made:
    """A corrupted file: its checksum, how many bytes it has, and how many bits of it are flipped."""

    sha256: str
    num_bytes: int
    num_flipped: int


def corrupt_file(job: Job) -> Made:
    """Writes the corrupted file, whole or not at all; one that is there already with the same bytes is kept.

    Raises:
      OSError: the source cannot be read, or the target cannot be written.
    """
    if os.path.isfile(job.target):
        made = _corrupt(job, lambda piece: None)
        if made.sha256 == files.sha256(job.target):
            return made
    with files.atomic_path(job.target) as temporary, open(temporary, "wb") as target:
        return _corrupt(job, target.write)


def _corrupt(job: Job, write: Callable[[bytes], object]) -> Made:
    digest, num_flipped = hashlib.sha256(), 0
    of_file = hashlib.sha256(f"{job.seed}\0{job.name}".encode()).digest()
    with open(job.source, "rb") as source:
        num_bytes = os.fstat(source.fileno()).st_size
        for mask in job.corruption.masks(num_bytes, np.random.default_rng(int.from_bytes(of_file))):
            piece = (np.frombuffer(source.read(mask.size), np.uint8) ^ mask).tobytes()
            num_flipped += int(np.unpackbits(mask).sum())
            digest.update(piece)
            write(piece)
    return Made(digest.hexdigest(), num_bytes, num_flipped)


def _sizes(num_bytes: int) -> Iterator[int]:
    for begin in range(0, num_bytes, _PIECE):
        yield min(_PIECE, num_bytes - begin)
