"""The section ``[grpc]``, and what its settings must say together."""

from attrs import field, frozen

from hyperstream.errors import ConfigurationError
from hyperstream.settings.kinds import (
    Boolean,
    FilePath,
    Listen,
    ListenAddress,
    Number,
    about,
    as_listen_address,
)

NO_FILE = "none"
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


def require_access(grpc: GrpcSettings) -> None:
    """Check what settings say together; raises ConfigurationError with one line per problem.

    Whoever listens where others can reach must say who may call: keys, client certificates, or anyone.
    """
    problems = []
    has_certificate = grpc.certificate != NO_FILE
    if has_certificate != (grpc.private_key != NO_FILE):
        problems.append("grpc.certificate and grpc.private_key go together: set both, or none for no TLS")
    if grpc.client_ca != NO_FILE and not has_certificate:
        problems.append("grpc.client_ca wants TLS: set grpc.certificate and grpc.private_key too")
    is_closed = grpc.api_keys != NO_FILE or grpc.client_ca != NO_FILE
    if not (grpc.listen.is_loopback or is_closed or grpc.allow_anyone):
        problems.append(
            f"grpc.listen {grpc.listen} can be reached from other hosts, and nothing says who may call: "
            "set grpc.api_keys or grpc.client_ca, or grpc.allow_anyone = true to serve anybody"
        )
    if problems:
        raise ConfigurationError("\n".join(problems))
