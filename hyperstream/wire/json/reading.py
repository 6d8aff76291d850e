"""JSON that strangers send, read so that it can be quoted to them.

orjson reads lists within lists a thousand deep, and writes no more than 254: what is deeper is no request of
anybody's, and is taken for what cannot be read.
"""

from __future__ import annotations

from typing import Any

import orjson

from hyperstream.errors import FormatError


def read_json(data: str | bytes) -> Any:
    """What the text says. Raises FormatError if it is not JSON, or could not be written again."""
    try:
        value = orjson.loads(data)
        orjson.dumps(value)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError) as exc:
        raise FormatError(f"not JSON, or too deep: {exc}") from exc
    return value
