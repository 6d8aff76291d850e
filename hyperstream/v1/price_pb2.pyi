from hyperstream.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FeedState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FEED_STATE_UNSPECIFIED: _ClassVar[FeedState]
    FEED_STATE_CONNECTING: _ClassVar[FeedState]
    FEED_STATE_CONNECTED: _ClassVar[FeedState]
    FEED_STATE_DOWN: _ClassVar[FeedState]
    FEED_STATE_OFF: _ClassVar[FeedState]

class IndicatorSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INDICATOR_SOURCE_UNSPECIFIED: _ClassVar[IndicatorSource]
    INDICATOR_SOURCE_PRICES: _ClassVar[IndicatorSource]
    INDICATOR_SOURCE_BARS: _ClassVar[IndicatorSource]
    INDICATOR_SOURCE_BOOK: _ClassVar[IndicatorSource]

class ParameterType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PARAMETER_TYPE_UNSPECIFIED: _ClassVar[ParameterType]
    PARAMETER_TYPE_INTEGER: _ClassVar[ParameterType]
    PARAMETER_TYPE_REAL: _ClassVar[ParameterType]
    PARAMETER_TYPE_CHOICE: _ClassVar[ParameterType]

class Operation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OPERATION_UNSPECIFIED: _ClassVar[Operation]
    OPERATION_ADD: _ClassVar[Operation]
    OPERATION_CHANGE: _ClassVar[Operation]
    OPERATION_REMOVE: _ClassVar[Operation]
    OPERATION_LIST: _ClassVar[Operation]

class StreamErrorCode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STREAM_ERROR_CODE_UNSPECIFIED: _ClassVar[StreamErrorCode]
    STREAM_ERROR_CODE_INVALID_ARGUMENT: _ClassVar[StreamErrorCode]
    STREAM_ERROR_CODE_NOT_FOUND: _ClassVar[StreamErrorCode]
    STREAM_ERROR_CODE_RESOURCE_EXHAUSTED: _ClassVar[StreamErrorCode]
    STREAM_ERROR_CODE_FAILED_PRECONDITION: _ClassVar[StreamErrorCode]
    STREAM_ERROR_CODE_INTERNAL: _ClassVar[StreamErrorCode]
    STREAM_ERROR_CODE_UNAVAILABLE: _ClassVar[StreamErrorCode]
FEED_STATE_UNSPECIFIED: FeedState
FEED_STATE_CONNECTING: FeedState
FEED_STATE_CONNECTED: FeedState
FEED_STATE_DOWN: FeedState
FEED_STATE_OFF: FeedState
INDICATOR_SOURCE_UNSPECIFIED: IndicatorSource
INDICATOR_SOURCE_PRICES: IndicatorSource
INDICATOR_SOURCE_BARS: IndicatorSource
INDICATOR_SOURCE_BOOK: IndicatorSource
PARAMETER_TYPE_UNSPECIFIED: ParameterType
PARAMETER_TYPE_INTEGER: ParameterType
PARAMETER_TYPE_REAL: ParameterType
PARAMETER_TYPE_CHOICE: ParameterType
OPERATION_UNSPECIFIED: Operation
OPERATION_ADD: Operation
OPERATION_CHANGE: Operation
OPERATION_REMOVE: Operation
OPERATION_LIST: Operation
STREAM_ERROR_CODE_UNSPECIFIED: StreamErrorCode
STREAM_ERROR_CODE_INVALID_ARGUMENT: StreamErrorCode
STREAM_ERROR_CODE_NOT_FOUND: StreamErrorCode
STREAM_ERROR_CODE_RESOURCE_EXHAUSTED: StreamErrorCode
STREAM_ERROR_CODE_FAILED_PRECONDITION: StreamErrorCode
STREAM_ERROR_CODE_INTERNAL: StreamErrorCode
STREAM_ERROR_CODE_UNAVAILABLE: StreamErrorCode

class GetInstrumentsRequest(_message.Message):
    __slots__ = ("venues", "omit_instruments", "omit_indicators")
    VENUES_FIELD_NUMBER: _ClassVar[int]
    OMIT_INSTRUMENTS_FIELD_NUMBER: _ClassVar[int]
    OMIT_INDICATORS_FIELD_NUMBER: _ClassVar[int]
    venues: _containers.RepeatedScalarFieldContainer[str]
    omit_instruments: bool
    omit_indicators: bool
    def __init__(self, venues: _Optional[_Iterable[str]] = ..., omit_instruments: _Optional[bool] = ..., omit_indicators: _Optional[bool] = ...) -> None: ...

class GetInstrumentsResponse(_message.Message):
    __slots__ = ("venues", "indicators")
    VENUES_FIELD_NUMBER: _ClassVar[int]
    INDICATORS_FIELD_NUMBER: _ClassVar[int]
    venues: _containers.RepeatedCompositeFieldContainer[Venue]
    indicators: _containers.RepeatedCompositeFieldContainer[Indicator]
    def __init__(self, venues: _Optional[_Iterable[_Union[Venue, _Mapping]]] = ..., indicators: _Optional[_Iterable[_Union[Indicator, _Mapping]]] = ...) -> None: ...

class Venue(_message.Message):
    __slots__ = ("name", "state", "detail", "state_time_ns", "listed", "instruments")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    STATE_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    LISTED_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    state: FeedState
    detail: str
    state_time_ns: int
    listed: bool
    instruments: _containers.RepeatedCompositeFieldContainer[Instrument]
    def __init__(self, name: _Optional[str] = ..., state: _Optional[_Union[FeedState, str]] = ..., detail: _Optional[str] = ..., state_time_ns: _Optional[int] = ..., listed: _Optional[bool] = ..., instruments: _Optional[_Iterable[_Union[Instrument, _Mapping]]] = ...) -> None: ...

class Instrument(_message.Message):
    __slots__ = ("symbol", "base", "quote", "kind", "price_step", "size_step", "active")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    BASE_FIELD_NUMBER: _ClassVar[int]
    QUOTE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PRICE_STEP_FIELD_NUMBER: _ClassVar[int]
    SIZE_STEP_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    base: str
    quote: str
    kind: str
    price_step: str
    size_step: str
    active: bool
    def __init__(self, symbol: _Optional[str] = ..., base: _Optional[str] = ..., quote: _Optional[str] = ..., kind: _Optional[str] = ..., price_step: _Optional[str] = ..., size_step: _Optional[str] = ..., active: _Optional[bool] = ...) -> None: ...

class Indicator(_message.Message):
    __slots__ = ("name", "title", "group", "source", "inputs", "parameters", "outputs", "warm_up", "price_scale", "cumulative")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    WARM_UP_FIELD_NUMBER: _ClassVar[int]
    PRICE_SCALE_FIELD_NUMBER: _ClassVar[int]
    CUMULATIVE_FIELD_NUMBER: _ClassVar[int]
    name: str
    title: str
    group: str
    source: IndicatorSource
    inputs: _containers.RepeatedScalarFieldContainer[str]
    parameters: _containers.RepeatedCompositeFieldContainer[IndicatorParameter]
    outputs: _containers.RepeatedScalarFieldContainer[str]
    warm_up: int
    price_scale: bool
    cumulative: bool
    def __init__(self, name: _Optional[str] = ..., title: _Optional[str] = ..., group: _Optional[str] = ..., source: _Optional[_Union[IndicatorSource, str]] = ..., inputs: _Optional[_Iterable[str]] = ..., parameters: _Optional[_Iterable[_Union[IndicatorParameter, _Mapping]]] = ..., outputs: _Optional[_Iterable[str]] = ..., warm_up: _Optional[int] = ..., price_scale: _Optional[bool] = ..., cumulative: _Optional[bool] = ...) -> None: ...

class IndicatorParameter(_message.Message):
    __slots__ = ("name", "type", "default", "minimum", "maximum", "choices")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    CHOICES_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: ParameterType
    default: float
    minimum: float
    maximum: float
    choices: _containers.RepeatedCompositeFieldContainer[ParameterChoice]
    def __init__(self, name: _Optional[str] = ..., type: _Optional[_Union[ParameterType, str]] = ..., default: _Optional[float] = ..., minimum: _Optional[float] = ..., maximum: _Optional[float] = ..., choices: _Optional[_Iterable[_Union[ParameterChoice, _Mapping]]] = ...) -> None: ...

class ParameterChoice(_message.Message):
    __slots__ = ("value", "name")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    value: float
    name: str
    def __init__(self, value: _Optional[float] = ..., name: _Optional[str] = ...) -> None: ...

class StreamPricesRequest(_message.Message):
    __slots__ = ("request_id", "operation", "prices", "indicators", "keys", "heartbeat_seconds")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    PRICES_FIELD_NUMBER: _ClassVar[int]
    INDICATORS_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    operation: Operation
    prices: _containers.RepeatedCompositeFieldContainer[PriceSelection]
    indicators: _containers.RepeatedCompositeFieldContainer[IndicatorSelection]
    keys: _containers.RepeatedScalarFieldContainer[str]
    heartbeat_seconds: int
    def __init__(self, request_id: _Optional[str] = ..., operation: _Optional[_Union[Operation, str]] = ..., prices: _Optional[_Iterable[_Union[PriceSelection, _Mapping]]] = ..., indicators: _Optional[_Iterable[_Union[IndicatorSelection, _Mapping]]] = ..., keys: _Optional[_Iterable[str]] = ..., heartbeat_seconds: _Optional[int] = ...) -> None: ...

class PriceSelection(_message.Message):
    __slots__ = ("venue", "symbols", "bar_intervals", "every_tick")
    VENUE_FIELD_NUMBER: _ClassVar[int]
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    BAR_INTERVALS_FIELD_NUMBER: _ClassVar[int]
    EVERY_TICK_FIELD_NUMBER: _ClassVar[int]
    venue: str
    symbols: _containers.RepeatedScalarFieldContainer[str]
    bar_intervals: _containers.RepeatedScalarFieldContainer[str]
    every_tick: bool
    def __init__(self, venue: _Optional[str] = ..., symbols: _Optional[_Iterable[str]] = ..., bar_intervals: _Optional[_Iterable[str]] = ..., every_tick: _Optional[bool] = ...) -> None: ...

class IndicatorSelection(_message.Message):
    __slots__ = ("venue", "symbol", "name", "parameters", "interval", "replaces")
    class ParametersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    VENUE_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    REPLACES_FIELD_NUMBER: _ClassVar[int]
    venue: str
    symbol: str
    name: str
    parameters: _containers.ScalarMap[str, float]
    interval: str
    replaces: str
    def __init__(self, venue: _Optional[str] = ..., symbol: _Optional[str] = ..., name: _Optional[str] = ..., parameters: _Optional[_Mapping[str, float]] = ..., interval: _Optional[str] = ..., replaces: _Optional[str] = ...) -> None: ...

class StreamPricesResponse(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[PriceStreamEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[PriceStreamEvent, _Mapping]]] = ...) -> None: ...

class PriceStreamEvent(_message.Message):
    __slots__ = ("price", "bar", "indicator", "acknowledgement", "error", "active", "gap", "notice", "heartbeat", "merged")
    PRICE_FIELD_NUMBER: _ClassVar[int]
    BAR_FIELD_NUMBER: _ClassVar[int]
    INDICATOR_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGEMENT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    NOTICE_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    MERGED_FIELD_NUMBER: _ClassVar[int]
    price: PriceUpdate
    bar: BarUpdate
    indicator: IndicatorUpdate
    acknowledgement: Acknowledgement
    error: StreamError
    active: ActiveSelections
    gap: _common_pb2.Gap
    notice: _common_pb2.Notice
    heartbeat: _common_pb2.Heartbeat
    merged: int
    def __init__(self, price: _Optional[_Union[PriceUpdate, _Mapping]] = ..., bar: _Optional[_Union[BarUpdate, _Mapping]] = ..., indicator: _Optional[_Union[IndicatorUpdate, _Mapping]] = ..., acknowledgement: _Optional[_Union[Acknowledgement, _Mapping]] = ..., error: _Optional[_Union[StreamError, _Mapping]] = ..., active: _Optional[_Union[ActiveSelections, _Mapping]] = ..., gap: _Optional[_Union[_common_pb2.Gap, _Mapping]] = ..., notice: _Optional[_Union[_common_pb2.Notice, _Mapping]] = ..., heartbeat: _Optional[_Union[_common_pb2.Heartbeat, _Mapping]] = ..., merged: _Optional[int] = ...) -> None: ...

class PriceUpdate(_message.Message):
    __slots__ = ("key", "venue", "symbol", "epoch", "sequence", "bid_price", "bid_size", "ask_price", "ask_size", "last_price", "last_size", "last_side", "last_trade_time_ns", "mark_price", "index_price", "funding_rate", "open_interest", "event_time_ns", "receive_time_ns", "publish_time_ns")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VENUE_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    BID_PRICE_FIELD_NUMBER: _ClassVar[int]
    BID_SIZE_FIELD_NUMBER: _ClassVar[int]
    ASK_PRICE_FIELD_NUMBER: _ClassVar[int]
    ASK_SIZE_FIELD_NUMBER: _ClassVar[int]
    LAST_PRICE_FIELD_NUMBER: _ClassVar[int]
    LAST_SIZE_FIELD_NUMBER: _ClassVar[int]
    LAST_SIDE_FIELD_NUMBER: _ClassVar[int]
    LAST_TRADE_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    MARK_PRICE_FIELD_NUMBER: _ClassVar[int]
    INDEX_PRICE_FIELD_NUMBER: _ClassVar[int]
    FUNDING_RATE_FIELD_NUMBER: _ClassVar[int]
    OPEN_INTEREST_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    RECEIVE_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    key: str
    venue: str
    symbol: str
    epoch: int
    sequence: int
    bid_price: str
    bid_size: str
    ask_price: str
    ask_size: str
    last_price: str
    last_size: str
    last_side: _common_pb2.Side
    last_trade_time_ns: int
    mark_price: str
    index_price: str
    funding_rate: str
    open_interest: str
    event_time_ns: int
    receive_time_ns: int
    publish_time_ns: int
    def __init__(self, key: _Optional[str] = ..., venue: _Optional[str] = ..., symbol: _Optional[str] = ..., epoch: _Optional[int] = ..., sequence: _Optional[int] = ..., bid_price: _Optional[str] = ..., bid_size: _Optional[str] = ..., ask_price: _Optional[str] = ..., ask_size: _Optional[str] = ..., last_price: _Optional[str] = ..., last_size: _Optional[str] = ..., last_side: _Optional[_Union[_common_pb2.Side, str]] = ..., last_trade_time_ns: _Optional[int] = ..., mark_price: _Optional[str] = ..., index_price: _Optional[str] = ..., funding_rate: _Optional[str] = ..., open_interest: _Optional[str] = ..., event_time_ns: _Optional[int] = ..., receive_time_ns: _Optional[int] = ..., publish_time_ns: _Optional[int] = ...) -> None: ...

class BarUpdate(_message.Message):
    __slots__ = ("key", "venue", "symbol", "epoch", "sequence", "interval", "start_time_ns", "end_time_ns", "open", "high", "low", "close", "volume", "turnover", "trade_count", "closed", "from_venue", "incomplete", "publish_time_ns")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VENUE_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    START_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    END_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    CLOSE_FIELD_NUMBER: _ClassVar[int]
    VOLUME_FIELD_NUMBER: _ClassVar[int]
    TURNOVER_FIELD_NUMBER: _ClassVar[int]
    TRADE_COUNT_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    FROM_VENUE_FIELD_NUMBER: _ClassVar[int]
    INCOMPLETE_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    key: str
    venue: str
    symbol: str
    epoch: int
    sequence: int
    interval: str
    start_time_ns: int
    end_time_ns: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    turnover: str
    trade_count: int
    closed: bool
    from_venue: bool
    incomplete: bool
    publish_time_ns: int
    def __init__(self, key: _Optional[str] = ..., venue: _Optional[str] = ..., symbol: _Optional[str] = ..., epoch: _Optional[int] = ..., sequence: _Optional[int] = ..., interval: _Optional[str] = ..., start_time_ns: _Optional[int] = ..., end_time_ns: _Optional[int] = ..., open: _Optional[str] = ..., high: _Optional[str] = ..., low: _Optional[str] = ..., close: _Optional[str] = ..., volume: _Optional[str] = ..., turnover: _Optional[str] = ..., trade_count: _Optional[int] = ..., closed: _Optional[bool] = ..., from_venue: _Optional[bool] = ..., incomplete: _Optional[bool] = ..., publish_time_ns: _Optional[int] = ...) -> None: ...

class IndicatorUpdate(_message.Message):
    __slots__ = ("key", "epoch", "sequence", "values", "warming", "have", "need", "forming", "bar_start_time_ns", "bar_end_time_ns", "event_time_ns", "publish_time_ns")
    KEY_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    WARMING_FIELD_NUMBER: _ClassVar[int]
    HAVE_FIELD_NUMBER: _ClassVar[int]
    NEED_FIELD_NUMBER: _ClassVar[int]
    FORMING_FIELD_NUMBER: _ClassVar[int]
    BAR_START_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    BAR_END_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    key: str
    epoch: int
    sequence: int
    values: _containers.RepeatedCompositeFieldContainer[IndicatorValue]
    warming: bool
    have: int
    need: int
    forming: bool
    bar_start_time_ns: int
    bar_end_time_ns: int
    event_time_ns: int
    publish_time_ns: int
    def __init__(self, key: _Optional[str] = ..., epoch: _Optional[int] = ..., sequence: _Optional[int] = ..., values: _Optional[_Iterable[_Union[IndicatorValue, _Mapping]]] = ..., warming: _Optional[bool] = ..., have: _Optional[int] = ..., need: _Optional[int] = ..., forming: _Optional[bool] = ..., bar_start_time_ns: _Optional[int] = ..., bar_end_time_ns: _Optional[int] = ..., event_time_ns: _Optional[int] = ..., publish_time_ns: _Optional[int] = ...) -> None: ...

class IndicatorValue(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: float
    def __init__(self, name: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...

class Acknowledgement(_message.Message):
    __slots__ = ("request_id", "operation", "selections", "error_count", "active_count")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    SELECTIONS_FIELD_NUMBER: _ClassVar[int]
    ERROR_COUNT_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_COUNT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    operation: Operation
    selections: _containers.RepeatedCompositeFieldContainer[AcknowledgedSelection]
    error_count: int
    active_count: int
    def __init__(self, request_id: _Optional[str] = ..., operation: _Optional[_Union[Operation, str]] = ..., selections: _Optional[_Iterable[_Union[AcknowledgedSelection, _Mapping]]] = ..., error_count: _Optional[int] = ..., active_count: _Optional[int] = ...) -> None: ...

class AcknowledgedSelection(_message.Message):
    __slots__ = ("field", "key")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    field: str
    key: str
    def __init__(self, field: _Optional[str] = ..., key: _Optional[str] = ...) -> None: ...

class StreamError(_message.Message):
    __slots__ = ("request_id", "code", "field", "reason", "key")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    code: StreamErrorCode
    field: str
    reason: str
    key: str
    def __init__(self, request_id: _Optional[str] = ..., code: _Optional[_Union[StreamErrorCode, str]] = ..., field: _Optional[str] = ..., reason: _Optional[str] = ..., key: _Optional[str] = ...) -> None: ...

class ActiveSelections(_message.Message):
    __slots__ = ("request_id", "prices", "indicators")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PRICES_FIELD_NUMBER: _ClassVar[int]
    INDICATORS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    prices: _containers.RepeatedCompositeFieldContainer[ActivePrice]
    indicators: _containers.RepeatedCompositeFieldContainer[ActiveIndicator]
    def __init__(self, request_id: _Optional[str] = ..., prices: _Optional[_Iterable[_Union[ActivePrice, _Mapping]]] = ..., indicators: _Optional[_Iterable[_Union[ActiveIndicator, _Mapping]]] = ...) -> None: ...

class ActivePrice(_message.Message):
    __slots__ = ("key", "venue", "symbol", "interval", "every_tick")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VENUE_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    EVERY_TICK_FIELD_NUMBER: _ClassVar[int]
    key: str
    venue: str
    symbol: str
    interval: str
    every_tick: bool
    def __init__(self, key: _Optional[str] = ..., venue: _Optional[str] = ..., symbol: _Optional[str] = ..., interval: _Optional[str] = ..., every_tick: _Optional[bool] = ...) -> None: ...

class ActiveIndicator(_message.Message):
    __slots__ = ("key", "venue", "symbol", "name", "parameters", "interval")
    class ParametersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    KEY_FIELD_NUMBER: _ClassVar[int]
    VENUE_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    key: str
    venue: str
    symbol: str
    name: str
    parameters: _containers.ScalarMap[str, float]
    interval: str
    def __init__(self, key: _Optional[str] = ..., venue: _Optional[str] = ..., symbol: _Optional[str] = ..., name: _Optional[str] = ..., parameters: _Optional[_Mapping[str, float]] = ..., interval: _Optional[str] = ...) -> None: ...
