"""Every bound of the doors, with its unit and its reason."""

REQUEST_BODY_BYTES_MAX = 256 * 1024
"""One JSON request; it is refused by its length, before it is parsed."""

REQUEST_BODY_SECONDS = 20.0
"""How long a request's body may take to arrive."""

JSON_DEPTH_MAX = 32
"""Nested arrays and objects in a request."""

INTEGER_MAX = 2**63 - 1
"""Integers beyond 64 bits are refused: half the world's JSON readers would change them."""

METADATA_BYTES_MAX = 16 * 1024
"""JSON bytes of one message's metadata."""

PAGE_ITEMS_DEFAULT = 50
PAGE_ITEMS_MAX = 200

PAGE_BYTES_MAX = 512 * 1024
"""Bytes of data after which a page ends early, and says where to go on."""

PAGE_SCAN_RECORDS_MAX = 2_048
"""Records one page may look at; a page that ends early still says where to go on."""

OUTBOUND_BYTES_MAX = 256 * 1024
"""Live frames that may wait for one client; beyond it the client is fed from the log."""

OUTBOUND_ANSWER_BYTES_MAX = 1024 * 1024
"""Answers that may wait for one client; beyond it the client does not read and is cut off."""

OUTBOUND_WRITE_SECONDS = 30.0
"""How long one write to a client may take before it counts as gone."""

FRAME_BYTES_MAX = 256 * 1024
"""One WebSocket message from a client."""

AUTH_SECONDS = 10.0
"""How long a WebSocket may take to say who it is."""

HEARTBEAT_SECONDS = 25.0
"""After how much silence the server says that it is still there."""

BAD_FRAMES_MAX = 3
"""Frames a WebSocket may get wrong before it is closed."""

UNACKED_COMMANDS_MAX = 32
"""Commands of one WebSocket that may be under way; then the server reads on only as they finish."""

SUBSCRIPTIONS_MAX = 256
"""Conversations and event subscriptions of one WebSocket."""

RETRY_MS = 2_000
"""What an EventSource is told to wait before it connects again."""

SETTLE_SECONDS = 2.0
"""How long a stopping server waits for the answers of commands that are under way on a socket."""

SHUTDOWN_SECONDS = 5.0
"""How long open connections are given when the server stops."""
