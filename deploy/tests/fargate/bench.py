#!/usr/bin/env python3
"""What stands in for Apache Bench where it is not installed: the same arguments, the same last words.

usage: bench.py -n REQUESTS URL
"""

import argparse
import sys
import urllib.error
import urllib.request


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("-n", type=int, default=1)
    arguments.add_argument("url")
    given = arguments.parse_args()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    complete = other = failed = 0
    for _ in range(given.n):
        try:
            with opener.open(given.url, timeout=10) as answer:
                answer.read()
            complete += 1
        except urllib.error.HTTPError:
            complete += 1
            other += 1
        except OSError:
            failed += 1
    print(f"Complete requests:      {complete}\nFailed requests:        {failed}")
    if other:
        print(f"Non-2xx responses:      {other}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
