"""Sends a video to a served network and prints its five best classes.

  python -m tools.serve.client --video=V --model_json=S/1/assets.extra/model.json
      --server=http://localhost:8501 --model=spl_tf
  python -m tools.serve.client --video=V --fps=25 --short_side=256 --classes=S/1/assets/classes.txt
      --protocol=grpc --server=localhost:8500

The server has a version that spl_tf.export wrote into S (see README.md beside this file). One clip
is cut from V as spl_tf.shard cuts it, by the same functions: --clip_seconds from --start_s on, a
shorter video whole. The server then looks at the one view in the middle, as spl_tf.evaluate does.

The frames must come at the rate and size that the network was trained on. TF Serving tells a
client the signatures, not that; the export has it in assets.extra/model.json, with the class names.
Without this file give --fps and --short_side, and --classes for names: the server names the best
class alone, the others are then printed by number.

--every_s=1 asks about a clip that begins every second, each as long as --clip_seconds, and prints its best class:
the whole video over time, read in bounded memory. A long clip tells of its middle only, as the server looks at
no more: give --clip_seconds what the network sees at once, (num_frames - 1) x frame_stride + 1 frames.

--signature says how the clip travels: as JPEG files (frames), as a clip record of a shard (records)
or as pixels (serving_default), about ten times the bytes. The scores are the same.

--protocol=grpc needs the package tensorflow-serving-api. The environment's proxies are not used.
A server that gives no answer or refuses the request: one line, exit code 2.
"""

from absl import flags

from spl_tf import command
from spl_tf.errors import UserError
from tools.serve.request import define_flags

FLAGS = flags.FlagValues()
define_flags(FLAGS)
flags.DEFINE_float("every_s", None, "Seconds between the starts of clips all over the video.", flag_values=FLAGS)


def main() -> None:
    if FLAGS.every_s is not None:
        _print_over_time()
        return
    from tools.serve.answer import top_lines
    from tools.serve.request import make_request

    request = make_request(FLAGS)
    with request.connected() as predict:
        lines = top_lines(predict(request.inputs), request.classes)
    clip = request.clip
    megabytes = sum(len(frame) for frame in clip.frames) / 1e6
    print(
        f"{FLAGS.video}: {len(clip.frames)} frames of {clip.width}x{clip.height} pixels from "
        f"{clip.start_us / 1e6:g} s on, {megabytes:.2f} MB as JPEG"
    )
    for line in lines:
        print(line)


def _print_over_time() -> None:
    from spl_tf.data.building.overlapping import OverlappingClips
    from tools.serve.answer import top_lines
    from tools.serve.clips import request_inputs
    from tools.serve.request import make_session

    if FLAGS.start_s or not FLAGS.clip_seconds:
        raise UserError("--every_s goes over the whole video in clips: leave --start_s out, --clip_seconds above 0")
    session = make_session(FLAGS)
    clips = OverlappingClips(FLAGS.video, session.clip_format, FLAGS.every_s)
    with session.connected() as predict:
        for clip in clips:
            (best,) = top_lines(predict(request_inputs(clip, session.signature)), session.classes, count=1)
            print(f"{clip.start_us / 1e6:9.2f} s  {best}", flush=True)
    for note in clips.notes:
        print(f"{FLAGS.video}: {note}")
    if clips.fault is not None:
        raise UserError(f"{FLAGS.video} could be read for {clips.seconds:.1f} s, then: {clips.fault}")


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
