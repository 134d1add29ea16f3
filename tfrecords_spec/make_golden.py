"""Writes the golden shards into the folder `golden` beside this file: python -m tfrecords_spec.make_golden

Uses nothing of spl_tf: the files are an independent reading of README.md.
"""

import hashlib
import json
import pathlib

import cv2
import numpy as np
import tensorflow as tf

FOLDER = pathlib.Path(__file__).parent / "golden"
CLASSES = ["archery", "playing piano", "surfing"]


def jpeg(number: int) -> bytes:
    """A 32 x 24 picture: a colour ramp with a white bar that moves with the number."""
    rows, columns = np.mgrid[0:24, 0:32]
    picture = np.stack([columns * 8, rows * 10, np.full((24, 32), 40 * number)], axis=-1).astype(np.uint8)
    picture[:, 4 * number : 4 * number + 4] = 255
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def texts(*values: str) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode() for value in values]))


def integers(*values: int) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def record(
    clip_id: str,
    video_id: str,
    labels: list[int],
    start: int,
    end: int,
    frame_rate: float,
    times: list[int],
    queries: list[str],
) -> bytes:
    example = tf.train.SequenceExample()
    context = example.context.feature
    context["clip/media_id"].CopyFrom(texts(clip_id))
    context["clip/label/index"].CopyFrom(integers(*labels))
    context["clip/label/text"].CopyFrom(texts(*(CLASSES[label] for label in labels)))
    context["clip/start/timestamp"].CopyFrom(integers(start))
    context["clip/end/timestamp"].CopyFrom(integers(end))
    context["image/format"].CopyFrom(texts("JPEG"))
    context["image/height"].CopyFrom(integers(24))
    context["image/width"].CopyFrom(integers(32))
    context["image/channels"].CopyFrom(integers(3))
    context["image/frame_rate"].float_list.value.append(frame_rate)
    context["spl/version"].CopyFrom(integers(1))
    context["spl/video_id"].CopyFrom(texts(video_id))
    context["spl/query"].CopyFrom(texts(*queries))
    lists = example.feature_lists.feature_list
    for number, time in enumerate(times):
        lists["image/encoded"].feature.add().bytes_list.value.append(jpeg(number))
        lists["image/timestamp"].feature.add().int64_list.value.append(time)
    return example.SerializeToString(deterministic=True)


SHARDS = {
    "golden-00000-of-00002": {
        "bow01@0": record("bow01@0", "bow01", [0], 0, 160_000, 25.0, [0, 40_000, 80_000, 120_000], ["archery"]),
    },
    "golden-00001-of-00002": {
        "mixé@2560": record(
            "mixé@2560", "mixé", [1, 2], 2_560_000, 2_680_000, 25.0, [2_560_000, 2_600_000, 2_640_000], ["piano", "海"]
        ),
        "photo@0": record("photo@0", "photo", [2], 0, 0, 0.0, [0], []),
    },
}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    shards, start = [], 0
    for name, records in SHARDS.items():
        path = FOLDER / f"{name}.tfrecord"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for serialized in records.values():
                writer.write(serialized)
        content = path.read_bytes()
        shards.append(
            {
                "name": name,
                "records": len(records),
                "start": start,
                "bytes": len(content),
                "fingerprint": hashlib.sha256(content).hexdigest(),
                "ids_digest": hashlib.sha256("\n".join(records).encode()).hexdigest(),
            }
        )
        start += len(records)
    description = {
        "format_version": 1,
        "classes": CLASSES,
        "clips_per_class": {"archery": 1, "playing piano": 1, "surfing": 2},
        "clip_seconds": 0.16,
        "fps": 25.0,
        "short_side": 24,
        "jpeg_quality": 90,
        "decoder": f"OpenCV {cv2.__version__}",
        "num_clips": 3,
        "num_videos": 3,
        "multi_label": True,
        "rejected": {},
        "shards": shards,
        "settings": {},
    }
    (FOLDER / "dataset.json").write_text(json.dumps(description, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
