"""The section ``[websocket]``."""

from attrs import field, frozen

from hyperstream.settings.access import NO_FILE
from hyperstream.settings.kinds import (
    Boolean,
    FilePath,
    Listen,
    ListenAddress,
    Number,
    Words,
    about,
    as_listen_address,
)

_GIB = 1 << 30


@frozen
class WebSocketSettings:
    """The WebSocket gateway, and the info requests it answers over HTTP."""

    enabled: bool = field(default=True, metadata=about(Boolean(), "Whether the gateway is opened at all."))
    listen: ListenAddress = field(
        default=ListenAddress("127.0.0.1", 8000),
        converter=as_listen_address,
        metadata=about(
            Listen(), "Host and port to listen on; port 0 takes a free one, IPv6 is written [::1]:8000."
        ),
    )
    origins: tuple[str, ...] = field(
        default=("*",),
        metadata=about(
            Words("origins"),
            'The web pages whose scripts may connect, as browsers name them ("https://desk.example"); '
            '"*" is every page. Programs that send no Origin are not concerned.',
        ),
    )
    max_subscriber_queue_bytes: int = field(
        default=1_048_576,
        metadata=about(
            Number(1_024, _GIB, is_whole=True),
            "How many bytes may wait for one slow subscriber before its delivery contract acts.",
        ),
    )
    max_subscriber_queue_messages: int = field(
        default=1024,
        metadata=about(
            Number(1, 1_000_000, is_whole=True),
            "How many messages may wait for one slow subscriber before its delivery contract acts.",
        ),
    )
    max_message_bytes: int = field(
        default=8_192,
        metadata=about(
            Number(256, _GIB, is_whole=True),
            "The longest message or info request a client may send, also when inflated.",
        ),
    )
    max_connections: int = field(
        default=10_000,
        metadata=about(
            Number(1, 1_000_000, is_whole=True),
            "How many connections there may be; the limit on open files, less 32, holds as well.",
        ),
    )
    max_connections_per_address: int = field(
        default=2_000,
        metadata=about(
            Number(1, 1_000_000, is_whole=True), "How many connections one address may have at a time."
        ),
    )
    max_subscriptions_per_connection: int = field(
        default=2_000,
        metadata=about(
            Number(1, 1_000_000, is_whole=True),
            "How many subscriptions one connection may have; each market of a list counts as one.",
        ),
    )
    ping_seconds: float = field(
        default=20.0,
        metadata=about(
            Number(1.0, 86_400.0),
            "After how much silence a peer is pinged; without a sign of life it is cut 10 s later.",
        ),
    )
    compression: bool = field(
        default=True,
        metadata=about(
            Boolean(),
            "Whether permessage-deflate is accepted from clients that offer it: fewer bytes, more CPU.",
        ),
    )
    compression_level: int = field(
        default=1,
        metadata=about(
            Number(1, 9, is_whole=True), "How hard messages are compressed: 1 is fast, 9 is small."
        ),
    )
    compression_threshold_bytes: int = field(
        default=256,
        metadata=about(
            Number(0, _GIB, is_whole=True),
            "Messages shorter than this are sent as they are, also to clients that take compressed ones.",
        ),
    )
    all_mids_seconds: float = field(
        default=1.0,
        metadata=about(
            Number(0.1, 3600.0), "How often the mid prices of all markets are told to who follows them."
        ),
    )
    candle_minutes: int = field(
        default=1440,
        metadata=about(
            Number(0, 100_000, is_whole=True),
            "How many minutes of each market's trades are kept for candles; 0 serves none.",
        ),
    )
    certificate: str = field(
        default=NO_FILE,
        metadata=about(
            FilePath((NO_FILE,)),
            "The server's certificate chain (PEM), which turns TLS on; read again on SIGHUP.",
        ),
    )
    private_key: str = field(
        default=NO_FILE,
        metadata=about(FilePath((NO_FILE,)), "The certificate's private key (PEM), without a password."),
    )
    client_ca: str = field(
        default=NO_FILE,
        metadata=about(
            FilePath((NO_FILE,)),
            "Certificates (PEM) that clients' certificates must be signed by: mutual TLS. Needs certificate.",
        ),
    )
    api_keys: str = field(
        default=NO_FILE,
        metadata=about(
            FilePath((NO_FILE,)),
            "The file of API keys, made with hyperstream config key; read again on SIGHUP. "
            "With it every connection needs a key in its headers.",
        ),
    )
    allow_anyone: bool = field(
        default=False,
        metadata=about(
            Boolean(),
            "Whether connections without a key are served although other hosts can reach websocket.listen.",
        ),
    )
