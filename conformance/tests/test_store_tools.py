"""`roentgen store`: what is copied, exported and imported answers as the original does."""

import base64
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from harness.documents import new_id, put, segment, subsegment
from harness.polling import wait_until
from harness.reading import ServiceMap, read_many, read_summaries
from harness.roentgen import Roentgen
from harness.store_tools import run_store, store

pytestmark = pytest.mark.durability

Document = dict[str, Any]


def some_documents(count: int) -> list[Document]:
    """Traces of a caller, its call, and the callee's own segment."""
    documents = []
    for number in range(count):
        call = subsegment("callee", namespace="remote")
        caller = segment(
            "caller",
            subsegments=[call],
            fault=number % 5 == 0,
            annotations={"number": number, "kind": "even" if number % 2 == 0 else "odd"},
            http={
                "request": {"method": "GET", "url": f"http://caller/{number}"},
                "response": {"status": 200},
            },
        )
        callee = segment("callee", trace_id=caller["trace_id"], parent_id=call["id"])
        documents += [caller, callee]
    return documents


def fill(server: Roentgen, documents: list[Document]) -> None:
    for start in range(0, len(documents), 50):
        assert put(server.xray(), *documents[start : start + 50]) == []


def answers(server: Roentgen, documents: list[Document]) -> tuple[Any, ...]:
    """Traces, summaries and map as boto3 reads them."""
    xray = server.xray()
    start, end = time.time() - 3600, time.time() + 60
    summaries = sorted(read_summaries(xray, start, end), key=lambda summary: summary["Id"])
    edges = {
        between: edge["SummaryStatistics"]
        for between, edge in ServiceMap.of_range(xray, start, end).edges().items()
    }
    return read_many(xray, sorted({d["trace_id"] for d in documents})), summaries, edges


def server_on(directory: Path) -> Roentgen:
    """A server, not started yet, whose data directory is `directory`/data."""
    return Roentgen(directory)


def test_exported_lines_hold_the_documents_and_can_be_imported(roentgen: Roentgen, tmp_path: Path) -> None:
    documents = some_documents(60)
    fill(roentgen, documents)
    before = answers(roentgen, documents)
    out = tmp_path / "traces.jsonl"
    run_store("export", out, data=roentgen.data_directory)  # Beside the running server.
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["document"] for line in lines] == documents
    assert [line["trace_id"] for line in lines] == [document["trace_id"] for document in documents]
    assert all(abs(line["received"] - time.time()) < 60 for line in lines)

    other = server_on(tmp_path / "other")
    for _ in range(2):
        # A second time changes nothing in what is shown but the number of documents received.
        assert "120 documents imported into" in run_store("import", out, data=other.data_directory)
    other.start()
    try:
        traces, summaries, edges = answers(other, documents)
        assert {s.pop("Revision") for s in summaries} == {4}
        assert {s.pop("Revision") for s in before[1]} == {2}
        assert (traces, summaries, edges) == before
    finally:
        other.close()


def test_a_range_of_time_goes_to_a_pipe(roentgen: Roentgen) -> None:
    fill(roentgen, some_documents(5))
    middle = time.time()
    wait_until(lambda: time.time() > middle, "the clock to go on")
    late = segment("late")
    put(roentgen.xray(), late)
    text = run_store("export", "-", "--since", f"{middle:.6f}", data=roentgen.data_directory)
    assert [json.loads(line)["document"] for line in text.splitlines()] == [late]
    text = run_store("export", "-", "--until", f"{middle:.6f}", data=roentgen.data_directory)
    assert len(text.splitlines()) == 10
    done = store("export", "-", "--since", "tomorrow", data=roentgen.data_directory)
    assert done.returncode == 1
    assert "--since" in done.stderr


def test_documents_of_batch_get_traces_can_be_imported(roentgen: Roentgen, tmp_path: Path) -> None:
    """What X-Ray itself gives: processed documents, inferred segments among them."""
    documents = some_documents(3)
    call = subsegment("Orders", namespace="aws", aws={"operation": "GetItem", "table_name": "Orders"})
    documents.append(segment("caller", subsegments=[call]))
    fill(roentgen, documents)
    ids = sorted({document["trace_id"] for document in documents})
    traces = roentgen.xray().batch_get_traces(TraceIds=ids)["Traces"]
    stored = [part["Document"] for trace in traces for part in trace["Segments"]]
    assert any(json.loads(document).get("inferred") for document in stored)
    text = "\n".join(stored)
    other = server_on(tmp_path / "other")
    told = run_store("import", "-", data=other.data_directory, text=text)
    assert "7 documents imported into " in told
    assert told.endswith(", 1 inferred segment left out\n")
    other.start()
    try:
        assert answers(other, documents)[0] == answers(roentgen, documents)[0]
    finally:
        other.close()


def test_what_is_no_document_is_named(tmp_path: Path) -> None:
    good = segment("good")
    nan = json.dumps(segment("nan", metadata={"x": float("nan")})).encode()
    lines = [
        json.dumps(good),
        "garbage",
        json.dumps({"received": 1.5, "document_base64": base64.b64encode(nan).decode()}),
        json.dumps(segment("no-id") | {"id": "x"}),
    ]
    data = tmp_path / "data"
    done = store("import", "-", data=data, text="\n".join(lines))
    assert done.returncode == 1
    assert f"2 documents imported into {data}, 2 refused" in done.stdout
    assert [line.split(" ")[0] for line in done.stderr.splitlines()] == ["-:2:", "-:4:"]
    again = [json.loads(line) for line in run_store("export", "-", data=data).splitlines()]
    assert again[0]["document"] == good
    assert base64.b64decode(again[1]["document_base64"]) == nan
    assert again[1]["received"] == 1.5


class Writer(threading.Thread):
    """Puts segments until it is stopped; remembers which were acknowledged."""

    def __init__(self, server: Roentgen) -> None:
        super().__init__(daemon=True)
        self._xray = server.xray()
        self.acknowledged: list[Document] = []
        self.is_over = False

    def run(self) -> None:
        while not self.is_over:
            document = segment("acknowledged", metadata={"default": {"text": "x" * 500}})
            try:
                assert put(self._xray, document) == []
            except (BotoCoreError, ClientError):
                return
            self.acknowledged.append(document)


def test_a_snapshot_beside_writers_has_all_that_was_acknowledged(roentgen: Roentgen, tmp_path: Path) -> None:
    writers = [Writer(roentgen) for _ in range(3)]
    for writer in writers:
        writer.start()
    try:
        for round_number in range(3):
            enough = 40 * (round_number + 1)
            wait_until(
                lambda enough=enough: sum(len(writer.acknowledged) for writer in writers) >= enough,
                "acknowledged documents",
            )
            before = [document for writer in writers for document in list(writer.acknowledged)]
            copy = server_on(tmp_path / f"copy-{round_number}")
            run_store("snapshot", copy.data_directory, data=roentgen.data_directory)
            run_store("check", data=copy.data_directory)
            copy.start()
            try:
                found = read_many(copy.xray(), [document["trace_id"] for document in before])
                assert len(found) == len(before)
            finally:
                copy.close()
    finally:
        for writer in writers:
            writer.is_over = True
        for writer in writers:
            writer.join(30)
    assert roentgen.is_healthy()


def test_check_tells_damage_with_its_place(roentgen: Roentgen) -> None:
    documents = some_documents(20)
    for document in documents:
        fill(roentgen, [document])
    report = json.loads(run_store("check", "--json", data=roentgen.data_directory))
    assert (report["sound"], report["documents"], report["traces"]) == (True, 40, 20)
    assert roentgen.stop() == 0
    log = roentgen.data_directory / "log" / "00000001.log"
    content = bytearray(log.read_bytes())
    place = len(content) // 2
    content[place] ^= 0xFF
    log.write_bytes(content)
    done = store("check", "--json", data=roentgen.data_directory)
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["sound"] is False
    [fault] = report["faults"]
    assert fault["path"] == str(log)
    assert fault["offset"] <= place
    done = store("check", data=roentgen.data_directory)
    assert done.returncode == 1
    assert f"{log} at {fault['offset']}" in done.stdout


def test_a_rebuilt_store_answers_as_before(roentgen: Roentgen) -> None:
    documents = some_documents(50)
    fill(roentgen, documents)
    before = answers(roentgen, documents)
    refused = store("rebuild", data=roentgen.data_directory)
    assert refused.returncode == 1
    assert "in use by another process" in refused.stderr
    assert roentgen.stop() == 0
    told = run_store("rebuild", data=roentgen.data_directory)
    assert "the same" in told
    roentgen.start_again()
    assert answers(roentgen, documents) == before


def test_a_directory_without_a_store_is_left_alone(tmp_path: Path) -> None:
    for tool in (["check"], ["snapshot", tmp_path / "copy"], ["export", "-"], ["rebuild"]):
        done = store(*tool, data=tmp_path / "nothing")
        assert done.returncode == 1, tool
        assert str(tmp_path / "nothing") in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_export_overwrites_nothing(roentgen: Roentgen, tmp_path: Path) -> None:
    out = tmp_path / f"{new_id()}.jsonl"
    out.write_text("precious")
    done = store("export", out, data=roentgen.data_directory)
    assert done.returncode == 1
    assert "there is one already" in done.stderr
    assert out.read_text() == "precious"
