"""SSE and NDJSON: the same events and the same bytes as the WebSocket, over plain HTTP."""
