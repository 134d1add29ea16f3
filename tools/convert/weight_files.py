"""Files of weights of PyTorch and TensorFlow, read into NumPy."""

import pathlib
import pickle
import re

import numpy as np

from spl_tf.errors import UserError

# Keys under which training programs keep the weights beside other things.
_CONTAINERS = ("model_state", "state_dict", "model")


def read_state_dict(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Reads a `state_dict` that torch.save wrote, also inside a training program's checkpoint.

    Raises:
      UserError: PyTorch is missing, or the file is missing, damaged or something else.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist: --weights names a file that torch.save wrote")
    try:
        import torch
    except ImportError as error:
        raise UserError(f"{path} is a file of PyTorch, which is not installed: pip install torch") from error
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, KeyError, EOFError, pickle.UnpicklingError) as error:
        raise UserError(
            f"{path} is damaged, or more than weights are in it ({_first_line(error)}): download it again, "
            "or save it with torch.save(model.state_dict(), ...)"
        ) from error
    for key in _CONTAINERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in content.items()
    ):
        raise UserError(f"{path} holds no state_dict: save one with torch.save(model.state_dict(), ...)")
    return {name.removeprefix("module."): value.float().numpy() for name, value in content.items()}


def read_checkpoint(prefix: pathlib.Path) -> dict[str, np.ndarray]:
    """Reads the float variables of a checkpoint of TensorFlow.

    Raises:
      UserError: it is missing or damaged.
    """
    import tensorflow as tf

    prefix = prefix.with_name(prefix.name.removesuffix(".index"))
    if not prefix.with_name(f"{prefix.name}.index").is_file():
        raise UserError(f"{prefix}.index does not exist: --weights names a checkpoint without .index, e.g. ckpt-1000")
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        types = reader.get_variable_to_dtype_map()
        return {name: reader.get_tensor(name) for name, dtype in types.items() if dtype.is_floating}
    except (tf.errors.OpError, IndexError, RuntimeError, ValueError) as error:
        raise UserError(f"{prefix} is damaged ({_first_line(error)}): copy it again") from error


def read_class_names(path: str) -> tuple[str, ...]:
    """Reads one name per line.

    Raises:
      UserError: the file is missing, is no text, or a name is empty or repeated.
    """
    try:
        names = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--classes={path} can't be read ({error}): give a text file with one name per line") from error
    if not names or not all(names) or len(set(names)) < len(names):
        raise UserError(f"{path}: every line is the name of one class, without empty or repeated ones")
    return tuple(names)


def _first_line(error: Exception) -> str:
    """Of its message, without the colours of a terminal."""
    lines = re.sub(r"\x1b\[[\d;]*m", "", str(error)).splitlines()
    return lines[0] if lines else type(error).__name__
