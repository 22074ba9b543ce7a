/* Every message that is under way, and for every member the next one of every writer. */
#include "generator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNDER_WAY_MAX (1u << 19) /* then the server is so far behind that the rest would tell nothing new */
#define GAP_MAX 1000000u         /* a number further ahead is no message of ours */

struct mark {
    uint32_t writer, sequence, id;
};

struct counts counts;
struct histogram latencies, ack_latencies, lateness;
uint32_t under_way, open_messages, *hearing;
uint64_t measure_from = UINT64_MAX, measure_to = UINT64_MAX;
char first_error[200];

static struct message *messages;
static uint32_t message_count, *free_ids, free_count;
static uint32_t writers, foreign_writer; /* writers to a room; or one for all rooms, who is no member */
static uint32_t *expected;               /* by line and writer: the sequence that comes next */
static uint32_t *sequences;              /* by room and writer: the one to be given next */

/* What a later message of the same writer has overtaken; rare, so it is searched through. */
static struct missing {
    uint32_t line, index, sequence;
} *missing;
static uint32_t missing_count;

void ledger_prepare(uint32_t line_count, uint32_t writers_a_room, bool foreign) {
    writers = writers_a_room;
    foreign_writer = foreign ? line_count : NOBODY;
    size_t lanes = (size_t)line_count * writers, rooms = (size_t)asked.rooms * writers;
    expected = memset(enough(NULL, lanes, sizeof *expected), 0, lanes * sizeof *expected);
    sequences = memset(enough(NULL, rooms, sizeof *sequences), 0, rooms * sizeof *sequences);
    hearing = memset(enough(NULL, asked.rooms, sizeof *hearing), 0, asked.rooms * sizeof *hearing);
}

void error_seen(const char *what, const char *data, size_t length) {
    if (counts.errors++) return;
    int shown = length < 160 ? (int)length : 160;
    snprintf(first_error, sizeof first_error, "%s%s%.*s", what, length ? ": " : "", shown, data);
}

/* ---- the life of a message */

static uint32_t lane_of(const struct line *writer, uint32_t room) {
    return room * writers + (writers > 1 ? writer->number / asked.rooms : 0);
}

static void more_messages(void) {
    uint32_t count = message_count ? message_count * 2 : 1024;
    if (count > UNDER_WAY_MAX) fail("the server is %u messages behind", message_count);
    messages = enough(messages, count, sizeof *messages);
    free_ids = enough(free_ids, count, sizeof *free_ids);
    memset(messages + message_count, 0, (count - message_count) * sizeof *messages);
    for (uint32_t id = count; id-- > message_count;) free_ids[free_count++] = id;
    message_count = count;
}

static struct message *message_at(uint32_t id) {
    return id < message_count && messages[id].used ? &messages[id] : NULL;
}

void begin_message(struct line *line, uint32_t room, uint64_t planned, bool acks, bool delivered) {
    uint64_t now = clock_ns();
    if (!under_way) progress_at = now; /* nothing was waited for until now */
    if (!free_count) more_messages();
    uint32_t id = free_ids[--free_count], sequence = sequences[lane_of(line, room)]++;
    messages[id] = (struct message){
        .planned = planned, .writer = line->number, .sequence = sequence, .room = room,
        .left = delivered ? hearing[room] : 0, .used = true, .awaits_ack = acks, .by_ack = !delivered,
        .measured = planned >= measure_from && planned < measure_to};
    if (messages[id].measured) record(&lateness, now > planned ? now - planned : 0);
    line->message = id;
    under_way++;
    open_messages++;
    post_message(line, room, id, sequence);
}

/* A message is done when every member has it, or is answered where nobody follows; kept until both are so. */
static void settle(uint32_t id) {
    struct message *message = &messages[id];
    if (!message->done && !message->left && !(message->by_ack && message->awaits_ack)) {
        message->done = true;
        under_way--;
        counts.completed++;
    }
    if (!message->done || message->awaits_ack) return;
    message->used = false;
    open_messages--;
    free_ids[free_count++] = id;
}

void acked(uint32_t id) {
    struct message *message = message_at(id);
    if (!message || !message->awaits_ack) {
        error_seen("an answer to nothing", "", 0);
        return;
    }
    counts.acks++;
    progress_at = heard_at;
    if (message->measured) record(&ack_latencies, heard_at - message->planned);
    message->awaits_ack = false;
    settle(id);
}

void abandon(uint32_t id) {
    struct message *message = message_at(id);
    if (!message) return;
    counts.completed -= !message->done; /* settle counts it */
    message->left = 0;
    message->awaits_ack = false;
    settle(id);
}

void plan_all(uint64_t when) {
    for (uint32_t id = 0; id < message_count; id++) {
        messages[id].planned = when;
        messages[id].measured = true;
    }
}

/* ---- deliveries */

/* Reads a number behind two characters; returns where it ends, NULL if there is none or it may go on. */
static const char *number(const char *at, const char *end, const char *behind, uint32_t *found) {
    uint32_t value = 0;
    if (end - at < 4 || at[0] != behind[0] || at[1] != behind[1]) return NULL;
    const char *begin = at += 2;
    for (; at < end && (unsigned char)(*at - '0') < 10; at++) value = value * 10 + (uint32_t)(*at - '0');
    *found = value;
    return at > begin && at < end ? at : NULL;
}

/* Reads `"w1 s2 m3 ` here. */
static bool read_mark(const char *at, const char *end, struct mark *mark) {
    if (!(at = number(at, end, "\"w", &mark->writer))) return false;
    if (!(at = number(at, end, " s", &mark->sequence))) return false;
    if (!(at = number(at, end, " m", &mark->id))) return false;
    return *at == ' ';
}

/* Looks where the last one stood first: frames are alike, and searching would be most of the work. */
static bool find_mark(const char *data, size_t length, struct mark *mark) {
    static size_t hint;
    const char *end = data + length, *at = data;
    if (hint < length && read_mark(data + hint, end, mark)) return true;
    for (; (at = memmem(at, (size_t)(end - at), "\"w", 2)); at += 2) {
        if (!read_mark(at, end, mark)) continue;
        hint = (size_t)(at - data);
        return true;
    }
    return false;
}

static bool is_message(const struct message *found, uint32_t room, uint32_t writer, uint32_t sequence) {
    return found->used && found->room == room && found->writer == writer && found->sequence == sequence;
}

/* A member will not get it any more, or only late: then the window must not wait for it. */
static void forgo(uint32_t room, uint32_t writer, uint32_t sequence) {
    for (uint32_t id = 0; id < message_count; id++) {
        struct message *message = &messages[id];
        if (!is_message(message, room, writer, sequence)) continue;
        if (message->left && !--message->left) settle(id);
        return;
    }
}

/* Not the sequence that comes next. Returns whether it is one to be taken nevertheless. */
static bool out_of_order(const struct line *line, uint32_t index, const struct mark *mark) {
    uint32_t *next = &expected[(size_t)line->number * writers + index];
    if (mark->sequence > *next && mark->sequence - *next > GAP_MAX) {
        error_seen("a message nobody sent", "", 0);
        return false;
    }
    if (mark->sequence > *next) {
        missing = enough(missing, missing_count + (mark->sequence - *next), sizeof *missing);
        for (; *next < mark->sequence; ++*next) {
            missing[missing_count++] = (struct missing){line->number, index, *next};
            forgo(line->room, mark->writer, *next);
        }
        ++*next;
        return true;
    }
    for (uint32_t at = 0; at < missing_count; at++) {
        if (missing[at].line != line->number || missing[at].index != index) continue;
        if (missing[at].sequence != mark->sequence) continue;
        missing[at] = missing[--missing_count];
        counts.disordered++;
        return false;
    }
    counts.doubled++;
    return false;
}

bool deliver(struct line *line, const char *data, size_t length) {
    struct mark mark;
    if (!find_mark(data, length, &mark)) return false;
    uint32_t index = writers > 1 ? mark.writer / asked.rooms : 0;
    bool member = mark.writer % asked.rooms == line->room && mark.writer < writers * asked.rooms;
    bool ours = foreign_writer == NOBODY ? member : mark.writer == foreign_writer;
    if (!ours) {
        error_seen("a message of another room", data, length);
        return true;
    }
    progress_at = heard_at;
    counts.deliveries++;
    counts.bytes_in += length;
    uint32_t *next = &expected[(size_t)line->number * writers + index];
    if (mark.sequence == *next) ++*next;
    else if (!out_of_order(line, index, &mark)) return true;
    struct message *message = message_at(mark.id);
    if (!message || !message->left || !is_message(message, line->room, mark.writer, mark.sequence)) {
        error_seen("a message nobody sent", data, length);
        return true;
    }
    if (message->measured) record(&latencies, heard_at - message->planned);
    if (!--message->left) settle(mark.id);
    return true;
}

void saw_version(struct line *line, const char *data, size_t length) {
    static const char NAME[] = "\"version\":";
    const char *at = memmem(data, length, NAME, sizeof NAME - 1);
    uint32_t version;
    if (!at || !number(at + sizeof NAME - 3, data + length, "\":", &version)) return;
    if (line->version && version != line->version + 1) counts.version_faults++;
    if (version > line->version) line->version = version;
}

/* ---- what did not come */

void line_lost(struct line *line, const char *reason) {
    char text[80];
    snprintf(text, sizeof text, "connection %u was closed: %.50s", line->number, reason);
    bool loaded = line->state == READY && (measure_to != UINT64_MAX || is("idle"));
    line_close(line);
    if (!loaded) fail("%s", text);
    error_seen(text, "", 0);
    if (!line->speaks->websocket && line->speaks->acks) {
        abandon(line->message);
        return;
    }
    if (line->room == NOBODY) return;
    hearing[line->room]--;
    for (uint32_t id = 0; id < message_count; id++) {
        struct message *message = &messages[id];
        if (!message->used || message->room != line->room) continue;
        uint32_t index = writers > 1 ? message->writer / asked.rooms : 0;
        bool has_it = message->sequence < expected[(size_t)line->number * writers + index];
        if (message->left && !has_it) message->left--;
        if (message->writer == line->number) message->awaits_ack = false; /* nobody is left to answer to */
        settle(id);
    }
}

void ledger_close(bool silent) {
    counts.lost += missing_count;
    for (uint32_t id = 0; id < message_count; id++) {
        if (!messages[id].used) continue;
        *(silent ? &counts.lost : &counts.unfinished) += messages[id].left;
        counts.unacked += messages[id].awaits_ack;
    }
    if (silent && counts.unacked) error_seen("not answered", "", 0);
    /* A message that is lost also breaks the row of versions: those count where nothing else was found. */
    if (counts.lost + counts.doubled + counts.disordered + counts.errors) return;
    counts.disordered = counts.version_faults;
}
