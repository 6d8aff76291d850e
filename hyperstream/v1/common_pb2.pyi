from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Side(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SIDE_UNSPECIFIED: _ClassVar[Side]
    SIDE_BID: _ClassVar[Side]
    SIDE_ASK: _ClassVar[Side]

class MarketKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MARKET_KIND_UNSPECIFIED: _ClassVar[MarketKind]
    MARKET_KIND_PERP: _ClassVar[MarketKind]
    MARKET_KIND_SPOT: _ClassVar[MarketKind]
    MARKET_KIND_BUILDER_PERP: _ClassVar[MarketKind]
    MARKET_KIND_OUTCOME: _ClassVar[MarketKind]

class MarketState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MARKET_STATE_UNSPECIFIED: _ClassVar[MarketState]
    MARKET_STATE_LIVE: _ClassVar[MarketState]
    MARKET_STATE_DOUBTFUL: _ClassVar[MarketState]

class DeliveryContract(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DELIVERY_CONTRACT_UNSPECIFIED: _ClassVar[DeliveryContract]
    DELIVERY_CONTRACT_LOSSLESS: _ClassVar[DeliveryContract]
    DELIVERY_CONTRACT_RESYNC: _ClassVar[DeliveryContract]
    DELIVERY_CONTRACT_CONFLATE: _ClassVar[DeliveryContract]

class GapReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GAP_REASON_UNSPECIFIED: _ClassVar[GapReason]
    GAP_REASON_SLOW_CONSUMER: _ClassVar[GapReason]
    GAP_REASON_SOURCE_GAP: _ClassVar[GapReason]
    GAP_REASON_RESYNC: _ClassVar[GapReason]
    GAP_REASON_RESTART: _ClassVar[GapReason]

class NoticeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NOTICE_KIND_UNSPECIFIED: _ClassVar[NoticeKind]
    NOTICE_KIND_DRAINING: _ClassVar[NoticeKind]
    NOTICE_KIND_CUT: _ClassVar[NoticeKind]
SIDE_UNSPECIFIED: Side
SIDE_BID: Side
SIDE_ASK: Side
MARKET_KIND_UNSPECIFIED: MarketKind
MARKET_KIND_PERP: MarketKind
MARKET_KIND_SPOT: MarketKind
MARKET_KIND_BUILDER_PERP: MarketKind
MARKET_KIND_OUTCOME: MarketKind
MARKET_STATE_UNSPECIFIED: MarketState
MARKET_STATE_LIVE: MarketState
MARKET_STATE_DOUBTFUL: MarketState
DELIVERY_CONTRACT_UNSPECIFIED: DeliveryContract
DELIVERY_CONTRACT_LOSSLESS: DeliveryContract
DELIVERY_CONTRACT_RESYNC: DeliveryContract
DELIVERY_CONTRACT_CONFLATE: DeliveryContract
GAP_REASON_UNSPECIFIED: GapReason
GAP_REASON_SLOW_CONSUMER: GapReason
GAP_REASON_SOURCE_GAP: GapReason
GAP_REASON_RESYNC: GapReason
GAP_REASON_RESTART: GapReason
NOTICE_KIND_UNSPECIFIED: NoticeKind
NOTICE_KIND_DRAINING: NoticeKind
NOTICE_KIND_CUT: NoticeKind

class ResumePoint(_message.Message):
    __slots__ = ("symbol", "epoch", "sequence")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    epoch: int
    sequence: int
    def __init__(self, symbol: _Optional[str] = ..., epoch: _Optional[int] = ..., sequence: _Optional[int] = ...) -> None: ...

class Gap(_message.Message):
    __slots__ = ("market_id", "symbol", "epoch", "from_sequence", "to_sequence", "dropped", "reason", "detail")
    MARKET_ID_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    FROM_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TO_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    market_id: int
    symbol: str
    epoch: int
    from_sequence: int
    to_sequence: int
    dropped: int
    reason: GapReason
    detail: str
    def __init__(self, market_id: _Optional[int] = ..., symbol: _Optional[str] = ..., epoch: _Optional[int] = ..., from_sequence: _Optional[int] = ..., to_sequence: _Optional[int] = ..., dropped: _Optional[int] = ..., reason: _Optional[_Union[GapReason, str]] = ..., detail: _Optional[str] = ...) -> None: ...

class Notice(_message.Message):
    __slots__ = ("kind", "deadline_time_ns", "resume", "detail")
    KIND_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    kind: NoticeKind
    deadline_time_ns: int
    resume: _containers.RepeatedCompositeFieldContainer[ResumePoint]
    detail: str
    def __init__(self, kind: _Optional[_Union[NoticeKind, str]] = ..., deadline_time_ns: _Optional[int] = ..., resume: _Optional[_Iterable[_Union[ResumePoint, _Mapping]]] = ..., detail: _Optional[str] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("publish_time_ns", "height")
    PUBLISH_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    publish_time_ns: int
    height: int
    def __init__(self, publish_time_ns: _Optional[int] = ..., height: _Optional[int] = ...) -> None: ...
