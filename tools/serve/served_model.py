"""Which model a request is for, and what spl_tf.export wrote down about it."""

import dataclasses
from collections.abc import Callable
from typing import Annotated

import msgspec
import numpy as np

from spl_tf import files
from spl_tf.errors import UserError
from spl_tf.stored import Positive, read_json

Predict = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]

_REMEDY = "name the file assets.extra/model.json of an exported version"


@dataclasses.dataclass(frozen=True)
class ServedModel:
    """What a request names.

    Attributes:
      server: http://host:port for REST, host:port for gRPC.
      name: of the model on the server.
      version: None for the server's choice, the latest.
      signature: of spl_tf.export.
    """

    server: str
    name: str
    version: int | None
    signature: str

    def unreachable(self, reason: object) -> UserError:
        return UserError(f"{self.server} gives no answer ({reason}): does TF Serving run there, is --server right?")

    def refusal(self, code: object, reason: str, *, not_found: bool) -> UserError:
        """The server's own words, with a remedy where we know one."""
        hint = " (see --model and --version)" if not_found else ""
        return UserError(f"{self.server} refuses the request: {code}: {reason}{hint}")


@dataclasses.dataclass(frozen=True)
class Description:
    """What a model's input must look like and what its scores mean.

    Attributes:
      fps: frames per second of the stored clips.
      short_side: of their frames, pixels.
      classes: names of the N classes.
    """

    fps: float
    short_side: int
    classes: tuple[str, ...]


class _ClipInput(msgspec.Struct):
    fps: Annotated[float, msgspec.Meta(gt=0)]
    short_side: Positive


class _Exported(msgspec.Struct):
    """What a client reads of an export's `model.json`."""

    classes: tuple[str, ...]
    clip_input: _ClipInput


def read_description(path: files.Path) -> Description:
    """Reads an export's `model.json`.

    Raises:
      UserError: it is missing, or not what spl_tf.export writes.
    """
    stored = read_json(path, _Exported, _REMEDY)
    return Description(stored.clip_input.fps, stored.clip_input.short_side, stored.classes)
