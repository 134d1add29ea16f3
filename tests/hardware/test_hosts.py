"""Hosts that meet, agree and miss each other: threads of this process, with real connections between them."""

import contextlib
import io
import os
import pathlib
import socket
import threading
import time
from unittest import mock

from absl.testing import absltest, parameterized

from spl_tf.command import explain
from spl_tf.errors import HostEndedError, Terminated, UserError
from spl_tf.hardware import hosts as hosts_module
from spl_tf.hardware import meeting
from spl_tf.hardware.cluster import Cluster
from spl_tf.hardware.hosts import ALONE, Hosts
from spl_tf.hardware.meeting import LOST_CODE
from tools.cluster.local import free_addresses

SOON = {"_LINGER_SECONDS": 0.5, "_TAKEN_SECONDS": 1.0, "_TOLD_EVERY": 0.5, "_PROBE_SECONDS": 1.0}


def _clusters(addresses):
    return [Cluster(tuple(addresses), number, "TF_CONFIG") for number in range(len(addresses))]


def _together(clusters, act, wait_seconds=20.0):
    """What each host gives, or the exception that ended it; the hosts run at the same time."""
    given = [None] * len(clusters)

    def run(place, cluster):
        try:
            with Hosts(cluster, wait_seconds, explain) as hosts:
                given[place] = act(hosts)
        except BaseException as error:
            given[place] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(clusters)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return given


class HostsTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.printed = self.enter_context(contextlib.redirect_stdout(io.StringIO()))
        self.enter_context(mock.patch.multiple(meeting, _LINGER_SECONDS=0.5, _TOLD_EVERY=0.5))
        self.enter_context(mock.patch.object(hosts_module, "GRACE_SECONDS", 0.5))
        self.ended = self.enter_context(mock.patch.object(os, "_exit"))

    def _assert_all_say(self, given, message, kind=UserError):
        for error in given:
            self.assertIsInstance(error, kind)
            self.assertRegex(str(error), message)
            self.assertEqual(str(error).count("\n"), 0)

    def test_a_host_alone_asks_itself(self):
        self.assertEqual(ALONE.gather((1, 2)), [(1, 2)])
        self.assertEqual(ALONE.first_says(lambda: "yes"), "yes")
        with ALONE as hosts:
            self.assertTrue(hosts.is_first)

    @parameterized.parameters(2, 3)
    def test_all_hear_what_all_say_in_their_order_and_what_the_first_decides(self, count):
        def act(hosts):
            large = bytes([hosts.number]) * 3_000_000
            return hosts.gather(large), hosts.gather([hosts.number]), hosts.first_says(lambda: hosts.number)

        for large, numbers, first in _together(_clusters(free_addresses(count)), act):
            self.assertEqual(large, [bytes([number]) * 3_000_000 for number in range(count)])
            self.assertEqual(numbers, [[number] for number in range(count)])
            self.assertEqual(first, 0)

    def test_hosts_may_come_late_and_then_the_ports_are_free_for_tensorflow(self):
        clusters = _clusters(free_addresses(2))

        def act(hosts):
            hosts.gather(None)  # Both have met, and listen no more.
            with socket.create_server(("", hosts.cluster.endpoint(hosts.number)[1])):
                return hosts.gather("bound")

        given = []
        early = threading.Thread(target=lambda: given.extend(_together(clusters[1:], act)))
        early.start()
        time.sleep(1.0)
        given += _together(clusters[:1], act)
        early.join()
        self.assertEqual(given, [["bound"] * 2] * 2)
        self.assertRegex(self.printed.getvalue(), "waiting for host 0 .*Connection refused")

    def test_a_port_of_a_run_that_is_ending_is_waited_for(self):
        clusters = _clusters(free_addresses(2))
        with mock.patch.object(meeting, "_TAKEN_SECONDS", 10.0):
            old = socket.create_server(("", clusters[1].endpoint(1)[1]))
            threading.Timer(0.7, old.close).start()
            self.assertEqual(_together(clusters, lambda hosts: hosts.number), [0, 1])

    def test_a_folder_that_is_not_shared_is_told_by_all(self):
        folders = [pathlib.Path(self.create_tempdir(name).full_path) for name in ("shared", "own")]
        (folders[0] / ".hosts-left").touch()

        def act(hosts, folders=folders):
            hosts.require_shared(folders[hosts.number])

        _together(_clusters(free_addresses(2)), lambda hosts: act(hosts, folders[:1] * 2))
        self.assertEmpty(list(folders[0].iterdir()))
        with mock.patch.object(hosts_module, "_SEEN_SECONDS", 0.5):
            first, other = _together(_clusters(free_addresses(2)), act)
        line = r"host 1 \(.*\) does not see .*own/.hosts-.*, which host 0 .* wrote: give a folder that all hosts share"
        self.assertRegex(str(other), f"^{line}")
        self.assertRegex(str(first), rf"^host 1 \(.*\): {line}")
        self.assertEmpty(list(folders[0].iterdir()))

    def test_one_fact_that_differs_is_told_by_all(self):
        facts = [{"a": "1", "b": "2"}, {"a": "1", "b": "2"}, {"a": "1", "b": "3"}]
        given = _together(_clusters(free_addresses(3)), lambda hosts: hosts.require_same(facts[hosts.number]))
        self._assert_all_say(given, r"^b is 3 on host 2 \(127.0.0.1:\d+\) and 2 on host 0 .*must train the same")

    @parameterized.parameters(0, 1, 2)
    def test_a_mistake_on_one_host_ends_all_with_its_line_and_code(self, guilty):
        def act(hosts):
            if hosts.number == guilty:
                raise UserError("the disk is full")
            hosts.gather(None)

        given = _together(_clusters(free_addresses(3)), act)
        self.assertEqual(str(given.pop(guilty)), "the disk is full")
        self._assert_all_say(given, rf"^host {guilty} \(.*\): the disk is full$", HostEndedError)
        self.assertEqual([error.code for error in given], [2, 2])

    def test_a_mistake_of_all_is_told_by_each_as_its_own(self):
        def act(hosts):
            time.sleep(0.3 * hosts.number)
            raise UserError("the loss is not finite")

        self._assert_all_say(_together(_clusters(free_addresses(2)), act), "^the loss is not finite$")
        self.ended.assert_not_called()

    def test_a_stop_and_a_defect_end_the_others_likewise(self):
        for error, code, line in ((Terminated(), 143, "terminated"), (ZeroDivisionError("odd"), 1, "Zero.*: odd")):

            def act(hosts, error=error):
                if not hosts.is_first:
                    raise error
                hosts.gather(None)

            first, other = _together(_clusters(free_addresses(2)), act)
            self.assertIs(other, error)
            self.assertEqual(first.code, code)
            self.assertRegex(str(first), rf"^host 1 \(.*\): {line}")

    @parameterized.parameters(0, 1, 2)
    def test_a_host_that_is_killed_is_missed_by_all_others_at_once(self, killed):
        def act(hosts):
            if hosts.number == killed:
                hosts._closing.set()
                hosts._news = SystemExit()  # A process that is killed hears no more.
                for link in hosts._links.values():
                    link._socket.shutdown(socket.SHUT_RDWR)
                raise SystemExit
            began = time.monotonic()
            try:
                hosts.gather(None)
            finally:
                self.assertLess(time.monotonic() - began, 5.0)

        given = _together(_clusters(free_addresses(3)), act)
        del given[killed]
        self._assert_all_say(given, rf"^host {killed} \(.*\) is lost \(it ended\): start the same", HostEndedError)
        self.assertEqual([error.code for error in given], [LOST_CODE] * 2)

    def test_a_host_that_says_nothing_is_lost_and_who_waits_elsewhere_is_ended(self):
        """Host 0 is in a collective operation, which nothing ends."""

        def act(hosts):
            if hosts.is_first:
                hosts._closing.wait(2.5)
                hosts._closing.set()
                raise SystemExit
            time.sleep(1.5)
            raise SystemExit

        err = io.StringIO()
        with mock.patch.object(hosts_module, "SILENCE_SECONDS", 0.5), contextlib.redirect_stderr(err):
            _together(_clusters(free_addresses(2)), act)
        self.ended.assert_called_with(LOST_CODE)
        self.assertRegex(err.getvalue(), r"spl_tf: host \d .* is lost \(nothing was heard of it for 0.5 s\)")

    def test_tensorflow_s_failure_after_a_host_ended_is_told_as_that(self):
        def act(hosts):
            if not hosts.is_first:
                raise UserError("a record is damaged")
            hosts._heard.wait(5.0)
            raise RuntimeError("Collective ops is aborted")

        first, _ = _together(_clusters(free_addresses(2)), act)
        self.assertIsInstance(first, HostEndedError)
        self.assertIn("a record is damaged", str(first))


class MeetingTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.printed = self.enter_context(contextlib.redirect_stdout(io.StringIO()))
        self.enter_context(mock.patch.multiple(meeting, **SOON))

    def _assert_refused(self, clusters, messages, wait_seconds=1.5):
        given = _together(clusters, lambda hosts: "met", wait_seconds)
        for error, message in zip(given, messages, strict=True):
            self.assertIsInstance(error, UserError)
            self.assertRegex(str(error), message)

    def test_a_host_that_does_not_come(self):
        clusters = _clusters(free_addresses(3))
        self._assert_refused(clusters[:2], [r"^host 2 \(127.0.0.1:\d+\) did not come within 1.5 s: start the same"] * 2)
        self.assertRegex(self.printed.getvalue(), "hosts: waiting for host 2 .*, up to 1.5 s")

    def test_a_first_host_that_does_not_come(self):
        clusters = _clusters(free_addresses(2))
        self._assert_refused(clusters[1:], [r"^host 0 .* is not reached \(Connection refused\) within 1.5 s: start"])

    def test_a_name_that_nobody_knows(self):
        first, other = free_addresses(2)
        clusters = _clusters([first, "no-such-host.invalid:" + other.split(":")[1]])
        self._assert_refused(clusters, ["host 0 .* does not reach host 1 .*: no host of that name is known"] * 2)
        clusters = _clusters(["no-such-host.invalid:1", other])
        self._assert_refused(clusters[1:], ["host 0 .* is not reached .no host of that name is known"])

    @parameterized.parameters(0, 1)
    def test_a_port_that_is_taken(self, taken):
        addresses = free_addresses(2)
        port = int(addresses[taken].split(":")[1])
        line = f"port {port}, this host's in TF_CONFIG, can't be used .another program has it.*: end what has it"
        with socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True) as server:

            def answer():
                with contextlib.suppress(OSError):
                    while True:
                        opened, _ = server.accept()
                        opened.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                        opened.close()

            threading.Thread(target=answer, daemon=True).start()
            there = f"^host 1 .*: {line}" if taken else "^host 0 .* is not reached .*another program"
            expected = [line, line]
            expected[1 - taken] = there
            self._assert_refused(_clusters(addresses), expected, wait_seconds=3.0)
            server.shutdown(socket.SHUT_RDWR)

    def test_hosts_that_know_other_hosts(self):
        addresses = free_addresses(3)
        clusters = [
            Cluster(tuple(addresses[:2]), 0, "TF_CONFIG"),
            Cluster((addresses[0], addresses[2]), 1, "TF_CONFIG"),
        ]
        self._assert_refused(clusters, ["^host 1's TF_CONFIG names .*, the first host's .*: give all .* the same"] * 2)

    @parameterized.parameters(0, 1)
    def test_a_host_that_is_killed_meanwhile(self, killed):
        agree = meeting._agree

        def dies(cluster, links, found):
            if cluster.number == killed:
                for link in links.values():
                    link._socket.shutdown(socket.SHUT_RDWR)
                raise SystemExit
            agree(cluster, links, found)

        with mock.patch.object(meeting, "_agree", dies):
            given = _together(_clusters(free_addresses(3)), lambda hosts: "met")
        del given[killed]
        for error in given:
            self.assertIsInstance(error, HostEndedError)
            self.assertEqual(error.code, LOST_CODE)
            self.assertRegex(str(error), f"^host {killed} .* ended while the hosts met")

    def test_a_number_that_two_hosts_have(self):
        addresses = free_addresses(3)
        clusters = [*_clusters(addresses)[:2], Cluster(tuple(addresses), 1, "TF_CONFIG")]
        with mock.patch.object(meeting, "_listening", self._listening_where_it_is_free):
            self._assert_refused(clusters, ["two processes say that they are host 1 "] * 3)

    def test_a_host_under_another_one_s_name(self):
        """Names of hosts 1 and 2 are mixed up on all hosts alike, as where names are told apart by machine."""
        addresses = free_addresses(3)
        swapped = [addresses[0], addresses[2], addresses[1]]
        clusters = [Cluster(tuple(addresses), number, "TF_CONFIG") for number in range(3)]
        endpoint = Cluster.endpoint

        def listens_elsewhere(cluster, number):
            own = cluster.number == number and number > 0
            return endpoint(cluster._replace(addresses=tuple(swapped)) if own else cluster, number)

        with mock.patch.object(Cluster, "endpoint", listens_elsewhere):
            self._assert_refused(clusters, ["host 0 .* does not reach host 1 .*: host 2 .* answers there"] * 3)

    def test_clocks_that_differ_are_told_and_do_no_harm(self):
        clocks = [1000.0, 4600.0]
        with mock.patch.object(time, "time", side_effect=clocks):
            self.assertEqual(_together(_clusters(free_addresses(2)), lambda hosts: hosts.count), [2, 2])
        self.assertRegex(self.printed.getvalue(), r"the clock of host 1 \(.*\) is [+-]3,600 s off the first host's")

    @contextlib.contextmanager
    def _listening_where_it_is_free(self, cluster, joined):
        with contextlib.ExitStack() as stack:
            if cluster.number == 0:
                stack.enter_context(_LISTENING(cluster, joined))
            yield


_LISTENING = meeting._listening

if __name__ == "__main__":
    absltest.main()
