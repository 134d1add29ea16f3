"""A clip as plain data: what one record of a shard holds. No TensorFlow, so video workers can make it."""

import dataclasses


@dataclasses.dataclass
class Clip:
    """One clip of one video, or an image (a clip of one frame).

    Attributes:
      clip_id: unique over the data set, `<video_id>@<start in milliseconds>`.
      video_id: the upload it was cut from.
      labels: class ids, positions in the ordered classes; several for multi-label data.
      label_texts: their names.
      start_us: first moment of the clip, microseconds from the video's first frame.
      end_us: its first moment no longer shown; `end_us == start_us` for an image.
      frame_rate: frames per second of the clip (not of the source); 0 for an image.
      height: of the stored frames, pixels.
      width: of the stored frames, pixels.
      frames: T JPEG files.
      timestamps_us: T times, microseconds from the video's first frame, increasing.
      queries: all queries that found the upload; may be empty.
      key: of the upload's row in a table of metadata; may be empty.
    """

    clip_id: str
    video_id: str
    labels: list[int]
    label_texts: list[str]
    start_us: int
    end_us: int
    frame_rate: float
    height: int
    width: int
    frames: list[bytes]
    timestamps_us: list[int]
    queries: list[str] = dataclasses.field(default_factory=list)
    key: str = ""
