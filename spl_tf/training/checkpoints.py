"""Checkpoints of a run: the newest few, each whole or absent."""

import pathlib

import tensorflow as tf

from spl_tf.errors import UserError
from spl_tf.training.state import TrainingState

_WRITE_ERRORS = (
    tf.errors.ResourceExhaustedError,  # a full disk
    tf.errors.PermissionDeniedError,
    tf.errors.FailedPreconditionError,
    tf.errors.NotFoundError,
    tf.errors.UnknownError,
    tf.errors.DataLossError,
)


class Checkpoints:
    """Saves and restores a TrainingState in a folder."""

    def __init__(self, folder: pathlib.Path, state: TrainingState, keep: int = 2):
        self._folder = folder
        self._state = state
        self._checkpoint = state.as_checkpoint()
        self._manager = tf.train.CheckpointManager(self._checkpoint, str(folder), max_to_keep=keep)

    @property
    def latest(self) -> str | None:
        """Path of the newest complete checkpoint."""
        return self._manager.latest_checkpoint

    def restore_latest(self) -> bool:
        """Restores the newest checkpoint, if there is one.

        Raises:
          UserError: the checkpoint is damaged or belongs to another network.
        """
        if self.latest is None:
            return False
        try:
            self._checkpoint.restore(self.latest).assert_existing_objects_matched().assert_consumed()
        except (tf.errors.OpError, AssertionError, ValueError) as error:
            raise UserError(
                f"checkpoint {self.latest} can't be restored ({_first_line(error)}): "
                f"delete {self._folder} to train from the start, or use another --model_dir"
            ) from error
        return True

    def save(self) -> None:
        """Saves the state under its step.

        Raises:
          UserError: the folder can't be written; the last good checkpoint is named.
        """
        last_good = self.latest
        try:
            self._manager.save(checkpoint_number=int(self._state.step.numpy()))
        except _WRITE_ERRORS as error:
            raise UserError(
                f"can't write a checkpoint into {self._folder} ({_first_line(error)}); "
                f"last good checkpoint: {last_good}. Make room or mend the permissions, then run the same command"
            ) from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0][:200]
