"""Options of networks: each is checked where a builder takes it, and named with its builder where it is wrong."""

from collections.abc import Collection, Sequence

from spl_tf.errors import UserError

Size = tuple[int, int, int]  # time, height, width


def require_choice(option: str, value: object, allowed: Collection) -> None:
    """Refuses a value that is not one of `allowed`; `option` is as gin spells it, "resnet3d.depth".

    Raises:
      UserError: it is none of them.
    """
    if value not in tuple(allowed):
        raise UserError(f"{option} = {value!r}: choose one of {', '.join(map(repr, allowed))}")


def require_size(option: str, value: Sequence[int], *, odd: bool = False) -> Size:
    """Time, height, width.

    Raises:
      UserError: these are not three whole numbers above 0, or, with `odd`, one is even.
    """
    numbers = tuple(value) if isinstance(value, (tuple, list)) else ()
    if len(numbers) != 3 or not all(isinstance(number, int) and number > 0 for number in numbers):
        raise UserError(f"{option} = {value!r}: give three numbers above 0, of time, height and width")
    if odd and not all(number % 2 for number in numbers):
        raise UserError(f"{option} = {value!r}: even kernels have no middle, give odd numbers")
    return numbers


def scaled(filters: int, width_multiplier: float) -> int:
    """Number of channels of a narrower or wider network: a multiple of 8.

    Raises:
      UserError: `width_multiplier` is not above 0.
    """
    if width_multiplier <= 0:
        raise UserError(f"width_multiplier = {width_multiplier}: give a number above 0")
    return max(8, 8 * round(filters * width_multiplier / 8))
