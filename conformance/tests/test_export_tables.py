"""Parquet tables of `roentgen store export`, read by DuckDB and PyArrow as any user would."""

import json
import time
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as parquet
import pytest

from harness.documents import new_id, put, segment, subsegment
from harness.environment import REPOSITORY
from harness.reading import ServiceMap, read_summaries
from harness.roentgen import Roentgen
from harness.store_tools import export_tables, store

pytestmark = pytest.mark.durability

Document = dict[str, Any]

TRACES = 40


def some_documents() -> list[Document]:
    documents = []
    for number in range(TRACES):
        status = (200, 404, 429, 500)[number % 4]
        call = subsegment("callee", namespace="remote")
        request = {"method": "GET", "url": f"http://caller/{number}", "client_ip": "192.0.2.1"}
        caller = segment(
            "caller",
            origin="AWS::ECS::Container",
            subsegments=[call],
            error=400 <= status < 500,
            throttle=status == 429,
            fault=status >= 500,
            user=f"user-{number % 3}",
            annotations={"number": number + 0.5, "text": f"täxt {number}", "truth": number % 2 == 0},
            http={"request": request, "response": {"status": status}},
        )
        callee = segment("callee", trace_id=caller["trace_id"], parent_id=call["id"])
        documents += [caller, callee]
    documents.append(segment("open", in_progress=True))
    del documents[-1]["end_time"]
    alone = subsegment("alone", type="subsegment", parent_id=new_id(), trace_id=segment("x")["trace_id"])
    return [*documents, alone]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A running server, what it was sent, and the tables that were exported beside it."""
    directory = tmp_path_factory.mktemp("tables")
    server = Roentgen(directory)
    try:
        server.start()
        documents = some_documents()
        for start in range(0, len(documents), 50):
            assert put(server.xray(), *documents[start : start + 50]) == []
        yield server, documents, export_tables(directory / "tables", data=server.data_directory)
    finally:
        server.close()


def rows(tables: Path, table: str) -> list[dict[str, Any]]:
    return parquet.read_table(tables / f"{table}.parquet").to_pylist()


def micros(moment: Any) -> int:
    return round(moment.timestamp() * 1e6)


def seconds_to_micros(seconds: float) -> int:
    return round(seconds * 1e6)


def test_segments_are_the_documents(exported: Any) -> None:
    _, documents, tables = exported
    found = rows(tables, "segments")
    assert [json.loads(row["document"]) for row in found] == documents
    for row, document in zip(found, documents, strict=True):
        request = document.get("http", {}).get("request", {})
        annotations = document.get("annotations", {})
        end = document.get("end_time")
        assert {key: row[key] for key in row if key not in ("received", "document")} == {
            "trace_id": document["trace_id"],
            "id": document["id"],
            "parent_id": document.get("parent_id"),
            "type": document.get("type", "segment"),
            "name": document["name"],
            "origin": document.get("origin"),
            "namespace": None,
            "start_time": row["start_time"],
            "end_time": row["end_time"],
            "duration": pytest.approx(end - document["start_time"], abs=2e-6) if end else None,
            "fault": document.get("fault", False),
            "error": document.get("error", False),
            "throttle": document.get("throttle", False),
            "http_method": request.get("method"),
            "http_url": request.get("url"),
            "http_status": document.get("http", {}).get("response", {}).get("status"),
            "http_user_agent": None,
            "http_client_ip": request.get("client_ip"),
            "user": document.get("user"),
            "account_id": None,
            "aws_operation": None,
            "resource_arn": None,
            "annotations": [
                (key, json.dumps(value) if isinstance(value, bool) else str(value))
                for key, value in annotations.items()
            ],
            "annotation_numbers": [(k, v) for k, v in annotations.items() if isinstance(v, float)],
            "subsegments": len(document.get("subsegments", [])),
        }
        assert micros(row["start_time"]) == pytest.approx(seconds_to_micros(document["start_time"]), abs=1)
        assert (row["end_time"] is None) == (end is None)
        assert abs(row["received"].timestamp() - time.time()) < 300


def test_traces_are_the_summaries(exported: Any) -> None:
    server, documents, tables = exported
    summaries = read_summaries(server.xray(), time.time() - 3600, time.time() + 60)
    expect = {summary["Id"]: summary for summary in summaries}
    found = {row["trace_id"]: row for row in rows(tables, "traces")}
    assert found.keys() == expect.keys() == {document["trace_id"] for document in documents}
    for trace_id, row in found.items():
        summary = expect[trace_id]
        http = summary["Http"]
        assert row["duration"] == pytest.approx(summary["Duration"], abs=2e-6)
        assert row["response_time"] == pytest.approx(summary.get("ResponseTime"), abs=2e-6)
        assert (row["has_fault"], row["has_error"], row["has_throttle"], row["is_partial"]) == (
            summary["HasFault"],
            summary["HasError"],
            summary["HasThrottle"],
            summary["IsPartial"],
        )
        assert (row["http_url"], row["http_status"]) == (http.get("HttpURL"), http.get("HttpStatus"))
        assert row["users"] == [user["UserName"] for user in summary["Users"]]
        assert row["entry_point"] == summary.get("EntryPoint", {}).get("Name")
        services = {(service["name"], service["type"]) for service in row["services"]}
        assert services == {(s["Name"], s.get("Type")) for s in summary["ServiceIds"]}
        keys = {annotation["key"] for annotation in row["annotations"]}
        assert keys == summary["Annotations"].keys()
        assert row["revision"] == summary["Revision"]
    outcomes = [row["outcome"] for row in found.values() if row["entry_point"] == "caller"]
    assert {outcome: outcomes.count(outcome) for outcome in outcomes} == {
        "ok": TRACES / 4,
        "error": TRACES / 4,
        "throttle": TRACES / 4,
        "fault": TRACES / 4,
    }


def test_edges_are_the_service_map(exported: Any) -> None:
    server, _, tables = exported
    service_map = ServiceMap.of_range(server.xray(), time.time() - 3600, time.time() + 60)
    found: dict[Any, list[float]] = {}
    for row in rows(tables, "edges"):
        assert micros(row["minute"]) % 60_000_000 == 0
        assert row["calls"] == row["ok"] + row["error"] + row["throttle"] + row["fault"]
        between = (row["caller_name"], row["caller_type"]), (row["callee_name"], row["callee_type"])
        sums = found.setdefault(between, [0, 0, 0])
        for place, column in enumerate(("calls", "fault", "total_time")):
            sums[place] += row[column]
    edges = service_map.edges()
    assert found.keys() == edges.keys()
    for between, (calls, fault, total_time) in found.items():
        statistics = edges[between]["SummaryStatistics"]
        assert calls == statistics["TotalCount"]
        assert fault == statistics["FaultStatistics"]["TotalCount"]
        assert total_time == pytest.approx(statistics["TotalResponseTime"], abs=1e-5)


def test_sql_works_as_the_documentation_shows(exported: Any) -> None:
    """Every query of docs/export.md."""
    _, _, tables = exported
    text = (REPOSITORY / "docs" / "export.md").read_text()
    queries = [block.split("```", 1)[0] for block in text.split("```sql\n")[1:]]
    assert len(queries) >= 4
    for query in queries:
        duckdb.sql(query.replace("'tables/", f"'{tables}/")).fetchall()
    slowest = queries[0].replace("'tables/", f"'{tables}/")
    found = {name: count for name, count, *_ in duckdb.sql(slowest).fetchall()}
    assert found["caller"] == TRACES


def test_the_documentation_names_every_column_with_its_type(exported: Any) -> None:
    _, _, tables = exported
    text = (REPOSITORY / "docs" / "export.md").read_text()
    for table in ("segments", "traces", "edges"):
        _, section = text.split(f"### `{table}`", 1)
        lines = [line for line in section.split("\n### ", 1)[0].splitlines() if line.startswith("| `")]
        documented = [tuple(cell.strip(" `") for cell in line.split("|")[1:3]) for line in lines]
        described = duckdb.sql(f"describe select * from '{tables}/{table}.parquet'").fetchall()
        assert documented == [(name, kind.lower()) for name, kind, *_ in described], table


def test_a_range_of_time_is_one_of_all_tables(exported: Any, tmp_path: Path) -> None:
    server, documents, _ = exported
    tables = export_tables(tmp_path / "none", "--since", f"{time.time() + 3600}", data=server.data_directory)
    assert [rows(tables, table) for table in ("segments", "traces", "edges")] == [[], [], []]
    tables = export_tables(tmp_path / "all", "--since", "1h", data=server.data_directory)
    assert len(rows(tables, "segments")) == len(documents)
    assert sorted(path.name for path in tables.iterdir()) == [
        "edges.parquet",
        "segments.parquet",
        "traces.parquet",
    ]


def test_tables_that_are_there_are_not_overwritten(exported: Any) -> None:
    server, _, tables = exported
    before = (tables / "traces.parquet").read_bytes()
    done = store("export", "--format", "parquet", tables, data=server.data_directory)
    assert done.returncode == 1
    assert "there is one already" in done.stderr
    assert (tables / "traces.parquet").read_bytes() == before
