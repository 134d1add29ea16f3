"""What the table of metadata leaves out: each is counted and listed, and costs nothing beside itself."""

import itertools
import os
import random
import signal
from unittest import mock

import pytest
import tensorflow as tf

from spl_tf.data.workers import Failure
from tests.tools import noisyactions2m_results as results
from tools.noisyactions2m import in_processes, jobs, passes, result_files

_read_job = passes.read_job


def read_job_that_dies(job, *others):
    """In the place of the first pass, as a decoder does that meets its end."""
    if any(piece.path.endswith("/2.jsonl") for piece in job.pieces):
        os.kill(os.getpid(), signal.SIGKILL)
    return _read_job(job, *others)


class LeftOutTest(results.MetadataCase):
    def test_what_does_not_last_or_is_no_address_is_counted_and_listed(self):
        addresses = ["http://h/a?expire=5", "http://h/b", "http://h/c?expire=5", 7, None]
        formats = [{"format_id": str(number), "url": url} for number, url in enumerate(addresses)]
        self.write("found/a.jsonl", [{"id": "1", "site": "x", "formats": formats, "url_o": 5, "duration": "long"}])
        with self.small():
            _, out, _ = self.execute()
        self.assertEqual([entry["url"] for entry in self.rows()[0]["addresses"]], ["http://h/b"])
        reasons = [reason for _, place, key, reason in self.rejected() if (place, key) == ("line 1", "x/1")]
        self.assertCountEqual(
            reasons,
            [
                "duration: no number 'long'",
                "addresses: 'url_o' is no address (int)",
                "formats: 1 of 5 have no address",
                "formats: 2 of 5 addresses expire, left out",
            ],
        )
        self.assertIn("4 fields could not be read or kept whole (formats 2, ", out)

    @pytest.mark.slow
    def test_a_file_that_ends_its_process_is_listed_and_costs_no_other(self):
        found = list(results.made(random.Random(3), 400, 90))
        for number in range(4):
            self.write(f"found/{number}.jsonl", found[100 * number : 100 * number + 100])
        kept = found[:200] + found[300:]
        with mock.patch.object(passes, "read_job", read_job_that_dies):  # In processes.
            code, out, err = self.execute("--num_workers=2")
        self.assertEqual(code, 0, err)
        self.compare(kept)
        reason = "could not read the file: decoder crashed (signal 9)"
        self.assertEqual(self.rejected(), [(f"{self.folder}/found/2.jsonl", "", "", reason)])
        self.assertIn("1 files or pieces of files could not be read to the end", out)

    def test_a_piece_of_a_file_that_ends_its_process_is_listed_with_its_line(self):
        found = list(results.made(random.Random(3), 400, 90))
        self.write("found/a.jsonl", found)
        with self.small():

            def dying(function, job_list, **_):
                for job in job_list:
                    ends = isinstance(job, jobs.Job) and job.pieces[0].start == 6000
                    yield Failure("out of memory") if ends else function(job)

            with mock.patch.object(in_processes, "run_in_workers", dying):
                self.execute()
        lines = (self.folder / "found/a.jsonl").read_bytes().splitlines(keepends=True)
        ends = list(itertools.accumulate(map(len, lines)))
        lost = [number for number, end in enumerate(ends) if 6000 <= end - len(lines[number]) < 9000]
        self.compare([result for number, result in enumerate(found) if number not in lost])
        ((_, place, _, reason),) = self.rejected()
        self.assertEqual(place, f"line {lost[0] + 1}")
        self.assertEqual(reason, "could not read 3000 bytes from here on: out of memory")

    def test_a_json_file_that_is_too_large_is_listed_and_the_run_goes_on(self):
        self.write("found/a.json", [{"id": "1", "site": "x"}])
        self.write("found/b.json", [{"id": "2", "site": "x", "title": "t" * 500}])
        with self.small(), mock.patch.object(result_files, "_MOST_BYTES", 400):
            code, out, _ = self.execute()
        self.assertEqual((code, [row["key"] for row in self.rows()]), (0, ["x/1"]))
        ((path, _, _, reason),) = self.rejected()
        self.assertEqual((path, reason), (f"{self.folder}/found/b.json", "larger than 0 MB (save it as JSON lines)"))
        self.assertIn("1 results gave no row", out)


if __name__ == "__main__":
    tf.test.main()
