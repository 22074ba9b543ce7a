/* A load generator for message servers: one thread, epoll, no library but libc.
 *
 *     generator dialect=D host=H port=P pid=PID key=TOKEN [name=value ...] SCENARIO
 *
 * dialect   parley, ws, socketio, nats: rooms over a WebSocket; sse: parley's event stream, written to
 *           over its WebSocket; http: a POST a message
 * scenario  fanout   every member of a room gets its messages: rooms= members= writers=one|all window=|rate=
 *           pairs    the same with 500 rooms of two who both write
 *           ack      conns= writers in rooms of their own, from the intended send to the answer: rate=
 *           post     conns= keep-alive connections, one request under way on each: closed loop, or rate=
 *           idle     conns= that join one of rooms= and then say nothing for hold= seconds
 *           slow     fanout at rate=, and a fraction slow= of the members never reads
 *           storm    conns= follow rooms= and leave, each room gets missed= messages, all come back at once
 * others    warmup= secs= (s), path= (http; {n} is the connection's number), patience= (s without an answer)
 *
 * window= messages are under way in all; a message is until every member has it. With rate= (messages/s)
 * they are sent when they are due, whatever the server does, and a latency counts from that moment.
 *
 * stdout gets one line of JSON (main.c). Without figures the exit status is 1 and stderr says why in a line.
 * What is counted wrong: lost (never came), doubled, disordered (came behind a later one of its writer, or
 * versions did not rise by one), errors (refused, unanswered, of another room, a connection that was closed).
 */
#ifndef GENERATOR_H
#define GENERATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECOND 1000000000ull /* every time is in ns of CLOCK_MONOTONIC */
#define POST_BYTES 200       /* a message as the client sends it: the WebSocket's payload, or the body */
#define NOBODY UINT32_MAX

struct settings {
    const char *dialect, *scenario, *host, *key, *path;
    unsigned port, pid, rooms, members, conns, window, missed;
    bool writers_all;
    double rate, warmup, secs, hold, slow, patience;
};
extern struct settings asked;
bool is(const char *scenario);

/* ---- measures.c: the clock, processes, latencies */

struct usage {
    double user, kernel; /* s of CPU */
    long rss_kib;
};

struct histogram {
    uint64_t cells[58 * 128];
    uint64_t count, longest;
};

uint64_t clock_ns(void);
struct usage server_usage(void); /* zeros without a pid */
double own_cpu_seconds(void);
void record(struct histogram *, uint64_t ns);
double quantile_us(const struct histogram *, double share);
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void *enough(void *old, size_t count, size_t size); /* realloc that cannot fail */

/* ---- lines.c: connections, and the pieces that what they carry is cut into */

/* JOINED: has asked for its room where that is not answered, so that only a message can prove it. */
enum state { CLOSED, CONNECTING, SHAKING, JOINING, JOINED, READY };

struct buffer {
    char *data;
    size_t length, capacity;
};

struct line {
    int fd;
    enum state state;
    bool dirty, blocked, deaf, chunked;
    const struct dialect *speaks;
    uint32_t number, room, message; /* room: NOBODY follows none; message: the one under way, over HTTP */
    uint64_t version;               /* the last one seen, 0 before */
    struct buffer out, rest, inner; /* rest: the beginning of a frame; inner: of a message within frames */
};

extern struct line *lines;
extern uint32_t lines_in[READY + 1];
extern uint64_t heard_at;    /* when the bytes that are looked at had come */
extern uint64_t progress_at; /* when the server last did something that was waited for */
extern bool ponged;

void lines_prepare(uint32_t count);
void line_open(struct line *);
void line_close(struct line *);
void line_is(struct line *, enum state);
void line_deafen(struct line *); /* never read from it again */
void send_frame(struct line *, int opcode, const char *payload, size_t length);
void send_raw(struct line *, const char *data, size_t length);
void pass(uint64_t until); /* send what waits, wait for what comes, at most till then */
void wake_at(uint64_t when); /* sharper than the end of a pass, which is in ms */

/* ---- dialects.c: what is said */

enum { MORE = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

struct dialect {
    const char *name;
    const char *request; /* target, then fields, of the request that opens it; NULL: there is none */
    const char *fields;
    bool websocket;
    bool stream; /* messages begin and end anywhere in what carries them */
    bool acks;   /* a message is answered */
    int opcode;
    void (*opened)(struct line *);
    size_t (*take)(struct line *, const char *data, size_t length); /* returns what was used up */
    const char *before, *after; /* printf formats of what stands around a message's text */
};

extern bool returning;          /* the second half of a storm: subscribe behind what was seen */
extern uint32_t openings;       /* rooms made by their first message */
extern uint32_t *idle_lines, idle_count; /* HTTP connections with nothing under way */

const struct dialect *dialect_named(const char *);
void post_message(struct line *, uint32_t room, uint32_t id, uint32_t sequence);
void post_opening(struct line *, uint32_t room);
void post_probe(struct line *);

/* ---- ledger.c: every message, and who has it */

struct message {
    uint64_t planned;
    uint32_t writer, sequence, room, left;
    bool used, measured, awaits_ack, by_ack, done;
};

struct counts {
    uint64_t completed, deliveries, acks, bytes_in; /* since the start: figures take differences */
    uint64_t lost, doubled, disordered, errors, unacked, version_faults, unfinished;
};

extern struct counts counts;
extern struct histogram latencies, ack_latencies, lateness;
extern uint32_t under_way, open_messages;
extern uint32_t *hearing; /* by room: members who are expected to get its messages */
extern char first_error[200];
extern uint64_t measure_from, measure_to; /* messages planned in between count for latencies */

void ledger_prepare(uint32_t line_count, uint32_t writers_a_room, bool foreign);
void begin_message(struct line *, uint32_t room, uint64_t planned, bool acks, bool delivered);
bool deliver(struct line *, const char *data, size_t length); /* false: it holds no message */
void saw_version(struct line *, const char *data, size_t length);
void acked(uint32_t id);
void abandon(uint32_t id); /* nobody will get it: it was refused */
void plan_all(uint64_t);   /* latencies of all that is under way count from this moment */
void line_lost(struct line *, const char *reason);
void ledger_close(bool silent); /* what has not come is lost if the server fell silent, else unfinished */
void error_seen(const char *what, const char *data, size_t length);

/* ---- scenarios.c, main.c */

struct span {
    uint64_t at;
    struct usage server;
    double own;
    struct counts counts;
};

struct report {
    struct span begin, end;
    struct usage before, held; /* before the first message, in idle the first connection; after the hold */
    double connect_seconds, drain_seconds;
    uint32_t slow;
};

void run_scenario(struct report *);
void print_figures(const struct report *);

#endif
