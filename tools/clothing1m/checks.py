"""Which keys of the lists become rows of the manifests; every other line of a list is rejected with a reason."""

import dataclasses
from collections.abc import Mapping, Sequence

import tqdm

from spl_tf.text_tables import reason_kind
from tools.clothing1m.image_files import ImageFiles, key_problem
from tools.clothing1m.layout import (
    CLEAN_LABELS,
    CLEAN_TEST,
    CLEAN_TRAIN,
    CLEAN_VALIDATION,
    NO_LABEL,
    NOISY_LABELS,
    NOISY_TRAIN,
    Labels,
    Layout,
)

# A key in several clean lists stays in the first of these.
_CLEAN_LISTS = (CLEAN_TEST, CLEAN_VALIDATION, CLEAN_TRAIN)
_HELD_OUT = (CLEAN_TEST, CLEAN_VALIDATION)
REPEATED = "repeated key"


@dataclasses.dataclass(frozen=True)
class Rejected:
    """A line that gives no row."""

    key: str
    list_name: str
    reason: str

    @property
    def kind(self) -> str:
        """What is counted: the reason up to its bracket."""
        return reason_kind(self.reason)


@dataclasses.dataclass(frozen=True)
class Selection:
    """What the lists come to.

    Attributes:
      images: by list, key -> class id. Every line of a list is in here or in `rejected`.
      rejected: the other lines.
      unlisted: by file of labels, how many of its keys are in no list, which is no error.
    """

    images: dict[str, dict[str, int]]
    rejected: list[Rejected]
    unlisted: dict[str, int]

    def both_labels(self, noisy_labels: Labels) -> dict[str, tuple[int, int]]:
        """Key -> clean and noisy class id, of the clean training images that have a noisy label too."""
        noisy = {key: noisy_labels.get(key) for key in self.images[CLEAN_TRAIN]}
        return {
            key: (clean, noisy[key]) for key, clean in self.images[CLEAN_TRAIN].items() if isinstance(noisy[key], int)
        }

    def without(self, damaged: Mapping[str, str]) -> "Selection":
        """Rejects the keys of damaged images, key -> reason."""
        images = {
            name: {key: label for key, label in chosen.items() if key not in damaged}
            for name, chosen in self.images.items()
        }
        more = [
            Rejected(key, name, damaged[key])
            for name, chosen in self.images.items()
            for key in chosen
            if key in damaged
        ]
        return dataclasses.replace(self, images=images, rejected=self.rejected + more)


def select(layout: Layout, files: ImageFiles) -> Selection:
    """Applies all checks that need no decoding.

    Of the clean lists, a key stays in the one that is evaluated last: test, then validation, then training. Keys
    of clean validation and test are held out: they are no noisy training images either.
    """
    images, rejected = {}, []
    elsewhere: dict[str, str] = {}  # Key -> the list it belongs to, whether or not it can be used there.
    for name in _CLEAN_LISTS:
        images[name], more = _choose(name, layout.keys[name], layout.clean_labels, elsewhere, files)
        rejected += more
        for key in layout.keys[name]:
            elsewhere.setdefault(key, name)
    held_out = {key: name for key, name in elsewhere.items() if name in _HELD_OUT}
    images[NOISY_TRAIN], more = _choose(NOISY_TRAIN, layout.keys[NOISY_TRAIN], layout.noisy_labels, held_out, files)
    listed = elsewhere.keys() | set(layout.keys[NOISY_TRAIN])
    labels = {CLEAN_LABELS: layout.clean_labels, NOISY_LABELS: layout.noisy_labels}
    unlisted = {name: len(known.keys() - listed) for name, known in labels.items()}
    return Selection(images, rejected + more, unlisted)


def _choose(
    name: str, keys: Sequence[str], labels: Labels, elsewhere: Mapping[str, str], files: ImageFiles
) -> tuple[dict[str, int], list[Rejected]]:
    """The usable keys of one list, key -> class id, and the others."""
    chosen: dict[str, int] = {}
    rejected, seen = [], set()
    for key in tqdm.tqdm(keys, desc=name, unit="key"):
        label = labels.get(key, NO_LABEL)
        if reason := key_problem(key):
            pass
        elif key in seen:
            reason = REPEATED
        elif key in elsewhere:
            reason = f"held out (in {elsewhere[key]})" if name == NOISY_TRAIN else f"also in {elsewhere[key]}"
        else:
            reason = label if isinstance(label, str) else files.problem(key)
        seen.add(key)
        if reason:
            rejected.append(Rejected(key, name, reason))
        else:
            chosen[key] = label
    return chosen, rejected
