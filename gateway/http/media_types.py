"""What bodies are called (IANA media types)."""

JSON = "application/json"
MSGPACK = "application/msgpack"
NDJSON = "application/x-ndjson"
SSE = "text/event-stream"
HTML = "text/html"
