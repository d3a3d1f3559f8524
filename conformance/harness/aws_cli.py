"""The aws command of the AWS CLI."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from .environment import child_environment
from .roentgen import Roentgen


def aws(server: Roentgen, *arguments: str, deadline_seconds: float = 60.0) -> Any:
    """Runs `aws xray …` and gives its JSON."""
    command = [
        str(Path(sys.executable).with_name("aws")),
        "--endpoint-url",
        server.url,
        "--output",
        "json",
        "xray",
    ]
    done = subprocess.run(
        [*command, *arguments],
        env=child_environment({"AWS_PAGER": ""}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=deadline_seconds,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else None
