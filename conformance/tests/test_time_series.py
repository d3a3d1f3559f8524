"""GetTimeSeriesServiceStatistics through boto3 and its paginator, and as Grafana asks for it."""

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from harness.documents import put, segment, subsegment
from harness.roentgen import Roentgen

# A whole five minutes, some hours ago.
START = int(time.time()) // 300 * 300 - 4 * 3600


def read_points(xray: Any, start: float, end: float, **arguments: Any) -> list[dict[str, Any]]:
    paginator = xray.get_paginator("get_time_series_service_statistics")
    pages = paginator.paginate(StartTime=start, EndTime=end, **arguments)
    return [point for page in pages for point in page["TimeSeriesServiceStatistics"]]


def refused(xray: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as raised:
        xray.get_time_series_service_statistics(**arguments)
    error = raised.value.response["Error"]
    assert error["Code"] == "InvalidRequestException", error
    return error["Message"]


@pytest.fixture(scope="module")
def traffic(shared_roentgen: Roentgen) -> Roentgen:
    """In each of ten minutes as many requests as it has a number, the last of each a fault; each calls
    a table."""
    documents = []
    for minute in range(10):
        for number in range(minute):
            start = START + 60 * minute + 2 * number
            call = subsegment(
                "DynamoDB",
                start_time=start + 0.1,
                end_time=start + 0.2,
                namespace="aws",
                aws={"table_name": "series-carts"},
            )
            fault = {"fault": True} if number == minute - 1 else {}
            documents.append(
                segment("series-shop", start_time=start, end_time=start + 0.5, subsegments=[call], **fault)
            )
    put(shared_roentgen.xray(), *documents)
    return shared_roentgen


SHOP = 'service("series-shop")'
CARTS = 'service(id(name: "series-carts", type: "AWS::DynamoDB::Table"))'


@pytest.mark.parametrize(
    ("selector", "statistics", "seconds", "has_faults"),
    [
        (None, "EdgeSummaryStatistics", 0.5, True),
        (SHOP, "ServiceSummaryStatistics", 0.5, True),
        ('id(name: "series-shop")', "ServiceSummaryStatistics", 0.5, True),
        (CARTS, "ServiceSummaryStatistics", 0.1, False),
        ('edge("series-shop", "series-carts")', "EdgeSummaryStatistics", 0.1, False),
        ('edge(id(type: "client"), "series-shop")', "EdgeSummaryStatistics", 0.5, True),
        ('edge("series-carts", "series-shop")', "EdgeSummaryStatistics", None, False),
    ],
)
@pytest.mark.parametrize("period", [60, 300])
def test_the_figures_of_each_period(
    traffic: Roentgen,
    selector: str | None,
    statistics: str,
    seconds: float | None,
    has_faults: bool,
    period: int,
) -> None:
    asked = {"Period": period} | ({} if selector is None else {"EntitySelectorExpression": selector})
    points = read_points(traffic.xray(), START, START + 600, **asked)
    width = period // 60
    assert len(points) == 10 // width
    for place, point in enumerate(points):
        assert point["Timestamp"].timestamp() == START + place * period
        minutes = range(place * width, (place + 1) * width)
        total = 0 if seconds is None else sum(minutes)
        faults = sum(1 for minute in minutes if minute > 0) if has_faults else 0
        [name] = {"EdgeSummaryStatistics", "ServiceSummaryStatistics"} & point.keys()
        assert name == statistics
        counts = point[name]
        assert counts["TotalCount"] == total
        assert counts["OkCount"] == total - faults
        assert counts["FaultStatistics"] == {"OtherCount": faults, "TotalCount": faults}
        assert counts["ErrorStatistics"] == {"ThrottleCount": 0, "OtherCount": 0, "TotalCount": 0}
        assert counts["TotalResponseTime"] == pytest.approx(total * (seconds or 0), abs=1e-4)
        histogram = point["ResponseTimeHistogram"]
        assert sum(entry["Count"] for entry in histogram) == total
        assert all(entry["Value"] == pytest.approx(seconds, rel=0.01) for entry in histogram)


def test_a_long_series_comes_in_pages(traffic: Roentgen) -> None:
    xray = traffic.xray()
    start = START - 5 * 24 * 3600
    points = read_points(xray, start, START + 600, EntitySelectorExpression=SHOP)
    times = [point["Timestamp"].timestamp() for point in points]
    assert times == [start + 60 * place for place in range(len(times))]
    assert len(times) == 5 * 24 * 60 + 10
    totals = [point["ServiceSummaryStatistics"]["TotalCount"] for point in points]
    assert totals[-10:] == list(range(10))
    assert not any(totals[:-10])


def test_a_group(traffic: Roentgen) -> None:
    xray = traffic.xray()
    xray.create_group(GroupName="series-broken", FilterExpression="fault")
    points = read_points(xray, START, START + 600, GroupName="series-broken", EntitySelectorExpression=SHOP)
    totals = [point["ServiceSummaryStatistics"]["TotalCount"] for point in points]
    assert totals == [0] + [1] * 9
    xray.delete_group(GroupName="series-broken")


def test_forecasts(roentgen: Roentgen) -> None:
    """A service of which one request in five fails, and then suddenly all: the band knows the former."""
    xray = roentgen.xray()
    documents = []
    for minute in range(60):
        for number in range(10):
            start = START + 60 * minute + number
            fault = {"fault": True} if number < 2 or minute == 59 else {}
            documents.append(segment("steady", start_time=start, end_time=start + 0.1, **fault))
    for place in range(0, len(documents), 50):
        put(xray, *documents[place : place + 50])
    asked = {"EntitySelectorExpression": 'id(name: "steady")', "ForecastStatistics": True}
    points = read_points(xray, START, START + 3600, **asked)
    faults = [point["ServiceSummaryStatistics"]["FaultStatistics"]["TotalCount"] for point in points]
    bands = [point.get("ServiceForecastStatistics") for point in points]
    assert faults == [2] * 59 + [10]
    assert bands[0] is None, "there is no history yet"
    for band in bands[30:]:
        # Two of ten, and three sigmas of a binomial: 2 ± 3 * √(10 * 0.2 * 0.8) = 2 ± 3.8.
        assert (band["FaultCountLow"], band["FaultCountHigh"]) == (0, 5)
    assert "ServiceForecastStatistics" not in read_points(xray, START, START + 60)[0]


def test_what_is_refused(shared_roentgen: Roentgen, xray: Any) -> None:
    window = {"StartTime": START, "EndTime": START + 600}
    for members, expected in (
        ({"Period": 120}, "Period must be 60 or 300"),
        ({"StartTime": START + 601}, "StartTime must not be after EndTime"),
        ({"StartTime": START - 10 * 365 * 86400}, "at most 43201 points"),
        ({"GroupName": "unknown"}, "Group not found"),
        ({"ForecastStatistics": True}, "EntitySelectorExpression"),
        ({"NextToken": "forged"}, "NextToken is not valid"),
        # General filter expressions are no selectors (grafana/x-ray-datasource#195).
        ({"EntitySelectorExpression": "http.status = 403"}, "Error Location: line 1, position 1 "),
        ({"EntitySelectorExpression": "fault"}, "Error Location: line 1, position 1 "),
        ({"EntitySelectorExpression": 'service("a") AND fault'}, "Error Location: line 1, position 14 "),
    ):
        assert expected in refused(xray, **window | members), members
    answer = shared_roentgen.post_json(
        "/TimeSeriesServiceStatistics", window | {"EntitySelectorExpression": "x" * 501}
    )
    assert answer.status_code == 400
    first = xray.get_time_series_service_statistics(StartTime=START - 3 * 86400, EndTime=START)
    other = {"StartTime": START - 3 * 86400, "EndTime": START, "Period": 300}
    assert "other parameters" in refused(xray, **other, NextToken=first["NextToken"])


def test_a_range_to_come_is_empty(xray: Any) -> None:
    ahead = int(time.time()) + 3600
    assert read_points(xray, ahead, ahead + 600) == []
