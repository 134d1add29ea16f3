"""The S3 server of tools/remote fails as often as it is told, and some of what it says has failed is done."""

import io
import json

from absl.testing import absltest

from tools.remote.faulty_store import _Faulty


class FaultyStoreTest(absltest.TestCase):
    def _answers(self, failing, requests=600):
        """The status of each request, how many the server behind has done, and what /faults says."""
        done, statuses = [], []

        def served(environ, start):
            done.append(environ["wsgi.input"].read())
            start("200 OK", [])
            return [b""]

        faulty = _Faulty(served, failing, delay=0.0)
        for _ in range(requests):
            request = {"PATH_INFO": "/b/k", "CONTENT_LENGTH": "4", "wsgi.input": io.BytesIO(b"body")}
            b"".join(faulty(request, lambda status, _: statuses.append(status[:3])))
        self.assertEqual({*done}, {b"body"} if done else set())
        (counts,) = faulty({"PATH_INFO": "/faults"}, lambda *_: None)
        return statuses, len(done), json.loads(counts)

    def test_a_third_of_what_fails_is_done_and_its_answer_lost(self):
        statuses, done, counts = self._answers(failing=1.0)
        self.assertEqual({*statuses}, {"500", "503"})
        self.assertBetween(done, 150, 250)
        self.assertBetween(statuses.count("503"), 150, 250)
        self.assertEqual(counts, {"requests": 600, "failed": 600})

    def test_others_pass(self):
        statuses, done, counts = self._answers(failing=0.05)
        self.assertBetween(counts["failed"], 15, 45)
        self.assertEqual(statuses.count("200"), 600 - counts["failed"])
        self.assertGreater(done, statuses.count("200"))
        self.assertEqual(self._answers(failing=0.0)[0], ["200"] * 600)


if __name__ == "__main__":
    absltest.main()
