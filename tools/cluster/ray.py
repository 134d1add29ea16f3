"""Runs a command of spl_tf as tasks of a Ray cluster, which starts those that die again.

  python -m tools.cluster.ray --tasks=8 -- spl_tf.shard --manifest=/data/web.csv --output_dir=/data/shards/web ...
  python -m tools.cluster.ray --tasks=8 --gpus=1 -- spl_tf.predict --model_dir=/data/teacher --output_dir=...

Each gets --task=i/n and shares out the work with the others by their claims, see docs/cluster.md: a task is one worker
process for all its shards, so it loads the teacher once. A worker that dies is started again by Ray, wherever there is
room; meanwhile the others take over what it held. All hosts need the package and the folders by the same paths.

--address is that of a cluster (`ray start --head`); without it, that of RAY_ADDRESS, or a cluster of this machine that
ends with the command. The exit code is the first one that is not 0. Needs pip install 'spl_tf[ray]'.
"""

import argparse
import runpy
import sys
from collections.abc import Sequence


def run_task(module: str, arguments: Sequence[str]) -> int:
    """Exit code of a command, run in this process: it dies with the worker, and leaves no child behind."""
    sys.argv[1:] = arguments
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.cluster.ray", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", type=int, required=True, help="how many")
    parser.add_argument("--cpus", type=float, default=1, help="of each task; 1 when not given")
    parser.add_argument("--gpus", type=float, default=0, help="of each task; 0 when not given")
    parser.add_argument("--address", help="of the cluster")
    parser.add_argument("command", nargs="+", help="after --: module and flags, e.g. spl_tf.shard --manifest=...")
    given = parser.parse_args(arguments)
    if given.tasks < 1:
        parser.exit(2, f"spl_tf: --tasks={given.tasks}: give at least 1\n")
    try:
        import ray
    except ImportError:
        parser.exit(2, "spl_tf: Ray is missing: pip install 'spl_tf[ray]'\n")
    ray.init(address=given.address)
    # A worker runs one command only; it may die as often as it likes.
    remote = ray.remote(num_cpus=given.cpus, num_gpus=given.gpus, max_retries=-1, max_calls=1)(run_task)
    module, *flags = given.command
    tasks = [remote.remote(module, [*flags, f"--task={i}/{given.tasks}"]) for i in range(1, given.tasks + 1)]
    return next((code for code in ray.get(tasks) if code), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
