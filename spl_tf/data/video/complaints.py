"""What FFmpeg says is wrong with a file: much of the damage that it decodes over is told nowhere else."""

import functools

import av.logging

# Level, who says it, message.
Message = tuple[int, str, str]

# Warnings that tell of damage. All others also come of intact files.
_WARNINGS = ("Failed to parse header of NALU", "edit unit sync lost")


@functools.cache
def heard() -> list[Message]:
    """The warnings and errors since this process began, to be emptied by whoever reads them; none is printed."""
    av.logging.set_level(av.logging.WARNING)
    # A repeated message would be kept back until another one comes, which may be of the next video.
    av.logging.set_skip_repeated(False)
    return av.logging.Capture(local=False).__enter__()


def complaints(stream_index: int) -> list[Message]:
    """Empties `heard`: the messages of damage in it.

    Args:
      stream_index: of the pictures; that a packet of sound is damaged is no matter.
    """
    warnings = (*_WARNINGS, f"Packet corrupt (stream = {stream_index},")
    messages = heard()
    told = [
        message for message in messages if message[0] <= av.logging.ERROR or message[2].lstrip().startswith(warnings)
    ]
    messages.clear()
    return told
