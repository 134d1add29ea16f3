"""Checkpoints of a run: the newest few, each whole or absent."""

import os
import pathlib
import re
import shutil

import tensorflow as tf

from spl_tf import files
from spl_tf.errors import UserError
from spl_tf.hardware.hosts import ALONE, Hosts
from spl_tf.remote import mirror
from spl_tf.training.state import TrainingState

_WRITE_ERRORS = (
    tf.errors.ResourceExhaustedError,  # a full disk
    tf.errors.PermissionDeniedError,
    tf.errors.FailedPreconditionError,
    tf.errors.NotFoundError,
    tf.errors.UnknownError,
    tf.errors.DataLossError,
)

_UNREADABLE = (tf.errors.OpError, AssertionError, ValueError, IndexError)

# More than one, so that a damaged newest one does not end a run.
_KEPT = 2


class Checkpoints:
    """Saves and restores a TrainingState in a folder, which the first host writes and all hosts read."""

    def __init__(self, folder: pathlib.Path, state: TrainingState, hosts: Hosts = ALONE):
        self._folder = folder
        self._state = state
        self._hosts = hosts
        self._checkpoint = state.as_checkpoint()
        self._manager = None
        if hosts.is_first:
            for half_written in folder.glob("*_temp"):  # left by a killed run or a full disk
                shutil.rmtree(half_written)
            mirror.fetch_folder(folder)
            _list_what_is_there(folder)
            self._manager = tf.train.CheckpointManager(self._checkpoint, str(folder), max_to_keep=_KEPT)

    @property
    def latest(self) -> str | None:
        """Path of the newest complete checkpoint; the first host knows."""
        return self._manager.latest_checkpoint if self._manager else None

    def restore_latest(self) -> None:
        """Restores the newest checkpoint that can be read, if there is any at all: the same one on all hosts.

        Raises:
          UserError: every checkpoint is damaged or belongs to another network.
        """
        found = self._hosts.first_says(self._restore_newest)
        if found is not None and not self._hosts.is_first:
            self._hosts.await_file(self._folder / f"{found}.index")
            try:
                self._restore(str(self._folder / found))
            except _UNREADABLE as error:
                raise UserError(
                    f"{self._folder / found} can't be read, which the first host has restored ({_first_line(error)}): "
                    "look whether all hosts see the same files"
                ) from error

    def _restore(self, path: str) -> None:
        self._checkpoint.restore(path).assert_existing_objects_matched().assert_consumed()

    def _restore_newest(self) -> str | None:
        """The name of what was restored."""
        assert self._manager is not None
        faults = []
        for path in reversed(self._manager.checkpoints):
            try:
                self._restore(path)
            except _UNREADABLE as error:
                faults.append(f"{path}: {_first_line(error)}")
                print(f"checkpoint {faults[-1]}; trying the one before", flush=True)
            else:
                return pathlib.Path(path).name
        if faults:
            raise UserError(
                f"no checkpoint can be restored ({faults[0]}): move away or delete {self._folder} to train from the "
                "start"
            )
        return None

    def save(self) -> None:
        """Saves the state under its step; nothing on other hosts than the first.

        Raises:
          UserError: the folder can't be written; the last good checkpoint is named.
        """
        if self._manager is None:
            return
        last_good = self.latest
        try:
            self._manager.save(checkpoint_number=int(self._state.step.numpy()))
        except _WRITE_ERRORS as error:
            raise UserError(
                f"can't write a checkpoint into {self._folder} ({_first_line(error)}); "
                f"last good checkpoint: {last_good}. Make room or mend the permissions, then run the same command"
            ) from error
        mirror.push(self._folder)


def _list_what_is_there(folder: pathlib.Path) -> None:
    """Writes TensorFlow's list of checkpoints anew where it is not of those that are there: it is easily lost.

    A checkpoint's index is written last, so one that has it was written to its end.
    """
    path = folder / "checkpoint"
    found = [index.with_suffix("") for index in folder.glob("ckpt-*.index") if index.stem[5:].isdigit()]
    there = [str(name) for name in sorted(found, key=lambda name: int(name.name[5:]))]
    try:
        state = tf.train.get_checkpoint_state(str(folder))
    except (ValueError, tf.errors.OpError):
        state = None
    # TensorFlow passes over those that are no newer than the last it was told to keep for good.
    preserved = state.last_preserved_timestamp if state else 0.0
    times = zip(state.all_model_checkpoint_paths, state.all_model_checkpoint_timestamps, strict=False) if state else ()
    listed = [name for name, timestamp in times if timestamp > preserved]
    newest = state.model_checkpoint_path if state else ""
    if not there:
        if path.exists() and not listed:
            path.unlink()
            print(f"{path} is damaged, and there is no checkpoint: training begins at the start", flush=True)
    elif (listed, newest) != (there, there[-1]):
        if newest != there[-1] or there[-1] not in listed:
            print(f"{path} does not name the newest checkpoint, {there[-1]}: made anew from what is there", flush=True)
        lines = [f'model_checkpoint_path: "{pathlib.Path(there[-1]).name}"']
        for name in there:
            lines.append(f'all_model_checkpoint_paths: "{pathlib.Path(name).name}"')
            lines.append(f"all_model_checkpoint_timestamps: {os.path.getmtime(f'{name}.index')}")
        files.write_text(path, "\n".join(lines) + "\n")


def _first_line(error: BaseException) -> str:
    """TensorFlow's message without the names of operations around the cause."""
    text = str(error).strip().splitlines()[0]
    return re.sub(r"\{\{.*?\}\} |\s*\[Op:.*", "", text)[-200:]
