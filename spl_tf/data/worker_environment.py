"""What OpenCV reads from the environment of a worker: to be imported before it, and only there."""

import os

_ENVIRONMENT = {
    "OPENCV_LOG_LEVEL": "SILENT",
    "OPENCV_FFMPEG_LOGLEVEL": "-8",  # quiet: a damaged file is reported once, by us
    "OPENCV_IO_MAX_IMAGE_PIXELS": "100000000",
}

for _name, _value in _ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)
