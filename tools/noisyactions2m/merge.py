"""Merges classes that are one: of one name but for case or inflection, or with nearly the same videos.

  python -m tools.noisyactions2m.merge --classes=classInd.txt --labels=trainlist.txt --others=trainlist_single.txt

The released classes of NoisyActions2M are not de-duplicated: "winter" and "Winter", "sit" and "sitting" have an id each
and almost the same videos. --rules says which pairs of classes are merged:

  case      names that differ in case or spaces alone
  lemma     names whose words have one dictionary form
  jaccard   of the videos that one of the two has, both have a share above --threshold; both have --least_videos, as
            two classes of one video would be one by chance

Classes are joined over several pairs too. A merged class has the name of the member with the most videos (of equals
the first); the new ids, from 1, follow the smallest old id. --labels decides the video sets; --others, repeatable,
are lists of the same class ids that are only rewritten.

Written beside --classes, or into --output, the old lists staying as they are:

  <list>.merged.txt     every list with the new ids, each once in a video
  merges.csv            one row a pair: rule,first_id,first,second_id,second,first_videos,second_videos,shared,jaccard;
                        several rules are joined by +
  class_map.csv         old_id,old_name,new_id,new_name of every class: both vocabularies stay usable
  merge_findings.csv    file,line,kind,detail of what was mended or left out while the lists were read
"""

import os
import pathlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from absl import flags

from spl_tf import command
from spl_tf.errors import UserError
from tools.collect import tables
from tools.collect.query_list import key as spelled
from tools.noisyactions2m import lists, overlap
from tools.noisyactions2m.lemmas import lemmatised

RULES = ("case", "lemma", "jaccard")

FLAGS = flags.FlagValues()
flags.DEFINE_string("classes", None, "The class list.", flag_values=FLAGS)
flags.DEFINE_string("labels", None, "The label list that decides the video sets.", flag_values=FLAGS)
flags.DEFINE_multi_string("others", [], "Label list to rewrite too, repeatable.", flag_values=FLAGS)
flags.DEFINE_list("rules", list(RULES), "Which classes are merged: case, lemma, jaccard.", flag_values=FLAGS)
flags.DEFINE_float(
    "threshold", 0.85, "Of the Jaccard index, which is above it.", lower_bound=0, upper_bound=1, flag_values=FLAGS
)
flags.DEFINE_integer("least_videos", 10, "Of both classes, for the rule jaccard.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_string("output", None, "Folder for the new lists; that of --classes.", flag_values=FLAGS)

Pair = tuple[int, int]
_PAIR_COLUMNS = (
    "rule", "first_id", "first", "second_id", "second", "first_videos", "second_videos", "shared", "jaccard",
)  # fmt: skip
_MAP_COLUMNS = ("old_id", "old_name", "new_id", "new_name")


def main() -> None:
    command.require_flags(FLAGS, "classes", "labels")
    if unknown := [rule for rule in FLAGS.rules if rule not in RULES]:
        raise UserError(f"--rules={','.join(FLAGS.rules)}: {unknown[0]!r} is none of {', '.join(RULES)}")
    sources = [FLAGS.labels, *FLAGS.others]
    folder = pathlib.Path(FLAGS.output or pathlib.Path(FLAGS.classes).parent)
    written = [merged_path(folder, source) for source in (FLAGS.classes, *sources)]
    if len(set(written)) < len(written):
        raise UserError("two lists have one name and would be written over each other: rename one of --others")
    report: list[lists.Fault] = []
    classes = lists.read_classes(FLAGS.classes, report)
    rows = [lists.read_labels(source, classes, report) for source in sources]
    evidence = pairs(classes, [labels for _, labels in rows[0]], FLAGS.rules, FLAGS.threshold, FLAGS.least_videos)
    named = {merged_path(folder, source): listed for source, listed in zip(sources, rows, strict=True)}
    print(write(merged_path(folder, FLAGS.classes), classes, named, evidence, report))


def merged_path(folder: pathlib.Path, source: str) -> pathlib.Path:
    """trainlist.txt -> trainlist.merged.txt."""
    path = pathlib.Path(source)
    return folder / f"{path.stem}.merged{path.suffix}"


def pairs(
    classes: Mapping[int, str],
    labels: Sequence[Sequence[int]],
    rules: Sequence[str],
    threshold: float,
    least_videos: int,
) -> dict[Pair, list[str]]:
    """Pairs of class ids to merge -> the rules that say so.

    Args:
      classes: id -> name.
      labels: of each video, class ids, each once.
      rules: some of RULES; of a name's several classes each is paired with the first.
      threshold: of the Jaccard index.
      least_videos: of both classes, for the Jaccard index to count.
    """
    found: dict[Pair, list[str]] = {}
    for rule, form in (("case", spelled), ("lemma", lemmatised)):
        if rule in rules:
            for pair in same_name(classes, form):
                found.setdefault(pair, []).append(rule)
    if "jaccard" in rules:
        ids = list(classes)
        for first, second in _sets(classes, labels).above(threshold, least_videos):
            found.setdefault((ids[first], ids[second]), []).append("jaccard")
    return found


def same_name(classes: Mapping[int, str], form: Callable[[str], str]) -> list[Pair]:
    """Each class whose name has the form of an earlier one's, behind the first of that form; "" is no form."""
    first: dict[str, int] = {}
    paired = []
    for class_id, name in classes.items():
        shared = form(name)
        earlier = first.setdefault(shared, class_id)
        if shared and earlier != class_id:
            paired.append((earlier, class_id))
    return paired


def new_ids(classes: Mapping[int, str], sizes: Mapping[int, int], merged: Sequence[Pair]) -> dict[int, tuple[int, str]]:
    """Old class id -> new id and name.

    Args:
      classes: id -> name.
      sizes: id -> videos.
      merged: pairs of old ids that are one class.
    """
    ids = sorted(classes)
    place = {class_id: number for number, class_id in enumerate(ids)}
    roots = overlap.groups([(place[first], place[second]) for first, second in merged], len(ids))
    largest: dict[int, int] = {}
    for class_id, root in zip(ids, roots, strict=True):
        if sizes[class_id] > sizes[largest.setdefault(root, class_id)]:
            largest[root] = class_id
    numbers = {root: number for number, root in enumerate(largest, 1)}
    return {class_id: (numbers[root], classes[largest[root]]) for class_id, root in zip(ids, roots, strict=True)}


def rewritten(labels: Sequence[int], ids: Mapping[int, tuple[int, str]]) -> tuple[int, ...]:
    """A video's labels with the new ids, each once, in the order of the first."""
    return tuple(dict.fromkeys(ids[label][0] for label in labels))


def write(
    class_list: pathlib.Path,
    classes: Mapping[int, str],
    rows: Mapping[pathlib.Path, list[tuple[str, tuple[int, ...]]]],
    evidence: Mapping[Pair, list[str]],
    report: Sequence[lists.Fault],
) -> str:
    """Writes the new lists, the map and the reports; returns a summary.

    Args:
      class_list: the new one; map and reports lie beside it.
      classes: old id -> name.
      rows: path of a new label list -> the rows of the old one; the first decides the video sets.
      evidence: what `pairs` found.
      report: what the lists' readers said.
    """
    folder = class_list.parent
    sets = _sets(classes, [labels for _, labels in next(iter(rows.values()))])
    place = {class_id: number for number, class_id in enumerate(classes)}
    sizes = dict(zip(classes, sets.sizes.tolist(), strict=True))
    ids = new_ids(classes, sizes, list(evidence))
    names = dict(sorted(ids.values()))

    ends = np.array([[place[first], place[second]] for first, second in evidence], np.int64).reshape(-1, 2)
    shared = sets.intersections(ends[:, 0], ends[:, 1])
    similar = overlap.jaccard(shared, sets.sizes[ends[:, 0]], sets.sizes[ends[:, 1]])
    lines = []
    for (pair, rules), both, share in zip(evidence.items(), shared.tolist(), similar.tolist(), strict=True):
        first, second = pair
        sides = (first, classes[first], second, classes[second], sizes[first], sizes[second])
        lines.append(("+".join(rules), *sides, both, f"{share:.4f}"))
    tables.write(folder / "merges.csv", _PAIR_COLUMNS, lines)
    mapped = ((old, name, *ids[old]) for old, name in classes.items())
    tables.write(folder / "class_map.csv", _MAP_COLUMNS, mapped)
    lists.write_report(folder / "merge_findings.csv", report)
    lists.write_classes(class_list, names)
    text = [f"{len(classes)} classes -> {len(names)}, by {len(lines)} pairs: see {folder}{os.sep}merges.csv"]
    for path, listed in rows.items():
        new = [(video, rewritten(labels, ids)) for video, labels in listed]
        lists.write_labels(path, new)
        before, after = (np.mean([len(labels) for _, labels in each]) for each in (listed, new))
        text.append(f"{path}: {len(new)} videos, {before:.2f} -> {after:.2f} labels a video")
    return "\n".join([*text, lists.summary(report, "merge_findings.csv")])


def _sets(classes: Mapping[int, str], labels: Sequence[Sequence[int]]) -> overlap.VideoSets:
    place = {class_id: number for number, class_id in enumerate(classes)}
    return overlap.VideoSets([[place[label] for label in row] for row in labels], len(classes))


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
