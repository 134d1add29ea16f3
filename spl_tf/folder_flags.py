"""Flags that name folders and files, which may also lie in a store: s3://bucket/folder (docs/remote.md)."""

import sys
from collections.abc import Callable
from typing import Any

from absl import flags

from spl_tf.errors import UserError
from spl_tf.remote import addresses, mirror

# A clip's id or a class may be an address of the web.
_OF_THE_WEB = ("http://", "https://")


class _Place(flags.ArgumentParser):
    """Text that may be an address.

    Attributes:
      opened: gives the local path of a folder or file.
    """

    def __init__(self, opened: Callable[[str], Any]):
        super().__init__()
        self.opened = opened


_FOLDER, _READ, _WRITTEN = _Place(mirror.open_folder), _Place(mirror.open_file), _Place(addresses.mirror_path)


def define_folder(name: str, explained: str, flag_values: flags.FlagValues) -> None:
    """Adds a flag of a folder that is read, written or both."""
    flags.DEFINE(_FOLDER, name, None, explained, flag_values=flag_values)


def define_folders(name: str, explained: str, flag_values: flags.FlagValues) -> None:
    """Adds a repeatable flag of folders, None where it was not given."""
    flags.DEFINE_multi(_FOLDER, flags.ArgumentSerializer(), name, None, explained, flag_values=flag_values)


def define_file(name: str, explained: str, flag_values: flags.FlagValues, *, written: bool = False) -> None:
    """Adds a flag of a file that is read, or with `written` one that is written."""
    flags.DEFINE(_WRITTEN if written else _READ, name, None, explained, flag_values=flag_values)


def define_files(name: str, explained: str, flag_values: flags.FlagValues) -> None:
    """Adds a repeatable flag of files that are read, empty where it was not given."""
    flags.DEFINE_multi(_READ, flags.ArgumentSerializer(), name, [], explained, flag_values=flag_values)


def open_places(flag_values: flags.FlagValues) -> bool:
    """Replaces the addresses among the values of flags by local paths, made equal to the store; whether there are any.

    Raises:
      UserError: a flag that is not of such a folder or file has an address, or the store does not answer.
    """
    found = False
    for name in flag_values:
        flag = flag_values[name]
        values = flag.value if isinstance(flag.value, list) else [flag.value]
        given = list(filter(addresses.is_address, values))
        of_the_web = [value for value in given if value.startswith(_OF_THE_WEB)]
        if not given or (of_the_web == given and not isinstance(flag.parser, _Place)):
            continue
        if of_the_web or not isinstance(flag.parser, _Place):
            raise UserError(f"--{name}={(of_the_web or given)[0]} cannot be used: give a local one (docs/remote.md)")
        if not found:
            print(f"what lies in stores is mirrored in {addresses.mirrors()}", file=sys.stderr, flush=True)
        found = True
        opened = [str(flag.parser.opened(value)) if addresses.is_address(value) else value for value in values]
        flag.value = opened if isinstance(flag.value, list) else opened[0]
    return found


class WithAddresses:
    """A text stream that shows paths of mirrors as the addresses they stand for."""

    def __init__(self, stream: Any):
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(addresses.with_addresses(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
