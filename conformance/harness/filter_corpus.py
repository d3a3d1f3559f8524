"""Traces of a shop, made of facts, so that what a filter must find follows from the facts."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from harness.documents import Document, new_id, new_trace_id

TRACES = 300
"""Enough that every pair of the facts below occurs."""

OUTCOMES = {"ok": 200, "error": 404, "throttle": 429, "fault": 503}
"""How a request ends, and its status."""


@dataclass
class Call:
    """What a service answered to its caller."""

    outcome: str
    seconds: float

    @property
    def status(self) -> int:
        return OUTCOMES[self.outcome]

    @property
    def flags(self) -> Document:
        if self.outcome == "throttle":
            return {"error": True, "throttle": True}
        return {} if self.outcome == "ok" else {self.outcome: True}


@dataclass
class Facts:
    """What is true of one trace: `web` answers; it may call `orders`, and that a table."""

    number: int
    web: Call
    orders: Call | None = None
    table: Call | None = None
    method: str = "GET"
    path: str = "/"
    tier: str | None = None
    items: float | None = None
    is_new: bool | None = None
    shard: int | None = None
    user: str | None = None
    orders_user: str | None = None
    zone: str | None = None
    is_open: bool = False
    mail_seconds: float = 0.0
    exception: tuple[str, str] | None = None
    trace_id: str = field(default_factory=str)

    @property
    def outcome(self) -> str:
        return self.web.outcome

    @property
    def response_seconds(self) -> float | None:
        return None if self.is_open else self.web.seconds

    @property
    def calls(self) -> list[Call]:
        return [call for call in (self.web, self.orders, self.table) if call]

    @property
    def url(self) -> str:
        return f"http://shop.example.com{self.path}"


def facts(epoch: float) -> Iterator[Facts]:
    """All traces; each fact has a rhythm of its own."""
    outcomes = list(OUTCOMES)
    for n in range(TRACES):
        orders = table = None
        if n % 3:
            orders = Call(outcomes[n % 5] if n % 5 < 4 else "ok", 0.25 * (1 + n % 2))
        if orders and n % 2:
            table = Call(outcomes[n % 7] if n % 7 < 4 else "ok", 0.125)
        yield Facts(
            number=n,
            web=Call(outcomes[n % 11] if n % 11 < 4 else "ok", 0.5 * (2 + n % 4)),
            orders=orders,
            table=table,
            method="POST" if n % 4 == 0 else "GET",
            path=("/", "/cart", "/api/orders", "/api/v2/orders")[n % 13 % 4],
            tier=(None, "gold", "silver")[n % 17 % 3],
            items=None if n % 19 == 0 else float(n % 6),
            is_new=(None, True, False)[n % 23 % 3],
            shard=n % 4 if orders else None,
            user=(None, "anna", "bert")[n % 29 % 3],
            orders_user="system" if orders and n % 8 == 5 else None,
            zone=(None, "eu-west-1a", "eu-west-1b", "us-east-1a")[n % 31 % 4],
            is_open=n % 37 == 36,
            mail_seconds=3.0 if n % 9 == 0 else 0.0,
            exception=("TimeoutError", "orders took too long") if n % 4 == 1 else None,
            trace_id=new_trace_id(epoch - n),
        )


def documents(trace: Facts, epoch: float) -> list[Document]:
    """The segments that services of a trace send."""
    start = epoch - trace.number
    annotations: dict[str, Any] = {
        "tier": trace.tier,
        "items": trace.items,
        "is_new": trace.is_new,
        "shop.number": trace.number,
    }
    web: Document = {
        "trace_id": trace.trace_id,
        "id": new_id(),
        "name": "web",
        "start_time": start,
        "origin": "AWS::ECS::Container",
        "http": {
            "request": {
                "method": trace.method,
                "url": trace.url,
                "user_agent": f"client/{trace.number % 3}",
                "client_ip": f"10.0.0.{trace.number % 5}",
            },
            "response": {"status": trace.web.status},
        },
        "annotations": {key: value for key, value in annotations.items() if value is not None},
        "subsegments": [],
        **trace.web.flags,
    }
    if trace.is_open:
        web["in_progress"] = True
    else:
        web["end_time"] = start + trace.web.seconds
    if trace.user:
        web["user"] = trace.user
    if trace.zone:
        web["aws"] = {
            "account_id": "123456789012",
            "ec2": {"availability_zone": trace.zone, "instance_id": f"i-{trace.number % 5}"},
        }
    if trace.mail_seconds:
        web["subsegments"].append(
            {
                "id": new_id(),
                "name": "mail",
                "start_time": start + 0.1,
                "end_time": start + 0.1 + trace.mail_seconds,
            }
        )
    sent = [web]
    if trace.orders:
        sent.append(_orders(trace, web, start + 0.125))
    return sent


def _orders(trace: Facts, web: Document, start: float) -> Document:
    """Adds the call to the caller, and gives the segment of the called service."""
    assert trace.orders
    call: Document = {
        "id": new_id(),
        "name": "orders",
        "namespace": "remote",
        "start_time": start,
        "end_time": start + trace.orders.seconds,
        "annotations": {"attempt": trace.number % 3},
        "http": {
            "request": {"method": "PUT", "url": "http://orders/all"},
            "response": {"status": trace.orders.status},
        },
        **trace.orders.flags,
    }
    web["subsegments"].append(call)
    orders: Document = {
        "trace_id": trace.trace_id,
        "id": new_id(),
        "parent_id": call["id"],
        "name": "orders",
        "start_time": start,
        "end_time": start + trace.orders.seconds,
        "resource_arn": f"arn:aws:ecs:eu-west-1:123456789012:task/{trace.number % 4}",
        "http": {"response": {"status": trace.orders.status}},
        "annotations": {"shard": trace.shard},
        "subsegments": [],
        **trace.orders.flags,
    }
    if trace.orders_user:
        orders["user"] = trace.orders_user
    if trace.exception:
        kind, message = trace.exception
        orders["cause"] = {"exceptions": [{"id": new_id(), "type": kind, "message": message}]}
    if trace.table:
        orders["subsegments"].append(
            {
                "id": new_id(),
                "name": "DynamoDB",
                "namespace": "aws",
                "start_time": start,
                "end_time": start + trace.table.seconds,
                "aws": {"operation": "Query", "table_name": "stock"},
                **trace.table.flags,
            }
        )
    return orders
