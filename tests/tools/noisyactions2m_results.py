"""Made search results for tests, what they are merged by brute force, and frames for tests of files and their table."""

import contextlib
import csv
import datetime
import json
import pathlib
from unittest import mock

import tensorflow as tf
from absl.testing import parameterized

from tests.commands import last_line, run_command
from tools.noisyactions2m import in_processes, jobs, metadata, result_files, runs, table
from tools.noisyactions2m.result_files import Options, Piece


def made(generator, count, ids):
    """Results of `ids` videos, each with some of the fields."""
    for _ in range(count):
        fields = {
            "title": f"t{generator.randrange(99)}",
            "description": f"d{generator.randrange(99)}",
            "tags": [f"g{generator.randrange(5)}" for _ in range(generator.randrange(4))],
            "comments": [f"c{generator.randrange(5)}" for _ in range(generator.randrange(3))],
            "timestamp": 10**9 + generator.randrange(10**8),
            "duration": generator.randrange(100),
            "latitude": None,
        }
        kept = {name: value for name, value in fields.items() if generator.random() < 0.6}
        if generator.random() < 0.5:
            kept |= {"latitude": generator.randrange(-80, 80) or 1, "longitude": generator.randrange(-80, 80)}
        query = {"query": f"q{generator.randrange(4)}", "rank": generator.choice([None, 1, 2, 3])}
        # Ids of different length, so that the order of texts is not that of numbers.
        yield {"id": str(generator.randrange(ids) ** 2), "site": generator.choice("xy")} | kept | query


def by_brute_force(results):
    """(key -> row) with the fields of `made`."""
    found = {}
    for result in results:
        row = found.setdefault(f"{result['site']}/{result['id']}", {"tags": [], "comments": [], "queries": {}})
        for name in ("title", "description", "timestamp", "duration"):
            if row.get(name) is None:
                row[name] = result.get(name)
        if row.get("place") is None and result.get("latitude") is not None:
            row["place"] = (result["latitude"], result["longitude"])
        for name in ("tags", "comments"):
            for entry in result.get(name, ()):
                if entry not in row[name]:
                    row[name].append(entry)
        ranks = row["queries"].setdefault(result["query"], [])
        ranks += [result["rank"]] if result["rank"] else []
    return found


class ResultFilesCase(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def read(self, name, content, options=None):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return list(result_files.read(Piece(str(path)), options or Options(), str(self.folder)))

    def one(self, *arguments):
        (result,) = self.read(*arguments)
        return result


class MetadataCase(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.output = self.folder / "out/metadata.parquet"

    def write(self, name, results):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{json.dumps(result)}\n" for result in results), encoding="utf-8")

    def execute(self, *arguments, results="found"):
        given = [f"--output={self.output}", "--num_workers=1", *arguments]
        given += [f"--results={self.folder}/{results}"] if results else []
        code, out, err = run_command(metadata, *given)
        return code, out, last_line(err)

    def rows(self):
        return [row for batch in table.read_rows(self.output) for row in batch.to_pylist()]

    def rejected(self):
        with open(self.output.with_suffix(".rejected.csv"), encoding="utf-8", newline="") as opened:
            return [tuple(row.values()) for row in csv.DictReader(opened)]

    def small(self):
        """Small files are divided and sorted as large ones are, in this process."""
        stack = contextlib.ExitStack()
        stack.enter_context(mock.patch.multiple(runs, _BATCH=4, _MOST_RECORDS=30, _BYTES_PER_RANGE=2000))
        stack.enter_context(mock.patch.multiple(jobs, _BYTES=3000, _FILES=3))

        def run(function, job_list, **_):
            return map(function, job_list)

        stack.enter_context(mock.patch.object(in_processes, "run_in_workers", run))
        return stack

    def compare(self, results):
        found, expected = self.rows(), by_brute_force(results)
        self.assertEqual([row["key"] for row in found], sorted(expected))
        for row in found:
            other = expected[row["key"]]
            self.assertEqual((row["title"], row["description"]), (other["title"], other["description"]))
            self.assertEqual((row["tags"], row["comments"]), (other["tags"], other["comments"]))
            self.assertEqual(row["duration"], other["duration"])
            uploaded = row["uploaded"] and row["uploaded"].replace(tzinfo=datetime.UTC).timestamp()
            self.assertEqual(uploaded, other["timestamp"])
            place = None if row["latitude"] is None else (row["latitude"], row["longitude"])
            self.assertEqual(place, other.get("place"))
            queries = {query["query"]: query["rank"] for query in row["queries"]}
            self.assertEqual(queries, {query: min(ranks, default=None) for query, ranks in other["queries"].items()})
            self.assertEqual([query["query"] for query in row["queries"]], sorted(queries))
