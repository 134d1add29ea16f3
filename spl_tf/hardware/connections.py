"""Messages between two hosts: each a kind and a value, over one connection."""

import socket
import struct
import threading
from typing import Any

import msgspec

_MARK = b"spl1"
_HEAD = struct.Struct(f"!{len(_MARK)}scQ")
_MOST_BYTES = 1 << 34
_PIECE_BYTES = 1 << 20


class ForeignProgramError(Exception):
    """What is at the other end is not this package."""


class Connection:
    """One end of a connection; a message is sent whole, from whatever thread."""

    def __init__(self, opened: socket.socket, silence_seconds: float):
        """Takes over a connected socket; who says nothing for so long is taken for gone."""
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = opened
        self._sending = threading.Lock()
        self.allow_silence(silence_seconds)

    def allow_silence(self, seconds: float) -> None:
        self._socket.settimeout(seconds)

    def send(self, kind: bytes, value: Any = None) -> None:
        """Sends a value of text, bytes, numbers, lists and dicts.

        Args:
          kind: one byte.
          value: what it is about.

        Raises:
          OSError: the other end is gone, or has read nothing for too long.
        """
        content = memoryview(msgspec.msgpack.encode(value))
        with self._sending:
            self._socket.sendall(_HEAD.pack(_MARK, kind, len(content)))
            for start in range(0, len(content), _PIECE_BYTES):  # The time limit is one of a call.
                self._socket.sendall(content[start : start + _PIECE_BYTES])

    def receive(self, most_bytes: int = _MOST_BYTES) -> tuple[bytes, Any]:
        """The next kind and value.

        Raises:
          OSError: the other end is gone, or has said nothing for too long.
          ForeignProgramError: it does not speak as this package does.
        """
        mark, kind, size = _HEAD.unpack(self._read(_HEAD.size))
        if mark != _MARK or size > most_bytes:
            raise ForeignProgramError("another program answers there")
        try:
            return kind, msgspec.msgpack.decode(self._read(size))
        except msgspec.DecodeError as error:
            raise ForeignProgramError("another program answers there") from error

    def is_open(self) -> bool:
        """Whether the other end has not closed it; nothing that it sent is taken."""
        allowed = self._socket.gettimeout()
        self._socket.setblocking(False)
        try:
            return bool(self._socket.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            self._socket.settimeout(allowed)

    def close(self) -> None:
        self._socket.close()

    def _read(self, size: int) -> bytes:
        content = bytearray()
        while len(content) < size:
            piece = self._socket.recv(min(size - len(content), _PIECE_BYTES))
            if not piece:
                raise ConnectionResetError("it closed the connection")
            content += piece
        return bytes(content)
