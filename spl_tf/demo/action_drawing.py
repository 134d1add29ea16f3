"""Draws an action as a few seconds of video: the motion of a textured object tells the class, a single frame does not.

Everything else is chance: texture, colours, shape, size, place, drift and shake of the camera, and a passer-by that
crosses the picture. One `numpy.random.Generator` per video decides it all.
"""

import dataclasses

import cv2
import numpy as np

WIDTH = 80
HEIGHT = 64
FRAME_RATE = 12

BACKGROUND = "background"
"""The action of a segment that shows no object, only the scene and a passer-by."""

_SPRITE_SIDE = 40
_SPRITE_RADIUS = 14.0
"""Mean radius of an object's outline in its own picture, in pixels."""

_MARGIN = 24
"""How far the camera can wander from the middle of the background, in pixels."""

# Objects are brighter than the scene. With any colour on any other, a small network trained on hundreds of videos
# stayed at chance: it has to find edges before it can see them move.
_SCENE_LEVELS = (10, 70)
_SCENE_CONTRAST = 60
_OBJECT_LEVELS = (210, 255)
_OBJECT_CONTRAST = 70


@dataclasses.dataclass(frozen=True)
class Motion:
    """What an action does to its object at each frame; a scalar holds for all frames.

    x and y are in pixels of the frame, turn in radians, scale and opacity are factors.
    """

    x: np.ndarray | float = 0.0
    y: np.ndarray | float = 0.0
    scale: np.ndarray | float = 1.0
    turn: np.ndarray | float = 0.0
    opacity: np.ndarray | float = 1.0


def slides(times: np.ndarray, rng: np.random.Generator) -> Motion:
    """To the left and to the right."""
    return Motion(x=rng.uniform(7, 12) * np.sin(_phase(times, rng)))


def bobs(times: np.ndarray, rng: np.random.Generator) -> Motion:
    """Up and down."""
    return Motion(y=rng.uniform(7, 12) * np.sin(_phase(times, rng)))


def circles(times: np.ndarray, rng: np.random.Generator) -> Motion:
    """Round a point without turning, in either sense."""
    phase = _phase(times, rng)
    sense = rng.choice((-1, 1))
    radius = rng.uniform(6, 10)
    return Motion(x=radius * np.cos(phase), y=sense * radius * np.sin(phase))


def spins(times: np.ndarray, rng: np.random.Generator) -> Motion:
    """About its own middle, in either sense."""
    return Motion(turn=rng.choice((-1, 1)) * _phase(times, rng))


def zooms(times: np.ndarray, rng: np.random.Generator) -> Motion:
    """Nearer and farther."""
    return Motion(scale=np.exp(rng.uniform(0.35, 0.6) * np.sin(_phase(times, rng))))


def blinks(times: np.ndarray, rng: np.random.Generator) -> Motion:
    """There and gone."""
    return Motion(opacity=np.clip(0.6 + np.sin(_phase(times, rng)), 0.1, 1.0))


ACTIONS = {action.__name__: action for action in (slides, bobs, circles, spins, zooms, blinks)}
CLASSES = tuple(sorted(ACTIONS))


def draw_action(action: str, num_frames: int, rng: np.random.Generator) -> np.ndarray:
    """One shot of an action in a new scene.

    Args:
      action: one of CLASSES, or BACKGROUND.
      num_frames: length of the shot at FRAME_RATE.
      rng: decides scene, object and motion.

    Returns:
      uint8 [num_frames, 64, 80, 3] in OpenCV's channel order (blue, green, red).
    """
    times = np.arange(num_frames) / FRAME_RATE
    frames = _filmed_scene(times, rng)
    lay_over(frames, draw_sprite(rng), _crossing(times, rng))
    if action != BACKGROUND:
        lay_over(frames, draw_sprite(rng), _somewhere(ACTIONS[action](times, rng), times, rng))
    return np.rint(frames).astype(np.uint8)


def draw_sprite(rng: np.random.Generator) -> np.ndarray:
    """An object with a random outline of three to seven corners and a random texture.

    Returns:
      float32 [40, 40, 4]: colours in 0..255 already multiplied by the cover, and the cover in 0..1.
    """
    corners = int(rng.integers(3, 8))
    angles = (np.arange(corners) + rng.uniform(-0.25, 0.25, corners)) * 2 * np.pi / corners
    radii = _SPRITE_RADIUS * rng.uniform(0.75, 1.25, corners)
    middle = (_SPRITE_SIDE - 1) / 2
    outline = np.stack([middle + radii * np.cos(angles), middle + radii * np.sin(angles)], axis=-1)
    cover = np.zeros((_SPRITE_SIDE, _SPRITE_SIDE), np.float32)
    cv2.fillPoly(cover, [np.rint(outline).astype(np.int32)], 1.0)
    cover = cv2.GaussianBlur(cover, (3, 3), 0)[..., None]
    colours = _texture(rng, _SPRITE_SIDE, _SPRITE_SIDE, _OBJECT_LEVELS, _OBJECT_CONTRAST)
    return np.concatenate([cover * colours, cover], axis=-1)


def lay_over(frames: np.ndarray, sprite: np.ndarray, motion: Motion) -> None:
    """Draws a sprite [40, 40, 4] into float32 frames [T, H, W, 3], its middle at (x, y) of the motion."""
    height, width = frames.shape[1:3]
    fields = (motion.x, motion.y, motion.scale, motion.turn, motion.opacity)
    tracks = (np.broadcast_to(field, len(frames)) for field in fields)
    for frame, x, y, scale, turn, opacity in zip(frames, *tracks, strict=True):
        reach = scale * _SPRITE_SIDE * np.sqrt(0.5)  # Only the part of the frame that the sprite can touch is drawn.
        left, right = np.clip((int(x - reach), int(x + reach) + 2), 0, width)
        top, bottom = np.clip((int(y - reach), int(y + reach) + 2), 0, height)
        if left == right or top == bottom:
            continue
        size = (int(right - left), int(bottom - top))
        drawn = float(opacity) * cv2.warpAffine(sprite, _placed(x - left, y - top, scale, turn), size)
        part = frame[top:bottom, left:right]
        part *= 1 - drawn[..., 3:]
        part += drawn[..., :3]


def _placed(x: float, y: float, scale: float, turn: float) -> np.ndarray:
    """Affine matrix [2, 3] that takes a sprite's middle to (x, y), turned and scaled."""
    middle = (_SPRITE_SIDE - 1) / 2
    cosine, sine = scale * np.cos(turn), scale * np.sin(turn)
    linear = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([linear, np.array([x, y]) - linear @ (middle, middle)])


def _phase(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Phase of a periodic action in radians [T]: its speed (cycles per second) and start are chance."""
    return 2 * np.pi * (rng.uniform(0.35, 0.6) * times + rng.uniform())


def _somewhere(motion: Motion, times: np.ndarray, rng: np.random.Generator) -> Motion:
    """Puts an action at a random place, size and angle, with a drift and a little of every other action."""
    drift = rng.uniform(-3, 3, 2)

    def unrest(most: float) -> np.ndarray:
        return rng.uniform(0, most) * np.sin(_phase(times, rng))

    return Motion(
        x=motion.x + rng.uniform(0.35, 0.65) * WIDTH + drift[0] * times + unrest(3.0),
        y=motion.y + rng.uniform(0.35, 0.65) * HEIGHT + drift[1] * times + unrest(3.0),
        scale=motion.scale * rng.uniform(12, 18) / _SPRITE_RADIUS * np.exp(unrest(0.15)),
        turn=motion.turn + rng.uniform(-np.pi, np.pi) + rng.uniform(-0.5, 0.5) * times,
        opacity=motion.opacity * (rng.uniform(0.75, 0.9) + unrest(0.1)),
    )


def _crossing(times: np.ndarray, rng: np.random.Generator) -> Motion:
    """A passer-by goes straight through the picture at a steady speed."""
    velocity = rng.uniform(-12, 12, 2)
    moment = times - rng.uniform(times[0], times[-1])
    return Motion(
        x=rng.uniform(0, WIDTH) + velocity[0] * moment,
        y=rng.uniform(0, HEIGHT) + velocity[1] * moment,
        scale=rng.uniform(4, 7) / _SPRITE_RADIUS,
        turn=rng.uniform(-np.pi, np.pi) + rng.uniform(-0.5, 0.5) * moment,
    )


def _filmed_scene(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A background as a drifting, shaking hand films it: float32 [T, 64, 80, 3]."""
    background = _texture(rng, HEIGHT + 2 * _MARGIN, WIDTH + 2 * _MARGIN, _SCENE_LEVELS, _SCENE_CONTRAST)
    drift = np.outer(times - times.mean(), rng.uniform(-4, 4, 2))
    shake = rng.normal(0, 0.4, (len(times), 2))
    for index in range(1, len(shake)):
        shake[index] += 0.7 * shake[index - 1]
    corners = np.clip(_MARGIN + drift + shake, 0, 2 * _MARGIN)
    middles = corners + ((WIDTH - 1) / 2, (HEIGHT - 1) / 2)
    return np.stack([cv2.getRectSubPix(background, (WIDTH, HEIGHT), middle) for middle in middles])


def _texture(rng: np.random.Generator, height: int, width: int, levels: tuple[int, int], contrast: int) -> np.ndarray:
    """Coloured spots of two sizes about a colour drawn between the levels: float32 [height, width, 3] in 0..255."""
    texture = np.zeros((height, width, 3), np.float32)
    for cells, weight in ((4, 0.6), (11, 0.4)):
        spots = rng.random((cells, cells, 3), dtype=np.float32)
        texture += weight * cv2.resize(spots, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(rng.uniform(*levels, 3) + contrast * (texture - 0.5), 0, 255).astype(np.float32)
