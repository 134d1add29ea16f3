"""What is to be said of a video that is used although something of it is wrong."""

import bisect
import dataclasses

from spl_tf.data.clip import Clip
from spl_tf.data.video.frame_folder import Reader

_MOST_CLIPS_NAMED = 20


@dataclasses.dataclass(frozen=True)
class Note:
    """Why a video that is used is not what it should be. `kind` is counted, `detail` says more about this one."""

    kind: str
    detail: str


class Damage:
    """Counts in which clips what was found damaged may be seen: from the key frame before them to their end."""

    def __init__(self, reader: Reader):
        self._reader = reader
        self._in_clips: dict[str, int] = {}

    def count_in(self, clip: Clip) -> None:
        """To be called as soon as a clip's last frame was decoded."""
        errors = self._reader.errors_us
        first = bisect.bisect_left(errors, self._reader.key_before(clip.start_us))
        if count := bisect.bisect_left(errors, clip.end_us) - first:
            self._in_clips[clip.clip_id] = count

    def notes(self) -> list[Note]:
        reader, notes = self._reader, []
        if reader.errors_us:
            count = len(reader.errors_us)
            named = [f"{clip_id} {errors}" for clip_id, errors in self._in_clips.items()]
            if len(named) > _MOST_CLIPS_NAMED:
                named[_MOST_CLIPS_NAMED:] = [f"and {len(named) - _MOST_CLIPS_NAMED} more"]
            where = f"seen in {', '.join(named)}" if named else "in no clip"
            notes.append(Note("damaged", f"({count} packets, from {reader.errors_us[0] / 1e6:.1f} s on, {where})"))
        elif reader.complaints:
            more = f" and {len(reader.complaints) - 1} more" if len(reader.complaints) > 1 else ""
            notes.append(Note("damaged", f"(its container: {reader.complaints[0]}{more})"))
        if reader.repaired_times:
            notes.append(Note("wrong or no timestamps", f"({reader.repaired_times})"))
        if len(reader.sizes) > 1:
            notes.append(Note("changes its size", f"({', '.join(f'{w}x{h}' for w, h in reader.sizes)})"))
        return notes
