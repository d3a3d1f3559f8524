"""Segments made by hand with the official recorder; prints the trace id of each scenario as JSON.

Scenarios: `nested` (subsegments three deep, annotations and metadata of every type),
`exception` (raised two subsegments deep), `called` (a segment whose parent is in another service).
"""

import json
import math

from aws_xray_sdk.core import xray_recorder

xray_recorder.configure(service="manual", sampling=False)


def nested() -> str:
    with xray_recorder.in_segment("warehouse") as segment:
        segment.set_user("customer-7")
        segment.put_annotation("shelf", "A-12")
        segment.put_annotation("weight", 12.5)
        segment.put_annotation("fragile", True)
        segment.put_metadata("not_a_number", math.nan)
        segment.put_metadata("endless", math.inf)
        segment.put_metadata("list", [1, "two", None], namespace="stock")
        with xray_recorder.in_subsegment("pick") as pick:
            pick.put_annotation("robot", 9)
            with xray_recorder.in_subsegment("move"):
                with xray_recorder.in_subsegment("grip") as grip:
                    grip.put_metadata("force", {"newton": 40})
        return segment.trace_id


def exception() -> str:
    trace_id = ""
    try:
        with xray_recorder.in_segment("warehouse") as segment:
            trace_id = segment.trace_id
            with xray_recorder.in_subsegment("pick"):
                with xray_recorder.in_subsegment("grip"):
                    raise KeyError('no such "shelf" ☃')
    except KeyError:
        pass
    return trace_id


def called() -> str:
    with xray_recorder.in_segment("shop-window") as caller:
        with xray_recorder.in_subsegment("warehouse", namespace="remote") as call:
            call.put_http_meta("url", "http://warehouse/pick")
            call.put_http_meta("status", 200)
            parent_id = call.id
        trace_id = caller.trace_id
    with xray_recorder.in_segment("warehouse", traceid=trace_id, parent_id=parent_id):
        pass
    return trace_id


if __name__ == "__main__":
    print(json.dumps({scenario.__name__: scenario() for scenario in (nested, exception, called)}))
