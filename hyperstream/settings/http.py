"""The section ``[http]``."""

from attrs import field, frozen

from hyperstream.settings.kinds import Boolean, Listen, ListenAddress, Number, about, as_listen_address


@frozen
class HttpSettings:
    """The operator's pages: whether it is alive and ready, metrics for Prometheus, and what there is."""

    enabled: bool = field(default=True, metadata=about(Boolean(), "Whether the pages are served at all."))
    listen: ListenAddress = field(
        default=ListenAddress("127.0.0.1", 9090),
        converter=as_listen_address,
        metadata=about(
            Listen(), "Host and port to listen on; port 0 takes a free one, IPv6 is written [::1]:9090."
        ),
    )
    allow_anyone: bool = field(
        default=False,
        metadata=about(
            Boolean(),
            "Whether the pages are served although other hosts can reach http.listen: they ask for no key, "
            "and tell who subscribes to what.",
        ),
    )
    stale_seconds: float = field(
        default=30.0,
        metadata=about(
            Number(1.0, 86_400.0), "After how long without a block of the node the daemon is not ready."
        ),
    )
