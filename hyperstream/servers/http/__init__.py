"""The operator's pages: ``/healthz``, ``/readyz``, ``/metrics``, ``/status``, and ``/`` to look at."""
