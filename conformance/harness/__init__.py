"""What the conformance tests stand on: the server under test, traced apps, and independent arithmetic."""
