"""What a task finds in its own network on Fargate, put into the network of a pod: addresses and listeners.

A port there collides with none of this machine, so they are those that AWS uses.
"""

import ctypes
import os
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CLONE_NEWNET = 0x40000000
"""That setns is given a network namespace (linux/sched.h)."""


def add_addresses(process: int, *addresses: str) -> None:
    """Gives these addresses to the loopback of the network that a process lives in."""
    for address in addresses:
        add = ["ip", "address", "add", f"{address}/32", "dev", "lo"]
        subprocess.run(["nsenter", "--net", "--target", str(process), *add], check=True)


def listen(process: int, address: tuple[str, int]) -> socket.socket:
    """A listener in the network of a process; connections to it are taken in this one, like any other's."""

    def enter_and_listen() -> socket.socket:
        with Path(f"/proc/{process}/ns/net").open() as network:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.setns(network.fileno(), CLONE_NEWNET) != 0:
                number = ctypes.get_errno()
                raise OSError(number, f"setns: {os.strerror(number)}")
        return socket.create_server(address)

    # Only this thread changes its network, and it ends with that; a socket stays in the one it was made in.
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(enter_and_listen).result()
