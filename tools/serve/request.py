"""What client and load share: the flags, and the request they describe."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from absl import flags

from spl_tf.data.clip import Clip
from spl_tf.errors import UserError
from tools.serve.served_model import Predict, ServedModel, read_description

if TYPE_CHECKING:  # OpenCV comes with it, for which --help shall not wait.
    from spl_tf.data.building.cutting import ClipFormat

_PORTS = {"rest": "http://localhost:8501", "grpc": "localhost:8500"}


@dataclasses.dataclass(frozen=True)
class Session:
    """Which model is asked, and about clips of which form.

    Attributes:
      connected: opens a connection to the model, as a context manager.
      clip_format: length, frame rate and size.
      signature: of spl_tf.export.
      classes: names of the model's classes, where they are known.
    """

    connected: Callable[[], contextlib.AbstractContextManager[Predict]]
    clip_format: "ClipFormat"
    signature: str
    classes: tuple[str, ...] | None


@dataclasses.dataclass(frozen=True)
class Request:
    """A clip on its way to a model.

    Attributes:
      connected: opens a connection to the model, as a context manager.
      clip: what was cut from the video.
      inputs: the same, as the signature takes it.
      classes: names of the model's classes, where they are known.
    """

    connected: Callable[[], contextlib.AbstractContextManager[Predict]]
    clip: Clip
    inputs: dict[str, np.ndarray]
    classes: tuple[str, ...] | None


def define_flags(flag_values: flags.FlagValues) -> None:
    """Adds the flags that say which clip goes to which model."""
    flags.DEFINE_string("video", None, "Video or image file.", flag_values=flag_values)
    flags.DEFINE_enum("protocol", "rest", ["rest", "grpc"], "How to talk to the server.", flag_values=flag_values)
    flags.DEFINE_string(
        "server",
        None,
        f"Address; by default {_PORTS['rest']} for rest, {_PORTS['grpc']} for grpc.",
        flag_values=flag_values,
    )
    flags.DEFINE_string("model", "spl_tf", "Name of the model on the server.", flag_values=flag_values)
    flags.DEFINE_integer(
        "version",
        None,
        "Version of the model; the latest when not given.",
        lower_bound=0,
        upper_bound=2**63 - 1,
        flag_values=flag_values,
    )
    flags.DEFINE_enum(
        "signature",
        "frames",
        ["frames", "records", "serving_default"],
        "What is sent: JPEG files, a clip record or pixels (about ten times the bytes).",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "model_json",
        None,
        "assets.extra/model.json of the export: frames per second, short side and class names.",
        flag_values=flag_values,
    )
    flags.DEFINE_float("fps", None, "Frames per second; by default as model.json says.", flag_values=flag_values)
    flags.DEFINE_integer("short_side", None, "Pixels; by default as model.json says.", flag_values=flag_values)
    flags.DEFINE_integer(
        "jpeg_quality",
        90,
        "Of the frames, as of spl_tf.shard, which has the same default.",
        lower_bound=1,
        upper_bound=100,
        flag_values=flag_values,
    )
    flags.DEFINE_string("classes", None, "assets/classes.txt; by default as model.json says.", flag_values=flag_values)
    flags.DEFINE_float("start_s", 0.0, "First moment of the clip, seconds.", flag_values=flag_values)
    flags.DEFINE_float("clip_seconds", 10.0, "Length of the clip; 0 for the whole video.", flag_values=flag_values)
    flags.DEFINE_float("seconds", 60.0, "To wait for an answer.", flag_values=flag_values)
    flags.mark_flag_as_required("video", flag_values=flag_values)


def make_request(flag_values: flags.FlagValues) -> Request:
    """Cuts the clip that the flags of `define_flags` describe.

    Raises:
      UserError: a flag is out of its range or a needed one missing, or the video gives no clip.
    """
    from tools.serve.clips import cut_clip, request_inputs

    session = make_session(flag_values)
    clip = cut_clip(flag_values.video, session.clip_format, flag_values.start_s)
    return Request(session.connected, clip, request_inputs(clip, session.signature), session.classes)


def make_session(flag_values: flags.FlagValues) -> Session:
    """What the flags of `define_flags` say, but for the video.

    Raises:
      UserError: a flag is out of its range or a needed one missing.
    """
    fps, short_side, classes = _described(flag_values)
    for name, value, allowed, what in (
        ("fps", fps, 0 < fps <= 1000, "above 0 and at most 1000"),
        ("short_side", short_side, 1 <= short_side <= 4096, "1 to 4096 pixels"),
        ("start_s", flag_values.start_s, 0 <= flag_values.start_s <= 86_400, "0 to 86400 seconds"),
        ("clip_seconds", flag_values.clip_seconds, 0 <= flag_values.clip_seconds <= 86_400, "0 to 86400 seconds"),
        ("seconds", flag_values.seconds, 0 < flag_values.seconds <= 86_400, "above 0 and at most 86400"),
    ):
        if not allowed:
            raise UserError(f"--{name}={value}: it must be {what}")
    model = ServedModel(
        flag_values.server or _PORTS[flag_values.protocol],
        flag_values.model,
        flag_values.version,
        flag_values.signature,
    )
    from spl_tf.data.building.cutting import ClipFormat

    if flag_values.protocol == "rest":
        from tools.serve.rest import connected
    else:
        from tools.serve.rpc import connected  # Imports TensorFlow.
    clip_format = ClipFormat(flag_values.clip_seconds, fps, short_side, flag_values.jpeg_quality)
    return Session(functools.partial(connected, model, flag_values.seconds), clip_format, model.signature, classes)


def _described(flag_values: flags.FlagValues) -> tuple[float, int, tuple[str, ...] | None]:
    """Frames per second, short side and, where they are known, class names. A flag outdoes the file."""
    described = read_description(flag_values.model_json) if flag_values.model_json else None
    absent = [name for name in ("fps", "short_side") if flag_values[name].value is None]
    if absent and not described:
        raise UserError(
            f"{' '.join(f'--{name}' for name in absent)} missing: the network knows clips as it was trained on, and "
            "no server tells; give them, or --model_json=S/1/assets.extra/model.json of the export"
        )
    classes = described.classes if described else None
    if flag_values.classes:
        from spl_tf.labels.classes import read_classes

        classes = read_classes(flag_values.classes)
    return (
        described.fps if flag_values.fps is None else flag_values.fps,
        described.short_side if flag_values.short_side is None else flag_values.short_side,
        classes,
    )
