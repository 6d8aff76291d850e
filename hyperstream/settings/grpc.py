"""The section ``[grpc]``."""

from attrs import field, frozen

from hyperstream.settings.access import NO_FILE
from hyperstream.settings.kinds import (
    Boolean,
    FilePath,
    Listen,
    ListenAddress,
    Number,
    about,
    as_listen_address,
)

_GIB = 1 << 30


@frozen
class GrpcSettings:
    """The gRPC server."""

    listen: ListenAddress = field(
        default=ListenAddress("127.0.0.1", 50051),
        converter=as_listen_address,
        metadata=about(
            Listen(), "Host and port to listen on; port 0 takes a free one, IPv6 is written [::1]:50051."
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
        default=1000,
        metadata=about(
            Number(1, 1_000_000, is_whole=True),
            "How many messages may wait for one slow subscriber before its delivery contract acts.",
        ),
    )
    max_message_bytes: int = field(
        default=4_194_304,
        metadata=about(
            Number(1_024, _GIB, is_whole=True),
            "The longest message a client may send; longer ones are refused.",
        ),
    )
    snapshot_chunk_orders: int = field(
        default=500,
        metadata=about(
            Number(1, 100_000, is_whole=True), "How many orders one message of an order-level snapshot holds."
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
            "With it every call needs a key.",
        ),
    )
    allow_anyone: bool = field(
        default=False,
        metadata=about(
            Boolean(),
            "Whether calls without a key are served although other hosts can reach grpc.listen.",
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
    max_streams_per_connection: int = field(
        default=100,
        metadata=about(
            Number(1, 100_000, is_whole=True), "How many calls one connection may have at a time."
        ),
    )
    keepalive_seconds: float = field(
        default=60.0,
        metadata=about(
            Number(1.0, 86_400.0),
            "After how much silence a peer is asked for a sign of life; without one it is cut 20 s later.",
        ),
    )
    compression: bool = field(
        default=False,
        metadata=about(
            Boolean(), "Whether messages are sent gzipped to clients that accept it: fewer bytes, more CPU."
        ),
    )
