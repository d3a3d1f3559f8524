"""What the daemon takes over UDP, and how it puts documents together: verdicts, batches, memory."""

import base64
import json
import os
import re
import time
from pathlib import Path

import pytest

from conftest import StartDaemon
from harness.captured import read_header_table
from harness.documents import segment
from harness.fake_xray import TAKEN, FakeXRay, Reply
from harness.roentgen import DATAGRAM_HEADER

pytestmark = pytest.mark.daemon

LARGEST_DATAGRAM = 65_507
"""What UDP over IPv4 can carry: 65,535 without the two headers."""


def as_bytes(row: dict[str, str]) -> bytes:
    if "datagram_base64" in row:
        return base64.b64decode(row["datagram_base64"])
    return row["datagram"].encode()


def warnings_of(datagram: bytes) -> list[str]:
    """What the official daemon says about a datagram it refuses; `source: handmade-malformed-udp`."""
    text = datagram.decode()
    header, newline, body = text.partition("\n")
    if not newline:
        return [f"Missing header: {text}", f"Missing header or segment: {text}"]
    if not body:
        return [f"Missing header or segment: {header}"]
    return [f"Invalid header: {header}"]


@pytest.mark.parametrize(
    "row", read_header_table(), ids=lambda row: row.get("datagram", "binary")[:40] or "empty"
)
def test_verdict_of_a_datagram(start_daemon: StartDaemon, upstream: FakeXRay, row: dict[str, str]) -> None:
    datagram = as_bytes(row)
    daemon = start_daemon(to=upstream.url)
    daemon.send(datagram, DATAGRAM_HEADER + b"after it")
    accepted = row["verdict"] == "accepted"
    body = datagram.partition(b"\n")[2].decode(errors="replace")
    expected = [body, "after it"] if accepted else ["after it"]
    # Two readers take datagrams from the socket: which of two comes first is not said.
    assert sorted(upstream.wait_for_documents(len(expected))) == sorted(expected)
    daemon.wait_for_sent(len(expected))
    assert daemon.stop() == 0
    rejected = row["verdict"] == "rejected"
    warned = daemon.messages("Warn")
    assert warned == (warnings_of(datagram) if rejected else [])
    counted = upstream.of("/TelemetryRecords")[0].json()["TelemetryRecords"][0]
    assert counted["SegmentsReceivedCount"] == (1 if row["verdict"] == "ignored" else 2)
    assert counted["SegmentsRejectedCount"] == int(rejected)
    assert counted["SegmentsSentCount"] == len(expected)


def test_documents_arrive_as_they_were_sent(start_daemon: StartDaemon, upstream: FakeXRay) -> None:
    documents = [
        json.dumps(segment("spaced")),
        json.dumps(segment("tight"), separators=(",", ":")),
        '{"name" : "by hand",\n\t"id":1}\n',
        '{"quoted":"a \\"quote\\", a \\\\ and \\u00e9"}',
        "é, 漢字, \U0001f600, \u2028 and \x7f",
        "control \x00\x01\x08\x0b\x0c\x1f\x1b\r\n\t",
        '<script>&amp;</script> "\\/"',
        " ",
        "\n",
        "\ufeffmarked",
        "\ufffd\uffff",
    ]
    daemon = start_daemon(to=upstream.url)
    daemon.send_documents(*documents)
    assert sorted(upstream.wait_for_documents(len(documents))) == sorted(documents)


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff",
        b"a\xc3",
        b"\xc3(",
        b"\xe2\x82",
        b"\xed\xa0\x80",
        b"\xf0\x90\x28\xbc",
        b"\xf8\xa1\xa1\xa1\xa1",
        b"\xc0\xaf",
        b"ok\xffok\xfe",
    ],
)
def test_what_is_no_utf_8_is_replaced_byte_by_byte(
    start_daemon: StartDaemon, upstream: FakeXRay, raw: bytes
) -> None:
    daemon = start_daemon(to=upstream.url)
    daemon.send(DATAGRAM_HEADER + raw)
    expected = go_text(raw)
    assert upstream.wait_for_documents(1) == [expected]


def go_text(raw: bytes) -> str:
    """Each byte that is not part of a character becomes U+FFFD, as Go's JSON writes strings."""
    text = ""
    while raw:
        for length in (1, 2, 3, 4):
            try:
                text += raw[:length].decode()
            except UnicodeDecodeError:
                continue
            break
        else:
            length = 1
            text += "\ufffd"
        raw = raw[length:]
    return text


def test_the_largest_datagram_arrives_whole(start_daemon: StartDaemon, upstream: FakeXRay) -> None:
    daemon = start_daemon(to=upstream.url)
    body = "x" * (LARGEST_DATAGRAM - len(DATAGRAM_HEADER))
    daemon.send(DATAGRAM_HEADER + body.encode())
    assert upstream.wait_for_documents(1) == [body]


def test_fifty_leave_at_once_and_the_rest_after_a_second(
    start_daemon: StartDaemon, upstream: FakeXRay
) -> None:
    daemon = start_daemon(to=upstream.url)
    began = time.monotonic()
    daemon.send_documents(*(segment(f"burst-{number}") for number in range(120)))
    batches = upstream.wait_for("/TraceSegments", 3)
    assert [len(batch.documents()) for batch in batches] == [50, 50, 20]
    names = sorted(json.loads(document)["name"] for batch in batches for document in batch.documents())
    assert names == sorted(f"burst-{number}" for number in range(120))
    # Full ones did not wait; the timer runs since the last batch.
    assert batches[1].at - began < 0.5
    assert 0.5 < batches[2].at - batches[1].at < 2
    said = [message for message in daemon.messages("Info") if "Successfully sent" in message]
    assert len(said) == 3


def test_forty_nine_wait_for_a_second(start_daemon: StartDaemon, upstream: FakeXRay) -> None:
    daemon = start_daemon(to=upstream.url)
    daemon.send_documents(*(segment(f"idle-{number}") for number in range(49)))
    (batch,) = upstream.wait_for("/TraceSegments", 1)
    assert len(batch.documents()) == 49
    message = daemon.wait_for_message("Info", "Successfully sent")
    assert message.startswith("Successfully sent batch of 49 segments (0.")
    assert message.endswith(" seconds)")
    seconds = message.removesuffix(" seconds)").partition("(")[2]
    assert len(seconds.partition(".")[2]) == 3, "three decimals"


def test_the_least_memory_is_48_buffers(start_daemon: StartDaemon, upstream: FakeXRay) -> None:
    daemon = start_daemon("-m", "3", "-l", "debug", to=upstream.url)
    assert "Using buffer memory limit of 3 MB" in daemon.messages("Info")
    assert "48 segment buffers allocated" in daemon.messages("Info")


def resident_megabytes(pid: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.better
def test_memory_is_bounded_and_what_is_lost_is_counted(start_daemon: StartDaemon, upstream: FakeXRay) -> None:
    upstream.answer("/TraceSegments", Reply(held=True))
    # One attempt that lasts: nothing is lost but for want of memory.
    environment: dict[str, str | None] = {"ROENTGEN_DAEMON_REQUEST_TIMEOUT": "60"}
    daemon = start_daemon("-m", "3", to=upstream.url, config={"Concurrency": 1}, environment=environment)
    resident = resident_megabytes(daemon.process.pid)
    pad = "x" * 8_000
    total = 1_600
    for number in range(total):
        daemon.send_documents(f"{number:06d}{pad}")
        if number % 5 == 4:
            # The kernel holds some dozen of this size; what it drops is not the daemon's loss.
            daemon.wait_until_read()
    grown = resident_megabytes(daemon.process.pid) - resident
    told = [m for m in daemon.messages("Warn") if re.match(r"Segment dropped\.|Spilling over \d+ seg", m)]
    assert told
    upstream.answer("/TraceSegments", TAKEN)
    upstream.release()
    assert daemon.stop(deadline_seconds=30) == 0
    counted = upstream.of("/TelemetryRecords")[-1].json()["TelemetryRecords"][-1]
    assert counted["SegmentsReceivedCount"] == total
    # What came through came once, and the rest is told.
    documents = upstream.documents()
    assert len(set(documents)) == len(documents)
    assert 0 < counted["SegmentsSpilloverCount"] == total - len(documents)
    # 3 MB of documents, once in batches and once on their way, and what comes with them.
    assert grown < 12, f"{grown:.1f} MB"
