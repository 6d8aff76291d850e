from hyperstream.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OrderChangeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ORDER_CHANGE_KIND_UNSPECIFIED: _ClassVar[OrderChangeKind]
    ORDER_CHANGE_KIND_ADDED: _ClassVar[OrderChangeKind]
    ORDER_CHANGE_KIND_UPDATED: _ClassVar[OrderChangeKind]
    ORDER_CHANGE_KIND_REMOVED: _ClassVar[OrderChangeKind]
    ORDER_CHANGE_KIND_ATTRIBUTES: _ClassVar[OrderChangeKind]
ORDER_CHANGE_KIND_UNSPECIFIED: OrderChangeKind
ORDER_CHANGE_KIND_ADDED: OrderChangeKind
ORDER_CHANGE_KIND_UPDATED: OrderChangeKind
ORDER_CHANGE_KIND_REMOVED: OrderChangeKind
ORDER_CHANGE_KIND_ATTRIBUTES: OrderChangeKind

class GetMarketsRequest(_message.Message):
    __slots__ = ("market_ids", "symbols")
    MARKET_IDS_FIELD_NUMBER: _ClassVar[int]
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    market_ids: _containers.RepeatedScalarFieldContainer[int]
    symbols: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, market_ids: _Optional[_Iterable[int]] = ..., symbols: _Optional[_Iterable[str]] = ...) -> None: ...

class GetMarketsResponse(_message.Message):
    __slots__ = ("markets", "height")
    MARKETS_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    markets: _containers.RepeatedCompositeFieldContainer[Market]
    height: int
    def __init__(self, markets: _Optional[_Iterable[_Union[Market, _Mapping]]] = ..., height: _Optional[int] = ...) -> None: ...

class Market(_message.Message):
    __slots__ = ("market_id", "symbol", "kind", "state", "display_name", "size_decimals", "delisted", "order_count", "bid_level_count", "ask_level_count", "doubt")
    MARKET_ID_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_DECIMALS_FIELD_NUMBER: _ClassVar[int]
    DELISTED_FIELD_NUMBER: _ClassVar[int]
    ORDER_COUNT_FIELD_NUMBER: _ClassVar[int]
    BID_LEVEL_COUNT_FIELD_NUMBER: _ClassVar[int]
    ASK_LEVEL_COUNT_FIELD_NUMBER: _ClassVar[int]
    DOUBT_FIELD_NUMBER: _ClassVar[int]
    market_id: int
    symbol: str
    kind: _common_pb2.MarketKind
    state: _common_pb2.MarketState
    display_name: str
    size_decimals: int
    delisted: bool
    order_count: int
    bid_level_count: int
    ask_level_count: int
    doubt: str
    def __init__(self, market_id: _Optional[int] = ..., symbol: _Optional[str] = ..., kind: _Optional[_Union[_common_pb2.MarketKind, str]] = ..., state: _Optional[_Union[_common_pb2.MarketState, str]] = ..., display_name: _Optional[str] = ..., size_decimals: _Optional[int] = ..., delisted: _Optional[bool] = ..., order_count: _Optional[int] = ..., bid_level_count: _Optional[int] = ..., ask_level_count: _Optional[int] = ..., doubt: _Optional[str] = ...) -> None: ...

class Level(_message.Message):
    __slots__ = ("price", "size", "order_count")
    PRICE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    ORDER_COUNT_FIELD_NUMBER: _ClassVar[int]
    price: str
    size: str
    order_count: int
    def __init__(self, price: _Optional[str] = ..., size: _Optional[str] = ..., order_count: _Optional[int] = ...) -> None: ...

class GetOrderbookRequest(_message.Message):
    __slots__ = ("market_ids", "symbols", "depth", "significant_figures", "mantissa")
    MARKET_IDS_FIELD_NUMBER: _ClassVar[int]
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    SIGNIFICANT_FIGURES_FIELD_NUMBER: _ClassVar[int]
    MANTISSA_FIELD_NUMBER: _ClassVar[int]
    market_ids: _containers.RepeatedScalarFieldContainer[int]
    symbols: _containers.RepeatedScalarFieldContainer[str]
    depth: int
    significant_figures: int
    mantissa: int
    def __init__(self, market_ids: _Optional[_Iterable[int]] = ..., symbols: _Optional[_Iterable[str]] = ..., depth: _Optional[int] = ..., significant_figures: _Optional[int] = ..., mantissa: _Optional[int] = ...) -> None: ...

class OrderbookSnapshot(_message.Message):
    __slots__ = ("market_id", "symbol", "epoch", "sequence", "height", "block_time_ns", "node_time_ns", "read_time_ns", "publish_time_ns", "bids", "asks", "doubtful", "mark_price")
    MARKET_ID_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    BLOCK_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    NODE_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    READ_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    BIDS_FIELD_NUMBER: _ClassVar[int]
    ASKS_FIELD_NUMBER: _ClassVar[int]
    DOUBTFUL_FIELD_NUMBER: _ClassVar[int]
    MARK_PRICE_FIELD_NUMBER: _ClassVar[int]
    market_id: int
    symbol: str
    epoch: int
    sequence: int
    height: int
    block_time_ns: int
    node_time_ns: int
    read_time_ns: int
    publish_time_ns: int
    bids: _containers.RepeatedCompositeFieldContainer[Level]
    asks: _containers.RepeatedCompositeFieldContainer[Level]
    doubtful: bool
    mark_price: str
    def __init__(self, market_id: _Optional[int] = ..., symbol: _Optional[str] = ..., epoch: _Optional[int] = ..., sequence: _Optional[int] = ..., height: _Optional[int] = ..., block_time_ns: _Optional[int] = ..., node_time_ns: _Optional[int] = ..., read_time_ns: _Optional[int] = ..., publish_time_ns: _Optional[int] = ..., bids: _Optional[_Iterable[_Union[Level, _Mapping]]] = ..., asks: _Optional[_Iterable[_Union[Level, _Mapping]]] = ..., doubtful: _Optional[bool] = ..., mark_price: _Optional[str] = ...) -> None: ...

class OrderbookDelta(_message.Message):
    __slots__ = ("market_id", "symbol", "epoch", "sequence", "height", "block_time_ns", "node_time_ns", "read_time_ns", "publish_time_ns", "bids", "asks", "doubtful", "previous_sequence")
    MARKET_ID_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    BLOCK_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    NODE_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    READ_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    BIDS_FIELD_NUMBER: _ClassVar[int]
    ASKS_FIELD_NUMBER: _ClassVar[int]
    DOUBTFUL_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    market_id: int
    symbol: str
    epoch: int
    sequence: int
    height: int
    block_time_ns: int
    node_time_ns: int
    read_time_ns: int
    publish_time_ns: int
    bids: _containers.RepeatedCompositeFieldContainer[Level]
    asks: _containers.RepeatedCompositeFieldContainer[Level]
    doubtful: bool
    previous_sequence: int
    def __init__(self, market_id: _Optional[int] = ..., symbol: _Optional[str] = ..., epoch: _Optional[int] = ..., sequence: _Optional[int] = ..., height: _Optional[int] = ..., block_time_ns: _Optional[int] = ..., node_time_ns: _Optional[int] = ..., read_time_ns: _Optional[int] = ..., publish_time_ns: _Optional[int] = ..., bids: _Optional[_Iterable[_Union[Level, _Mapping]]] = ..., asks: _Optional[_Iterable[_Union[Level, _Mapping]]] = ..., doubtful: _Optional[bool] = ..., previous_sequence: _Optional[int] = ...) -> None: ...

class SubscribeOrderbookRequest(_message.Message):
    __slots__ = ("market_ids", "symbols", "depth", "significant_figures", "mantissa", "delivery", "snapshots_only", "heartbeat_seconds", "resume")
    MARKET_IDS_FIELD_NUMBER: _ClassVar[int]
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    SIGNIFICANT_FIGURES_FIELD_NUMBER: _ClassVar[int]
    MANTISSA_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOTS_ONLY_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    market_ids: _containers.RepeatedScalarFieldContainer[int]
    symbols: _containers.RepeatedScalarFieldContainer[str]
    depth: int
    significant_figures: int
    mantissa: int
    delivery: _common_pb2.DeliveryContract
    snapshots_only: bool
    heartbeat_seconds: int
    resume: _containers.RepeatedCompositeFieldContainer[_common_pb2.ResumePoint]
    def __init__(self, market_ids: _Optional[_Iterable[int]] = ..., symbols: _Optional[_Iterable[str]] = ..., depth: _Optional[int] = ..., significant_figures: _Optional[int] = ..., mantissa: _Optional[int] = ..., delivery: _Optional[_Union[_common_pb2.DeliveryContract, str]] = ..., snapshots_only: _Optional[bool] = ..., heartbeat_seconds: _Optional[int] = ..., resume: _Optional[_Iterable[_Union[_common_pb2.ResumePoint, _Mapping]]] = ...) -> None: ...

class SubscribeOrderbookResponse(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[OrderbookEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[OrderbookEvent, _Mapping]]] = ...) -> None: ...

class OrderbookEvent(_message.Message):
    __slots__ = ("snapshot", "delta", "gap", "notice", "heartbeat", "merged")
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    NOTICE_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    MERGED_FIELD_NUMBER: _ClassVar[int]
    snapshot: OrderbookSnapshot
    delta: OrderbookDelta
    gap: _common_pb2.Gap
    notice: _common_pb2.Notice
    heartbeat: _common_pb2.Heartbeat
    merged: int
    def __init__(self, snapshot: _Optional[_Union[OrderbookSnapshot, _Mapping]] = ..., delta: _Optional[_Union[OrderbookDelta, _Mapping]] = ..., gap: _Optional[_Union[_common_pb2.Gap, _Mapping]] = ..., notice: _Optional[_Union[_common_pb2.Notice, _Mapping]] = ..., heartbeat: _Optional[_Union[_common_pb2.Heartbeat, _Mapping]] = ..., merged: _Optional[int] = ...) -> None: ...

class SubscribeBboRequest(_message.Message):
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

class SubscribeBboResponse(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[BboEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[BboEvent, _Mapping]]] = ...) -> None: ...

class BboEvent(_message.Message):
    __slots__ = ("bbo", "gap", "notice", "heartbeat", "merged")
    BBO_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    NOTICE_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    MERGED_FIELD_NUMBER: _ClassVar[int]
    bbo: Bbo
    gap: _common_pb2.Gap
    notice: _common_pb2.Notice
    heartbeat: _common_pb2.Heartbeat
    merged: int
    def __init__(self, bbo: _Optional[_Union[Bbo, _Mapping]] = ..., gap: _Optional[_Union[_common_pb2.Gap, _Mapping]] = ..., notice: _Optional[_Union[_common_pb2.Notice, _Mapping]] = ..., heartbeat: _Optional[_Union[_common_pb2.Heartbeat, _Mapping]] = ..., merged: _Optional[int] = ...) -> None: ...

class Bbo(_message.Message):
    __slots__ = ("market_id", "symbol", "epoch", "sequence", "height", "block_time_ns", "node_time_ns", "read_time_ns", "publish_time_ns", "bid", "ask", "doubtful")
    MARKET_ID_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    BLOCK_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    NODE_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    READ_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    BID_FIELD_NUMBER: _ClassVar[int]
    ASK_FIELD_NUMBER: _ClassVar[int]
    DOUBTFUL_FIELD_NUMBER: _ClassVar[int]
    market_id: int
    symbol: str
    epoch: int
    sequence: int
    height: int
    block_time_ns: int
    node_time_ns: int
    read_time_ns: int
    publish_time_ns: int
    bid: Level
    ask: Level
    doubtful: bool
    def __init__(self, market_id: _Optional[int] = ..., symbol: _Optional[str] = ..., epoch: _Optional[int] = ..., sequence: _Optional[int] = ..., height: _Optional[int] = ..., block_time_ns: _Optional[int] = ..., node_time_ns: _Optional[int] = ..., read_time_ns: _Optional[int] = ..., publish_time_ns: _Optional[int] = ..., bid: _Optional[_Union[Level, _Mapping]] = ..., ask: _Optional[_Union[Level, _Mapping]] = ..., doubtful: _Optional[bool] = ...) -> None: ...

class SubscribeTradesRequest(_message.Message):
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

class SubscribeTradesResponse(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[TradesEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[TradesEvent, _Mapping]]] = ...) -> None: ...

class TradesEvent(_message.Message):
    __slots__ = ("trades", "gap", "notice", "heartbeat")
    TRADES_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    NOTICE_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    trades: TradeBatch
    gap: _common_pb2.Gap
    notice: _common_pb2.Notice
    heartbeat: _common_pb2.Heartbeat
    def __init__(self, trades: _Optional[_Union[TradeBatch, _Mapping]] = ..., gap: _Optional[_Union[_common_pb2.Gap, _Mapping]] = ..., notice: _Optional[_Union[_common_pb2.Notice, _Mapping]] = ..., heartbeat: _Optional[_Union[_common_pb2.Heartbeat, _Mapping]] = ...) -> None: ...

class TradeBatch(_message.Message):
    __slots__ = ("market_id", "symbol", "epoch", "sequence", "height", "block_time_ns", "node_time_ns", "read_time_ns", "publish_time_ns", "trades")
    MARKET_ID_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    BLOCK_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    NODE_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    READ_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    TRADES_FIELD_NUMBER: _ClassVar[int]
    market_id: int
    symbol: str
    epoch: int
    sequence: int
    height: int
    block_time_ns: int
    node_time_ns: int
    read_time_ns: int
    publish_time_ns: int
    trades: _containers.RepeatedCompositeFieldContainer[Trade]
    def __init__(self, market_id: _Optional[int] = ..., symbol: _Optional[str] = ..., epoch: _Optional[int] = ..., sequence: _Optional[int] = ..., height: _Optional[int] = ..., block_time_ns: _Optional[int] = ..., node_time_ns: _Optional[int] = ..., read_time_ns: _Optional[int] = ..., publish_time_ns: _Optional[int] = ..., trades: _Optional[_Iterable[_Union[Trade, _Mapping]]] = ...) -> None: ...

class Trade(_message.Message):
    __slots__ = ("trade_id", "price", "size", "side", "trade_time_ns", "hash", "buyer", "seller", "buyer_oid", "seller_oid", "liquidation")
    TRADE_ID_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    TRADE_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    BUYER_FIELD_NUMBER: _ClassVar[int]
    SELLER_FIELD_NUMBER: _ClassVar[int]
    BUYER_OID_FIELD_NUMBER: _ClassVar[int]
    SELLER_OID_FIELD_NUMBER: _ClassVar[int]
    LIQUIDATION_FIELD_NUMBER: _ClassVar[int]
    trade_id: int
    price: str
    size: str
    side: _common_pb2.Side
    trade_time_ns: int
    hash: str
    buyer: str
    seller: str
    buyer_oid: int
    seller_oid: int
    liquidation: bool
    def __init__(self, trade_id: _Optional[int] = ..., price: _Optional[str] = ..., size: _Optional[str] = ..., side: _Optional[_Union[_common_pb2.Side, str]] = ..., trade_time_ns: _Optional[int] = ..., hash: _Optional[str] = ..., buyer: _Optional[str] = ..., seller: _Optional[str] = ..., buyer_oid: _Optional[int] = ..., seller_oid: _Optional[int] = ..., liquidation: _Optional[bool] = ...) -> None: ...

class SubscribeOrdersRequest(_message.Message):
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

class SubscribeOrdersResponse(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[OrdersEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[OrdersEvent, _Mapping]]] = ...) -> None: ...

class OrdersEvent(_message.Message):
    __slots__ = ("snapshot", "delta", "gap", "notice", "heartbeat")
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    NOTICE_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    snapshot: OrdersSnapshot
    delta: OrdersDelta
    gap: _common_pb2.Gap
    notice: _common_pb2.Notice
    heartbeat: _common_pb2.Heartbeat
    def __init__(self, snapshot: _Optional[_Union[OrdersSnapshot, _Mapping]] = ..., delta: _Optional[_Union[OrdersDelta, _Mapping]] = ..., gap: _Optional[_Union[_common_pb2.Gap, _Mapping]] = ..., notice: _Optional[_Union[_common_pb2.Notice, _Mapping]] = ..., heartbeat: _Optional[_Union[_common_pb2.Heartbeat, _Mapping]] = ...) -> None: ...

class OrdersSnapshot(_message.Message):
    __slots__ = ("market_id", "symbol", "epoch", "sequence", "height", "block_time_ns", "node_time_ns", "read_time_ns", "publish_time_ns", "orders", "doubtful", "chunk", "last_chunk")
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
    market_id: int
    symbol: str
    epoch: int
    sequence: int
    height: int
    block_time_ns: int
    node_time_ns: int
    read_time_ns: int
    publish_time_ns: int
    orders: _containers.RepeatedCompositeFieldContainer[Order]
    doubtful: bool
    chunk: int
    last_chunk: bool
    def __init__(self, market_id: _Optional[int] = ..., symbol: _Optional[str] = ..., epoch: _Optional[int] = ..., sequence: _Optional[int] = ..., height: _Optional[int] = ..., block_time_ns: _Optional[int] = ..., node_time_ns: _Optional[int] = ..., read_time_ns: _Optional[int] = ..., publish_time_ns: _Optional[int] = ..., orders: _Optional[_Iterable[_Union[Order, _Mapping]]] = ..., doubtful: _Optional[bool] = ..., chunk: _Optional[int] = ..., last_chunk: _Optional[bool] = ...) -> None: ...

class OrdersDelta(_message.Message):
    __slots__ = ("market_id", "symbol", "epoch", "sequence", "height", "block_time_ns", "node_time_ns", "read_time_ns", "publish_time_ns", "changes", "doubtful", "previous_sequence")
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
    market_id: int
    symbol: str
    epoch: int
    sequence: int
    height: int
    block_time_ns: int
    node_time_ns: int
    read_time_ns: int
    publish_time_ns: int
    changes: _containers.RepeatedCompositeFieldContainer[OrderChange]
    doubtful: bool
    previous_sequence: int
    def __init__(self, market_id: _Optional[int] = ..., symbol: _Optional[str] = ..., epoch: _Optional[int] = ..., sequence: _Optional[int] = ..., height: _Optional[int] = ..., block_time_ns: _Optional[int] = ..., node_time_ns: _Optional[int] = ..., read_time_ns: _Optional[int] = ..., publish_time_ns: _Optional[int] = ..., changes: _Optional[_Iterable[_Union[OrderChange, _Mapping]]] = ..., doubtful: _Optional[bool] = ..., previous_sequence: _Optional[int] = ...) -> None: ...

class OrderChange(_message.Message):
    __slots__ = ("kind", "order", "insert_before_oid", "status")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    INSERT_BEFORE_OID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    kind: OrderChangeKind
    order: Order
    insert_before_oid: int
    status: str
    def __init__(self, kind: _Optional[_Union[OrderChangeKind, str]] = ..., order: _Optional[_Union[Order, _Mapping]] = ..., insert_before_oid: _Optional[int] = ..., status: _Optional[str] = ...) -> None: ...

class Order(_message.Message):
    __slots__ = ("oid", "user", "side", "price", "size", "has_attributes", "original_size", "placed_time_ns", "order_type", "tif", "reduce_only", "cloid", "trigger_condition", "trigger_price", "is_position_tpsl")
    OID_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    HAS_ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    ORIGINAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    PLACED_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    ORDER_TYPE_FIELD_NUMBER: _ClassVar[int]
    TIF_FIELD_NUMBER: _ClassVar[int]
    REDUCE_ONLY_FIELD_NUMBER: _ClassVar[int]
    CLOID_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_CONDITION_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_PRICE_FIELD_NUMBER: _ClassVar[int]
    IS_POSITION_TPSL_FIELD_NUMBER: _ClassVar[int]
    oid: int
    user: str
    side: _common_pb2.Side
    price: str
    size: str
    has_attributes: bool
    original_size: str
    placed_time_ns: int
    order_type: str
    tif: str
    reduce_only: bool
    cloid: str
    trigger_condition: str
    trigger_price: str
    is_position_tpsl: bool
    def __init__(self, oid: _Optional[int] = ..., user: _Optional[str] = ..., side: _Optional[_Union[_common_pb2.Side, str]] = ..., price: _Optional[str] = ..., size: _Optional[str] = ..., has_attributes: _Optional[bool] = ..., original_size: _Optional[str] = ..., placed_time_ns: _Optional[int] = ..., order_type: _Optional[str] = ..., tif: _Optional[str] = ..., reduce_only: _Optional[bool] = ..., cloid: _Optional[str] = ..., trigger_condition: _Optional[str] = ..., trigger_price: _Optional[str] = ..., is_position_tpsl: _Optional[bool] = ...) -> None: ...
