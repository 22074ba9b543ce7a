/* What is done, in which order, and when it is measured. */
#include "generator.h"

#include <string.h>

#define AT_ONCE 64 /* handshakes under way, but in a storm */
#define TICK (SECOND / 10) /* how often deadlines and the server's memory are looked at */
#define PROBE_AGAIN (SECOND / 20) /* a message that was faster than a join is sent again, later and later */
#define QUIET_TICKS 3 /* without a tick of CPU: the server has done what it was asked */
#define QUIET_SECONDS 10
#define DRAIN_SECONDS 30 /* what comes later than this after the load was too much for the server */

static const struct dialect *dialect;
static uint32_t count, writer_count; /* connections but for the one that makes rooms; writers to a room */
static bool foreign, delivers;
static struct line *maker; /* makes the rooms; in sse and storm it writes as well */
static uint64_t posted, turns, started;

static void check_patience(const char *what, uint32_t missing) {
    if (clock_ns() - progress_at > (uint64_t)(asked.patience * SECOND))
        fail("no answer for %g s: %u %s; doubled %lu, disordered %lu, errors %lu %s", asked.patience, missing,
             what, counts.doubled, counts.disordered, counts.errors, first_error);
}

static struct span span_now(void) {
    return (struct span){clock_ns(), server_usage(), own_cpu_seconds(), counts};
}

/* ---- before the load */

/* Opens lines until all of them are in, or have asked to be where that cannot be known. */
static void connect_lines(struct line *first, uint32_t wanted, uint32_t at_once) {
    uint32_t opened = 0, base = lines_in[JOINED] + lines_in[READY];
    for (;;) {
        uint32_t in = lines_in[JOINED] + lines_in[READY] - base;
        if (in >= wanted) return;
        for (; opened < wanted && opened - in < at_once; opened++) line_open(&first[opened]);
        pass(clock_ns() + TICK);
        check_patience("connections are not in", wanted - in);
    }
}

static void make_rooms(void) {
    connect_lines(maker, 1, 1);
    for (uint32_t room = 0; openings < asked.rooms;) {
        for (; room < asked.rooms && room - openings < AT_ONCE; room++) post_opening(maker, room);
        pass(clock_ns() + TICK);
        check_patience("rooms are not made", asked.rooms - openings);
    }
    if (!foreign) line_close(maker);
}

static void prove_joined(void) {
    for (uint64_t wait = PROBE_AGAIN; lines_in[JOINED]; wait *= 2) {
        for (uint32_t room = 0; room < asked.rooms; room++) post_probe(&lines[room]);
        uint64_t again = clock_ns() + wait;
        while (lines_in[JOINED] && clock_ns() < again) {
            pass(clock_ns() + TICK < again ? clock_ns() + TICK : again);
            check_patience("connections did not get the first message", lines_in[JOINED]);
        }
    }
}

static void prepare(void) {
    dialect = dialect_named(asked.dialect);
    bool rooms = !strcmp(asked.dialect, "parley") || !strcmp(asked.dialect, "sse");
    bool http = !strcmp(asked.dialect, "http");
    foreign = is("storm") || !strcmp(asked.dialect, "sse");
    delivers = !http && !(is("ack") && dialect->acks);
    if (http ? !is("post") && !is("ack") : is("post")) fail("%s cannot do %s", asked.dialect, asked.scenario);
    if (is("storm") && strcmp(asked.dialect, "parley")) fail("only parley has positions to come back with");
    count = asked.conns;
    writer_count = asked.writers_all ? asked.members : 1;
    lines_prepare(count + 1);
    ledger_prepare(count, writer_count, foreign);
    idle_lines = enough(NULL, count, sizeof *idle_lines);
    for (uint32_t number = 0; number < count; number++) {
        lines[number].speaks = dialect;
        lines[number].room = delivers ? number % asked.rooms : NOBODY;
        lines[number].message = NOBODY;
        if (delivers) hearing[number % asked.rooms]++;
    }
    maker = &lines[count];
    maker->speaks = dialect_named("parley");
    maker->room = maker->message = NOBODY;
    if (rooms) make_rooms();
}

/* ---- the load */

static struct line *next_writer(uint32_t *room) {
    *room = (uint32_t)(turns % asked.rooms);
    if (foreign) {
        turns++;
        return maker;
    }
    if (!dialect->websocket) {
        while (idle_count) {
            struct line *line = &lines[idle_lines[--idle_count]];
            if (line->state == READY) return line;
        }
        if (!lines_in[READY]) fail("every connection was closed: %s", first_error);
        return NULL;
    }
    for (uint32_t tried = 0; tried < count; tried++) {
        *room = (uint32_t)(turns % asked.rooms);
        struct line *line = &lines[*room + turns++ / asked.rooms % writer_count * asked.rooms];
        if (line->state == READY && !line->deaf) return line;
    }
    fail("every writer was closed: %s", first_error);
}

/* When the next message is to be sent; in an open loop those of the load are, however late it has become. */
static uint64_t next_planned(void) {
    return started + (uint64_t)((double)posted * 1e9 / asked.rate);
}

static bool still_due(void) {
    return asked.rate > 0 && started && next_planned() < measure_to;
}

static void post_due(void) {
    for (;;) {
        uint64_t now = clock_ns(), planned = asked.rate > 0 ? next_planned() : now;
        if (asked.rate > 0 ? planned >= measure_to : under_way >= asked.window) return;
        if (planned > now) {
            wake_at(planned);
            return;
        }
        uint32_t room;
        struct line *line = next_writer(&room);
        if (!line) return;
        begin_message(line, room, planned, line->speaks->acks, delivers);
        posted++;
    }
}

static void load_until(uint64_t end) {
    while (clock_ns() < end) {
        post_due();
        uint64_t tick = clock_ns() + TICK;
        pass(tick < end ? tick : end);
        if (under_way) check_patience("messages are under way", under_way);
    }
}

/* A server that still answers this has lost what does not come; one that does not is no longer there. */
static bool ping_somebody(void) {
    for (uint32_t number = 0; number <= count; number++) {
        struct line *line = &lines[number];
        if (line->state != READY || line->deaf || !line->speaks->websocket) continue;
        send_frame(line, PING, "", 0);
        break;
    }
    return true;
}

/* Waits for what is under way; returns whether the server fell silent before all of it had come. */
static bool drain(void) {
    uint64_t end = clock_ns() + DRAIN_SECONDS * SECOND;
    for (bool pinged = false; (open_messages || still_due()) && clock_ns() < end;) {
        if (still_due()) post_due();
        pass(clock_ns() + TICK);
        uint64_t quiet = clock_ns() - progress_at;
        if (ponged && quiet > (uint64_t)(asked.patience * SECOND)) return true;
        if (!pinged && quiet > (uint64_t)(asked.patience * SECOND / 2)) pinged = ping_somebody();
        check_patience("messages are not done", open_messages);
    }
    return false;
}

static void choose_slow(struct report *report) {
    uint32_t slow_members = is("slow") ? (uint32_t)(asked.slow * asked.members + 0.5) : 0;
    if (slow_members >= asked.members || (is("slow") && !slow_members))
        fail("slow=%g of %u members leaves none of one kind", asked.slow, asked.members);
    report->slow = slow_members * asked.rooms;
    for (uint32_t number = count - report->slow; number < count; number++) lines[number].deaf = true;
}

static void run_load(struct report *report) {
    choose_slow(report);
    uint64_t opening = clock_ns();
    connect_lines(lines, count, AT_ONCE);
    prove_joined();
    report->connect_seconds = (double)(clock_ns() - opening) / SECOND;
    for (uint32_t number = 0; number < count; number++)
        if (lines[number].deaf) {
            line_deafen(&lines[number]);
            hearing[lines[number].room]--;
        }
    report->before = server_usage();
    started = progress_at = clock_ns();
    measure_from = started + (uint64_t)(asked.warmup * SECOND);
    measure_to = measure_from + (uint64_t)(asked.secs * SECOND);
    load_until(measure_from);
    report->begin = span_now();
    load_until(measure_to);
    if (still_due()) post_due();
    report->end = span_now();
    bool silent = drain();
    for (; still_due(); posted++) counts.unfinished++;
    report->drain_seconds = (double)(clock_ns() - report->end.at) / SECOND;
    ledger_close(silent);
}

/* ---- idle, storm */

static void await_quiet(void) {
    uint64_t end = clock_ns() + QUIET_SECONDS * SECOND;
    double used = -1;
    for (int quiet = 0; asked.pid && quiet < QUIET_TICKS && clock_ns() < end;) {
        struct usage now = server_usage();
        quiet = now.user + now.kernel == used ? quiet + 1 : 0;
        used = now.user + now.kernel;
        for (uint64_t tick = clock_ns() + TICK; clock_ns() < tick;) pass(tick);
    }
}

static void run_idle(struct report *report) {
    await_quiet();
    report->begin = span_now();
    report->before = report->begin.server;
    connect_lines(lines, count, AT_ONCE);
    report->connect_seconds = (double)(clock_ns() - report->begin.at) / SECOND;
    await_quiet();
    report->end = span_now();
    uint64_t end = clock_ns() + (uint64_t)(asked.hold * SECOND);
    while (clock_ns() < end) pass(end);
    report->held = server_usage();
}

static void run_storm(struct report *report) {
    connect_lines(lines, count, AT_ONCE);
    for (uint32_t number = 0; number < count; number++) line_close(&lines[number]);
    await_quiet();
    report->before = server_usage();
    for (uint64_t all = (uint64_t)asked.missed * asked.rooms; counts.acks < all;) {
        for (; posted < all && posted - counts.acks < AT_ONCE; posted++)
            begin_message(maker, (uint32_t)(posted % asked.rooms), clock_ns(), true, true);
        pass(clock_ns() + TICK);
        check_patience("messages are not answered", (uint32_t)(posted - counts.acks));
    }
    await_quiet();
    returning = true;
    report->begin = span_now();
    progress_at = report->begin.at;
    plan_all(report->begin.at);
    connect_lines(lines, count, count);
    report->connect_seconds = (double)(clock_ns() - report->begin.at) / SECOND;
    bool silent = drain();
    report->end = span_now();
    ledger_close(silent);
}

void run_scenario(struct report *report) {
    prepare();
    if (is("idle")) run_idle(report);
    else if (is("storm")) run_storm(report);
    else run_load(report);
}
