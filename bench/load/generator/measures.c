/* The clock, what processes have used, and a histogram of latencies. */
#include "generator.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SUB_BITS 7 /* 128 cells to a power of two: an error below 0.8 % */

uint64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

_Noreturn void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("generator: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

void *enough(void *old, size_t count, size_t size) {
    void *found = reallocarray(old, count ? count : 1, size);
    if (!found) fail("out of memory");
    return found;
}

/* Reads a small file of /proc; the server is gone when there is none. */
static void process_file(const char *name, char *text, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%u/%s", asked.pid, name);
    FILE *file = fopen(path, "r");
    size_t length = file ? fread(text, 1, size - 1, file) : 0;
    if (file) fclose(file);
    if (!length) fail("the server is gone: there is no %s", path);
    text[length] = 0;
}

struct usage server_usage(void) {
    struct usage found = {0};
    if (!asked.pid) return found;
    char text[1024];
    unsigned long user = 0, kernel = 0;
    long pages = 0;
    process_file("stat", text, sizeof text);
    const char *fields = strrchr(text, ')'); /* the name before it may hold anything */
    if (fields) sscanf(fields + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel);
    process_file("statm", text, sizeof text);
    sscanf(text, "%*d %ld", &pages);
    double ticks = (double)sysconf(_SC_CLK_TCK);
    found.user = (double)user / ticks;
    found.kernel = (double)kernel / ticks;
    found.rss_kib = pages * (sysconf(_SC_PAGESIZE) / 1024);
    return found;
}

double own_cpu_seconds(void) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

void record(struct histogram *histogram, uint64_t ns) {
    unsigned shift = ns >> SUB_BITS ? 63u - (unsigned)__builtin_clzll(ns) - SUB_BITS : 0;
    histogram->cells[((size_t)shift << SUB_BITS) + (size_t)(ns >> shift)]++;
    histogram->count++;
    if (ns > histogram->longest) histogram->longest = ns;
}

double quantile_us(const struct histogram *histogram, double share) {
    uint64_t wanted = (uint64_t)(share * (double)histogram->count + 0.5), seen = 0;
    for (size_t at = 0; at < sizeof histogram->cells / sizeof *histogram->cells; at++) {
        seen += histogram->cells[at];
        if (!seen || seen < wanted) continue;
        /* Cells of a shift above 0 begin at 128, not at 0: a cell stands for the middle of its values. */
        size_t shift = at >> SUB_BITS ? (at >> SUB_BITS) - 1 : 0;
        double middle = ((double)(at - (shift << SUB_BITS)) + 0.5) * (double)(1ull << shift);
        return (middle < (double)histogram->longest ? middle : (double)histogram->longest) / 1000;
    }
    return (double)histogram->longest / 1000;
}
