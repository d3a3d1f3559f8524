"""Filter expressions of X-Ray's language, against what the facts of each trace say they must find.

The expectations are the meaning that X-Ray's guide gives to each form; see docs/filter-expressions.md
for where it is silent.
"""

import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from harness.documents import put
from harness.filter_corpus import Call, Facts, documents, facts
from harness.reading import read_summaries
from harness.roentgen import Roentgen

Expect = Callable[[Facts], bool]


def bad(call: Call | None, *outcomes: str) -> bool:
    """Whether a call ended in one of these."""
    return call is not None and call.outcome in outcomes


def known(value: Any, test: Callable[[Any], bool]) -> bool:
    """A comparison needs a value."""
    return value is not None and test(value)


def is_error(call: Call | None) -> bool:
    """4xx; a throttle is one."""
    return bad(call, "error", "throttle")


OUTCOMES: dict[str, Expect] = {
    "": lambda t: True,
    "ok": lambda t: t.outcome == "ok",
    "OK": lambda t: t.outcome == "ok",
    "!ok": lambda t: t.outcome != "ok",
    "ok = true": lambda t: t.outcome == "ok",
    "ok = false": lambda t: t.outcome != "ok",
    "ok != true": lambda t: t.outcome != "ok",
    "error": lambda t: is_error(t.web),
    "error = false": lambda t: not is_error(t.web),
    "!error": lambda t: not is_error(t.web),
    "fault": lambda t: t.outcome == "fault",
    "Fault = TRUE": lambda t: t.outcome == "fault",
    "fault != false": lambda t: t.outcome == "fault",
    "not fault": lambda t: t.outcome != "fault",
    "throttle": lambda t: any(bad(call, "throttle") for call in t.calls),
    "!throttle": lambda t: not any(bad(call, "throttle") for call in t.calls),
    "partial": lambda t: t.is_open,
    "!partial": lambda t: not t.is_open,
    "partial = false": lambda t: not t.is_open,
    "inferred": lambda t: t.table is not None,
    "!inferred": lambda t: t.table is None,
    "error AND throttle": lambda t: is_error(t.web) and any(bad(c, "throttle") for c in t.calls),
    "error !throttle": lambda t: is_error(t.web) and not any(bad(c, "throttle") for c in t.calls),
}

NUMBERS: dict[str, Expect] = {
    "responsetime": lambda t: not t.is_open,
    "!responsetime": lambda t: t.is_open,
    "responsetime > 2": lambda t: known(t.response_seconds, lambda s: s > 2),
    "responseTime >= 2": lambda t: known(t.response_seconds, lambda s: s >= 2),
    "responsetime = 1.5": lambda t: t.response_seconds == 1.5,
    "responsetime != 1.5": lambda t: known(t.response_seconds, lambda s: s != 1.5),
    "responsetime < 1.5": lambda t: known(t.response_seconds, lambda s: s < 1.5),
    "responsetime <= 1.5": lambda t: known(t.response_seconds, lambda s: s <= 1.5),
    "responsetime > 1 AND responsetime < 2": lambda t: t.response_seconds == 1.5,
    "responsetime>1 responsetime<2": lambda t: t.response_seconds == 1.5,
    "responsetime > 100": lambda t: False,
    "duration >= 0": lambda t: True,
    "http.status = 200": lambda t: t.outcome == "ok",
    "http.status != 200": lambda t: t.outcome != "ok",
    "http.status >= 400 AND http.status < 500": lambda t: is_error(t.web),
    "http.status > 499": lambda t: t.outcome == "fault",
    "http.status <= 404": lambda t: t.web.status <= 404,
    "http.status": lambda t: True,
    "http.statuscode = 429": lambda t: t.outcome == "throttle",
    "!(http.status = 200)": lambda t: t.outcome != "ok",
}

TEXTS: dict[str, Expect] = {
    "http.url": lambda t: True,
    'http.url = "http://shop.example.com/cart"': lambda t: t.path == "/cart",
    'http.url != "http://shop.example.com/cart"': lambda t: t.path != "/cart",
    'http.url CONTAINS "/api/"': lambda t: "/api/" in t.path,
    'http.url contains "/api/" AND !(http.url CONTAINS "/v2/")': lambda t: t.path == "/api/orders",
    'http.url BEGINSWITH "http://shop"': lambda t: True,
    'http.url BEGINSWITH "https"': lambda t: False,
    'http.url ENDSWITH "/orders"': lambda t: t.path.endswith("/orders"),
    'http.url EndsWith "com/"': lambda t: t.path == "/",
    'http.url CONTAINS ""': lambda t: True,
    'http.url CONTAINS "CART"': lambda t: False,
    'http.method = "POST"': lambda t: t.method == "POST",
    'http.method != "POST"': lambda t: t.method == "GET",
    'http.useragent = "client/1"': lambda t: t.number % 3 == 1,
    'http.useragent ENDSWITH "/2"': lambda t: t.number % 3 == 2,
    'http.clientip BEGINSWITH "10.0."': lambda t: True,
    'http.clientip = "10.0.0.4"': lambda t: t.number % 5 == 4,
    "user": lambda t: bool(t.user or t.orders_user),
    "!user": lambda t: not (t.user or t.orders_user),
    'user CONTAINS ""': lambda t: bool(t.user or t.orders_user),
    'user = "anna"': lambda t: t.user == "anna",
    'user = "Anna"': lambda t: False,
    'user = "system"': lambda t: t.orders_user == "system",
    'user = "anna" AND user = "system"': lambda t: t.user == "anna" and t.orders_user == "system",
    'user = "anna" OR user = "bert"': lambda t: t.user in ("anna", "bert"),
    'user != "anna"': lambda t: t.user != "anna" and bool(t.user or t.orders_user),
    'user BEGINSWITH "be"': lambda t: t.user == "bert",
    'user = "a\\"b"': lambda t: False,
    "availabilityzone": lambda t: t.zone is not None,
    'availabilityzone = "eu-west-1a"': lambda t: t.zone == "eu-west-1a",
    'availabilityzone BEGINSWITH "eu-"': lambda t: known(t.zone, lambda z: z.startswith("eu-")),
    'availabilityzone != "eu-west-1a"': lambda t: known(t.zone, lambda z: z != "eu-west-1a"),
    "!availabilityzone": lambda t: t.zone is None,
    'instance.id = "i-3"': lambda t: t.zone is not None and t.number % 5 == 3,
    'instance.id BEGINSWITH "i-"': lambda t: t.zone is not None,
    'resource.arn ENDSWITH "task/2"': lambda t: t.orders is not None and t.number % 4 == 2,
    "resource.arn": lambda t: t.orders is not None,
}

ANNOTATIONS: dict[str, Expect] = {
    "annotation.tier": lambda t: t.tier is not None,
    "!annotation.tier": lambda t: t.tier is None,
    'annotation.tier = "gold"': lambda t: t.tier == "gold",
    'Annotation.tier = "gold"': lambda t: t.tier == "gold",
    'annotation.Tier = "gold"': lambda t: False,
    'annotation.tier != "gold"': lambda t: t.tier == "silver",
    '!(annotation.tier = "gold")': lambda t: t.tier != "gold",
    'annotation.tier BEGINSWITH "s"': lambda t: t.tier == "silver",
    'annotation.tier ENDSWITH "ld"': lambda t: t.tier == "gold",
    'annotation.tier CONTAINS "l"': lambda t: t.tier is not None,
    "annotation.tier = 5": lambda t: False,
    "annotation.items": lambda t: t.items is not None,
    "annotation.items = 3": lambda t: t.items == 3,
    "annotation.items = 3.0": lambda t: t.items == 3,
    'annotation.items = "3"': lambda t: False,
    "annotation.items != 3": lambda t: known(t.items, lambda n: n != 3),
    "annotation.items > 3": lambda t: known(t.items, lambda n: n > 3),
    "annotation.items >= 3": lambda t: known(t.items, lambda n: n >= 3),
    "annotation.items < 3": lambda t: known(t.items, lambda n: n < 3),
    "annotation.items <= 0": lambda t: t.items == 0,
    "annotation.items > 1 AND annotation.items < 4": lambda t: t.items in (2, 3),
    "annotation.is_new": lambda t: t.is_new is True,
    "annotation.is_new = true": lambda t: t.is_new is True,
    "annotation.is_new = false": lambda t: t.is_new is False,
    "annotation.is_new != false": lambda t: t.is_new is True,
    "!annotation.is_new": lambda t: t.is_new is not True,
    'annotation.is_new = "true"': lambda t: False,
    "annotation.shard = 2": lambda t: t.shard == 2,
    "annotation[shop.number] = 7": lambda t: t.number == 7,
    "annotation[shop.number] < 10": lambda t: t.number < 10,
    'annotation[tier] = "gold"': lambda t: t.tier == "gold",
    "annotation.nobody_has_it": lambda t: False,
    'annotation.tier = "gold" annotation.items > 4': lambda t: t.tier == "gold" and t.items == 5,
}

SERVICES: dict[str, Expect] = {
    'service("web")': lambda t: True,
    'service("orders")': lambda t: t.orders is not None,
    '!service("orders")': lambda t: t.orders is None,
    'service("Orders")': lambda t: False,
    'service("billing")': lambda t: False,
    'service("stock")': lambda t: t.table is not None,
    'service(id(type: "AWS::DynamoDB::Table"))': lambda t: t.table is not None,
    'service(id(name: "stock", type: "AWS::DynamoDB::Table"))': lambda t: t.table is not None,
    'service(id(name: "stock", type: "remote"))': lambda t: False,
    'service(id(type: "client"))': lambda t: True,
    'service(id(account.id: "123456789012"))': lambda t: t.zone is not None,
    "service() { fault }": lambda t: any(bad(call, "fault") for call in t.calls),
    "service { fault }": lambda t: any(bad(call, "fault") for call in t.calls),
    "service() { error }": lambda t: any(is_error(call) for call in t.calls),
    'service("web") { fault }': lambda t: t.outcome == "fault",
    'service("orders") { fault }': lambda t: bad(t.orders, "fault"),
    'service("orders") { fault = true }': lambda t: bad(t.orders, "fault"),
    'service("orders") { ok }': lambda t: bad(t.orders, "ok"),
    'service("orders") { !ok }': lambda t: t.orders is not None and t.orders.outcome != "ok",
    '!service("orders") { ok }': lambda t: not bad(t.orders, "ok"),
    'service("orders") { throttle }': lambda t: bad(t.orders, "throttle"),
    'service("orders") { http.status = 404 }': lambda t: bad(t.orders, "error"),
    'service("orders") { responsetime > 0.3 }': lambda t: known(t.orders, lambda c: c.seconds > 0.3),
    'service("orders") { fault OR responsetime > 0.3 }': lambda t: known(
        t.orders, lambda c: c.outcome == "fault" or c.seconds > 0.3
    ),
    'service("orders") { fault AND responsetime > 0.3 }': lambda t: known(
        t.orders, lambda c: c.outcome == "fault" and c.seconds > 0.3
    ),
    'service("stock") { throttle }': lambda t: bad(t.table, "throttle"),
    "service() { inferred AND fault }": lambda t: bad(t.table, "fault"),
    "service() { root AND fault }": lambda t: t.outcome == "fault",
    "service() { root = true and fault = true }": lambda t: t.outcome == "fault",
    "service() { root = false AND fault }": lambda t: any(bad(c, "fault") for c in t.calls),
    'service() { name = "orders" AND error }': lambda t: is_error(t.orders),
    'service() { name BEGINSWITH "ord" }': lambda t: t.orders is not None,
    'service() { type = "AWS::ECS::Container" AND partial }': lambda t: t.is_open,
    'service("orders") { user = "system" }': lambda t: t.orders_user == "system",
    'service("web") { user = "system" }': lambda t: False,
    'service("orders") { annotation.shard = 1 }': lambda t: t.shard == 1,
    'service("web") { annotation.shard }': lambda t: False,
    'service("web") { annotation.attempt = 2 }': lambda t: t.orders is not None and t.number % 3 == 2,
    'service("web") { http.method = "POST" }': lambda t: t.method == "POST",
    'service("web") { duration > 3 AND responsetime < 3 }': lambda t: (
        t.mail_seconds > 0 and known(t.response_seconds, lambda s: s < 3)
    ),
    'service("orders") { fault } AND ok': lambda t: bad(t.orders, "fault") and t.outcome == "ok",
    'service("orders") { fault } OR service("stock") { fault }': lambda t: (
        bad(t.orders, "fault") or bad(t.table, "fault")
    ),
    'service("orders") { availabilityzone }': lambda t: False,
    'service("web") { availabilityzone = "us-east-1a" }': lambda t: t.zone == "us-east-1a",
}

EDGES: dict[str, Expect] = {
    'edge("web", "orders")': lambda t: t.orders is not None,
    'edge("orders", "web")': lambda t: False,
    'edge("web", "stock")': lambda t: False,
    'edge("orders", "stock")': lambda t: t.table is not None,
    'edge("web", "orders") { error }': lambda t: is_error(t.orders),
    'edge("web", "orders") { fault }': lambda t: bad(t.orders, "fault"),
    'edge("web", "orders") { ok }': lambda t: bad(t.orders, "ok"),
    '!edge("web", "orders") { ok }': lambda t: not bad(t.orders, "ok"),
    'edge("web", "orders") { responsetime >= 0.5 }': lambda t: known(t.orders, lambda c: c.seconds >= 0.5),
    'edge("web", "orders") { http.status = 503 }': lambda t: bad(t.orders, "fault"),
    'edge("web", "orders") { http.method = "PUT" }': lambda t: t.orders is not None,
    'edge("web", "orders") { annotation.attempt > 1 }': lambda t: t.orders is not None and t.number % 3 == 2,
    'edge("web", "orders") { source.annotation.tier = "gold" }': lambda t: (
        t.orders is not None and t.tier == "gold"
    ),
    'edge("web", "orders") { destination.annotation.shard = 3 }': lambda t: t.shard == 3,
    'edge("orders", id(type: "AWS::DynamoDB::Table")) { throttle }': lambda t: bad(t.table, "throttle"),
    'edge(id(type: "client"), "web") { fault }': lambda t: t.outcome == "fault",
    'edge(id(type: "client"), "orders")': lambda t: False,
    "edge() { fault }": lambda t: any(bad(call, "fault") for call in t.calls),
    'edge { throttle } AND !edge("web", "orders") { throttle }': lambda t: (
        any(bad(call, "throttle") for call in t.calls) and not bad(t.orders, "throttle")
    ),
}


def culprits(trace: Facts, *outcomes: str) -> list[str]:
    """Who ended so while nobody it called did."""
    chain = [("web", trace.web), ("orders", trace.orders), ("stock", trace.table)]
    found = []
    for place, (name, call) in enumerate(chain):
        below = chain[place + 1][1] if place + 1 < len(chain) else None
        if bad(call, *outcomes) and not bad(below, *outcomes):
            found.append(name)
    return found


ROOT_CAUSES: dict[str, Expect] = {
    'rootcause.fault.service { last AND name = "stock" }': lambda t: "stock" in culprits(t, "fault"),
    'rootcause.fault.service { last AND name = "orders" }': lambda t: "orders" in culprits(t, "fault"),
    'rootcause.fault.service { first AND name = "web" }': lambda t: bool(culprits(t, "fault")),
    'rootcause.fault.service { first AND name = "orders" }': lambda t: False,
    'rootcause.fault.service { inferred AND type = "AWS::DynamoDB::Table" }': lambda t: bad(t.table, "fault"),
    "rootcause.fault.service { index = 1 }": lambda t: culprits(t, "fault") not in ([], ["web"]),
    "rootcause.fault.service { index > 1 }": lambda t: bad(t.table, "fault"),
    'rootcause.fault.entity { remote AND name = "orders" }': lambda t: bool(
        {"orders", "stock"} & set(culprits(t, "fault"))
    ),
    'rootcause.fault.entity { last AND name = "web" }': lambda t: "web" in culprits(t, "fault"),
    'rootcause.fault.exception { name = "TimeoutError" }': lambda t: (
        t.exception is not None and bool({"orders", "stock"} & set(culprits(t, "fault")))
    ),
    'rootcause.fault.exception { message CONTAINS "too long" AND last }': lambda t: (
        t.exception is not None and bool({"orders", "stock"} & set(culprits(t, "fault")))
    ),
    'rootcause.error.service { last AND name = "orders" }': lambda t: (
        "orders" in culprits(t, "error", "throttle")
    ),
    "rootcause.error.service { inferred }": lambda t: is_error(t.table),
    "!rootcause.fault.service { first }": lambda t: not culprits(t, "fault"),
    'rootcause.responsetime.service { first AND name = "web" }': lambda t: not t.is_open,
    "rootcause.responsetime.entity { coverage > 0.99 }": lambda t: not t.is_open,
    "rootcause.responsetime.entity { coverage <= 1 AND first }": lambda t: not t.is_open,
    'rootcause.json = #[{"Services":[{"Name":"web"},{"Name":"orders"},{"Name":"stock"}],'
    '"ClientImpacting":true}]': lambda t: (
        all(bad(call, "fault") for call in (t.web, t.orders, t.table))
        or all(is_error(call) for call in (t.web, t.orders, t.table))
    ),
}

JOINED: dict[str, Expect] = {
    'ok AND user = "anna"': lambda t: t.outcome == "ok" and t.user == "anna",
    'ok user = "anna"': lambda t: t.outcome == "ok" and t.user == "anna",
    "fault OR error": lambda t: t.outcome != "ok",
    'fault or error and user = "anna"': lambda t: (
        t.outcome == "fault" or (is_error(t.web) and t.user == "anna")
    ),
    '(fault OR error) AND user = "anna"': lambda t: t.outcome != "ok" and t.user == "anna",
    "!(fault OR error)": lambda t: t.outcome == "ok",
    "NOT (ok AND partial)": lambda t: not (t.outcome == "ok" and t.is_open),
    "!!ok": lambda t: t.outcome == "ok",
    "ok !partial responsetime < 2": lambda t: (
        t.outcome == "ok" and known(t.response_seconds, lambda s: s < 2)
    ),
    'group.name = "Default" AND fault': lambda t: t.outcome == "fault",
    'group.name != "Default"': lambda t: False,
    'annotation.tier = "gold" AND service("orders") { fault } AND http.url CONTAINS "/api"': lambda t: (
        t.tier == "gold" and bad(t.orders, "fault") and "/api" in t.path
    ),
}

ALL = OUTCOMES | NUMBERS | TEXTS | ANNOTATIONS | SERVICES | EDGES | ROOT_CAUSES | JOINED


@pytest.fixture(scope="module")
def corpus(shared_roentgen: Roentgen) -> tuple[list[Facts], float]:
    """The traces, stored, and the time of the newest."""
    xray = shared_roentgen.xray()
    epoch = float(int(time.time()) - 60)
    traces = list(facts(epoch))
    sent = [document for trace in traces for document in documents(trace, epoch)]
    for start in range(0, len(sent), 50):
        assert put(xray, *sent[start : start + 50]) == []
    return traces, epoch


def test_the_table_is_as_large_as_promised() -> None:
    assert len(ALL) >= 150


@pytest.mark.parametrize("expression", ALL)
def test_a_filter_finds_what_the_facts_say(
    expression: str, corpus: tuple[list[Facts], float], xray: Any
) -> None:
    traces, epoch = corpus
    found = read_summaries(xray, epoch - 400, epoch + 60, FilterExpression=expression)
    numbers = {trace.trace_id: trace.number for trace in traces}
    got = [numbers[summary["Id"]] for summary in found]
    assert len(got) == len(set(got)), "a trace is on one page only"
    assert sorted(got) == [trace.number for trace in traces if ALL[expression](trace)]


def test_the_facts_tell_expressions_apart(corpus: tuple[list[Facts], float]) -> None:
    """A table whose every filter finds all or nothing would prove nothing."""
    traces, _ = corpus
    telling = [e for e, expect in ALL.items() if 0 < sum(map(expect, traces)) < len(traces)]
    assert len(telling) >= 130


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("ok AND falt", "position 10 : Invalid input symbol: 'fal'"),
        ("duration < ", "Error Location: line 1, position 12 : Invalid input symbol: 'duration < '"),
        ('service("a") { service() }', "service(…) { … }"),
        ("user = anna'", "Invalid input symbol"),
        ("(" * 10_000 + "ok" + ")" * 10_000, "nested deeper than"),
        ('user = "' + "x" * 100_000 + '"', "at most 32768"),
        (" OR ".join(f'user = "u{number}"' for number in range(501)), "more than 500 terms"),
        ('group.name = "slow"', 'The group "slow" does not exist'),
        ("coverage > 0.5", "has its place in the trace"),
        ('responsetime CONTAINS "5"', "after a number"),
        ("rootcause.json = #[{]", "JSON"),
    ],
)
def test_what_is_no_filter_is_told_with_its_place(expression: str, message: str, xray: Any) -> None:
    now = time.time()
    with pytest.raises(ClientError) as raised:
        xray.get_trace_summaries(StartTime=now - 60, EndTime=now, FilterExpression=expression)
    error = raised.value.response["Error"]
    assert error["Code"] == "InvalidRequestException"
    assert message in error["Message"]


def test_root_causes_name_the_way_to_the_culprit(corpus: tuple[list[Facts], float], xray: Any) -> None:
    traces, epoch = corpus
    found = read_summaries(xray, epoch - 400, epoch + 60, FilterExpression='service("stock") { fault }')
    assert found
    facts_of = {trace.trace_id: trace for trace in traces}
    for summary in found:
        trace = facts_of[summary["Id"]]
        ways = [[s["Name"] for s in cause["Services"]] for cause in summary["FaultRootCauses"]]
        assert ["web", "orders", "stock"] in ways
        cause = summary["FaultRootCauses"][ways.index(["web", "orders", "stock"])]
        assert cause["ClientImpacting"] == (bad(trace.orders, "fault") and bad(trace.web, "fault"))
        names = [entity["Name"] for service in cause["Services"] for entity in service["EntityPath"]]
        assert names == ["web", "orders", "orders", "DynamoDB", "DynamoDB"]
