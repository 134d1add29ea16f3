"""Classes are merged by name and by their videos, and every pair is found that a search of all pairs finds."""

import collections
import itertools
import pathlib

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from tests.commands import run_command
from tests.written import csv_rows
from tools.noisyactions2m import lists, merge, overlap

_DATA = pathlib.Path(__file__).parents[2].parent / "shared/data/noisyactions2m"


def all_pairs(labels, num_classes, threshold, least=1):
    """Every pair of classes looked at, with sets."""
    videos = [set() for _ in range(num_classes)]
    for video, row in enumerate(labels):
        for label in row:
            videos[label].add(video)
    found = []
    for first, second in itertools.combinations(range(num_classes), 2):
        shared, either = len(videos[first] & videos[second]), len(videos[first] | videos[second])
        if min(len(videos[first]), len(videos[second])) >= least and either and shared / either > threshold:
            found.append((first, second))
    return found


def noisy_copies(seed, num_classes=40, num_videos=300):
    """Label lists in which some classes are copies of others but for a few videos."""
    rng = np.random.default_rng(seed)
    member = rng.random((num_videos, num_classes)) < rng.choice([0.003, 0.02, 0.2], num_classes)
    for target in range(num_classes // 2, num_classes):
        changed = rng.random(num_videos) < rng.choice([0, 0.002, 0.02])
        member[:, target] = member[:, rng.integers(num_classes // 2)] ^ changed
    return [np.flatnonzero(row).tolist() for row in member]


class OverlapTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.product(seed=[0, 1, 2, 3], threshold=(0, 0.3, 0.5, 0.85, 0.9, 1.0), least=(1, 5))
    def test_the_pairs_are_those_of_a_search_of_all(self, seed, threshold, least):
        labels = noisy_copies(seed)
        found = list(overlap.VideoSets(labels, 40).above(threshold, least))
        self.assertEqual(found, all_pairs(labels, 40, threshold, least))
        if threshold < 0.9:
            self.assertNotEmpty(found)

    @parameterized.parameters((17, 20), (3, 4), (1, 2), (85, 100), (9, 10))
    def test_a_share_equal_to_the_threshold_is_not_above_it(self, shared, either):
        labels = [[0, 1]] * shared + [[0]] * (either - shared)
        sets = overlap.VideoSets(labels, 2)
        self.assertEqual(list(sets.above(shared / either)), [])
        self.assertEqual(list(sets.above(shared / either - 1e-6)), [(0, 1)])

    def test_few_of_many_pairs_are_looked_at(self):
        labels = noisy_copies(0, num_classes=200, num_videos=3000)
        first, _ = overlap.VideoSets(labels, 200).candidates(0.85)
        self.assertLess(len(first), 0.1 * 200 * 199 / 2)

    def test_a_class_without_videos_is_like_none(self):
        self.assertEqual(list(overlap.VideoSets([[1, 2], [1, 2]], 4).above(0.0)), [(1, 2)])

    def test_groups_join_over_several_pairs(self):
        self.assertEqual(overlap.groups([(4, 2), (5, 4), (3, 1)], 7), [0, 1, 2, 1, 2, 2, 6])

    def test_groups_are_the_connected_components(self):
        rng = np.random.default_rng(1)
        pairs = rng.integers(60, size=(40, 2)).tolist()
        roots = overlap.groups(pairs, 60)
        reached = np.eye(60, dtype=bool)
        for first, second in pairs:
            reached[first, second] = reached[second, first] = True
        for _ in range(6):
            reached = (reached.astype(int) @ reached) > 0
        self.assertEqual(roots, [int(np.flatnonzero(row)[0]) for row in reached])


class MergeTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def write(self, names, labels):
        lists.write_classes(self.folder / "c.txt", dict(enumerate(names, 1)))
        lists.write_labels(self.folder / "l.txt", [(f"v{place}", row) for place, row in enumerate(labels)])

    def execute(self, *arguments):
        return run_command(merge, f"--classes={self.folder}/c.txt", f"--labels={self.folder}/l.txt", *arguments)

    def text(self, name):
        return (self.folder / name).read_text(encoding="utf-8")

    def test_a_merge_by_each_rule_and_its_evidence(self):
        names = ["winter", "run", "Winter", "running", "snow", "dance"]
        labels = [[1, 3, 5]] * 9 + [[3, 1, 5]] + [[2], [4], [4, 6]] + [[5]]
        self.write(names, labels)
        code, out, err = self.execute("--threshold=0.9")
        self.assertEqual(code, 0, err)
        self.assertIn("6 classes -> 3, by 4 pairs", out)
        pairs = [tuple(row.values()) for row in csv_rows(self.folder / "merges.csv")]
        self.assertEqual(
            pairs,
            [
                ("case+lemma+jaccard", "1", "winter", "3", "Winter", "10", "10", "10", "1.0000"),
                ("lemma", "2", "run", "4", "running", "1", "2", "0", "0.0000"),
                ("jaccard", "1", "winter", "5", "snow", "10", "11", "10", "0.9091"),
                ("jaccard", "3", "Winter", "5", "snow", "10", "11", "10", "0.9091"),
            ],
        )
        self.assertEqual(self.text("c.merged.txt"), "1 snow\n2 running\n3 dance\n")
        new = [f"v{place} 1" for place in range(10)] + ["v10 2", "v11 2", "v12 2|3", "v13 1"]
        self.assertEqual(self.text("l.merged.txt").splitlines(), new)
        mapped = [tuple(row.values()) for row in csv_rows(self.folder / "class_map.csv")]
        self.assertEqual(mapped[1:3], [("2", "run", "2", "running"), ("3", "Winter", "1", "snow")])

    def test_small_classes_are_not_merged_by_their_videos(self):
        self.write(["a", "b", "c", "d"], [[1, 2, 3, 4]] * 9 + [[3, 4]])
        self.assertEqual(self.execute("--rules=jaccard")[0], 0)
        self.assertEqual(self.text("c.merged.txt"), "1 a\n2 b\n3 c\n")
        self.assertEqual(self.execute("--rules=jaccard", "--least_videos=1")[0], 0)
        self.assertEqual(self.text("c.merged.txt"), "1 c\n")

    def test_the_old_lists_stay_and_others_are_rewritten_with_their_findings_named(self):
        self.write(["Run", "run", "sit"], [[1, 2], [2, 3]])
        (self.folder / "single.txt").write_text("v0 2\nv1 9\nv2 3", encoding="utf-8")
        before = self.text("c.txt"), self.text("l.txt")
        code, out, err = self.execute("--rules=case", f"--others={self.folder}/single.txt")
        self.assertEqual(code, 0, err)
        self.assertEqual((self.text("c.txt"), self.text("l.txt")), before)
        self.assertEqual(self.text("single.merged.txt"), "v0 1\nv2 2\n")
        self.assertIn("3 findings", out)
        findings = [(row["line"], row["kind"]) for row in csv_rows(self.folder / "merge_findings.csv")]
        kinds = ["unknown class", "video without label", "missing final newline"]
        self.assertEqual(findings, list(zip("223", kinds, strict=True)))

    def test_nothing_to_merge_leaves_the_lists_as_they_are(self):
        self.write(["run", "sit", "#", "&"], [[1, 2], [2, 3, 4]])
        code, out, err = self.execute()
        self.assertEqual(code, 0, err)
        self.assertIn("4 classes -> 4, by 0 pairs", out)
        self.assertEqual(self.text("l.merged.txt"), self.text("l.txt"))

    @parameterized.parameters(
        ("--rules=case,sound", "'sound' is none of case, lemma, jaccard"),
        ("--others={}/x/l.txt", "two lists have one name"),
        ("--others={}/absent.txt", "does not exist"),
    )
    def test_a_mistake_is_named(self, argument, message):
        self.write(["run"], [[1]])
        code, _, err = self.execute(argument.format(self.folder))
        self.assertEqual(code, 2)
        self.assertIn(message, err)


class ReleasedListsTest(parameterized.TestCase, tf.test.TestCase):
    """The authors' 25K list: 5,499 classes, 4,707 names ignoring case, 8.80 labels a video."""

    def setUp(self):
        super().setUp()
        if not _DATA.is_dir():
            self.skipTest(f"no lists of NoisyActions2M in {_DATA}")
        self.classes = lists.read_classes(_DATA / "classInd25k.txt")
        self.labels = [labels for _, labels in lists.read_labels(_DATA / "trainlist25k.txt", self.classes, [])]
        self.sizes = collections.Counter(label for row in self.labels for label in row)

    def merged(self, rules, least_videos=10):
        found = merge.pairs(self.classes, self.labels, rules, 0.85, least_videos)
        ids = merge.new_ids(self.classes, self.sizes, list(found))
        mean = np.mean([len(merge.rewritten(row, ids)) for row in self.labels])
        return found, len(set(ids.values())), mean

    def test_case_leaves_4707_classes(self):
        found, left, _ = self.merged(["case"])
        self.assertEqual((len(found), left), (792, 4707))

    def test_videos_leave_649_labels_a_video(self):
        found, left, mean = self.merged(["jaccard"])
        self.assertEqual((len(found), left), (804, 4812))
        self.assertAlmostEqual(mean, 6.49, delta=0.005)

    def test_the_pairs_are_those_of_the_full_matrix(self):
        place = {class_id: number for number, class_id in enumerate(self.classes)}
        member = np.zeros((len(self.labels), len(place)), np.float32)
        for video, row in enumerate(self.labels):
            member[video, [place[label] for label in row]] = 1
        shared = member.T @ member
        sizes = np.diag(shared)
        similar = np.triu(shared / (sizes[:, None] + sizes - shared) > 0.85, 1)
        ids = list(self.classes)
        expected = {(ids[first], ids[second]) for first, second in np.argwhere(similar)}
        self.assertLen(expected, 1236)
        self.assertEqual(set(self.merged(["jaccard"], least_videos=1)[0]), expected)


if __name__ == "__main__":
    tf.test.main()
