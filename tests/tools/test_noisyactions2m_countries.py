"""Countries of places, and the map."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from tools.noisyactions2m import countries, figures

_OSLO, _PARIS, _SEA = (59.91, 10.75), (48.86, 2.35), (30.0, -40.0)


class CountriesTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(
        ("NO", *_OSLO),
        ("FR", *_PARIS),
        ("FR", 48.5734, 7.7521),  # Strasbourg, 3 km from Germany.
        ("DE", 48.5731, 7.8156),  # Kehl, on the other bank.
        ("US", 40.71, -74.0),
        ("CA", 45.42, -75.69),
        ("BR", -23.55, -46.63),
        ("ZA", -33.92, 18.42),
        ("IN", 28.61, 77.21),
        ("JP", 35.68, 139.69),
        ("AU", -33.87, 151.21),
        ("FJ", -18.14, 178.44),
        ("IS", 64.15, -21.94),
        ("SG", 1.35, 103.82),
        ("VA", 41.9029, 12.4534),
        (None, *_SEA),
        (None, 0.0, 0.0),
    )
    def test_a_place_is_in_its_country(self, code, latitude, longitude):
        self.assertEqual(countries.look_up(np.array([latitude]), np.array([longitude])), [code])

    def test_every_country_of_a_zone_has_a_name(self):
        self.assertContainsSubset(countries.zone_countries().values(), countries.country_names())

    def test_about_a_third_of_the_earth_is_land(self):
        rows = countries.land(4.0)
        self.assertEqual(rows.shape, (45, 90))
        weights = np.cos(np.deg2rad(90 - 4 * (np.arange(45) + 0.5)))
        self.assertBetween((rows.mean(axis=1) * weights).sum() / weights.sum(), 0.29, 0.45)  # With coastal waters.

    def test_the_map_shows_red_where_the_videos_are(self):
        figure = figures.map_figure(np.array([[45.0, -89.9], [-90.0, 179.9]]), np.zeros((45, 90), bool))
        shown = figure.axes[0].images[1].get_array()
        self.assertEqual(shown.compressed().tolist(), [1, 1])
        self.assertEqual(np.argwhere(~shown.mask).tolist(), [[90, 180], [359, 719]])


if __name__ == "__main__":
    tf.test.main()
