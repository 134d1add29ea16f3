import numpy as np
import tensorflow as tf

from spl_tf.data.record_files import BYTES_BEFORE, BYTES_BEHIND, write_record


class RecordFilesTest(tf.test.TestCase):
    def test_a_file_has_the_bytes_that_tensorflow_writes(self):
        generator = np.random.default_rng(0)
        records = [b"", b"a", *(generator.bytes(int(size)) for size in generator.integers(1, 100_000, 20))]
        folder = self.create_tempdir().full_path
        with open(f"{folder}/ours", "wb") as ours, tf.io.TFRecordWriter(f"{folder}/theirs") as theirs:
            for content in records:
                write_record(ours, content)
                theirs.write(content)
        with open(f"{folder}/ours", "rb") as ours, open(f"{folder}/theirs", "rb") as theirs:
            written = ours.read()
            self.assertEqual(written, theirs.read())
        self.assertLen(written, sum(BYTES_BEFORE + len(content) + BYTES_BEHIND for content in records))
        self.assertEqual(list(tf.data.TFRecordDataset(f"{folder}/ours").as_numpy_iterator()), records)


if __name__ == "__main__":
    tf.test.main()
