"""What libraries say about peers is said once a minute, and always counted."""

from __future__ import annotations

import logging
from collections import Counter

import pytest

from hyperstream.servers.grpc.library_logs import REPEAT_SECONDS, rare_records


def test_a_sentence_is_logged_once_a_minute_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    counts: Counter[str] = Counter()
    log = logging.getLogger("grpclib.server")
    with rare_records(counts, lambda: now):
        for _ in range(100):
            log.warning("Application error of %s", "somebody")
        try:
            raise ValueError("a bug")
        except ValueError:
            for _ in range(10):
                log.exception("Application error of %s", "a bug")
        logging.getLogger("asyncio").warning("socket.send() raised exception.")
        assert len(caplog.records) == 3, "another exception is another cause"
        now = REPEAT_SECONDS
        log.warning("Application error of %s", "somebody")
        assert len(caplog.records) == 4
    assert counts["grpclib.server: Application error of %s"] == 111
    log.warning("Application error of %s", "somebody")
    assert len(caplog.records) == 5, "outside the block nothing is filtered"
