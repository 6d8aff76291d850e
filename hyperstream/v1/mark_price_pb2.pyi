from hyperstream.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class MarkPriceInputKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MARK_PRICE_INPUT_KIND_UNSPECIFIED: _ClassVar[MarkPriceInputKind]
    MARK_PRICE_INPUT_KIND_ORACLE: _ClassVar[MarkPriceInputKind]
    MARK_PRICE_INPUT_KIND_LOCAL: _ClassVar[MarkPriceInputKind]
    MARK_PRICE_INPUT_KIND_EXTERNAL: _ClassVar[MarkPriceInputKind]
    MARK_PRICE_INPUT_KIND_LOCAL_AVERAGE: _ClassVar[MarkPriceInputKind]
MARK_PRICE_INPUT_KIND_UNSPECIFIED: MarkPriceInputKind
MARK_PRICE_INPUT_KIND_ORACLE: MarkPriceInputKind
MARK_PRICE_INPUT_KIND_LOCAL: MarkPriceInputKind
MARK_PRICE_INPUT_KIND_EXTERNAL: MarkPriceInputKind
MARK_PRICE_INPUT_KIND_LOCAL_AVERAGE: MarkPriceInputKind

class GetMarkPriceRequest(_message.Message):
    __slots__ = ("market_ids", "symbols")
    MARKET_IDS_FIELD_NUMBER: _ClassVar[int]
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    market_ids: _containers.RepeatedScalarFieldContainer[int]
    symbols: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, market_ids: _Optional[_Iterable[int]] = ..., symbols: _Optional[_Iterable[str]] = ...) -> None: ...

class MarkPrice(_message.Message):
    __slots__ = ("market_id", "symbol", "epoch", "sequence", "height", "block_time_ns", "node_time_ns", "read_time_ns", "publish_time_ns", "price", "inputs", "doubtful", "absent", "venue_price", "difference_basis_points", "averaging_since_time_ns")
    MARKET_ID_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    BLOCK_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    NODE_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    READ_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    DOUBTFUL_FIELD_NUMBER: _ClassVar[int]
    ABSENT_FIELD_NUMBER: _ClassVar[int]
    VENUE_PRICE_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCE_BASIS_POINTS_FIELD_NUMBER: _ClassVar[int]
    AVERAGING_SINCE_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    market_id: int
    symbol: str
    epoch: int
    sequence: int
    height: int
    block_time_ns: int
    node_time_ns: int
    read_time_ns: int
    publish_time_ns: int
    price: str
    inputs: _containers.RepeatedCompositeFieldContainer[MarkPriceInput]
    doubtful: bool
    absent: _containers.RepeatedCompositeFieldContainer[MarkPriceAbsence]
    venue_price: str
    difference_basis_points: float
    averaging_since_time_ns: int
    def __init__(self, market_id: _Optional[int] = ..., symbol: _Optional[str] = ..., epoch: _Optional[int] = ..., sequence: _Optional[int] = ..., height: _Optional[int] = ..., block_time_ns: _Optional[int] = ..., node_time_ns: _Optional[int] = ..., read_time_ns: _Optional[int] = ..., publish_time_ns: _Optional[int] = ..., price: _Optional[str] = ..., inputs: _Optional[_Iterable[_Union[MarkPriceInput, _Mapping]]] = ..., doubtful: _Optional[bool] = ..., absent: _Optional[_Iterable[_Union[MarkPriceAbsence, _Mapping]]] = ..., venue_price: _Optional[str] = ..., difference_basis_points: _Optional[float] = ..., averaging_since_time_ns: _Optional[int] = ...) -> None: ...

class MarkPriceInput(_message.Message):
    __slots__ = ("kind", "price", "parts")
    KIND_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    kind: MarkPriceInputKind
    price: str
    parts: _containers.RepeatedCompositeFieldContainer[MarkPricePart]
    def __init__(self, kind: _Optional[_Union[MarkPriceInputKind, str]] = ..., price: _Optional[str] = ..., parts: _Optional[_Iterable[_Union[MarkPricePart, _Mapping]]] = ...) -> None: ...

class MarkPricePart(_message.Message):
    __slots__ = ("name", "value", "read_time_ns", "weight")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    READ_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    read_time_ns: int
    weight: int
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ..., read_time_ns: _Optional[int] = ..., weight: _Optional[int] = ...) -> None: ...

class MarkPriceAbsence(_message.Message):
    __slots__ = ("source", "reason")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    source: str
    reason: str
    def __init__(self, source: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class SubscribeMarkPricesRequest(_message.Message):
    __slots__ = ("market_ids", "symbols", "delivery", "heartbeat_seconds", "resume")
    MARKET_IDS_FIELD_NUMBER: _ClassVar[int]
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    market_ids: _containers.RepeatedScalarFieldContainer[int]
    symbols: _containers.RepeatedScalarFieldContainer[str]
    delivery: _common_pb2.DeliveryContract
    heartbeat_seconds: int
    resume: _containers.RepeatedCompositeFieldContainer[_common_pb2.ResumePoint]
    def __init__(self, market_ids: _Optional[_Iterable[int]] = ..., symbols: _Optional[_Iterable[str]] = ..., delivery: _Optional[_Union[_common_pb2.DeliveryContract, str]] = ..., heartbeat_seconds: _Optional[int] = ..., resume: _Optional[_Iterable[_Union[_common_pb2.ResumePoint, _Mapping]]] = ...) -> None: ...

class SubscribeMarkPricesResponse(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[MarkPriceEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[MarkPriceEvent, _Mapping]]] = ...) -> None: ...

class MarkPriceEvent(_message.Message):
    __slots__ = ("mark_price", "gap", "notice", "heartbeat", "merged")
    MARK_PRICE_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    NOTICE_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    MERGED_FIELD_NUMBER: _ClassVar[int]
    mark_price: MarkPrice
    gap: _common_pb2.Gap
    notice: _common_pb2.Notice
    heartbeat: _common_pb2.Heartbeat
    merged: int
    def __init__(self, mark_price: _Optional[_Union[MarkPrice, _Mapping]] = ..., gap: _Optional[_Union[_common_pb2.Gap, _Mapping]] = ..., notice: _Optional[_Union[_common_pb2.Notice, _Mapping]] = ..., heartbeat: _Optional[_Union[_common_pb2.Heartbeat, _Mapping]] = ..., merged: _Optional[int] = ...) -> None: ...
