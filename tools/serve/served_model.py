"""Which model a request is for, and what spl_tf.export wrote down about it."""

import dataclasses
from collections.abc import Callable

import numpy as np

from spl_tf import files
from spl_tf.errors import UserError

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


def read_description(path: files.Path) -> Description:
    """Reads an export's `model.json`.

    Raises:
      UserError: it is missing, or not what spl_tf.export writes.
    """
    content = files.read_json(path, _REMEDY)
    try:
        clip_input = content["clip_input"]
        return Description(float(clip_input["fps"]), int(clip_input["short_side"]), tuple(content["classes"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is not what spl_tf.export writes ({error!r}): {_REMEDY}") from error
