"""Subsets by metadata against sorting in plain Python, and the lists of a source data set's classes."""

import pathlib

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from tests.commands import run_command
from tests.tools import noisyactions2m_table as made
from tests.written import csv_rows
from tools.noisyactions2m import lists, query_labels, source_lists, subsets

_TEXTS = ("title", "description", "tags", "comments", "sentences", "concepts")
_ADDRESS = [{"size": "Original", "url": "https://example.org/1"}]


def full_row(key, **changed):
    """A video that has every field, of seven words."""
    fields = {name: ["a word"] if name in ("tags", "concepts") else ["word"] for name in _TEXTS[2:]}
    fields |= {"title": "word", "description": None, "sentences": [], "uploaded": 1, "taken": 2}
    fields |= {"latitude": 1.0, "longitude": 2.0, "duration": 3.0, "addresses": _ADDRESS, "description": "one"}
    return made.row(key, **(fields | changed))


def random_rows(number, seed=0):
    """Videos with few different numbers of words, so that there are ties, of which some lack fields."""
    rng = np.random.default_rng(seed)
    rows = []
    for place in rng.permutation(number).tolist():
        changed = {"description": "word  " * rng.integers(1, 6), "tags": ["one", "two words"][: rng.integers(1, 3)]}
        for name, absent in (("title", " "), ("comments", []), ("longitude", None), ("addresses", []), ("taken", None)):
            if rng.random() < 0.1:
                changed[name] = absent
        rows.append(full_row(f"flickr/{1000 + place}", **changed))
    return rows


def words_of(row):
    texts = [text for name in _TEXTS for text in (row[name] if isinstance(row[name], list) else [row[name] or ""])]
    return len(" ".join(texts).split())


def lacks(row):
    """The fields a video lacks, sentences aside."""
    found = [name for name in _TEXTS if name != "sentences" and not "".join(row[name] or "").strip()]
    found += [name for name in ("uploaded", "taken", "duration") if row[name] is None]
    found += ["coordinates"] if row["latitude"] is None or row["longitude"] is None else []
    return found + ([] if row["addresses"] else ["addresses"])


class SubsetsTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def run_on(self, rows, *arguments):
        made.write(self.folder / "m.parquet", rows, rows_per_group=17)
        given = (f"--metadata={self.folder}/m.parquet", f"--output={self.folder}/out")
        code, self.out, self.err = run_command(subsets, *given, *arguments)
        return code

    def subset(self, size):
        return [row["video"] for row in csv_rows(self.folder / f"out/subset_{size}.csv")]

    @parameterized.product(fill=[False, True], seed=[0, 1])
    def test_a_subset_against_sorting_by_hand(self, fill, seed):
        rows = random_rows(120, seed)
        self.assertEqual(self.run_on(rows, "--sizes=10,40,100", f"--fill={fill}"), 0)
        ordered = sorted(rows, key=lambda row: (bool(lacks(row)), -words_of(row), row["key"]))
        if not fill:
            ordered = [row for row in ordered if not lacks(row)]
            self.assertLess(len(ordered), 100)
            self.assertIn(f"{100 - len(ordered)} too few", self.out)
        for size in (10, 40, 100):
            self.assertEqual(self.subset(size), [row["key"] for row in ordered[:size]])
        table = csv_rows(self.folder / "out/subset_40.csv")
        self.assertEqual([int(row["words"]) for row in table], [words_of(row) for row in ordered[:40]])
        self.assertEqual([int(row["rank"]) for row in table], list(range(1, 41)))

    def test_of_equals_the_first_key_comes_first(self):
        self.assertEqual(self.run_on([full_row(f"s/{place:02}") for place in range(30)], "--sizes=3,5"), 0)
        self.assertEqual(self.subset(5), [f"s/{place:02}" for place in range(5)])
        self.assertEqual(self.subset(3), self.subset(5)[:3])

    def test_how_many_lack_which_field_against_counting_by_hand(self):
        rows = random_rows(150)
        self.assertEqual(self.run_on(rows, "--sizes=1"), 0)
        table = csv_rows(self.folder / "out/fields.csv")
        self.assertEqual([row["field"] for row in table], [name for name in subsets.FIELDS if name != "sentences"])
        for row in table:
            lacking = [found for found in map(lacks, rows) if row["field"] in found]
            self.assertEqual((int(row["videos"]), int(row["lacking"])), (150 - len(lacking), len(lacking)))
            self.assertEqual(int(row["lacking_alone"]), sum(len(found) == 1 for found in lacking))

    def test_the_fields_asked_for_decide(self):
        rows = [full_row("s/1", taken=None), full_row("s/2", sentences=["a man runs"]), full_row("s/3", duration=None)]
        for arguments, expected in (
            ((), ["s/2"]),
            (("--fields=title",), ["s/2", "s/1", "s/3"]),
            (("--fields=sentences,title",), ["s/2"]),
            (("--fields=duration",), ["s/2", "s/1"]),
        ):
            self.assertEqual(self.run_on(rows, "--sizes=9", *arguments), 0)
            self.assertEqual(self.subset(9), expected)

    def test_lists_are_cut_to_the_subsets(self):
        rows = [full_row(f"s/{place}", title="word " * (9 - place)) for place in range(6)]
        lists.write_classes(self.folder / "c.txt", {1: "x", 2: "y"})
        (self.folder / "train.txt").write_text("5 1\n3 1|2\n0 2\ns/1 1\n77 1\n", encoding="utf-8")
        arguments = ("--sizes=2,4", f"--classes={self.folder}/c.txt", f"--labels={self.folder}/train.txt")
        self.assertEqual(self.run_on(rows, *arguments), 0)
        self.assertEqual((self.folder / "out/train_2.txt").read_text(), "0 2\ns/1 1\n")
        self.assertEqual((self.folder / "out/train_4.txt").read_text(), "3 1|2\n0 2\ns/1 1\n")
        self.assertIn("video not in the metadata 1", self.out)
        self.assertEqual(csv_rows(self.folder / "out/findings.csv")[0]["detail"], "77")

    def test_a_table_without_rows_gives_empty_subsets(self):
        self.assertEqual(self.run_on([]), 0)
        self.assertEqual((self.subset(25000), self.subset(100000)), ([], []))
        self.assertIn("25000 too few", self.out)

    @parameterized.parameters(
        ("--sizes=0", "not whole numbers above 0"),
        ("--sizes=ten", "not whole numbers above 0"),
        ("--fields=titel", "'titel' is none of"),
        ("--labels=x", "go together"),
    )
    def test_a_mistake_is_named(self, argument, message):
        self.assertEqual(self.run_on([full_row("s/1")], argument), 2)
        self.assertIn(message, self.err)


class SourceListsTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        (self.folder / "queries.csv").write_text(
            "query,kind,origins\nbox,class,UCF101:Boxing|K:boxing\nrun,class,K:running|K:run\njump,class,K:jump\n"
            "a man run,sentence,K:a man runs\n",
            encoding="utf-8",
        )
        rows = [
            made.row("flickr/1", queries=["box", "a man run"]),
            made.row("flickr/2", queries=["run", "box"]),
            made.row("flickr/3", queries=["a man run"]),
        ]
        made.write(self.folder / "m.parquet", rows)

    def execute(self, source):
        given = (f"--metadata={self.folder}/m.parquet", f"--queries={self.folder}/queries.csv")
        return run_command(source_lists, *given, f"--source={source}", f"--output={self.folder}/out")

    def test_lists_have_the_data_set_s_own_names(self):
        code, out, err = self.execute("K")
        self.assertEqual(code, 0, err)
        self.assertEqual((self.folder / "out/classInd.txt").read_text(), "1 boxing\n2 running\n3 run\n")
        self.assertEqual((self.folder / "out/trainlist.txt").read_text(), "1 1\n2 1|2|3\n")
        self.assertIn("one query, the same videos: running, run (run)", out)
        table = [tuple(row.values()) for row in csv_rows(self.folder / "out/classes.csv")]
        self.assertEqual(table[-1], ("jump", "0", ""))

    def test_a_data_set_that_is_not_there_is_named_with_those_that_are(self):
        code, _, err = self.execute("UCF-101")
        self.assertEqual(code, 2)
        self.assertIn("has classes of K, UCF101", err)

    @parameterized.parameters(0, 1, 2)
    def test_other_classes_against_a_loop(self, seed):
        rng = np.random.default_rng(seed)
        member = rng.random((50, 8)) < 0.3
        classes = [sorted(rng.choice(10, rng.integers(0, 4), replace=False).tolist()) for _ in range(8)]
        offsets = np.concatenate([[0], np.cumsum(member.sum(axis=1))])
        names = made.pa.array([str(video) for video in range(50)])
        found = query_labels.QueryLabels(names, offsets, np.nonzero(member)[1], []).relabelled(classes)
        for video in range(50):
            expected = sorted({new for old in np.flatnonzero(member[video]) for new in classes[old]})
            self.assertEqual(found.labels[found.offsets[video] : found.offsets[video + 1]].tolist(), expected)


if __name__ == "__main__":
    tf.test.main()
