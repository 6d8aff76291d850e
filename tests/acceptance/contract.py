"""The public contract as a stranger gets it: classes made from proto/ alone, nothing of the package."""

from __future__ import annotations

import tempfile
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "hyperstream.v1"
SERVICE = f"{PACKAGE}.OrderbookService"
SERVICES = (SERVICE, f"{PACKAGE}.MarkPriceService", f"{PACKAGE}.StopOrderService")


@cache
def _pool() -> DescriptorPool:
    """A pool of its own: the package's generated classes may live in the same process."""
    sources = ROOT / "proto"
    files = [str(path) for path in sorted((sources / "hyperstream/v1").glob("*.proto"))]
    well_known = resources.files("grpc_tools") / "_proto"
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory, "contract")
        arguments = [f"-I{sources}", f"-I{well_known}", "--include_imports", f"--descriptor_set_out={output}"]
        assert protoc.main(["protoc", *arguments, *files]) == 0
        described = FileDescriptorSet.FromString(output.read_bytes())
    pool = DescriptorPool()
    for file in described.file:
        pool.Add(file)
    return pool


@cache
def message(name: str) -> Any:
    """The class of a message: ``message("ResumePoint")``."""
    return GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))


@cache
def number(name: str) -> int:
    """The number of an enumeration's value: ``number("GAP_REASON_RESTART")``."""
    found = _pool().FindEnumTypeByName(f"{PACKAGE}.{_enumeration_of(name)}")
    return int(found.values_by_name[name].number)


@cache
def method(name: str) -> Any:
    """A method of a service: its path, the classes of request and response, whether it streams."""
    services = map(_pool().FindServiceByName, SERVICES)
    return next(service.methods_by_name[name] for service in services if name in service.methods_by_name)


_ENUMERATIONS = (
    "Side", "MarketKind", "MarketState", "DeliveryContract", "GapReason", "NoticeKind",
    "StopOrderChangeKind", "TriggerCondition",
)  # fmt: skip


def _enumeration_of(value: str) -> str:
    for enumeration in _ENUMERATIONS:
        if value in _pool().FindEnumTypeByName(f"{PACKAGE}.{enumeration}").values_by_name:
            return enumeration
    return "OrderChangeKind" if value.startswith("ORDER_CHANGE") else "MarkPriceInputKind"
