"""A manifest of made films, and what becomes of each row."""

import csv

from spl_tf.data.duplicates import fingerprint_files, uploads
from spl_tf.data.duplicates.held_out import read_held_out, reject_held_out
from spl_tf.data.duplicates.uploads import drop_duplicates, merge_repeated
from spl_tf.data.manifest import Video, read_manifest
from tests.data.duplicates.film_case import FilmCase, in_this_process


class UploadCase(FilmCase):
    def setUp(self):
        super().setUp()
        for module in (fingerprint_files, uploads):
            self.monkeypatch.setattr(module, "run_in_workers", in_this_process)

    def write(self, name, seed, **options):
        return self.films.write(self.folder / name, self.films.film(seed, 40), **options)

    def manifest(self, rows, name="web.csv"):
        with open(self.folder / name, "w", newline="") as opened:
            writer = csv.DictWriter(opened, ["path", "query", "rank", "video_id", "start", "end", "address", "fps"])
            writer.writeheader()
            writer.writerows(rows)
        return self.folder / name

    def checked(self, manifest, classes, *held_out):
        rows, known = read_manifest(manifest, classes, "query"), read_held_out(held_out)
        entries, files = reject_held_out(rows, known)
        entries = merge_repeated(entries, 1, 10.0)
        entries = drop_duplicates(entries, [*known.files, *files], self.folder / "F", 1, 10.0)
        self.assertLen(entries, len(rows))
        return entries

    def outcome(self, rows, *held_out):
        """video_id -> its queries when it is kept, else (kind, partner, distance or near)."""
        found = []
        for entry in self.checked(self.manifest(rows), ("a", "b", "c"), *held_out):
            if isinstance(entry, Video):
                found.append((entry.video_id, entry.queries))
            else:
                away = entry.distance and (entry.distance < 0.1)
                found.append((entry.video_id, (entry.kind, entry.partner, away)))
        return dict(found) if len(dict(found)) == len(found) else found
