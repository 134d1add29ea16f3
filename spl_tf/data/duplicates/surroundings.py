"""Whether two moments that are alike are so for some seconds before and behind too, as far as both videos go."""

import dataclasses

import numpy as np

from spl_tf.data.duplicates.cells import parts
from spl_tf.data.duplicates.fingerprints import RATE
from spl_tf.data.duplicates.moments import COARSE_SIDE, Moments, View, turned

# Pictures up to four seconds away, and what these must reach: the correlation of the pictures, and that of their
# changes, higher where there are few. Grey levels.
_OFFSETS = np.arange(-4 * RATE, 4 * RATE + 1, RATE // 2)
# Of those, what a piece may show: up to a second behind, from a second before, a second and a half to both sides.
_STRETCHES = (slice(0, 11), slice(6, 17), slice(5, 12))
_LEAST_LIKENESS = 0.8
_LEAST_CHANGE = 0.5
_MORE_FOR_ONE = 0.5
_NOISE = 0.3
_PAIRS = 1024


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What is shown around moments.

    Attributes:
      pictures: coarse, 0 beyond the video, float32 [n, O, COARSE_SIDE**2].
      inside: 1 within the video, float32 [n, O].
      energy: sums of the pictures' squares, float32 [n, O].
    """

    pictures: np.ndarray
    inside: np.ndarray
    energy: np.ndarray


def surroundings(coarse: np.ndarray, moments: Moments, rows: np.ndarray, view: View) -> Surroundings:
    """Of some of the moments, in pictures [T, COARSE_SIDE**2] seen through the view's window."""
    places, is_inside = moments.around(rows, np.rint(_OFFSETS * view.speed).astype(int))
    inside = is_inside.astype(np.float32)
    pictures = turned(coarse[places].astype(np.float32), view) * inside[..., None]
    return Surroundings(pictures, inside, np.einsum("noc,noc->no", pictures, pictures))


def goes_on(
    first: Surroundings, second: Surroundings, pairs: tuple[np.ndarray, np.ndarray], is_piece: np.ndarray
) -> np.ndarray:
    """Which pairs, two int64 [P], of moments of the one and of the other are alike all around, bool [P].

    Where `is_piece`, bool [P], it is enough before, behind, or nearer.
    """
    kept = np.zeros(len(is_piece), bool)
    for part in parts(np.arange(len(is_piece)), _PAIRS):
        kept[part] = _are_alike(first, second, (pairs[0][part], pairs[1][part]), slice(None))
        for stretch in _STRETCHES:
            some = part[is_piece[part] & ~kept[part]]
            if len(some):
                kept[some] = _are_alike(first, second, (pairs[0][some], pairs[1][some]), stretch)
    return kept


def _are_alike(
    first: Surroundings, second: Surroundings, pairs: tuple[np.ndarray, np.ndarray], stretch: slice
) -> np.ndarray:
    """Whether the pictures and their changes agree, where both are there, bool [P]."""
    one, other = pairs
    # Beyond either video one of them is 0.
    shown = first.pictures[one, stretch], second.pictures[other, stretch]
    inside = first.inside[one, stretch], second.inside[other, stretch]
    product = np.einsum("pk,pk->p", *(pictures.reshape(len(one), -1) for pictures in shown))
    energies = (
        np.einsum("po,po->p", first.energy[one, stretch], inside[1]),
        np.einsum("po,po->p", second.energy[other, stretch], inside[0]),
    )
    alike = _correlations(product, *energies) >= _LEAST_LIKENESS
    both = (inside[0][alike] * inside[1][alike])[..., None]
    alike[alike] = _change_alike(shown[0][alike], shown[1][alike], both[:, 1:] * both[:, :-1])
    return alike


def _change_alike(first: np.ndarray, second: np.ndarray, both: np.ndarray) -> np.ndarray:
    """Whether the changes of pictures [P, O, places] agree from picture to picture, 1 where `both`, [P, O - 1, 1]."""
    changes = [np.diff(pictures, axis=1) * both for pictures in (first, second)]
    pairs = (changes, (changes[0], changes[0]), (changes[1], changes[1]))
    products = np.stack([np.einsum("poc,poc->po", *pair) for pair in pairs])
    # A cut is one large change of many: by itself it says little.
    weighted = products / np.sqrt(np.maximum(np.sqrt(products[1] * products[2]), 1.0))
    count = np.maximum(both.sum(axis=(1, 2)), 1)
    energy = products[1:].sum(axis=2).min(axis=0) / (count * COARSE_SIDE**2)
    # Where little moves, an encoder's noise is a part of the changes.
    away = (1.0 - _correlations(*weighted.sum(axis=2))) * energy / (energy + _NOISE**2)
    return away <= 1.0 - _LEAST_CHANGE - _MORE_FOR_ONE / np.sqrt(count)


def _correlations(products: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of products of two and their energies, [P] each."""
    return products / np.sqrt(np.maximum(first * second, 1e-6))
