"""Packets of a stream of pictures and the frames they give, with what is damaged between them."""

import itertools
from collections.abc import Callable, Iterator, Sequence

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from spl_tf.data.video.complaints import complaints, heard

# A broken container that gives nothing for so many attempts has ended.
_MOST_ATTEMPTS = 64

# The frames a packet completes, None where none could be read, and whether anything is wrong with it.
Decoded = tuple[Sequence[VideoFrame] | None, bool]


def packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet | None]:
    """All packets that can be read, None for what is damaged between them, then one that empties the decoder."""
    attempts = 0
    while attempts < _MOST_ATTEMPTS:
        try:
            for packet in container.demux(stream):
                attempts = 0
                yield packet
            return
        except (av.FFmpegError, IndexError) as error:  # IndexError: PyAV of a stream that begins behind the header.
            _require_memory(error)
            attempts += 1
            yield None


def decoded_in_turn(
    container: InputContainer, stream: VideoStream, num_packets: Callable[[], int]
) -> Iterator[list[Decoded]]:
    """Reads some packets from where the container stands, then decodes them, and so on.

    Args:
      container: of the stream.
      stream: of pictures.
      num_packets: gives the number of the next ones.
    """
    reading, index, messages = packets(container, stream), stream.index, heard()
    messages.clear()
    while True:
        read = []
        for packet in itertools.islice(reading, num_packets()):
            read.append((packet, bool(messages) and bool(complaints(index))))
        if not read:
            return
        turn: list[Decoded] = []
        for packet, complained in read:
            frames, failed = (None, True) if packet is None else _decoded(packet)
            if messages:
                failed = bool(complaints(index)) or failed
            turn.append((frames, failed or complained))
        yield turn


def _decoded(packet: Packet) -> tuple[Sequence[VideoFrame], bool]:
    try:
        return packet.decode(), packet.is_corrupt
    except av.FFmpegError as error:
        _require_memory(error)
        return (), packet.is_corrupt or not isinstance(error, av.EOFError)


def _require_memory(error: Exception) -> None:
    if isinstance(error, MemoryError):
        raise error
