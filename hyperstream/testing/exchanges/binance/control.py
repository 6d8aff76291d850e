"""Binance's live control: SUBSCRIBE and its siblings, and the errors of its table, letter by letter."""

import json
import re
from typing import Any

import orjson
from attrs import frozen

METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_TEXT_ID = re.compile(r"[A-Za-z0-9]{1,36}", re.ASCII)
_INT64 = 1 << 63

RequestId = int | str | None


@frozen
class Command:
    """A request that may be carried out. ``params`` is what the client wrote."""

    method: str
    params: list[Any]
    request_id: RequestId


@frozen
class Refusal:
    """An error: the whole answer, without ``id`` but where the table has one."""

    code: int
    message: str
    request_id: RequestId = None
    has_id: bool = False

    def text(self) -> bytes:
        """Return the JSON."""
        answer: dict[str, object] = {"code": self.code, "msg": self.message}
        if self.has_id:
            answer["id"] = self.request_id
        return orjson.dumps(answer)


def result(value: object, request_id: RequestId) -> bytes:
    """Return the answer to a command that was carried out."""
    return orjson.dumps({"result": value, "id": request_id})


def parse(text: str, *, is_text_id_allowed: bool) -> Command | Refusal:
    """Read a request. Spot takes a number, a short text or null as id; futures an unsigned number only."""
    try:
        request = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        return Refusal(3, f"Invalid JSON: expected value at line {exc.lineno} column {exc.colno}")
    if not isinstance(request, dict) or "method" not in request:
        return Refusal(2, f"Invalid request: missing field `method` at line 1 column {len(text)}")
    method = request["method"]
    if method not in METHODS:
        quoted = json.dumps(method)
        column = max(0, text.find(quoted)) + len(quoted)
        names = ", ".join(f"`{name}`" for name in METHODS)
        shown = method if isinstance(method, str) else quoted
        return Refusal(
            2, f"Invalid request: unknown variant {shown}, expected one of {names} at line 1 column {column}"
        )
    if "id" not in request or not _is_id(request["id"], is_text_id_allowed):
        return Refusal(2, "Invalid request: request ID must be an unsigned integer")
    params = request.get("params", [])
    request_id = request["id"]
    most = {"LIST_SUBSCRIPTIONS": 0, "GET_PROPERTY": 1, "SET_PROPERTY": 2}.get(method)
    if not isinstance(params, list) or (most is not None and len(params) > most):
        return Refusal(2, "Invalid request: too many parameters")
    if method in ("SET_PROPERTY", "GET_PROPERTY"):
        return _check_property(method, params, request_id)
    if not all(isinstance(name, str) for name in params):
        return Refusal(2, "Invalid request: property name must be a string")
    return Command(method, params, request_id)


def _check_property(method: str, params: list[Any], request_id: RequestId) -> Command | Refusal:
    if not params or not isinstance(params[0], str):
        return Refusal(2, "Invalid request: property name must be a string")
    if params[0] != "combined":
        return Refusal(0, "Unknown property", request_id, has_id=True)
    if method == "SET_PROPERTY" and (len(params) < 2 or not isinstance(params[1], bool)):
        return Refusal(1, "Invalid value type: expected Boolean")
    return Command(method, params, request_id)


def _is_id(value: object, is_text_allowed: bool) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return (-_INT64 if is_text_allowed else 0) <= value < _INT64
    if not is_text_allowed:
        return False
    return value is None or (isinstance(value, str) and _TEXT_ID.fullmatch(value) is not None)
