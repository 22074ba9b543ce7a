/* Arguments in, figures out. */
#include "generator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct settings asked = {
    .dialect = "", .scenario = "", .host = "127.0.0.1", .key = "",
    .path = "/v1/conversations/conv_{n}/messages", .missed = 10, .warmup = 0.5, .secs = 2, .hold = 2,
    .slow = 0.1, .patience = 10};

/* ---- arguments */

static const char *value_of(const char *argument, const char *name) {
    size_t length = strlen(name);
    return !strncmp(argument, name, length) && argument[length] == '=' ? argument + length + 1 : NULL;
}

static double number_in(const char *argument, const char *text, double most) {
    char *end;
    double found = strtod(text, &end);
    bool good = end != text && !*end && found >= 0 && found <= most;
    if (!good) fail("%s is no number from 0 to %.0f", argument, most);
    return found;
}

static void read_argument(const char *argument) {
    const struct {
        const char *name, **text;
        unsigned *whole;
        double *number, most;
    } known[] = {
        {"dialect", .text = &asked.dialect}, {"host", .text = &asked.host}, {"key", .text = &asked.key},
        {"path", .text = &asked.path}, {"port", .whole = &asked.port, .most = 65535},
        {"pid", .whole = &asked.pid, .most = 1 << 30}, {"members", .whole = &asked.members, .most = 1e5},
        {"rooms", .whole = &asked.rooms, .most = 1e5}, {"window", .whole = &asked.window, .most = 1e5},
        {"conns", .whole = &asked.conns, .most = 1e6}, {"missed", .whole = &asked.missed, .most = 1e5},
        {"rate", .number = &asked.rate, .most = 1e7}, {"warmup", .number = &asked.warmup, .most = 3600},
        {"secs", .number = &asked.secs, .most = 3600}, {"hold", .number = &asked.hold, .most = 3600},
        {"slow", .number = &asked.slow, .most = 1}, {"patience", .number = &asked.patience, .most = 3600}};
    for (size_t at = 0; at < sizeof known / sizeof *known; at++) {
        const char *text = value_of(argument, known[at].name);
        if (!text) continue;
        if (known[at].text) *known[at].text = text;
        else if (known[at].whole) *known[at].whole = (unsigned)number_in(argument, text, known[at].most);
        else *known[at].number = number_in(argument, text, known[at].most);
        return;
    }
    const char *writers = value_of(argument, "writers");
    if (writers && (!strcmp(writers, "all") || !strcmp(writers, "one"))) asked.writers_all = *writers == 'a';
    else if (strchr(argument, '=') || *asked.scenario) fail("%s is not understood", argument);
    else asked.scenario = argument;
}

bool is(const char *scenario) {
    return !strcmp(asked.scenario, scenario);
}

/* What was not said follows from the scenario; rooms times members is the number of connections. */
static void complete(void) {
    static const char *const SCENARIOS[] = {"fanout", "pairs", "post", "idle", "slow", "storm", "ack"};
    bool known = false;
    for (size_t at = 0; at < sizeof SCENARIOS / sizeof *SCENARIOS; at++) known |= is(SCENARIOS[at]);
    if (!known) fail("no scenario is called \"%s\"", asked.scenario);
    if (!asked.port) fail("port= is not given");
    if (is("pairs")) asked.writers_all = true;
    if (is("post") || is("ack")) {
        if (!asked.conns) asked.conns = 64;
        asked.rooms = asked.conns; /* each in a room of its own */
        asked.members = 1;
        asked.window = asked.conns;
    } else if (is("idle") || is("storm")) {
        if (!asked.conns) asked.conns = 1000;
        bool one = asked.conns < 2 || !strcmp(asked.dialect, "sse");
        if (!asked.rooms) asked.rooms = one ? 1 : asked.conns / 2;
        if (asked.rooms > asked.conns) fail("there are more rooms than connections");
        asked.members = asked.conns / asked.rooms;
    } else {
        if (!asked.rooms) asked.rooms = is("pairs") ? 500 : 1;
        if (!asked.members) asked.members = is("pairs") ? 2 : asked.conns ? asked.conns : 100;
        asked.conns = asked.rooms * asked.members;
        if (!asked.window) asked.window = is("pairs") ? 64 : 16;
    }
    if (!strcmp(asked.dialect, "sse") && asked.rooms != 1) fail("sse has one room");
    if (!strcmp(asked.dialect, "sse") && asked.writers_all) fail("sse has one writer");
    if ((is("ack") || is("slow")) && !(asked.rate > 0)) fail("%s needs rate=", asked.scenario);
    if (asked.rate > 0 || is("idle") || is("storm")) asked.window = 0;
}

/* ---- figures */

static bool begun;

static void put(const char *name, double value, bool known) {
    printf("%s\"%s\":", begun ? "," : "{", name);
    begun = true;
    if (known) printf("%.10g", value);
    else printf("null");
}

static void put_text(const char *name, const char *text) {
    printf("%s\"%s\":\"", begun ? "," : "{", name);
    begun = true;
    for (; *text; text++)
        if (*text == '"' || *text == '\\') printf("\\%c", *text);
        else if ((unsigned char)*text < ' ' || (unsigned char)*text > '~') putchar('?');
        else putchar(*text);
    putchar('"');
}

static void put_latency(const char *name, const struct histogram *from) {
    printf(",\"%s\":", name);
    begun = false;
    if (!from->count) {
        printf("null");
    } else {
        put("p50", quantile_us(from, 0.5), true);
        put("p90", quantile_us(from, 0.9), true);
        put("p99", quantile_us(from, 0.99), true);
        put("p999", quantile_us(from, 0.999), true);
        put("max", (double)from->longest / 1000, true);
        put("count", (double)from->count, true);
        putchar('}');
    }
    begun = true;
}

static void put_server(const struct report *report, double seconds, double messages, double deliveries) {
    const struct usage *begin = &report->begin.server, *end = &report->end.server;
    double kernel = end->kernel - begin->kernel, cpu = end->user - begin->user + kernel;
    double grown = (double)(end->rss_kib - report->before.rss_kib) * 1024 / asked.conns;
    double grown_held = (double)(report->held.rss_kib - report->before.rss_kib) * 1024 / asked.conns;
    bool known = asked.pid, idle = is("idle");
    put("server_cpu_us_per_delivery", cpu * 1e6 / deliveries, known && deliveries > 0);
    put("server_cpu_us_per_message", cpu * 1e6 / messages, known && messages > 0);
    put("server_cpu_share", cpu / seconds, known);
    put("generator_cpu_share", (report->end.own - report->begin.own) / seconds, true);
    put("kernel_share", kernel / cpu, known && cpu > 0);
    put("server_rss_kib_before", (double)report->before.rss_kib, known);
    put("server_rss_kib_after", (double)end->rss_kib, known);
    put("server_rss_kib_held", (double)report->held.rss_kib, known && idle);
    put("rss_per_conn_bytes", grown, known && idle);
    put("rss_per_conn_bytes_held", grown_held, known && idle);
    put("connect_cpu_us_per_conn", cpu * 1e6 / asked.conns, known && idle);
}

void print_figures(const struct report *report) {
    const struct counts *from = &report->begin.counts, *to = &report->end.counts;
    double seconds = (double)(report->end.at - report->begin.at) / SECOND;
    double messages = (double)(to->completed - from->completed);
    double deliveries = (double)(to->deliveries - from->deliveries);
    double acks = (double)(to->acks - from->acks), arrivals = deliveries > 0 ? deliveries : acks;
    bool by_ack = is("post") || is("ack"), answers = ack_latencies.count > 0;
    put_text("dialect", asked.dialect);
    put_text("scenario", asked.scenario);
    put_text("writers", asked.writers_all ? "all" : "one");
    put("rooms", asked.rooms, true);
    put("members", asked.members, true);
    put("conns", asked.conns, true);
    put("window", asked.window, asked.window);
    put("rate", asked.rate, asked.rate > 0);
    put("seconds", seconds, true);
    put("messages", messages, true);
    put("deliveries", deliveries, true);
    put("messages_per_s", messages / seconds, true);
    put("deliveries_per_s", deliveries / seconds, true);
    put("acks", by_ack && !answers ? deliveries : acks, true);
    put("lost", (double)counts.lost, true);
    put("doubled", (double)counts.doubled, true);
    put("disordered", (double)counts.disordered, true);
    put("errors", (double)counts.errors, true);
    put("unacked", (double)counts.unacked, true);
    put("unfinished", (double)counts.unfinished, true);
    put("version_faults", (double)counts.version_faults, true);
    put_text("first_error", first_error);
    put("frame_bytes_in", (double)(to->bytes_in - from->bytes_in) / arrivals, to->bytes_in > from->bytes_in);
    put("frame_bytes_out", POST_BYTES, !is("idle"));
    put_latency("latency_us", by_ack && answers ? &ack_latencies : &latencies);
    put_latency("ack_latency_us", by_ack && !answers ? &latencies : &ack_latencies);
    put_latency("sent_late_us", &lateness);
    put_server(report, seconds, messages, deliveries);
    put("connect_seconds", report->connect_seconds, true);
    put("drain_seconds", report->drain_seconds, !is("idle") && !is("storm"));
    put("storm_seconds", seconds, is("storm"));
    put("slow_conns", report->slow, is("slow"));
    puts("}");
}

int main(int count, char **arguments) {
    static struct report report;
    for (int at = 1; at < count; at++) read_argument(arguments[at]);
    complete();
    run_scenario(&report);
    print_figures(&report);
    return 0;
}
