/* Connections. Each is read once and written once a pass, in pieces as large as they come. */
#include "generator.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define RECEIVE_BYTES (256 * 1024)
#define EVENTS 1024
#define SLOW_BYTES 4096 /* what the kernel may hold for a client that does not read */

/* The example of RFC 6455, section 1.3: with a known key the answer needs no SHA-1. */
#define HANDSHAKE_KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define HANDSHAKE_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
/* Not zero: some servers skip unmasking then, others do not, and clients never choose it. */
static const unsigned char MASK[4] = {0x37, 0xfa, 0x21, 0x3d};

struct line *lines;
uint32_t lines_in[READY + 1];
uint64_t heard_at, progress_at;
bool ponged;

static int poller, timer;
static struct sockaddr_in server;
static uint32_t *dirty, dirty_count;
static char chunk[2 * RECEIVE_BYTES];

/* ---- buffers */

static void append(struct buffer *buffer, const void *data, size_t length) {
    if (buffer->length + length > buffer->capacity) {
        buffer->capacity = (buffer->length + length) * 2;
        buffer->data = enough(buffer->data, buffer->capacity, 1);
    }
    if (length) memcpy(buffer->data + buffer->length, data, length);
    buffer->length += length;
}

/* Keeps only these bytes, which may be the buffer's own. */
static void keep(struct buffer *buffer, const char *data, size_t length) {
    bool own = buffer->length && data >= buffer->data && data < buffer->data + buffer->length;
    buffer->length = own ? length : 0;
    if (own) memmove(buffer->data, data, length);
    else append(buffer, data, length);
}

/* ---- opening and closing */

void lines_prepare(uint32_t count) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (count + 16ull > limit.rlim_cur) fail("%u connections are more than ulimit -n allows", count);
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
    if (getaddrinfo(asked.host, NULL, &hints, &found) != 0) fail("the host %s has no address", asked.host);
    memcpy(&server, found->ai_addr, sizeof server);
    server.sin_port = htons((uint16_t)asked.port);
    freeaddrinfo(found);
    poller = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = NOBODY};
    if (poller < 0 || timer < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, timer, &event)) fail("there is no epoll");
    lines = enough(NULL, count, sizeof *lines);
    dirty = enough(NULL, count, sizeof *dirty);
    memset(lines, 0, count * sizeof *lines);
    for (uint32_t number = 0; number < count; number++) lines[number].number = number;
    lines_in[CLOSED] = count;
}

void line_is(struct line *line, enum state state) {
    lines_in[line->state]--;
    lines_in[line->state = state]++;
    progress_at = clock_ns();
}

static void listen_for(struct line *line, int how, uint32_t events) {
    struct epoll_event event = {.events = events, .data.u32 = line->number};
    if (epoll_ctl(poller, how, line->fd, &event)) fail("epoll_ctl: %s", strerror(errno));
}

void line_open(struct line *line) {
    int yes = 1, small = SLOW_BYTES;
    line->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (line->fd < 0) fail("socket: %s", strerror(errno));
    setsockopt(line->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (line->deaf) setsockopt(line->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    if (connect(line->fd, (struct sockaddr *)&server, sizeof server) && errno != EINPROGRESS)
        fail("connection %u: %s", line->number, strerror(errno));
    listen_for(line, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
    line_is(line, CONNECTING);
}

void line_close(struct line *line) {
    if (line->state == CLOSED) return;
    close(line->fd);
    line->out.length = line->rest.length = line->inner.length = 0;
    line->blocked = false;
    line_is(line, CLOSED);
}

void line_deafen(struct line *line) {
    listen_for(line, EPOLL_CTL_DEL, 0); /* with no events in its mask it would still tell when it is cut */
}

/* ---- sending */

static void mark_dirty(struct line *line) {
    if (line->dirty || line->blocked) return;
    line->dirty = true;
    dirty[dirty_count++] = line->number;
}

void send_raw(struct line *line, const char *data, size_t length) {
    append(&line->out, data, length);
    mark_dirty(line);
}

void send_frame(struct line *line, int opcode, const char *payload, size_t length) {
    unsigned char head[8] = {(unsigned char)(0x80 | opcode), (unsigned char)(0x80 | length)};
    size_t size = 2;
    if (length > 125) {
        head[1] = 0x80 | 126;
        head[size++] = (unsigned char)(length >> 8);
        head[size++] = (unsigned char)length;
    }
    memcpy(head + size, MASK, 4);
    append(&line->out, head, size + 4);
    append(&line->out, payload, length);
    unsigned char *masked = (unsigned char *)line->out.data + line->out.length - length;
    for (size_t at = 0; at < length; at++) masked[at] ^= MASK[at & 3];
    mark_dirty(line);
}

static void flush(struct line *line) {
    if (line->state <= CONNECTING || !line->out.length) return;
    ssize_t sent = send(line->fd, line->out.data, line->out.length, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        line_lost(line, strerror(errno));
        return;
    }
    size_t done = sent > 0 ? (size_t)sent : 0;
    bool blocked = done < line->out.length;
    keep(&line->out, line->out.data + done, line->out.length - done);
    if (blocked != line->blocked) listen_for(line, EPOLL_CTL_MOD, blocked ? EPOLLIN | EPOLLOUT : EPOLLIN);
    line->blocked = blocked;
}

static void shake_hands(struct line *line) {
    static const char UPGRADE[] = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Key: " HANDSHAKE_KEY "\r\n";
    const struct dialect *speaks = line->speaks;
    char request[1024];
    listen_for(line, EPOLL_CTL_MOD, EPOLLIN);
    if (!speaks->request) {
        speaks->opened(line);
        return;
    }
    int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s:%u\r\n%s%s%s%s%s\r\n",
                          speaks->request, asked.host, asked.port, *asked.key ? "Authorization: Bearer " : "",
                          asked.key, *asked.key ? "\r\n" : "", speaks->websocket ? UPGRADE : "",
                          speaks->fields);
    if (length >= (int)sizeof request) fail("the key is too long");
    line_is(line, SHAKING);
    send_raw(line, request, (size_t)length);
}

/* ---- receiving: heads of HTTP, then frames, chunks or answers, each when all of it is there */

static size_t take_head(struct line *line, const char *data, size_t length) {
    const char *end = memmem(data, length, "\r\n\r\n", 4);
    if (!end) return 0;
    const char *wanted = line->speaks->websocket ? " 101" : " 200";
    size_t size = (size_t)(end - data) + 4;
    char head[4096];
    snprintf(head, sizeof head, "%.*s", (int)size, data);
    bool agreed = !strncmp(head, "HTTP/1.1", 8) && !strncmp(head + 8, wanted, 4);
    if (!agreed) fail("connection %u was answered: %.*s", line->number, (int)strcspn(head, "\r\n"), head);
    if (line->speaks->websocket && !strstr(head, HANDSHAKE_ACCEPT)) fail("the handshake has the wrong key");
    line->chunked = strcasestr(head, "transfer-encoding: chunked") != NULL;
    line->speaks->opened(line);
    return size;
}

static void feed(struct line *line, const char *data, size_t length) {
    if (!line->speaks->stream) {
        line->speaks->take(line, data, length);
        return;
    }
    if (line->inner.length) {
        append(&line->inner, data, length);
        data = line->inner.data;
        length = line->inner.length;
    }
    size_t used = line->speaks->take(line, data, length);
    if (line->state != CLOSED) keep(&line->inner, data + used, length - used);
}

static void take_control(struct line *line, int opcode, const char *data, size_t length) {
    char reason[80];
    if (opcode == PING) send_frame(line, PONG, data, length);
    if (opcode == PONG) ponged = true;
    if (opcode != CLOSE) return;
    unsigned code = length >= 2 ? (unsigned)(unsigned char)data[0] << 8 | (unsigned char)data[1] : 0;
    snprintf(reason, sizeof reason, "code %u %.*s", code, length > 2 ? (int)length - 2 : 0, data + 2);
    line_lost(line, reason);
}

static size_t take_frames(struct line *line, const char *data, size_t length) {
    size_t at = 0;
    while (length - at >= 2 && line->state != CLOSED) {
        const unsigned char *head = (const unsigned char *)data + at;
        size_t size = head[1], start = at + 2;
        if (size > 127 || head[0] & 0x70) fail("a frame that is masked or compressed");
        if (size >= 126) {
            unsigned wide = size == 126 ? 2 : 8;
            if (length - start < wide) break;
            size = 0;
            for (unsigned byte = 0; byte < wide; byte++) size = size << 8 | head[2 + byte];
            start += wide;
        }
        if (length - start < size) break;
        int opcode = head[0] & 0x0f;
        if (opcode >= CLOSE) take_control(line, opcode, data + start, size);
        else if (!line->speaks->stream && (opcode == MORE || head[0] < 0x80)) fail("a message in fragments");
        else feed(line, data + start, size);
        at = start + size;
    }
    return at;
}

static size_t take_chunks(struct line *line, const char *data, size_t length) {
    size_t at = 0;
    if (!line->chunked) {
        feed(line, data, length);
        return length;
    }
    while (line->state != CLOSED) {
        const char *end = memmem(data + at, length - at, "\r\n", 2);
        if (!end) break;
        size_t size = strtoul(data + at, NULL, 16), start = (size_t)(end - data) + 2;
        if (length - start < size + 2) break;
        if (!size) line_lost(line, "the stream ended");
        else feed(line, data + start, size);
        at = start + size + 2;
    }
    return at;
}

static void receive(struct line *line) {
    size_t held = line->rest.length, used = 0;
    if (held) memcpy(chunk, line->rest.data, held);
    ssize_t got = recv(line->fd, chunk + held, RECEIVE_BYTES - 1, 0);
    if (got <= 0) {
        if (got && (errno == EAGAIN || errno == EINTR)) return;
        line_lost(line, got ? strerror(errno) : "without a word");
        return;
    }
    heard_at = clock_ns();
    size_t length = held + (size_t)got;
    chunk[length] = 0;
    if (line->state == SHAKING && !(used = take_head(line, chunk, length))) {
        keep(&line->rest, chunk, length);
        return;
    }
    if (line->speaks->websocket) used += take_frames(line, chunk + used, length - used);
    else if (line->speaks->request) used += take_chunks(line, chunk + used, length - used);
    else used += line->speaks->take(line, chunk + used, length - used);
    if (line->state == CLOSED) return;
    keep(&line->rest, chunk + used, length - used);
    if (line->rest.length > RECEIVE_BYTES || line->inner.length > RECEIVE_BYTES)
        fail("the server sent more than %d bytes in one piece", RECEIVE_BYTES);
}

/* ---- waiting */

void wake_at(uint64_t when) {
    static uint64_t set;
    if (when == set) return;
    struct itimerspec due = {.it_value = {(time_t)(when / SECOND), (long)(when % SECOND)}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &due, NULL);
    set = when;
}

static void serve(struct line *line, uint32_t events) {
    if (line->state == CLOSED) return; /* closed by an event before this one */
    if (line->state == CONNECTING) {
        int error = 0;
        socklen_t length = sizeof error;
        getsockopt(line->fd, SOL_SOCKET, SO_ERROR, &error, &length);
        if (error) fail("connection %u to port %u: %s", line->number, asked.port, strerror(error));
        if (events & EPOLLOUT) shake_hands(line);
        return;
    }
    if (events & EPOLLOUT) flush(line);
    if (events & ~(uint32_t)EPOLLOUT && line->state != CLOSED) receive(line);
}

void pass(uint64_t until) {
    static struct epoll_event events[EVENTS];
    for (uint32_t at = 0; at < dirty_count; at++) {
        lines[dirty[at]].dirty = false;
        flush(&lines[dirty[at]]);
    }
    dirty_count = 0;
    uint64_t now = clock_ns();
    int timeout = until > now ? (int)((until - now + 999999) / 1000000) : 0;
    int count = epoll_wait(poller, events, EVENTS, timeout);
    if (count < 0 && errno != EINTR) fail("epoll_wait: %s", strerror(errno));
    for (int at = 0; at < count; at++) {
        uint32_t number = events[at].data.u32;
        if (number != NOBODY) serve(&lines[number], events[at].events);
        else wake_at(0); /* disarms it: it would be due again in every pass */
    }
}
