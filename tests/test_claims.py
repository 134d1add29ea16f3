"""Claims of tasks that share a folder: who gets a unit, and when a silent task's unit is taken over."""

import json
import os
import pathlib
import threading

from absl.testing import absltest, parameterized

from spl_tf import files
from spl_tf.claims import Claims, Task, rounds, task_of
from spl_tf.errors import UserError

LEASE = 60.0
BEAT = 10.0


class _Clock:
    """A host's own clock, with an origin and a rate of its own."""

    def __init__(self, origin=0.0, rate=1.0):
        self.now, self.rate = origin, rate

    def __call__(self):
        return self.now

    def pass_by(self, seconds):
        self.now += seconds * self.rate


class ClaimsTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path) / "claims"

    def join(self, number=1, count=2, clock=None, sleep=None, lease=LEASE):
        clock = clock or _Clock()
        claims = Claims(self.folder, Task(number, count, lease), clock, sleep or clock.pass_by)
        claims.require_same({"fps": 25.0})
        claims.beat()
        return claims

    def test_one_of_two_gets_a_unit_and_keeps_it_while_it_beats(self):
        clock = _Clock()
        first, second = self.join(1), self.join(2, clock=clock)
        self.assertTrue(first.take("a"))
        self.assertTrue(first.take("a"))
        for _ in range(100):
            self.assertFalse(second.take("a"))
            first.beat()
            clock.pass_by(BEAT)
        self.assertTrue(second.take("b"))
        self.assertFalse(first.take("b"))

    def test_a_silent_holder_loses_its_unit_after_a_lease_of_the_observer_s_clock(self):
        clock = _Clock(origin=1e9)  # Days ahead of the holder's, which stands still.
        first, second = self.join(1), self.join(2, clock=clock)
        first.take("a")
        taken = 0
        while not second.take("a"):
            clock.pass_by(BEAT)
            taken += 1
        self.assertEqual(taken, LEASE / BEAT)
        self.assertFalse(first.take("a"))  # It wakes up, and the other one beats.

    @parameterized.parameters(0.5, 2.0, -1.0)
    def test_a_file_s_time_counts_for_nothing(self, direction):
        clock = _Clock()
        first, second = self.join(1), self.join(2, clock=clock)
        first.take("a")
        for number in range(20):
            self.assertFalse(second.take("a"))
            first.beat()
            for path in self.folder.rglob("*"):
                os.utime(path, (2e9 + direction * 1e6 * number,) * 2)
            clock.pass_by(BEAT)

    def test_a_long_pause_of_the_observer_is_no_silence_of_the_holder(self):
        clock = _Clock()
        first, second = self.join(1), self.join(2, clock=clock)
        first.take("a")
        self.assertFalse(second.take("a"))
        clock.pass_by(100 * LEASE)
        self.assertFalse(second.take("a"))
        first.beat()
        clock.pass_by(100 * LEASE)
        self.assertFalse(second.take("a"))

    def test_of_many_that_take_over_at_once_one_succeeds(self):
        first = self.join(1, 9)
        units = [f"u{number}" for number in range(30)]
        for unit in units:
            first.take(unit)
        clocks = [_Clock() for _ in range(8)]
        others = [self.join(number + 2, 9, clock) for number, clock in enumerate(clocks)]
        for _ in range(7):
            for clock, claims in zip(clocks, others, strict=True):
                if clock.now < LEASE:
                    self.assertFalse(any(map(claims.take, units)))
                clock.pass_by(BEAT)
        won, together = [], threading.Barrier(len(others))

        def take_over(claims):
            for unit in units:
                together.wait()
                if claims.take(unit):
                    won.append(unit)

        threads = [threading.Thread(target=take_over, args=[claims]) for claims in others]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertCountEqual(won, units)

    @parameterized.parameters("", "1-of-2.host.7.ab/../x", "\x00\x00\x00\x00", "1-of-2.ho")
    def test_a_claim_that_is_no_whole_name_is_taken_over_after_a_lease(self, content):
        clock = _Clock()
        first, second = self.join(1), self.join(2, clock=clock)
        first.take("a")
        (self.folder / "units/a.0").write_text(content)
        taken = 0
        while not second.take("a"):
            first.beat()
            clock.pass_by(BEAT)
            taken += 1
        self.assertEqual(taken, LEASE / BEAT)
        self.assertFalse(first.take("a"))

    def test_a_task_that_ended_loses_its_units_at_once(self):
        first, second = self.join(1), self.join(2)
        with first.beating():
            first.take("a")
            self.assertFalse(second.take("a"))
        self.assertTrue(second.take("a"))

    def test_a_task_beats_by_itself(self):
        first = self.join(1, lease=1.0)
        with first.beating():
            before, after = _beats(self.folder), threading.Event()
            for _ in range(200):
                if _beats(self.folder) != before:
                    break
                after.wait(0.05)
            self.assertNotEqual(_beats(self.folder), before)

    def test_every_unit_is_done_once_though_tasks_die(self):
        """Three tasks in turn; the second dies with a unit in its hands."""
        done, order = {}, {}
        units = [f"u{number}" for number in range(10)]
        clocks = [_Clock(1e5 * number) for number in range(3)]

        class Waits(Exception):
            pass

        def work(number):
            def wait(seconds):
                raise Waits

            claims = self.join(number + 1, 3, clocks[number], wait)
            order[number] = []
            while True:
                try:
                    for mine in claims.rounds(units, done.__contains__):
                        for unit in mine:
                            order[number].append(unit)
                            yield
                            done[unit] = done.get(unit, 0) + 1
                    return
                except Waits:
                    yield

        tasks = {number: work(number) for number in range(3)}
        for turn in range(100):
            for number, task in list(tasks.items()):
                if next(task, "ended") == "ended":
                    del tasks[number]
                clocks[number].pass_by(BEAT)
            if turn == 1:
                tasks.pop(1)
        self.assertEmpty(tasks)
        self.assertEqual(done, dict.fromkeys(units, 1))
        self.assertEqual([order[number][0] for number in range(3)], ["u0", "u3", "u6"])
        self.assertIn(order[1][-1], order[0] + order[2])

    def test_alone_there_is_one_round_of_what_is_not_done(self):
        self.assertEqual([list(mine) for mine in rounds(None, ["a", "b", "c"], "b".__eq__)], [["a", "c"]])

    def test_a_task_that_was_asked_for_something_else_is_refused_by_name(self):
        self.join(1)
        for changes, message in (
            ({"fps": 5.0}, "^task 2/2 is refused: the tasks of .* work with fps 25.0, this one with 5.0; start all"),
            ({"fps": 25.0, "classes": ["a"]}, "work with other classes;"),
        ):
            with self.assertRaisesRegex(UserError, message):
                Claims(self.folder, Task(2, 2, LEASE)).require_same(changes)
        with self.assertRaisesRegex(UserError, "with lease_seconds 60.0, this one with 30.0"):
            Claims(self.folder, Task(2, 2, 30.0)).require_same({"fps": 25.0})
        with self.assertRaisesRegex(UserError, "with version , this one with 1.0"):
            Claims(self.folder, Task(2, 2, LEASE, "1.0")).require_same({"fps": 25.0})
        Claims(self.folder, Task(7, 9, LEASE)).require_same({"fps": 25.0})  # Where it begins is its own matter.

    def test_a_damaged_note_of_what_was_asked_is_named(self):
        self.join(1)
        (self.folder / "asked.json").write_text('{"fps": 2')
        with self.assertRaisesRegex(UserError, "asked.json is damaged .* stop all tasks, delete"):
            self.join(2)

    def test_a_folder_that_is_removed_before_all_is_done_ends_the_task(self):
        claims = self.join()
        claims.clear()
        self.assertFalse(claims.take("a"))
        with self.assertRaisesRegex(UserError, "task 1/2: .* was removed while 1 were left"):
            list(claims.rounds(["a"], lambda unit: False))
        self.assertEmpty(list(claims.rounds(["a"], lambda unit: True)))

    @parameterized.parameters("", "3", "0/4", "5/4", "-1/4", "1/4/2", "a/b", "1.5/4", "1/99999999999")
    def test_what_is_no_task_is_refused(self, text):
        with self.assertRaisesRegex(UserError, "--task=.*: give i/n, i from 1 to n"):
            task_of(text)

    def test_a_flag_s_task(self):
        self.assertEqual(task_of("3/64", 30.0), Task(3, 64, 30.0))
        with self.assertRaisesRegex(UserError, "--lease_seconds=0.5: give 1 to 86400"):
            task_of("3/64", 0.5)


class PutFirstTest(absltest.TestCase):
    def test_only_the_first_is_written_and_nothing_is_left(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        self.assertTrue(files.put_first(folder / "a", "first"))
        self.assertFalse(files.put_first(folder / "a", "second"))
        self.assertEqual((folder / "a").read_text(), "first")
        self.assertEqual(os.listdir(folder), ["a"])
        self.assertFalse(files.put_first(folder / "gone/a", "x"))

    def test_where_there_are_no_hard_links_the_first_is_written_too(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        with absltest.mock.patch.object(os, "link", side_effect=PermissionError(1, "no links")):
            self.assertTrue(files.put_first(folder / "a", "first"))
            self.assertFalse(files.put_first(folder / "a", "second"))
        self.assertEqual((folder / "a").read_text(), "first")

    def test_a_link_whose_answer_was_lost_counts(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        link = os.link

        def twice(source, path):
            link(source, path)
            link(source, path)

        with absltest.mock.patch.object(os, "link", twice):
            self.assertTrue(files.put_first(folder / "a", json.dumps("first")))

    def test_of_an_atomic_path_too_the_first_stays(self):
        path = pathlib.Path(self.create_tempdir().full_path) / "a"
        for text in ("first", "second"):
            with files.atomic_path(path, first=True) as temporary:
                temporary.write_text(text)
        self.assertEqual(path.read_text(), "first")
        self.assertEqual(os.listdir(path.parent), ["a"])


def _beats(folder):
    return [path.read_bytes() for path in (folder / "beats").iterdir()]


if __name__ == "__main__":
    absltest.main()
