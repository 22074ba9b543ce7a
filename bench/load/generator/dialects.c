/* What is said in each dialect: how to join a room, to post, and to tell a message from an answer. */
#include "generator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Refs that no message has: those are numbers of a table, and small. */
#define SUBSCRIBING (NOBODY - 1)
#define OPENING (NOBODY - 2)

bool returning;
uint32_t openings, *idle_lines, idle_count;

static bool starts(const char *data, size_t length, const char *with) {
    size_t size = strlen(with);
    return length >= size && !memcmp(data, with, size);
}

static bool holds(const char *data, size_t length, const char *what) {
    return memmem(data, length, what, strlen(what)) != NULL;
}

/* The number behind a member's name; frames are small and have few members, so they are not parsed. */
static uint32_t number_of(const char *data, size_t length, const char *member) {
    const char *found = memmem(data, length, member, strlen(member));
    return found ? (uint32_t)strtoul(found + strlen(member), NULL, 10) : NOBODY;
}

/* Keys are told apart over several runs against one server. */
static unsigned run_tag(void) {
    static unsigned tag;
    if (!tag) tag = ((unsigned)(clock_ns() >> 10) ^ ((unsigned)getpid() << 16)) | 1;
    return tag;
}

static void say(struct line *line, const char *format, uint32_t first, uint64_t second) {
    char text[256];
    int length = snprintf(text, sizeof text, format, first, second);
    send_frame(line, line->speaks->opcode, text, (size_t)length);
}

static void joined(struct line *line) {
    line_is(line, is("idle") ? READY : JOINED); /* idle has nothing to prove it with */
}

static void unexpected(const char *data, size_t length) {
    error_seen("the server said", data, length);
}

/* A message in a line that has joined; a probe, which is none, proves that it has. */
static void take_message(struct line *line, const char *data, size_t length) {
    if (deliver(line, data, length)) return;
    if (line->state == JOINED && holds(data, length, "probe")) line_is(line, READY);
}

/* ---- parley */

#define SUBSCRIBE "{\"op\":\"subscribe\",\"ref\":4294967294,\"conversation\":\"conv_r%u\""

static void await_ready(struct line *line) {
    line_is(line, JOINING);
}

static void subscribe(struct line *line) {
    if (line->room == NOBODY) line_is(line, READY);
    else if (returning) say(line, SUBSCRIBE ",\"after\":%lu}", line->room + 1, line->version);
    else say(line, SUBSCRIBE "}", line->room + 1, 0);
}

static void take_ok(struct line *line, const char *data, size_t length) {
    uint32_t ref = number_of(data, length, "\"ref\":");
    if (ref == OPENING) {
        openings++;
        progress_at = heard_at;
    } else if (ref == SUBSCRIBING) {
        if (!returning) line->version = number_of(data, length, "\"version\":");
        if (line->state == JOINING) line_is(line, READY);
    } else acked(ref);
}

static size_t take_parley(struct line *line, const char *data, size_t length) {
    static const char OP[] = "{\"op\":\"";
    const char *op = starts(data, length, OP) ? data + 1 : memmem(data, length, OP + 1, sizeof OP - 2);
    op = op ? op + sizeof OP - 2 : data + length;
    size_t left = length - (size_t)(op - data);
    if (starts(op, left, "event\"")) {
        if (line->room == NOBODY) return length;
        saw_version(line, data, length);
        deliver(line, data, length);
    } else if (starts(op, left, "ok\"")) take_ok(line, data, length);
    else if (starts(op, left, "ready\"")) subscribe(line);
    else if (starts(op, left, "error\"")) {
        if (line->state != READY || openings < asked.rooms) fail("refused: %.*s", (int)length, data);
        error_seen("refused", data, length);
        abandon(number_of(data, length, "\"ref\":"));
    } else if (!starts(op, left, "signal\"") && !starts(op, left, "p")) unexpected(data, length);
    return length;
}

/* ---- ws, socketio */

static void join_ws(struct line *line) {
    say(line, "{\"join\":\"r%u\"}", line->room + 1, 0);
    joined(line);
}

static size_t take_ws(struct line *line, const char *data, size_t length) {
    take_message(line, data, length);
    return length;
}

static size_t take_socketio(struct line *line, const char *data, size_t length) {
    if (starts(data, length, "42")) take_message(line, data, length);
    else if (starts(data, length, "40")) {
        say(line, "42[\"join\",\"r%u\"]", line->room + 1, 0);
        joined(line);
    } else if (starts(data, length, "0")) say(line, "40", 0, 0);
    else if (starts(data, length, "2")) say(line, "3", 0, 0);
    else if (!starts(data, length, "3") && !starts(data, length, "6")) unexpected(data, length);
    return length;
}

/* ---- nats */

static void nats_line(struct line *line, const char *data, size_t length) {
    if (starts(data, length, "INFO ") && line->state == JOINING && !line->version) {
        char token[300] = "";
        if (*asked.key) snprintf(token, sizeof token, ",\"auth_token\":\"%s\"", asked.key);
        static const char WORDS[] = "CONNECT {\"verbose\":false,\"pedantic\":false,\"protocol\":1%s}\r\n"
                                    "SUB room.r%u 1\r\nPING\r\n";
        char text[512];
        int size = snprintf(text, sizeof text, WORDS, token, line->room + 1);
        line->version = 1; /* a later INFO only tells what has changed */
        send_frame(line, BINARY, text, (size_t)size);
    } else if (starts(data, length, "PING")) say(line, "PONG\r\n", 0, 0);
    else if (starts(data, length, "PONG") && line->state == JOINING) line_is(line, READY);
    else if (starts(data, length, "-ERR")) unexpected(data, length);
}

static size_t take_nats(struct line *line, const char *data, size_t length) {
    size_t at = 0;
    while (at < length && line->state != CLOSED) {
        const char *end = memchr(data + at, '\n', length - at);
        if (!end) break;
        size_t next = (size_t)(end - data) + 1;
        if (!starts(data + at, length - at, "MSG ")) nats_line(line, data + at, next - at);
        else {
            const char *size_at = end; /* the last word of the line is the size */
            while (size_at[-1] != ' ') size_at--;
            size_t size = strtoul(size_at, NULL, 10);
            if (length - next < size + 2) break;
            deliver(line, data + next, size);
            next += size + 2;
        }
        at = next;
    }
    return at;
}

/* ---- sse, http */

static void follows(struct line *line) {
    line_is(line, READY);
}

static size_t take_events(struct line *line, const char *data, size_t length) {
    size_t at = 0;
    const char *end;
    while ((end = memmem(data + at, length - at, "\n\n", 2)) && line->state != CLOSED) {
        size_t size = (size_t)(end - data) - at;
        if (holds(data + at, size, "data:")) {
            saw_version(line, data + at, size);
            deliver(line, data + at, size);
        }
        at += size + 2;
    }
    return at;
}

static void idle_again(struct line *line) {
    line->message = NOBODY;
    idle_lines[idle_count++] = line->number;
}

static void await_work(struct line *line) {
    line_is(line, READY);
    idle_again(line);
}

/* The size of a whole answer, 0 while it is not all there. */
static size_t answer_size(const char *data, size_t length) {
    const char *body = memmem(data, length, "\r\n\r\n", 4);
    if (!body) return 0;
    size_t head = (size_t)(body - data) + 4, size = 0;
    char fields[4096];
    snprintf(fields, sizeof fields, "%.*s", (int)head, data);
    const char *field = strcasestr(fields, "\r\ncontent-length:");
    if (field) size = strtoul(field + 17, NULL, 10);
    else if (strcasestr(fields, "\r\ntransfer-encoding: chunked")) {
        const char *last = memmem(body, length - (head - 4), "\r\n0\r\n\r\n", 7);
        if (!last) return 0;
        size = (size_t)(last - data) + 7 - head;
    } else if (!starts(data, length, "HTTP/1.1 204")) fail("an answer without a length: %.40s", data);
    return length - head < size ? 0 : head + size;
}

static size_t take_answers(struct line *line, const char *data, size_t length) {
    size_t size = answer_size(data, length);
    if (!size) return 0;
    uint32_t message = line->message;
    if (message == NOBODY) {
        error_seen("an answer to nothing", data, size);
    } else {
        counts.bytes_in += size;
        idle_again(line);
        if (starts(data, length, "HTTP/1.1 2")) acked(message);
        else {
            error_seen("refused", data, size);
            abandon(message);
        }
    }
    return size;
}

/* ---- posting */

/* Writes a message of POST_BYTES, the text in it padded. */
static void compose(const struct dialect *speaks, char *out, uint32_t room, const char *text, uint32_t id,
                    const char *key) {
    char after[128];
    uint32_t second = id;
    if (speaks->opcode == BINARY) /* NATS wants the size of what follows the line, which has three digits */
        second = POST_BYTES - 2 - (uint32_t)snprintf(NULL, 0, "PUB room.r%u 100\r\n", room + 1);
    size_t size = (size_t)snprintf(out, POST_BYTES, speaks->before, room + 1, second);
    size_t last = (size_t)snprintf(after, sizeof after, speaks->after, run_tag(), key), words = strlen(text);
    if (size + words + last > POST_BYTES) fail("a message does not fit into %d bytes", POST_BYTES);
    memcpy(out + size, text, words);
    memset(out + size + words, 'x', POST_BYTES - size - words - last);
    memcpy(out + POST_BYTES - last, after, last);
}

static void post(struct line *line, uint32_t room, const char *text, uint32_t id, const char *key) {
    char message[POST_BYTES], request[1024];
    compose(line->speaks, message, room, text, id, key);
    if (line->speaks->websocket) {
        send_frame(line, line->speaks->opcode, message, POST_BYTES);
        return;
    }
    const char *number = strstr(asked.path, "{n}");
    int before = number ? (int)(number - asked.path) : (int)strlen(asked.path);
    char digits[12] = "";
    if (number) snprintf(digits, sizeof digits, "%u", line->number);
    int size = snprintf(request, sizeof request,
                        "POST %.*s%s%s HTTP/1.1\r\nHost: %s:%u\r\nAuthorization: Bearer %s\r\n"
                        "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%.*s",
                        before, asked.path, digits, number ? number + 3 : "", asked.host, asked.port,
                        asked.key, POST_BYTES, POST_BYTES, message);
    if (size >= (int)sizeof request) fail("the path or the key is too long");
    send_raw(line, request, (size_t)size);
}

void post_message(struct line *line, uint32_t room, uint32_t id, uint32_t sequence) {
    char text[64], key[64];
    snprintf(text, sizeof text, "w%u s%u m%u ", line->number, sequence, id);
    snprintf(key, sizeof key, "%u-%u-%u", line->number, sequence, room);
    post(line, room, text, id, key);
}

void post_opening(struct line *line, uint32_t room) {
    char key[32];
    snprintf(key, sizeof key, "opening-%u", room);
    post(line, room, "opening ", OPENING, key);
}

void post_probe(struct line *line) {
    post(line, line->room, "probe ", 0, "");
}

static const struct dialect DIALECTS[] = {
    {.name = "parley", .websocket = true, .acks = true, .opcode = TEXT,
     .request = "/v1/realtime", .fields = "Sec-WebSocket-Protocol: parley.v1+json\r\n",
     .opened = await_ready, .take = take_parley, .after = "\",\"idempotency_key\":\"%x-%s\"}}",
     .before = "{\"op\":\"message.create\",\"ref\":%2$u,\"conversation\":\"conv_r%1$u\","
               "\"message\":{\"text\":\""},
    {.name = "ws", .websocket = true, .opcode = TEXT, .request = "/", .fields = "",
     .opened = join_ws, .take = take_ws, .before = "{\"room\":\"r%u\",\"text\":\"", .after = "\"}"},
    {.name = "socketio", .websocket = true, .opcode = TEXT,
     .request = "/socket.io/?EIO=4&transport=websocket", .fields = "", .opened = await_ready,
     .take = take_socketio, .before = "42[\"post\",{\"room\":\"r%u\",\"text\":\"", .after = "\"}]"},
    {.name = "nats", .websocket = true, .stream = true, .opcode = BINARY, .request = "/", .fields = "",
     .opened = await_ready, .take = take_nats,
     .before = "PUB room.r%u %u\r\n{\"text\":\"", .after = "\"}\r\n"},
    {.name = "sse", .stream = true, .request = "/v1/conversations/conv_r1/events",
     .fields = "Accept: text/event-stream\r\n", .opened = follows, .take = take_events},
    {.name = "http", .acks = true, .opened = await_work, .take = take_answers,
     .before = "{\"text\":\"", .after = "\",\"idempotency_key\":\"%x-%s\"}"},
};

const struct dialect *dialect_named(const char *name) {
    for (size_t at = 0; at < sizeof DIALECTS / sizeof *DIALECTS; at++)
        if (!strcmp(name, DIALECTS[at].name)) return &DIALECTS[at];
    fail("no dialect is called \"%s\"", name);
}
