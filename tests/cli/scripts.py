"""What a scripted server sends."""

from typing import Any

BIDS, ASKS = {"10.0": "1.0", "9.5": "2.0"}, {"11.0": "0.5"}


def script(*responses: Any) -> Any:
    return lambda request, context: iter(responses)
