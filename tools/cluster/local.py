"""Starts a command as several hosts of this machine, each with its TF_CONFIG, and collects what they say.

  python -m tools.cluster.local --hosts=2 --log_dir=logs -- \\
      python -m spl_tf.train --gin_file=ucf6.gin --stage=teacher --model_dir=M ...

For trying and for tests: a host is a process with a port of the loopback address, so that real connections are made
and real processes end. It shows that several hosts train; all share the machine, so it is no faster.

What host 0 says is shown, and stands with the rest in logs/host0.log, logs/host1.log, ... Ctrl-C and SIGTERM are
passed on to all hosts. The exit code is the first one, by number, of a host that did not exit with 0; of several
that ended because one did, each says so in its log, and the last line of each is shown at the end.
"""

import argparse
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence

LOOPBACK = "127.0.0.1"
_LOOK_SECONDS = 0.2


def free_addresses(count: int) -> list[str]:
    """Addresses of this machine whose ports nobody has at the moment, all different."""
    listeners = [socket.create_server((LOOPBACK, 0)) for _ in range(count)]
    addresses = [f"{LOOPBACK}:{listener.getsockname()[1]}" for listener in listeners]
    for listener in listeners:
        listener.close()
    return addresses


def tf_config(addresses: Sequence[str], number: int) -> str:
    """TF_CONFIG of one host."""
    return json.dumps({"cluster": {"worker": list(addresses)}, "task": {"type": "worker", "index": number}})


class LocalHosts:
    """Hosts of one command as processes; leaving the `with` block kills those that still run.

    Attributes:
      processes: of the hosts, by number.
      logs: what each said, standard output and error.
    """

    def __init__(
        self,
        command: Sequence[str],
        count: int,
        log_dir: pathlib.Path,
        addresses: Sequence[str] | None = None,
        environments: Mapping[int, Mapping[str, str]] | None = None,
        arguments: Mapping[int, Sequence[str]] | None = None,
    ):
        """Starts them.

        Args:
          command: program and arguments.
          count: of the hosts.
          log_dir: made if missing; logs of an earlier start are written over.
          addresses: "name:port" of each; None: free ports of this machine.
          environments: of some hosts, what differs from this process's; it may have another TF_CONFIG.
          arguments: of some hosts, appended to the command.
        """
        addresses = addresses or free_addresses(count)
        log_dir.mkdir(parents=True, exist_ok=True)
        self.logs = [log_dir / f"host{number}.log" for number in range(count)]
        self.processes = []
        for number, log in enumerate(self.logs):
            own = {"TF_CONFIG": tf_config(addresses, number)} | dict((environments or {}).get(number, {}))
            with open(log, "wb") as opened:
                process = subprocess.Popen(
                    [*command, *(arguments or {}).get(number, ())],
                    env=os.environ | own,
                    stdin=subprocess.DEVNULL,
                    stdout=opened,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C reaches the hosts once, by `send_signal`.
                )
            self.processes.append(process)

    def __enter__(self) -> "LocalHosts":
        return self

    def __exit__(self, *exception) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()

    def send_signal(self, number: int) -> None:
        """Sends a signal to every host that still runs."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(number)

    def wait(self, timeout: float | None = None) -> list[int]:
        """Exit codes of all, once all have ended; as of `subprocess`, -9 after SIGKILL."""
        return [process.wait(timeout) for process in self.processes]

    def last_lines(self) -> list[str]:
        """What each host said last."""
        return [(log.read_text(errors="replace").strip().splitlines() or [""])[-1] for log in self.logs]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.cluster.local", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hosts", type=int, required=True, help="how many")
    parser.add_argument("--log_dir", type=pathlib.Path, required=True, help="folder of the logs")
    parser.add_argument("command", nargs="+", help="what every host runs; after --")
    given = parser.parse_args(arguments)
    if given.hosts < 1:
        parser.error(f"--hosts={given.hosts}: give at least 1")
    with LocalHosts(given.command, given.hosts, given.log_dir) as hosts:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda received, _: hosts.send_signal(received))
        showing = threading.Thread(target=_show, args=(hosts,), daemon=True)
        showing.start()
        codes = hosts.wait()
        showing.join()
        for number, (code, line) in enumerate(zip(codes, hosts.last_lines(), strict=True)):
            print(f"host {number}: exit code {code}: {line}", flush=True)
    return next((code if code > 0 else 128 - code for code in codes if code), 0)


def _show(hosts: LocalHosts) -> None:
    """Shows what the first host says, as it says it."""
    with open(hosts.logs[0], "rb") as log:
        while True:
            ended = hosts.processes[0].poll() is not None
            sys.stdout.buffer.write(log.read())
            sys.stdout.buffer.flush()
            if ended:
                return
            time.sleep(_LOOK_SECONDS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
