"""The labels of videos by their names: from class and label lists, or from a table of tags."""

import dataclasses
from collections.abc import Collection, Iterable, Mapping

from spl_tf.data.lists.labels import texts
from spl_tf.errors import UserError
from tools.collect import tables
from tools.noisyactions2m import lists
from tools.noisyactions2m.lists import Fault


@dataclasses.dataclass(frozen=True)
class NamedLabels:
    """What a manifest says of labels.

    Attributes:
      classes: names, in the order of their ids.
      videos: video -> names of its classes, in the order of the list.
    """

    classes: tuple[str, ...]
    videos: Mapping[str, tuple[str, ...]]


def from_lists(labels: str, classes: str, faults: list[Fault]) -> NamedLabels:
    """Reads a label list and the class list of its ids.

    Args:
      labels: path of the label list.
      classes: path of the class list.
      faults: gets what was mended or left out.

    Raises:
      UserError: as `lists`, or a class has a name that no manifest can hold.
    """
    names = _read_names(classes, faults)
    rows = lists.read_labels(labels, names, faults)
    ordered = _usable(names.values(), classes)
    return NamedLabels(ordered, {video: tuple(dict.fromkeys(names[one] for one in own)) for video, own in rows})


def from_tags(tags: str, classes: str | None, faults: list[Fault]) -> NamedLabels:
    """Reads a CSV file with the columns video_id and tags, several tags separated by `|`.

    Args:
      tags: path of the CSV file.
      classes: path of a class list: other tags are left out. None: every tag is a class, in alphabetical order.
      faults: gets what was mended or left out.

    Raises:
      UserError: a file cannot be read, a class has a name that no manifest can hold, or no video has a class.
    """
    known = None
    if classes is not None:
        known = _usable(_read_names(classes, faults).values(), classes)
    videos: dict[str, tuple[str, ...]] = {}
    for number, row in enumerate(tables.read(tags, ("video_id", "tags"), "--tags"), 1):
        video, given = row["video_id"], texts(row["tags"], known or ())
        own = [name for name in given if known is None or name in known]
        faults += [Fault(tags, number, "unknown class", f"{video} {name}") for name in given if name not in own]
        if not video or not own:
            faults.append(Fault(tags, number, "video without label" if video else "no video_id", video))
            continue
        if video in videos:
            faults.append(Fault(tags, number, "second row of a video, whose tags are added", video))
        videos[video] = tuple(dict.fromkeys([*videos.get(video, ()), *own]))
    if not videos:
        raise UserError(f"{tags} has no video with a tag that is a class: check --tags and --classes")
    if known is None:
        known = _usable(sorted({name for own in videos.values() for name in own}), tags)
    return NamedLabels(known, videos)


def _read_names(classes: str, faults: list[Fault]) -> dict[int, str]:
    """Class id -> name, by rising id. Spaces around a name tell no class from another in a manifest."""
    names: dict[int, str] = {}
    first: dict[str, int] = {}
    given = lists.read_classes(classes, faults)
    for class_id, name in sorted(given.items()):
        names[class_id] = name.strip()
        same = first.setdefault(names[class_id], class_id)
        if same != class_id and given[same] != name:  # The reader has told of names that are equal.
            faults.append(Fault(classes, 0, "names differ in outer spaces: one class", f"{name!r}, also class {same}"))
    return names


def _usable(names: Iterable[str], source: str) -> tuple[str, ...]:
    """The names, each once."""
    once: Collection[str] = dict.fromkeys(names)
    for name in once:
        if "|" in name or set("\r\n") & set(name):
            raise UserError(f"{source}: the class {name!r} has a '|' or a line break, which part labels: rename it")
    return tuple(once)
