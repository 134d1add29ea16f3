"""The course of a soak: one undisturbed run, then runs that are killed again and again until they are done."""

import dataclasses
import pathlib
import shutil
import time
from collections.abc import Sequence
from signal import Signals

import numpy as np
from tqdm import tqdm

from spl_tf import files
from spl_tf.errors import UserError
from spl_tf.stored import read_json
from tools.soak.comparison import differences, leftovers
from tools.soak.kills import Kill, format_kills, read_kills, write_kills
from tools.soak.process import RecipeProcess
from tools.soak.schedule import Moment, draw_moment
from tools.soak.watching import BETWEEN, POLL_SECONDS, Span, Watch

# One is enough unless a step is too short for the clock, or chance missed one.
_MOST_RUNS = 5
_DONE_ANEW = "; done anew"  # what a recipe says when it sets a step aside


@dataclasses.dataclass
class _State:
    """What a soak that was stopped itself goes on with, beside the kills.

    Attributes:
      command: of the recipe.
      spans: of the undisturbed run; empty until it is done.
      finished_runs: disturbed runs that came to their end.
      faults: found so far; one that does not come again is a fault all the same.
    """

    command: list[str]
    spans: list[Span]
    finished_runs: int
    faults: list[str]


class Soak:
    """A soak in a folder that the caller has locked."""

    def __init__(self, command: Sequence[str], output_dir: pathlib.Path, kills: int, seed: int):
        """Opens the folder.

        Args:
          command: runs the recipe when --output_dir is appended.
          output_dir: holds both runs, their logs and kills.csv.
          kills: least number of kills.
          seed: of moments and signals.

        Raises:
          UserError: the folder holds a soak of another command.
        """
        self._folder = output_dir
        self._wanted = kills
        self._seed = seed
        self._state = _read_state(output_dir / "soak.json", list(command))
        self._kills = read_kills(self._kills_path)

    def run(self) -> list[str]:
        """Goes on to the end and prints the kills; returns the faults, one sentence each.

        Raises:
          UserError: the undisturbed run failed.
        """
        if not self._state.spans:
            self._state.spans = self._run_undisturbed()
            self._save()
        too_short = []
        while (missing := self._missing()) or len(self._kills) < self._wanted:
            if self._state.finished_runs == _MOST_RUNS:
                too_short.append(
                    f"{len(self._kills)} kills in {_MOST_RUNS} runs, never hit: {', '.join(missing) or 'none'}; "
                    "the steps are too short"
                )
                break
            if fault := self._run_disturbed():
                self._state.faults.append(fault)
                self._save()
                break
            self._state.finished_runs += 1
            self._save()
        print(f"\n{format_kills(self._state.spans, self._kills)}\n")
        kill_faults = [fault for kill in self._kills if (fault := kill.fault())]
        return kill_faults + self._state.faults + too_short + self._faults_of_runs()

    def _faults_of_runs(self) -> list[str]:
        undisturbed = self._folder / "undisturbed"
        faults = leftovers(undisturbed)
        for run in range(1, self._state.finished_runs + 1):
            folder = self._run_folder(run)
            faults += differences(undisturbed, folder) + leftovers(folder)
            said = _log_of(folder).read_text(encoding="utf-8", errors="replace").splitlines()
            faults += [f"{_log_of(folder)}: {line}" for line in said if _DONE_ANEW in line]
        return faults

    def _missing(self) -> list[str]:
        hit = {kill.step for kill in self._kills}
        return [span.step for span in self._state.spans if span.step not in hit]

    def _run_undisturbed(self) -> list[Span]:
        folder = self._folder / "undisturbed"
        shutil.rmtree(folder, ignore_errors=True)  # One that was stopped is not undisturbed.
        watch = Watch(folder)
        started = time.monotonic()
        seen: dict[str, tuple[float, float]] = {}
        with RecipeProcess(self._command(folder), _log_of(folder)) as process, _bar(unit=" step") as bar:
            while (code := process.exit_code()) is None:
                step, now = watch.step(), time.monotonic() - started
                bar.set_description(f"undisturbed: {step}", refresh=False)
                bar.update(step not in seen)
                seen[step] = (seen.get(step, (now,))[0], now)
                time.sleep(POLL_SECONDS)
            if code != 0:
                raise UserError(f"the undisturbed run gave exit code {code}: see the end of {_log_of(folder)}")
            if survivors := process.survivors():
                raise UserError(f"the undisturbed run left alive: {' '.join(survivors)}")
        seen |= dict.fromkeys(watch.finished() - seen.keys(), (0.0, 0.0))  # Faster than the eye.
        return [Span(step, *times) for step, times in seen.items() if step != BETWEEN]

    def _run_disturbed(self) -> str | None:
        """One run from its start, or from where it was, to its end; returns a fault that ends the soak."""
        run = self._state.finished_runs + 1
        folder = self._run_folder(run)
        total = max(self._wanted, len(self._kills))
        with _bar(unit=" kill", total=total, initial=len(self._kills)) as bar:
            while True:
                outcome = self._session(folder, run, bar)
                if outcome == 0:
                    return None
                if isinstance(outcome, int):
                    return f"after kill {len(self._kills)} the recipe gave exit code {outcome}: see {_log_of(folder)}"
                self._kills.append(outcome)
                write_kills(self._kills_path, self._kills)
                bar.total = max(bar.total, len(self._kills))
                bar.update()
                bar.write(
                    f"kill {outcome.number}: {outcome.signal} in {outcome.step} after {outcome.seconds:.2f} s, "
                    f"exit code {outcome.exit_code} after {outcome.exit_seconds:.1f} s"
                )

    def _session(self, folder: pathlib.Path, run: int, bar: tqdm) -> Kill | int:
        """Starts the recipe; returns the kill that ended it, or the exit code it ended with by itself."""
        number = len(self._kills) + 1
        generator = np.random.default_rng((self._seed, number))
        signal_number = (Signals.SIGKILL, Signals.SIGTERM)[int(generator.integers(2))]
        order = {span.step: position for position, span in enumerate(self._state.spans)}
        watch = Watch(folder)
        begun: dict[str, float] = {}
        rows = _num_rows(folder / "results.csv")
        moment = self._draw(generator, watch.finished(), run)
        with RecipeProcess(self._command(folder), _log_of(folder)) as process:
            while (code := process.exit_code()) is None:
                step, now = watch.step(), time.monotonic()
                seconds = now - begun.setdefault(step, now)
                bar.set_description(step, refresh=False)
                bar.update(0)
                if moment and step != moment.step and order.get(step, -1) > order[moment.step]:
                    passed = {name for name in order if order[name] < order[step]}  # Too late: the step is done.
                    moment = self._draw(generator, passed, run)
                if moment and step == moment.step and seconds >= moment.seconds:
                    ending = process.stop(signal_number)
                    if ending.exit_code == 0 and step == self._state.spans[-1].step:
                        return 0  # It was done while the signal was on its way.
                    return Kill(
                        number=number,
                        run=run,
                        signal=signal_number.name,
                        step=step,
                        seconds=round(seconds, 3),
                        exit_code=ending.exit_code,
                        exit_seconds=round(ending.seconds, 3),
                        survivors=" ".join(ending.survivors),
                        rows_lost=max(0, rows - _num_rows(folder / "results.csv")),
                    )
                time.sleep(POLL_SECONDS)
        return code

    def _draw(self, generator: np.random.Generator, passed: set[str], run: int) -> Moment | None:
        missing = self._missing()
        remaining = {span.step: span.end - span.begin for span in self._state.spans if span.step not in passed}
        kills_left = max(self._wanted - len(self._kills), len(missing))
        return draw_moment(generator, remaining, missing, kills_left, run)

    def _command(self, folder: pathlib.Path) -> list[str]:
        return [*self._state.command, f"--output_dir={folder}"]

    def _run_folder(self, run: int) -> pathlib.Path:
        return self._folder / ("disturbed" if run == 1 else f"disturbed{run}")

    def _save(self) -> None:
        files.write_json(self._folder / "soak.json", dataclasses.asdict(self._state))

    @property
    def _kills_path(self) -> pathlib.Path:
        return self._folder / "kills.csv"


def _read_state(path: pathlib.Path, command: list[str]) -> _State:
    if not path.exists():
        return _State(command, [], 0, [])
    remedy = f"delete {path.parent} or use another --output_dir"
    state = read_json(path, _State, remedy)
    if state.command != command:
        raise UserError(f"{path.parent} holds a soak of {' '.join(state.command)}: {remedy}")
    return state


def _log_of(folder: pathlib.Path) -> pathlib.Path:
    return folder.with_name(f"{folder.name}.log")


def _bar(**options: int | str) -> tqdm:
    """Shown twice a second, whether or not its number moves."""
    return tqdm(mininterval=0.5, miniters=0, **options)


def _num_rows(path: pathlib.Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0
