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

DRAIN_SECONDS = 3.0
DRAIN_BATCHES = 12
"""A stopping server says goodbye to its sockets in so many batches, spread over so much time."""

DRAIN_BATCH_MIN = 100
"""Fewer than that are not worth a batch."""

RETRY_AFTER_SECONDS_MIN = 0.5
RETRY_AFTER_SECONDS_MAX = 5.0
"""Between these lies the moment at which a client of a stopping server is told to come back: each
another, so that not all come at once."""

HEAR_OUT_SECONDS = 2.0
"""How long a client may go on sending a body that was refused before its connection is closed."""

SHUTDOWN_SECONDS = 5.0
"""How long open connections are given when the server stops."""

CONTROL_REQUEST_BYTES_MAX = 16 * 1024
"""One request over the control socket: a command and a few words."""

CONTROL_ANSWER_BYTES_MAX = 4 * 1024 * 1024
"""One line of an answer over the control socket: a list of about 16,000 keys."""

CONTROL_REQUEST_SECONDS = 5.0
"""How long a command may take to connect and to say what it wants: it is on the same machine."""

CONTROL_REFUSED_SECONDS = 1.0
"""How long a command that was refused is given to read why."""

CONTROL_WRITE_SECONDS = 10.0
"""How long one line to a command may take before it counts as gone."""

CONTROL_SILENCE_SECONDS = 60.0
"""How long a command waits for the server's next line before it gives up."""

CONTROL_CONNECTIONS_MAX = 16
"""Commands that one server carries out side by side."""

FOLDER_WAIT_SECONDS = 3.0
"""How long a command waits for a data folder that is held by a process without a socket: another
command that is about to end, or a server that is starting."""

NAME_CHARACTERS_MAX = 128
"""The name of a workspace or a key."""

SEED_CONVERSATIONS_MAX = 100_000
SEED_MESSAGES_MAX = 500
"""Messages of one seeded conversation, at most."""

SEED_CONVERSATIONS_AT_ONCE = 32
"""Seeded conversations that are written side by side: they share commits, and live traffic still
finds room in each of them."""

PROGRESS_SECONDS = 0.2
"""How often a long command says how far it is."""

CONNECT_SECONDS = 10.0
"""How long our client waits for a connection and for the answer to a subscription."""

RECONNECT_SECONDS_MIN = 0.5
RECONNECT_SECONDS_MAX = 30.0
"""Bounds of the growing pause of our client between two attempts to connect."""

SILENT_HEARTBEATS = 2.5
"""After how many heartbeats without a frame our client takes the connection for dead."""

RECEIVED_FRAME_BYTES_MAX = 4 * 1024 * 1024
"""One frame our client takes from a server: an event is at most some 100 KiB."""

FSYNC_SECONDS_SLOW = 0.05
"""A synced write that takes longer makes every message wait for it."""

FSYNC_SECONDS_IMPLAUSIBLE = 20e-6
"""No disk makes a write durable in less: one that does, says so without having done it."""

DISK_FREE_BYTES_MIN = 1024**3
"""Free space below which a look at the disk is due."""

OPEN_FILES_MIN = 4_096
"""Open files a server should be allowed: one a connection, and about 26 an environment."""

TYPING_SECONDS = 8.0
"""How long "is typing" holds unless it is said again; clients repeat it about every 4 seconds."""

SIGNAL_SECONDS = 2.0
"""One typing or presence signal an author and conversation in this time; later ones are joined."""

PRESENCE_GRACE_SECONDS = 10.0
"""How long an author stays present after its socket closed: longer than it takes to reconnect."""

PRESENCE_REST_SECONDS = 45.0
"""How long a presence given over REST holds unless it is given again, best every 20 seconds."""

MARKS_TOLD_REMEMBERED = 4_096
"""Read marks remembered per environment so that a repeated one is not signalled again."""

CONVERSATION_AUTHORS_MAX = 256
"""Authors that may type, or be present, in one conversation at the same time."""

SOCKET_AUTHORS_MAX = 256
"""Typing authors, and present authors, that one socket may speak for at the same time."""

ENVIRONMENT_AUTHORS_MAX = 65_536
"""Typing authors, and present authors, of one environment (about 500 B each)."""

HEAD_BYTES_MAX = 16 * 1024
"""The head of a request in all: a browser's is about 1 KiB, one with large cookies 8 KiB."""

REQUEST_LINE_BYTES_MAX = 8 * 1024
"""The first line of a request, and with it its URL (RFC 9112, section 3, asks for 8,000)."""

HEADER_BYTES_MAX = 8 * 1024
"""One header of a request, its name and its value."""

HEADERS_MAX = 100
"""Headers of one request: each costs a call, and no client sends half as many."""

CHUNKED_OVERHEAD_BYTES_MAX = 64 * 1024
"""What a chunked body may consist of besides its content: sizes, extensions and trailers. The
largest body in chunks of 32 bytes has less."""

FRAGMENTS_MAX = 1_000
"""Frames of one WebSocket message: empty ones add no bytes, yet each costs a call."""

LAGGING_SECONDS = 15.0
"""How long a client may take nothing before it is told, should it read again, how far it is. It is
cut off after ``OUTBOUND_WRITE_SECONDS``."""

HEAD_SECONDS = 10.0
"""How long a request's head may take to arrive, from its first byte; the first one from the moment
of connecting."""

KEEP_ALIVE_SECONDS = 60.0
"""How long a connection may stay open between two requests."""

CLOSING_SECONDS = 3.0
"""How long a peer may take to answer the closing of a WebSocket, or to take the last bytes."""

TLS_HANDSHAKE_SECONDS = 10.0
"""How long a client may take to agree on TLS."""

ACCEPTS_AT_ONCE = 64
"""Connections that one pass of the loop accepts, so that a storm leaves time for the others."""

TLS_BUFFER_BYTES_MAX = 64 * 1024
"""Bytes that one TLS connection is encrypting and sending; the rest waits where it is bounded."""

ASGI_BODY_BYTES_MAX = 64 * 1024
"""Bytes of a request's body that wait for an application to read them; then nothing is read."""

RESUME_CHUNK_BYTES = 32 * 1024
"""Frames that are handed to a client at once while it is fed from the log."""

PAGES_KEPT_BYTES_MAX = 32 * 1024 * 1024
"""Frames that were read from the log and are kept for the next who resumes, in one environment."""

PAGES_KEPT_MAX = 8_192
"""Pages that one environment keeps: one of events that are hidden from its room has no bytes."""
