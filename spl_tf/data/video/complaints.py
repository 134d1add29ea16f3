"""What FFmpeg says is wrong with a file: much of the damage that it decodes over is told nowhere else."""

import functools

import av.logging


@functools.cache
def complaints() -> list[tuple[int, str, str]]:
    """The messages of errors since this process began, to be emptied by whoever reads them; none is printed."""
    av.logging.set_level(av.logging.ERROR)
    return av.logging.Capture(local=False).__enter__()
