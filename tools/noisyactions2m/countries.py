"""The country of a coordinate, without the network: time-zone polygons, then the time zone database's own table.

Every zone of that table is of one country. A country's islands and coastal waters are with it; the open sea has zones
named Etc/..., and no country.
"""

import functools
import importlib.resources

import numpy as np

from spl_tf.errors import UserError


@functools.cache
def zone_countries() -> dict[str, str]:
    """Zone -> country code of ISO 3166, of the tz database's zone.tab."""
    return {zone: code for code, _, zone, *_ in _table("zone.tab")}


@functools.cache
def country_names() -> dict[str, str]:
    """Code -> name, of the tz database's iso3166.tab."""
    return {code: name for code, name, *_ in _table("iso3166.tab")}


def look_up(latitudes: np.ndarray, longitudes: np.ndarray) -> list[str | None]:
    """The country code of each place, None at sea.

    Args:
      latitudes: float [P], degrees from -90 to 90.
      longitudes: float [P], degrees from -180 to 180.

    Raises:
      UserError: tzfpy or tzdata is not installed.
    """
    try:
        from tzfpy import get_tz
    except ImportError as error:
        raise UserError(f"countries need tzfpy ({error}): pip install 'spl_tf[noisyactions2m]'") from error
    countries = zone_countries()
    places = zip(longitudes.tolist(), latitudes.tolist(), strict=True)
    return [countries.get(get_tz(longitude, latitude)) for longitude, latitude in places]


def is_place(latitudes: np.ndarray, longitudes: np.ndarray) -> np.ndarray:
    """Whether the degrees are those of a place on Earth: bool [P]."""
    return (np.abs(latitudes) <= 90) & (np.abs(longitudes) <= 180)  # False for NaN.


def land(step: float) -> np.ndarray:
    """Where there is a country, on a grid of `step` degrees, from north west: bool [180 / step, 360 / step]."""
    latitudes = 90 - step * (np.arange(round(180 / step)) + 0.5)
    longitudes = -180 + step * (np.arange(round(360 / step)) + 0.5)
    rows, columns = np.meshgrid(latitudes, longitudes, indexing="ij")
    found = look_up(rows.ravel(), columns.ravel())
    return np.array([code is not None for code in found]).reshape(rows.shape)


def _table(name: str) -> list[list[str]]:
    try:
        text = importlib.resources.files("tzdata").joinpath("zoneinfo", name).read_text(encoding="utf-8")
    except ModuleNotFoundError as error:
        raise UserError(f"countries need tzdata ({error}): pip install 'spl_tf[noisyactions2m]'") from error
    return [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
