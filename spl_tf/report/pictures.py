"""Pictures inside the page."""

import base64

import cv2
import numpy as np

from spl_tf.report.markup import Html, element

_JPEG_QUALITY = 75


def figure(picture: np.ndarray, alt: str, caption: str) -> Html:
    """An RGB picture, uint8 [H, W, 3], as a data URI with its caption."""
    height, width = picture.shape[:2]
    bgr = np.ascontiguousarray(picture[..., ::-1])
    content = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()
    source = f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"
    image = element("img", src=source, alt=alt, width=width, height=height)
    return element("figure", image, element("figcaption", caption))
