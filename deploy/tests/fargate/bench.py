"""What stands in for Apache Bench where it is not installed: the same arguments, the same last word.

usage: bench.py -n REQUESTS URL
"""

import argparse
import sys
import urllib.request


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("-n", type=int, default=1)
    arguments.add_argument("url")
    given = arguments.parse_args()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(given.n):
        with opener.open(given.url, timeout=10) as answer:
            answer.read()
    print(f"Complete requests:      {given.n}\nFailed requests:        0")
    return 0


if __name__ == "__main__":
    sys.exit(main())
