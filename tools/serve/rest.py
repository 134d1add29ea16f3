"""Predict requests in JSON, by TF Serving's REST interface."""

import base64
import contextlib
import functools
import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np

from spl_tf.errors import UserError
from tools.serve.served_model import Predict, ServedModel

# A model server is asked directly, whatever proxy the environment names for the web.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextlib.contextmanager
def connected(model: ServedModel, seconds: float) -> Iterator[Predict]:
    """Yields the function from a request's inputs to the model's outputs. Strings come as str.

    Args:
      model: which model, and where.
      seconds: to wait for an answer.

    Raises:
      UserError: here and from the function: it is no address, no answer, a refused request.
    """
    if not model.server.startswith(("http://", "https://")):
        raise UserError(f"--server={model.server} is no address of REST: give http://host:port, e.g. :8501")
    yield functools.partial(_predict, model, seconds)


def _predict(model: ServedModel, seconds: float, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    body = {"signature_name": model.signature, "inputs": {name: _as_json(values) for name, values in inputs.items()}}
    try:
        request = urllib.request.Request(_url(model), json.dumps(body).encode(), {"Content-Type": "application/json"})
        with _DIRECT.open(request, timeout=seconds) as response:
            answer = json.load(response)
        return {name: np.asarray(values) for name, values in answer["outputs"].items()}
    except urllib.error.HTTPError as error:
        raise model.refusal(error.code, _reason(error), not_found=error.code == 404) from error
    except urllib.error.URLError as error:
        raise model.unreachable(error.reason) from error
    except (OSError, http.client.HTTPException) as error:
        raise model.unreachable(repr(error)) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{model.server} answers otherwise than TF Serving ({error!r}): is --server right?") from error


def _url(model: ServedModel) -> str:
    version = "" if model.version is None else f"/versions/{model.version}"
    return f"{model.server.rstrip('/')}/v1/models/{urllib.parse.quote(model.name, safe='')}{version}:predict"


def _reason(error: urllib.error.HTTPError) -> str:
    """TF Serving explains itself in JSON; whatever else listens there may not."""
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return str(json.loads(error.read())["error"])
    return str(error.reason)


def _as_json(values: np.ndarray) -> Any:
    """Nested lists; a binary string as TF Serving wants it, {"b64": base64}."""
    return _coded(values.tolist()) if values.dtype == object else values.tolist()


def _coded(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    return [_coded(part) for part in value]
