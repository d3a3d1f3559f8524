"""More subsegments than one document may have: the SDK streams them; prints the trace ids as JSON.

Scenarios: `flat` (45 one after the other), `open_parent` (35 children whose parent is still open when
they are sent, so that they arrive before it).
"""

import json

from aws_xray_sdk.core import xray_recorder

xray_recorder.configure(service="streamed", sampling=False)

FLAT_COUNT = 45
CHILD_COUNT = 35


def flat() -> str:
    with xray_recorder.in_segment("streamed") as segment:
        for number in range(FLAT_COUNT):
            with xray_recorder.in_subsegment(f"step-{number}"):
                pass
        return segment.trace_id


def open_parent() -> str:
    with xray_recorder.in_segment("streamed") as segment:
        with xray_recorder.in_subsegment("parent"):
            for number in range(CHILD_COUNT):
                with xray_recorder.in_subsegment(f"child-{number}") as child:
                    child.put_annotation("number", number)
        return segment.trace_id


if __name__ == "__main__":
    print(json.dumps({scenario.__name__: scenario() for scenario in (flat, open_parent)}))
