"""Every bound of the engine, with its unit and its reason."""

MAILBOX_COMMANDS_MAX = 256
"""Commands that may wait for one actor. At 100 µs a message a full mailbox is 26 ms of work."""

MAILBOX_BYTES_MAX = 1024 * 1024
"""Bytes of commands that may wait for one actor."""

TURN_COMMANDS_MAX = 64
"""Commands one turn takes before it lets others run: at most about 6 ms on the loop."""

TURN_SECONDS_MAX = 0.1
"""Processor time that one turn may use before it is taken for a loop that never ends. A full turn
takes 6 ms."""

TURN_LOOKS_SECONDS = 0.05
"""How often somebody looks whether a turn has ended: it is ended within 50 ms of its time."""

ASK_SECONDS = 10.0
"""How long an asker waits for a receipt before it is told that the outcome is unknown."""

LIVE_ACTORS_MAX = 20_000
"""Actors held in memory per environment; the longest idle one is let go first."""

REHYDRATIONS_AT_ONCE_MAX = 16
"""Actors that may replay their stream at the same time; the others wait their turn."""

REPLAY_PAGE_RECORDS = 256
"""Records read per page when a stream is replayed."""

FAILURES_BEFORE_PARKING = 5
"""Failures in a row of one stream's actor after which its commands are refused for a while."""

PARKED_SECONDS_MIN = 2.0
"""How long a stream is parked first. A failure of the one command that is let through then doubles
it."""

PARKED_SECONDS_MAX = 300.0
"""How long a stream is parked at the most: so often a stream that nothing mends is replayed."""

TROUBLED_STREAMS_MAX = 10_000
"""Streams with a failure behind them that are remembered (about 300 B each); the one that failed
longest ago is forgotten first."""

SNAPSHOT_EVENTS = 512
"""Events behind the last snapshot of an actor after which another one is written. The tail is
replayed at 10 µs an event, so in 5 ms at the most; and a snapshot with every key that can be
remembered takes 0.4 ms to make (200 KB), which is below 1 µs an event."""

SNAPSHOT_EVENTS_WORTHWHILE = 64
"""Events from which on a snapshot saves time: they are replayed in the 0.6 ms one takes to open.
An actor that is let go with fewer behind its last one leaves none."""

SNAPSHOTS_UNDER_WAY_MAX = 32
"""Snapshots that may wait to be written; each may hold 0.5 MiB. Beyond it they are left out."""

SNAPSHOTS_PER_WRITE = 8
"""Snapshots written in one transaction, by one call of a thread."""

COMMAND_KEYS_REMEMBERED = 4_096
"""Idempotency keys an actor keeps in memory (about 150 B each)."""

COMMAND_KEY_SECONDS = 24 * 3600
"""How long a remembered key answers: the promise made to clients."""

IDEMPOTENCY_KEY_CHARACTERS_MAX = 255

EXTERNAL_ID_CHARACTERS_MAX = 128
"""An id of the client's own (``conv_123``, ``usr_45``)."""

MESSAGE_TEXT_BYTES_MAX = 32 * 1024
"""UTF-8 bytes of one message's text."""

MESSAGE_TEXT_CHARACTERS_MAX = 20_000
"""Code points of one message's text."""

MARKS_IN_A_ROW_MAX = 30
"""Combining marks in a row (after Unicode Standard Annex 15, Stream-Safe Text Format)."""

MESSAGE_DATA_BYTES_MAX = 64 * 1024
"""JSON bytes of one message with its metadata: the interoperable size of a CloudEvent."""

MESSAGE_CHANGES_MAX = 100
"""Changes of one message's text, and as many of its metadata alone: reading it reads them all."""

REVISIONS_REMEMBERED = 256
"""Changed messages an actor knows by heart (about 200 B each). A header that was read before the
oldest of them changed is read again."""

STALE_HEADER_TRIES = 3
"""How often a message's header is read when others change messages faster than that."""

MARK_SECONDS = 0.25
"""How often read marks are written: the newest of each reader."""

MARKS_WAITING_MAX = 10_000
"""Readers whose marks may wait to be written, in one environment."""

REBUILDS_AT_ONCE_MAX = 4
"""Answers to repeated changes that are folded from the log at the same time."""

MARKS_AT_ONCE_MAX = 64
"""Marks that are handed to their actors before others run."""

ATTRIBUTES_BYTES_MAX = 16 * 1024
"""JSON bytes of one conversation's attributes."""

TAGS_MAX = 64
TAG_CHARACTERS_MAX = 64

PARTICIPANTS_MAX = 256
"""People and bots in one conversation."""

MISSED_EVENTS_MAX = 100
"""Events a refused conditional write is told about; beyond it, a link."""

CONTACTS_REMEMBERED = 65_536
"""User → account pairs kept in memory per environment."""

SUBJECT_KEYS_REMEMBERED = 65_536
"""Opened subject keys kept in memory per environment (about 200 B each)."""

ERASURE_REASON_CHARACTERS_MAX = 200
"""Why somebody was erased: an entry of the ledger holds it, sealed."""

EPHEMERAL_TTL_SECONDS_MIN = 30
EPHEMERAL_TTL_SECONDS_MAX = 900

EPHEMERAL_CONVERSATIONS_MAX = 16
"""Conversations an ephemeral key may be narrowed to: the key must fit a header."""

SEALED_RECEIPT_SECONDS = 24 * 3600
"""How long a receipt that holds a secret can be asked for again."""

TOKEN_CHARACTERS_MAX = 4_096
"""A presented credential; anything longer is no key of ours."""

CONSUMER_BATCH_EVENTS = 256
"""Events a consumer folds and writes at once; further ones wait for its next turn."""

CONSUMER_WAITING_EVENTS = 1_024
"""Live events that may wait for a consumer; beyond it the consumer reads them from the log."""

CONSUMER_FOLD_SECONDS = 0.002
"""How long a consumer folds before it lets others run."""

CONSUMER_LINGER_SECONDS = 0.05
"""How long a consumer lets events gather, unless somebody waits for them: a write costs about as
much for one event as for twenty."""

CONSUMER_RETRY_SECONDS = 1.0
"""How long a consumer waits when its store, or the log, does not answer."""

VIEW_WAIT_SECONDS = 0.2
"""How long a question waits for a view to come as far as the log was when it was asked."""

ACCOUNT_CUSTOMERS_LISTED_MAX = 10_000
"""Customers of one account, those claimed last, by whom its keys find conversations in a list."""
