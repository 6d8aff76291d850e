"""Hyperliquid's own Python SDK, unmodified: follows markets and prints what it receives, a line a message.

hyperliquid_sdk.py BASE_URL SUBSCRIPTION…          each subscription is JSON, as the SDK takes it
"""

import json
import sys
import threading

from hyperliquid.info import Info  # type: ignore[import-not-found]


def main() -> None:
    """Subscribe and print until killed."""
    lock = threading.Lock()

    def show(message: object) -> None:
        with lock:
            print(json.dumps(message), flush=True)

    info = Info(sys.argv[1])
    show({"coins": sorted(info.name_to_coin), "mids": info.all_mids()})
    for text in sys.argv[2:]:
        info.subscribe(json.loads(text), show)
    threading.Event().wait()


main()
