"""Asset contexts from end to end: a fake Hyperliquid, a fake node, the installed daemon, the official SDK."""

from __future__ import annotations

import json
from pathlib import Path

import trio

from hyperstream.testing.exchanges import FakeHyperliquid, How, HyperliquidLimits

from .program import PATIENCE_SECONDS
from .stage import in_thread, staged
from .test_gateway import FREE, needs_clients, python_client, told

CONTEXT = {"type": "activeAssetCtx", "coin": "BTC"}
KEY = "activeAssetCtx"


def wanted(fake: FakeHyperliquid) -> set[str]:
    """The coins whose contexts the daemon has subscribed to."""
    topics = [json.loads(topic) for session in fake.sessions if session.is_open for topic in session.topics]
    return {topic["coin"] for topic in topics if topic["type"] == KEY}


@needs_clients
async def test_hyperliquids_own_sdk_gets_the_venues_contexts_through_the_gateway(tmp_path: Path) -> None:
    fake = FakeHyperliquid(seed=3, symbols=("BTC", "ETH"), limits=HyperliquidLimits(new_sockets_per_minute=0))
    async with fake.serve() as urls, trio.open_nursery() as nursery:
        nursery.start_soon(fake.run, 50.0)
        settings = {
            **FREE,
            "feeds.hyperliquid.enabled": "true",
            "feeds.hyperliquid.url": urls.stream,
            "feeds.hyperliquid.rest_url": urls.info,
            "feeds.hyperliquid.coins": "",
            "feeds.hyperliquid.retry_seconds": 0.05,
        }
        async with staged(tmp_path, markets=("BTC", "ETH"), settings=settings) as stage:
            base_url = f"http://127.0.0.1:{await in_thread(stage.daemon.gateway_port)}"
            assert wanted(fake) == set(), "nobody has asked yet"
            with python_client("hyperliquid_sdk.py", base_url, json.dumps(CONTEXT)) as sdk:
                first = await told(sdk, lambda line: line.get("channel") == KEY, "a context")
                assert set(first["data"]["ctx"]) >= {"markPx", "oraclePx", "funding", "openInterest"}
                assert wanted(fake) == {"BTC"}
                fake.trouble.disconnect(How.RESET)
                await _new_mark(sdk, first["data"]["ctx"])
            with trio.fail_after(PATIENCE_SECONDS):
                while wanted(fake):  # noqa: ASYNC110 - another process brings it about
                    await trio.sleep(0.02)
        nursery.cancel_scope.cancel(reason="the test is over")


async def _new_mark(sdk: object, before: dict[str, str]) -> None:
    """Wait for contexts that say something else."""
    is_new = lambda line: line.get("channel") == KEY and line["data"]["ctx"] != before  # noqa: E731
    await told(sdk, is_new, "a newer context")  # type: ignore[arg-type]
