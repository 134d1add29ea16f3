"""Jumps into a long video, so that a clip from its middle costs no decoding of all that comes before it.

OpenCV asks the container for the last key frame before a moment and decodes from there. Where it lands is read from
the container's timestamp: at or before the wanted moment, or the jump is made again from further ahead. After the
landing some seconds are decoded and dropped, for frames that need others from before their key frame. What is cut is
the same, bit for bit, as after reading from the first frame. Only times of damaged files may differ: a wrong clock
before the landing is not seen.

Only files of MP4, QuickTime, Matroska and WebM are jumped in. They have an index and a time for each frame. AVI has no
times, a transport or program stream (.ts, .mpg) and what else there is may have a clock that starts again: these are
read from their first frame on.
"""

import cv2

# Nearer moments are read up to from the first frame.
FAR_US = 20_000_000
# How far ahead of the wanted moment a jump is aimed; the next one where it lands behind it.
_LEADS_US = (5_000_000, 15_000_000, 60_000_000)

_MATROSKA = b"\x1a\x45\xdf\xa3"
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")


def can_jump(path: str, time_us: int) -> bool:
    """Whether the file is of a kind that can be jumped in, and the moment far enough in it to be worth it.

    Args:
      path: of the video.
      time_us: microseconds from the first frame.
    """
    if time_us < FAR_US:
        return False
    with open(path, "rb") as opened:
        head = opened.read(8)
    return head.startswith(_MATROSKA) or head[4:] in _MP4_BOXES


def jump_before(capture: cv2.VideoCapture, time_us: int) -> tuple[float, float] | None:
    """Lets `capture` stand at a frame at or before a moment, some seconds ahead of it.

    Args:
      capture: newly opened.
      time_us: the moment, microseconds from the first frame.

    Returns:
      The timestamps, microseconds, of the first frame and of the one it stands at. None where no jump leads there;
      then the capture is used up.
    """
    # Without a length OpenCV does not seek, but its decoder forgets what the next frames need.
    if not capture.get(cv2.CAP_PROP_FRAME_COUNT) > 1 or not capture.grab():
        return None
    first = capture.get(cv2.CAP_PROP_POS_MSEC) * 1000
    for lead_us in _LEADS_US:
        aim_us = first + time_us - lead_us
        if aim_us <= first or not capture.set(cv2.CAP_PROP_POS_MSEC, aim_us / 1000) or not capture.grab():
            return None
        landed = capture.get(cv2.CAP_PROP_POS_MSEC) * 1000
        if first < landed <= first + time_us:
            return first, landed
    return None
