import os
import sys
import time
from unittest import mock

import tensorflow as tf

from spl_tf.data import workers
from spl_tf.data.workers import Failure, run_in_workers
from spl_tf.errors import UserError


def evaluate(jobs, **arguments):
    """`eval` can be found by a spawned process, and its jobs can do anything to it."""
    return list(run_in_workers(eval, jobs, **{"num_workers": 2, "seconds_per_job": 60.0, **arguments}))


class WorkersTest(tf.test.TestCase):
    def test_results_come_in_the_order_of_the_jobs(self):
        jobs = [f"(__import__('time').sleep({0.2 * (number == 0)}), {number})[1]" for number in range(40)]
        self.assertEqual(evaluate(jobs), list(range(40)))

    def test_a_dead_or_stuck_process_fails_its_job_alone(self):
        results = evaluate(
            [
                "1",
                "__import__('signal').raise_signal(11)",
                "2",
                "__import__('time').sleep(600)",
                "__import__('os')._exit(3)",
                "3",
            ],
            seconds_per_job=2.0,
        )
        self.assertEqual(
            results,
            [
                1,
                Failure("decoder crashed", "(signal 11)"),
                2,
                Failure("no end after 2 s"),
                Failure("decoder crashed", "(exit code 3)"),
                3,
            ],
        )

    def test_a_process_that_dies_or_is_stuck_while_it_sends_its_result_fails_its_job_alone(self):
        """As when memory ends while clips are packed."""
        packing = "type('Result', (), {{'__reduce__': lambda self: __import__({})}})()"
        jobs = ["1", packing.format("'os')._exit(5"), "2", packing.format("'time').sleep(600"), "3"]
        self.assertEqual(
            evaluate(jobs, seconds_per_job=2.0),
            [1, Failure("decoder crashed", "(exit code 5)"), 2, Failure("no end after 2 s"), 3],
        )

    def test_a_process_that_dies_between_two_jobs_fails_none(self):
        dies_soon = "__import__('threading').Timer(0.1, __import__('os')._exit, (7,)).start()"
        results = run_in_workers(eval, [dies_soon, "1", "2"], num_workers=1, seconds_per_job=60.0)
        self.assertIsNone(next(results))
        time.sleep(1.0)
        self.assertEqual(list(results), [1, 2])

    def test_a_job_that_asks_for_too_much_memory_fails_alone(self):
        jobs = ["bytearray(1 << 33)", "len(bytearray(1 << 30))"]
        self.assertEqual(evaluate(jobs, num_workers=1), [Failure("out of memory"), 1 << 30])

    def test_the_end_does_not_wait_for_native_code(self):
        mark = self.create_tempdir().full_path + "/mark"
        until_marked = (
            f"[__import__('time').sleep(0.1) for _ in iter(lambda: __import__('os').path.exists({mark!r}), True)]"
        )
        native = f"open({mark!r}, 'w').close() or sum(range(10**12))"
        results = run_in_workers(eval, [until_marked, native], num_workers=2, seconds_per_job=600.0)
        next(results)
        start = time.monotonic()
        results.close()
        self.assertLess(time.monotonic() - start, 2.0)

    def test_workers_do_not_import_tensorflow_nor_share_this_process(self):
        loaded, process = evaluate(["'tensorflow' in __import__('sys').modules", "__import__('os').getpid()"])
        self.assertFalse(loaded)
        self.assertNotEqual(process, os.getpid())

    def test_a_full_disk_stops_the_run(self):
        with self.assertRaisesRegex(OSError, "No space left"):
            evaluate(["open('/dev/full', 'w', buffering=1).write('x\\n')"], num_workers=1)

    def test_no_process_is_left_when_the_consumer_stops(self):
        results = run_in_workers(eval, ["__import__('os').getpid()"] * 9, num_workers=1, seconds_per_job=60.0)
        process = next(results)
        results.close()
        with self.assertRaises(ProcessLookupError):
            os.kill(process, 0)

    def test_few_jobs_run_ahead_of_the_consumer(self):
        marks = self.create_tempdir().full_path
        results = run_in_workers(
            eval,
            [f"open({marks + '/' + str(n)!r}, 'w').close()" for n in range(50)],
            num_workers=1,
            seconds_per_job=60.0,
        )
        next(results)
        time.sleep(0.3)
        self.assertLess(len(os.listdir(marks)), 10)
        self.assertLen(list(results), 49)
        self.assertLen(os.listdir(marks), 50)

    def test_a_job_without_a_time_limit_is_waited_for(self):
        self.assertEqual(evaluate(["1", "2"], num_workers=1, seconds_per_job=float("inf")), [1, 2])

    def test_no_jobs_start_no_process(self):
        self.assertEqual(evaluate([]), [])

    def test_a_process_that_cannot_start_is_an_error_of_the_whole(self):
        # A function that the new process cannot find.
        module = type(os)("only_here")
        exec("def function(job): return job", vars(module))
        sys.modules["only_here"] = module
        self.addCleanup(sys.modules.pop, "only_here")
        with self.assertRaisesRegex(UserError, "video workers do not start"):
            list(run_in_workers(module.function, [1], num_workers=1, seconds_per_job=60.0))

    def test_a_process_that_ends_before_it_is_told_its_work_is_the_same_error(self):
        process = type(workers._CONTEXT.Process())
        start = process.start

        def start_and_end(started):
            start(started)
            started.join()

        # `id` returns at once, so that nobody reads the pipe.
        self.enter_context(mock.patch.object(process, "start", start_and_end))
        self.enter_context(mock.patch.object(workers, "_serve", id))
        with self.assertRaisesRegex(UserError, "video workers do not start"):
            evaluate(["1"])
