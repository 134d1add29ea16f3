"""Training that is stopped from outside."""

import contextlib
from collections.abc import Iterator
from unittest import mock

from spl_tf.training.checkpoints import Checkpoints


@contextlib.contextmanager
def stopped_at_checkpoint(number: int) -> Iterator[None]:
    """What is run inside stops when it has saved so many checkpoints; it is an error when it saves fewer."""
    save, saved = Checkpoints.save, []

    def save_and_stop(checkpoints):
        saved.append(save(checkpoints))
        if len(saved) == number:
            raise KeyboardInterrupt

    with mock.patch.object(Checkpoints, "save", save_and_stop), contextlib.suppress(KeyboardInterrupt):
        yield
        raise AssertionError(f"{len(saved)} checkpoints were saved, not {number}")
