"""Image files of every kind, whole, cut off and huge."""

import pathlib
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from PIL import Image

from spl_tf.data.file_kinds import is_image
from spl_tf.data.video.errors import UnreadableError
from spl_tf.data.video.images import read_image

_PEAK = """
import resource, sys
import cv2
from spl_tf.data.video.images import read_image
cv2.setNumThreads(1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
height, width = read_image(sys.argv[1], short_side=256).shape[:2]
print(height, width, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1000)
"""


def picture(height=60, width=80):
    """Smooth colours, RGB: what JPEG changes little."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([255 * y // height, 255 * x // width, 128 + 0 * x], axis=2).astype(np.uint8)


def png_header(width, height, channels=3):
    """A PNG file that ends where its pixels begin: size, 8 bits, colours, which may be transparent."""
    data = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, {3: 2, 4: 6}[channels], 0, 0, 0)
    chunk = struct.pack(">I", 13) + data + struct.pack(">I", zlib.crc32(data))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 1000) + b"IDAT"


class ImagesTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def saved(self, name, image=None, **options):
        """Saves RGB pixels or an image of Pillow's; the path."""
        path = self.folder / name
        image = picture() if image is None else image
        (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(path, **options)
        return path

    def assert_shows_the_picture(self, path, atol):
        pixels = read_image(str(path), 256)
        self.assertEqual((pixels.dtype, pixels.shape), (np.uint8, (60, 80, 3)))
        self.assertLess(np.abs(pixels[..., ::-1].astype(float) - picture()).mean(), atol)

    def test_an_image_is_known_by_its_suffix(self):
        self.assertTrue(is_image("a/b.JPG") and is_image("b.jpeg") and is_image("b.webp"))
        self.assertFalse(is_image("jpg") or is_image("b.mp4") or is_image("b.jpg/c"))

    @parameterized.named_parameters(
        ("jpeg", "JPEG", {"quality": 95}, 2),
        ("progressive", "JPEG", {"quality": 95, "progressive": True}, 2),
        ("png", "PNG", {}, 0.1),
        ("bmp", "BMP", {}, 0.1),
        ("webp", "WEBP", {"lossless": True}, 0.1),
        ("gif", "GIF", {}, 6),
        ("animated_gif", "GIF", {"save_all": True, "append_images": [Image.new("RGB", (80, 60))]}, 6),
        (
            "animated_webp",
            "WEBP",
            {"lossless": True, "save_all": True, "append_images": [Image.new("RGB", (80, 60))]},
            1,
        ),
        ("animated_png", "PNG", {"save_all": True, "append_images": [Image.new("RGB", (80, 60))]}, 0.1),
        ("several_jpegs", "MPO", {"quality": 95, "save_all": True, "append_images": [Image.new("RGB", (80, 60))]}, 2),
    )
    def test_the_content_decides_whatever_the_suffix(self, file_format, options, atol):
        self.assert_shows_the_picture(self.saved("a.jpg", format=file_format, **options), atol)

    @parameterized.parameters(("RGBA", "PNG"), ("RGBA", "WEBP"), ("CMYK", "JPEG"))
    def test_other_channels_become_three(self, mode, file_format):
        image = Image.fromarray(picture()).convert(mode)
        self.assert_shows_the_picture(self.saved("a.jpg", image, format=file_format, quality=95), 3)

    def test_a_palette_becomes_colours(self):
        image = Image.fromarray(picture()).quantize(256)
        pixels = read_image(str(self.saved("a.png", image)), 256)
        self.assertAllEqual(pixels[..., ::-1], np.asarray(image.convert("RGB")))

    @parameterized.parameters("L", "LA", "1")
    def test_grey_becomes_three_equal_channels(self, mode):
        grey = Image.fromarray(picture()[..., 0]).convert(mode)
        pixels = read_image(str(self.saved("a.png", grey)), 256)
        self.assertAllEqual(pixels, np.repeat(np.asarray(grey.convert("L"))[..., None], 3, axis=2))

    def test_sixteen_bits_become_eight(self):
        grey = np.arange(60 * 80, dtype=np.uint16).reshape(60, 80) * 13
        cv2.imwrite(str(self.folder / "grey.png"), grey)
        pixels = read_image(str(self.folder / "grey.png"), 256)
        self.assertEqual(pixels.dtype, np.uint8)
        self.assertAllClose(pixels[..., 1], grey / 257, atol=1)
        cv2.imwrite(str(self.folder / "colors.png"), picture().astype(np.uint16) * 257)
        self.assertAllEqual(read_image(str(self.folder / "colors.png"), 256), picture())

    @parameterized.parameters(256, 10)
    def test_is_turned_as_its_header_says(self, short_side):
        exif = Image.Exif()
        exif[0x0112] = 6  # The camera was turned: the first row is the right side.
        pixels = read_image(str(self.saved("a.jpg", exif=exif, quality=95)), short_side)
        upright = cv2.resize(np.rot90(picture(), -1), pixels.shape[1::-1], interpolation=cv2.INTER_AREA)
        self.assertGreater(pixels.shape[0], pixels.shape[1])
        self.assertLess(np.abs(pixels[..., ::-1].astype(float) - upright).mean(), 6)

    @parameterized.product(file_format=("PNG", "WEBP"), orientation=tuple(range(1, 9)), animated=(False, True))
    def test_animated_pictures_are_turned_as_still_ones_are(self, file_format, orientation, animated):
        exif = Image.Exif()
        exif[0x0112] = orientation
        others = {"save_all": True, "append_images": [Image.new("RGB", (80, 60))]} if animated else {}
        path = self.saved("a.png", format=file_format, exif=exif, lossless=True, **others)
        # By the Exif standard, written out: what is done to the stored picture to see it upright.
        upright = {
            1: lambda stored: stored,
            2: lambda stored: stored[:, ::-1],
            3: lambda stored: stored[::-1, ::-1],
            4: lambda stored: stored[::-1],
            5: lambda stored: stored.swapaxes(0, 1),
            6: lambda stored: np.rot90(stored, -1),
            7: lambda stored: stored.swapaxes(0, 1)[::-1, ::-1],
            8: lambda stored: np.rot90(stored),
        }[orientation](picture())
        if file_format == "WEBP" and not animated and cv2.__version__ < "4.11":
            self.skipTest("This OpenCV does not read a WebP file's orientation.")
        self.assertAllEqual(read_image(str(path), 256)[..., ::-1], upright)

    @parameterized.parameters("PNG", "WEBP")
    def test_animations_and_still_pictures_have_decoders_that_agree(self, file_format):
        path = self.saved("a.png", format=file_format, quality=80)
        with Image.open(path) as opened:  # Pillow decodes animations, OpenCV still pictures.
            self.assertAllEqual(read_image(str(path), 256)[..., ::-1], np.asarray(opened.convert("RGB")))

    @parameterized.product(
        kind=("PNG", "WEBP", "turned", "animated PNG", "animated WEBP", "palette", "grey", "single colour", "GIF")
    )
    def test_a_transparent_picture_lies_on_white(self, kind):
        noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
        alpha = np.zeros((60, 80), np.uint8)
        alpha[20:40, 20:60], alpha[25:35, 30:50] = 128, 255
        options = {"format": kind.removeprefix("animated "), "lossless": True, "exact": True}
        image = Image.fromarray(np.dstack([noise, alpha]))
        expected = np.rint(noise * (alpha[..., None] / 255) + 255 * (1 - alpha[..., None] / 255))
        if kind == "turned":
            exif = Image.Exif()
            exif[0x0112] = 6
            options, expected = {"format": "PNG", "exif": exif}, np.rot90(expected, -1)
        elif kind.startswith("animated"):
            options |= {"save_all": True, "append_images": [Image.new("RGBA", (80, 60), (9, 9, 9, 255))]}
        elif kind == "grey":
            grey = noise[..., 0]
            image, options = Image.fromarray(np.dstack([grey, alpha]), "LA"), {"format": "PNG"}
            expected = np.repeat(np.rint(grey * (alpha / 255) + 255 - alpha)[..., None], 3, axis=2)
        elif kind in ("palette", "GIF"):
            indices = (np.arange(60 * 80) % 4).reshape(60, 80).astype(np.uint8)
            image = Image.fromarray(indices, "P")
            image.putpalette([10, 20, 30, 200, 0, 0, 0, 200, 0, 0, 0, 200])
            options = {"format": "GIF" if kind == "GIF" else "PNG", "transparency": 1}
            colors = np.array([[10, 20, 30], [255, 255, 255], [0, 200, 0], [0, 0, 200]])
            expected = colors[indices]
        elif kind == "single colour":
            image = Image.fromarray(np.where(alpha[..., None] > 0, noise // 2, 200).astype(np.uint8))
            options = {"format": "PNG", "transparency": (200, 200, 200)}
            expected = np.where(alpha[..., None] > 0, noise // 2, 255)
        path = self.folder / "a.png"
        image.save(path, **options)
        self.assertAllClose(read_image(str(path), 256)[..., ::-1].astype(float), expected.astype(float), atol=1)

    def test_a_transparent_picture_is_read_within_bounds(self):
        path = self.folder / "a.png"
        Image.new("RGBA", (3000, 2000), (1, 2, 3, 0)).save(path, compress_level=1)
        run = subprocess.run([sys.executable, "-c", _PEAK, str(path)], capture_output=True, text=True, check=True)
        height, width, megabytes = map(int, run.stdout.split())
        self.assertEqual((height, width), (2000, 3000))
        self.assertLess(megabytes, 6 * 14)  # 300 MB for the 25 million pixels that are read at most, and some to spare.
        path.write_bytes(png_header(5001, 5000, channels=4))
        with self.assertRaisesRegex(UnreadableError, r"unusable size \(5001x5000\)"):
            read_image(str(path), 256)

    @parameterized.parameters(
        (256, (480, 640)), (241, (480, 640)), (240, (240, 320)), (100, (120, 160)), (32, (60, 80))
    )
    def test_a_large_jpeg_file_is_reduced_no_further_than_wanted(self, short_side, size):
        path = self.saved("a.jpg", picture(480, 640), quality=95)
        pixels = read_image(str(path), short_side)
        self.assertEqual(pixels.shape[:2], size)
        expected = cv2.resize(picture(480, 640), size[::-1], interpolation=cv2.INTER_AREA)
        self.assertLess(np.abs(pixels[..., ::-1].astype(float) - expected).mean(), 2)

    @parameterized.product(kind=("jpg", "progressive", "png", "bmp", "webp", "gif"), share=(0.3, 0.7, 0.99))
    def test_a_file_that_was_cut_off_is_refused(self, kind, share):
        name = "a.jpg" if kind == "progressive" else f"a.{kind}"
        path = self.saved(name, progressive=kind == "progressive")
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
        with self.assertRaisesRegex(UnreadableError, "damaged image|cannot be decoded as an image"):
            read_image(str(path), 256)

    def test_a_thumbnail_does_not_hide_that_the_file_was_cut_off(self):
        thumbnail = self.saved("t.jpg", picture(6, 8)).read_bytes()
        path = self.saved("a.jpg", exif=b"Exif\0\0" + thumbnail)
        content = path.read_bytes()
        self.assertEqual(content.count(b"\xff\xd9"), 2)
        read_image(str(path), 256)
        path.write_bytes(content[:-40])
        with self.assertRaisesRegex(UnreadableError, r"damaged image \(cut off\)"):
            read_image(str(path), 256)

    @parameterized.parameters(b"\0" * 200, b"made by a camera\n")
    def test_what_follows_the_end_of_a_jpeg_file_does_no_harm(self, rest):
        path = self.saved("a.jpg", quality=95)
        path.write_bytes(path.read_bytes() + rest)
        self.assert_shows_the_picture(path, 2)

    @parameterized.parameters(
        b"hello", b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"%!PS-Adobe-3.0 EPSF\n"
    )
    def test_what_is_no_image_is_refused(self, content):
        path = self.folder / "a.jpg"
        path.write_bytes(content)
        with self.assertRaisesRegex(UnreadableError, "cannot be decoded as an image"):
            read_image(str(path), 256)

    def test_a_file_that_is_not_there_or_a_folder_cannot_be_read(self):
        with self.assertRaisesRegex(UnreadableError, r"cannot be read \(No such file"):
            read_image(str(self.folder / "none.jpg"), 256)
        with self.assertRaisesRegex(UnreadableError, r"cannot be read \(Is a directory"):
            read_image(str(self.folder), 256)

    @parameterized.parameters((30_000, 30_000, "over 160,000,000 pixels"), (9_000, 8_000, "9000x8000"))
    def test_a_header_that_promises_too_much_is_refused_before_decoding(self, width, height, detail):
        path = self.folder / "a.png"
        path.write_bytes(png_header(width, height))
        with self.assertRaisesRegex(UnreadableError, rf"unusable size \({detail}\)"):
            read_image(str(path), 256)

    def test_a_camera_s_100_megapixels_are_read_within_bounds(self):
        path = self.folder / "a.jpg"
        cv2.imwrite(str(path), np.full((8742, 11656), 90, np.uint8))
        run = subprocess.run([sys.executable, "-c", _PEAK, str(path)], capture_output=True, text=True, check=True)
        height, width, megabytes = map(int, run.stdout.split())
        self.assertEqual((height, width), (1093, 1457))
        self.assertLess(megabytes, 150)

    def test_a_progressive_file_whose_coefficients_take_too_much_is_refused(self):
        for subsampling, progressive in ((0, False), (2, True), (0, True)):
            path = self.saved("a.jpg", progressive=progressive, subsampling=subsampling)
            content = bytearray(path.read_bytes())
            size = content.index(b"\xff\xc2" if progressive else b"\xff\xc0") + 5
            content[size : size + 4] = struct.pack(">HH", 7000, 8000)
            path.write_bytes(content)
            if subsampling or not progressive:
                self.assertEqual(read_image(str(path), 256).shape, (875, 1000, 3))
            else:  # 7000 x 8000 x 3 samples of two bytes.
                with self.assertRaisesRegex(UnreadableError, r"unusable size \(8000x7000\)"):
                    read_image(str(path), 256)


if __name__ == "__main__":
    tf.test.main()
