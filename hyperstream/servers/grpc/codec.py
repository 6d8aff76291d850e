"""Messages in and out: updates are bytes already, everything else is a protobuf message."""

from typing import Any

from google.protobuf.message import DecodeError, Message
from grpclib.const import Status
from grpclib.encoding.base import CodecBase
from grpclib.exceptions import GRPCError


class UnreadableRequest(GRPCError):
    """A request's bytes are not the message announced; the stream itself is as it should be."""


class FrameCodec(CodecBase):
    """Passes bytes through as they are; a request that is not protobuf is INVALID_ARGUMENT."""

    __content_subtype__ = "proto"

    def encode(self, message: Any, message_type: Any) -> bytes:  # noqa: ARG002 - grpclib's interface
        """The bytes of a message."""
        return message if isinstance(message, bytes) else message.SerializeToString()

    def decode(self, data: bytes, message_type: Any) -> Message:
        """The request in these bytes."""
        try:
            request: Message = message_type.FromString(data)
        except DecodeError as exc:
            raise UnreadableRequest(
                Status.INVALID_ARGUMENT, f"the request is not a {message_type.DESCRIPTOR.full_name}: {exc}"
            ) from exc
        return request
