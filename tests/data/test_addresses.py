import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.addresses import normalized_address


class AddressesTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(
        "https://www.youtube.com/watch?v=aB3_x-9",
        "http://youtube.com/watch?feature=share&v=aB3_x-9&t=30s",
        "https://m.youtube.com/watch?v=aB3_x-9#comments",
        "https://youtu.be/aB3_x-9?si=track",
        "youtu.be/aB3_x-9",
        "https://www.youtube.com/shorts/aB3_x-9",
        "https://www.youtube-nocookie.com/embed/aB3_x-9?start=3",
        "watch?v=aB3_x-9",
        "/watch?v=aB3_x-9",
        "  HTTPS://WWW.YOUTUBE.COM/watch?v=aB3_x-9 ",
    )
    def test_all_forms_of_a_youtube_address_are_one(self, address):
        self.assertEqual(normalized_address(address), "youtube.com/watch?v=aB3_x-9")

    @parameterized.parameters(
        ("https://Vimeo.com/123/", "http://www.vimeo.com/123?utm_source=x"),
        ("https://example.org:443/v?b=2&a=1", "example.org/v?a=1&b=2&fbclid=7"),
        ("https://youtube.com/clip/x", "m.youtube.com/clip/x?t=3&feature=share"),
    )
    def test_scheme_case_of_host_and_tracking_play_no_part(self, first, second):
        self.assertEqual(normalized_address(first), normalized_address(second))

    @parameterized.parameters(
        ("youtu.be/abc", "youtu.be/ABC"),
        ("https://example.org/v?id=1", "https://example.org/v?id=2"),
        ("https://example.org/V", "https://example.org/v"),
        ("https://example.org:8080/v", "https://example.org/v"),
        ("https://vimeo.com/123", "https://example.org/123"),
        ("https://example.org/showthread.php?t=11", "https://example.org/showthread.php?t=22"),
        ("https://example.org/v?start=1", "https://example.org/v?start=2"),
        ("https://example.org/v?ref=1", "https://example.org/v?ref=2"),
        ("https://example.org/v?feature=1", "https://example.org/v?feature=2"),
        ("https://youtube.com/watch?list=1", "https://youtube.com/watch?list=2"),
    )
    def test_other_videos_stay_apart(self, first, second):
        self.assertNotEqual(normalized_address(first), normalized_address(second))

    @parameterized.parameters(("", ""), ("  ", ""), ("http://[broken", "http://[broken"))
    def test_what_is_no_address_stays(self, address, expected):
        self.assertEqual(normalized_address(address), expected)
