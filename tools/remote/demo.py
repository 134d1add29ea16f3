"""The demo with every folder at s3://, on a server that fails and is slow, beside the same on the local disk.

  nox -s remote
  python -m tools.remote.demo --output_dir=/tmp/remote --results=results/remote.csv

Videos are rendered, cut, labelled, trained on and tested by the commands of README.md, on the local disk and then at
s3:// of a server that fails one request in twenty (tools/remote/faulty_store.py), each command with an empty cache, as
on a new machine. A cutting and a training are killed, and go on elsewhere. Then the recipe, killed once too, on a
server that is also slow. Everything must be equal: shards, side-cars, labels, weights, scores. Exit code 1 where
anything is not.
"""

import csv
import dataclasses
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from absl import flags

from spl_tf import command, files
from tools.remote import faulty_store
from tools.soak.comparison import differences

FLAGS = flags.FlagValues()
flags.DEFINE_string("output_dir", None, "Empty folder to work in.", flag_values=FLAGS)
flags.DEFINE_string("results", None, "CSV file for what was found.", flag_values=FLAGS)
flags.DEFINE_multi_string("only", [], "pipeline or recipe, repeatable; both without.", flag_values=FLAGS)
flags.mark_flag_as_required("output_dir", flag_values=FLAGS)

_GIN = "--gin_file=tools/remote/demo.gin"
_FAILING = 0.05
_DELAYS = {"pipeline": 0.0, "recipe": 0.3}  # Longest waits, seconds.
_MOST_SECONDS = 900.0


@dataclasses.dataclass(frozen=True)
class _Machine:
    """Where commands run.

    Attributes:
      folder: gets their logs and caches.
      address: of the S3 server; None to work on the local disk.
    """

    folder: pathlib.Path
    address: str | None

    def run(self, name: str, arguments: Sequence[str], kill_when: Callable[[], bool] | None = None) -> None:
        """Runs a command with an empty cache, to its end or until it is killed.

        Raises:
          RuntimeError: it failed, or ended before it was to be killed.
        """
        cache, log = self.folder / "cache", self.folder / "logs" / f"{name}.txt"
        shutil.rmtree(cache, ignore_errors=True)
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = dict(os.environ if self.address is None else faulty_store.credentials(self.address))
        environment["SPL_TF_CACHE_DIR"] = str(cache)
        print(f"{name}: {' '.join(arguments)}", flush=True)
        with open(log, "ab") as opened:
            process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                env=environment,
                stdout=opened,
                stderr=opened,
                start_new_session=True,
            )
            deadline = time.monotonic() + _MOST_SECONDS
            while process.poll() is None and time.monotonic() < deadline:
                if kill_when is not None and kill_when():
                    break
                time.sleep(0.05)
            is_killed = process.poll() is None
            if is_killed:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if is_killed != (kill_when is not None) or (not is_killed and process.returncode):
            raise RuntimeError(f"{name}: {log.read_text()[-2000:]}")


def _pipeline(machine: _Machine, videos: str, root: str) -> None:
    """From the lists of videos to the test, each step by its command."""

    def shard(name: str, *more: str) -> list[str]:
        arguments = [
            f"--manifest={videos}/{name}.csv",
            f"--classes={videos}/classes.txt",
            "--short_side=32",
            "--fps=12",
        ]
        return ["spl_tf.shard", *arguments, f"--output_dir={root}/shards/{name}", "--workers=1", *more]

    def train(stage: str, shards: str, **bindings: str) -> list[str]:
        named = {"train_shards": f"{root}/shards/{shards}", **bindings}
        params = [f"--gin_param=train_stage.{name} = '{value}'" for name, value in named.items()]
        return ["spl_tf.train", _GIN, f"--stage={stage}", f"--model_dir={root}/{stage}", *params]

    web = shard("web", "--label_column=query", f"--exclude={videos}/test.csv", "--clip_seconds=2.5", "--num_shards=6")
    teacher = train("teacher", "target")
    machine.run("shard target", shard("target", "--clip_seconds=0"))
    machine.run("shard test", shard("test", "--clip_seconds=0"))
    if machine.address is not None:
        machine.run("shard web, killed", web, lambda: _has(machine, f"{root}/shards/web/", ".tfrecord"))
    machine.run("shard web", web)
    if machine.address is not None:
        machine.run("teacher, killed", teacher, lambda: _has(machine, f"{root}/teacher/checkpoints/", "checkpoint"))
    machine.run("teacher", teacher)
    folders = [f"--model_dir={root}/teacher", f"--shards={root}/shards/web"]
    machine.run("predict", ["spl_tf.predict", *folders, f"--output_dir={root}/predictions"])
    label = [f"--predictions={root}/predictions", "--strategy=spl_b", f"--output_dir={root}/labels"]
    machine.run("label", ["spl_tf.label", *label])
    machine.run("pretrain", train("pretrain", "web", labels_dir=f"{root}/labels"))
    machine.run("finetune", train("finetune", "target", init_weights=f"{root}/pretrain/backbone.weights.h5"))
    machine.run("evaluate", ["spl_tf.evaluate", f"--model_dir={root}/finetune", f"--shards={root}/shards/test"])
    machine.run("inspect", ["spl_tf.inspect", f"--shards={root}/shards/web", f"--output_dir={root}/sheets"])
    machine.run("export", ["spl_tf.export", f"--model_dir={root}/finetune", f"--output_dir={root}/served"])


def _recipe(machine: _Machine, root: str) -> None:
    recipe = ["spl_tf.recipe", _GIN, f"--output_dir={root}"]
    if machine.address is not None:
        checkpoints = f"{root}/seed0/spl_b/pretrain/checkpoints/"
        machine.run("recipe, killed", recipe, lambda: _has(machine, checkpoints, "checkpoint"))
    machine.run("recipe", recipe)


def _has(machine: _Machine, folder: str, end: str) -> bool:
    return any(name.endswith(end) for name in _filesystem(machine).find(folder))


def _filesystem(machine: _Machine):
    import s3fs

    retries = {"retries": {"mode": "standard", "max_attempts": 10}}
    return s3fs.S3FileSystem(
        endpoint_url=machine.address,
        key="testing",
        secret="testing",
        config_kwargs=retries,
        use_listings_cache=False,
    )


_COMPARED = (
    "**/*.tfrecord",
    "**/*.parquet",
    "**/rejected.csv",
    "**/videos.csv",
    "**/scores.npy",
    "**/*.png",
    "**/*.h5",
)
# Of the step before the last.
_NOT_COMPARED = ("checkpoints",)


def _pipelines_differ(local: pathlib.Path, remote: pathlib.Path) -> tuple[int, list[str]]:
    """How many files were compared, and those that are not equal byte by byte, or on one side alone."""
    names = {
        path.relative_to(root)
        for root in (local, remote)
        for pattern in _COMPARED
        for path in root.glob(pattern)
        if not set(_NOT_COMPARED) & set(path.parts)
    }
    found = [
        str(name)
        for name in sorted(names)
        if not (local / name).is_file()
        or not (remote / name).is_file()
        or files.sha256(local / name) != files.sha256(remote / name)
    ]
    return len(names), found


def _compare(what: str, folder: pathlib.Path, videos: pathlib.Path) -> tuple[dict[str, object], list[str]]:
    """Does the work on the local disk and at s3://: a row of the results, and what is not as it should be."""
    local, delay = _Machine(folder / f"{what}-local", None), _DELAYS[what]
    with faulty_store.served(_FAILING, delay) as address:
        remote = _Machine(folder / f"{what}-remote", address)
        store = _filesystem(remote)
        store.mkdir("demo")
        store.put(f"{videos}/", "demo/videos/", recursive=True)
        for machine, videos_at, root in (
            (local, str(videos), str(local.folder / "ended")),
            (remote, "s3://demo/videos", "s3://demo/run"),
        ):
            _recipe(machine, root) if what == "recipe" else _pipeline(machine, videos_at, root)
        counts, ended = faulty_store.faults(address), remote.folder / "ended"
        store.get("demo/run/", f"{ended}/", recursive=True)
        left = [name for name in store.find("demo") if ".tmp." in name or "spool-" in name or name.endswith(".lock")]
    compared, found = _pipelines_differ(local.folder / "ended", ended)
    if what == "recipe":
        found += differences(local.folder / "ended", ended)
    found += [f"{name} is left over" for name in left]
    row = {"run": what, "failing": _FAILING, "longest wait": delay, **counts, "files compared": compared}
    return row | {"different": len(found)}, found


def main() -> int:
    from spl_tf import configurables, configuration  # noqa: F401
    from spl_tf.demo.rendered_actions import render_actions

    configuration.parse(["tools/remote/demo.gin"])
    folder = pathlib.Path(FLAGS.output_dir).absolute()
    render_actions(folder / "videos")
    rows, faults = [], list[str]()
    for what in FLAGS.only or _DELAYS:
        row, found = _compare(what, folder, folder / "videos")
        rows.append(row)
        faults += found
        print(row, *found, sep="\n", flush=True)
    if FLAGS.results:
        with files.atomic_path(FLAGS.results) as path, open(path, "w", newline="", encoding="utf-8") as opened:
            writer = csv.DictWriter(opened, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    return 1 if faults else 0


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
