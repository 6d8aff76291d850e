from hyperstream.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StopOrderChangeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STOP_ORDER_CHANGE_KIND_UNSPECIFIED: _ClassVar[StopOrderChangeKind]
    STOP_ORDER_CHANGE_KIND_ADDED: _ClassVar[StopOrderChangeKind]
    STOP_ORDER_CHANGE_KIND_REMOVED: _ClassVar[StopOrderChangeKind]

class TriggerCondition(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRIGGER_CONDITION_UNSPECIFIED: _ClassVar[TriggerCondition]
    TRIGGER_CONDITION_ABOVE: _ClassVar[TriggerCondition]
    TRIGGER_CONDITION_BELOW: _ClassVar[TriggerCondition]
STOP_ORDER_CHANGE_KIND_UNSPECIFIED: StopOrderChangeKind
STOP_ORDER_CHANGE_KIND_ADDED: StopOrderChangeKind
STOP_ORDER_CHANGE_KIND_REMOVED: StopOrderChangeKind
TRIGGER_CONDITION_UNSPECIFIED: TriggerCondition
TRIGGER_CONDITION_ABOVE: TriggerCondition
TRIGGER_CONDITION_BELOW: TriggerCondition

class GetStopOrdersRequest(_message.Message):
    __slots__ = ("market_ids", "symbols")
    MARKET_IDS_FIELD_NUMBER: _ClassVar[int]
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    market_ids: _containers.RepeatedScalarFieldContainer[int]
    symbols: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, market_ids: _Optional[_Iterable[int]] = ..., symbols: _Optional[_Iterable[str]] = ...) -> None: ...

class GetStopOrdersResponse(_message.Message):
    __slots__ = ("snapshots",)
    SNAPSHOTS_FIELD_NUMBER: _ClassVar[int]
    snapshots: _containers.RepeatedCompositeFieldContainer[StopOrdersSnapshot]
    def __init__(self, snapshots: _Optional[_Iterable[_Union[StopOrdersSnapshot, _Mapping]]] = ...) -> None: ...

class SubscribeStopOrdersRequest(_message.Message):
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

class SubscribeStopOrdersResponse(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[StopOrdersEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[StopOrdersEvent, _Mapping]]] = ...) -> None: ...

class StopOrdersEvent(_message.Message):
    __slots__ = ("snapshot", "delta", "gap", "notice", "heartbeat")
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    NOTICE_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    snapshot: StopOrdersSnapshot
    delta: StopOrdersDelta
    gap: _common_pb2.Gap
    notice: _common_pb2.Notice
    heartbeat: _common_pb2.Heartbeat
    def __init__(self, snapshot: _Optional[_Union[StopOrdersSnapshot, _Mapping]] = ..., delta: _Optional[_Union[StopOrdersDelta, _Mapping]] = ..., gap: _Optional[_Union[_common_pb2.Gap, _Mapping]] = ..., notice: _Optional[_Union[_common_pb2.Notice, _Mapping]] = ..., heartbeat: _Optional[_Union[_common_pb2.Heartbeat, _Mapping]] = ...) -> None: ...

class StopOrdersSnapshot(_message.Message):
    __slots__ = ("market_id", "symbol", "epoch", "sequence", "height", "block_time_ns", "node_time_ns", "read_time_ns", "publish_time_ns", "orders", "doubtful", "chunk", "last_chunk", "complete")
    MARKET_ID_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    BLOCK_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    NODE_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    READ_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    DOUBTFUL_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    LAST_CHUNK_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    market_id: int
    symbol: str
    epoch: int
    sequence: int
    height: int
    block_time_ns: int
    node_time_ns: int
    read_time_ns: int
    publish_time_ns: int
    orders: _containers.RepeatedCompositeFieldContainer[StopOrder]
    doubtful: bool
    chunk: int
    last_chunk: bool
    complete: bool
    def __init__(self, market_id: _Optional[int] = ..., symbol: _Optional[str] = ..., epoch: _Optional[int] = ..., sequence: _Optional[int] = ..., height: _Optional[int] = ..., block_time_ns: _Optional[int] = ..., node_time_ns: _Optional[int] = ..., read_time_ns: _Optional[int] = ..., publish_time_ns: _Optional[int] = ..., orders: _Optional[_Iterable[_Union[StopOrder, _Mapping]]] = ..., doubtful: _Optional[bool] = ..., chunk: _Optional[int] = ..., last_chunk: _Optional[bool] = ..., complete: _Optional[bool] = ...) -> None: ...

class StopOrdersDelta(_message.Message):
    __slots__ = ("market_id", "symbol", "epoch", "sequence", "height", "block_time_ns", "node_time_ns", "read_time_ns", "publish_time_ns", "changes", "doubtful", "previous_sequence", "complete")
    MARKET_ID_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    BLOCK_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    NODE_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    READ_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    DOUBTFUL_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    market_id: int
    symbol: str
    epoch: int
    sequence: int
    height: int
    block_time_ns: int
    node_time_ns: int
    read_time_ns: int
    publish_time_ns: int
    changes: _containers.RepeatedCompositeFieldContainer[StopOrderChange]
    doubtful: bool
    previous_sequence: int
    complete: bool
    def __init__(self, market_id: _Optional[int] = ..., symbol: _Optional[str] = ..., epoch: _Optional[int] = ..., sequence: _Optional[int] = ..., height: _Optional[int] = ..., block_time_ns: _Optional[int] = ..., node_time_ns: _Optional[int] = ..., read_time_ns: _Optional[int] = ..., publish_time_ns: _Optional[int] = ..., changes: _Optional[_Iterable[_Union[StopOrderChange, _Mapping]]] = ..., doubtful: _Optional[bool] = ..., previous_sequence: _Optional[int] = ..., complete: _Optional[bool] = ...) -> None: ...

class StopOrderChange(_message.Message):
    __slots__ = ("kind", "order", "status")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    kind: StopOrderChangeKind
    order: StopOrder
    status: str
    def __init__(self, kind: _Optional[_Union[StopOrderChangeKind, str]] = ..., order: _Optional[_Union[StopOrder, _Mapping]] = ..., status: _Optional[str] = ...) -> None: ...

class StopOrder(_message.Message):
    __slots__ = ("oid", "user", "side", "trigger_price", "trigger_condition", "limit_price", "size", "order_type", "reduce_only", "is_position_tpsl", "tif", "cloid", "placed_time_ns")
    OID_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_PRICE_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_CONDITION_FIELD_NUMBER: _ClassVar[int]
    LIMIT_PRICE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    ORDER_TYPE_FIELD_NUMBER: _ClassVar[int]
    REDUCE_ONLY_FIELD_NUMBER: _ClassVar[int]
    IS_POSITION_TPSL_FIELD_NUMBER: _ClassVar[int]
    TIF_FIELD_NUMBER: _ClassVar[int]
    CLOID_FIELD_NUMBER: _ClassVar[int]
    PLACED_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    oid: int
    user: str
    side: _common_pb2.Side
    trigger_price: str
    trigger_condition: TriggerCondition
    limit_price: str
    size: str
    order_type: str
    reduce_only: bool
    is_position_tpsl: bool
    tif: str
    cloid: str
    placed_time_ns: int
    def __init__(self, oid: _Optional[int] = ..., user: _Optional[str] = ..., side: _Optional[_Union[_common_pb2.Side, str]] = ..., trigger_price: _Optional[str] = ..., trigger_condition: _Optional[_Union[TriggerCondition, str]] = ..., limit_price: _Optional[str] = ..., size: _Optional[str] = ..., order_type: _Optional[str] = ..., reduce_only: _Optional[bool] = ..., is_position_tpsl: _Optional[bool] = ..., tif: _Optional[str] = ..., cloid: _Optional[str] = ..., placed_time_ns: _Optional[int] = ...) -> None: ...
