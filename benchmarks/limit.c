/* The least that one packet for each of many listeners can cost: copy, srtp_protect, sendmmsg, paced.
 *
 * Built and called by limit.py, which opens the SRTP sessions and the receiving sockets and hands over the
 * address of srtp_protect in the very libsrtp that the product uses. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define ROOM_FOR_A_PACKET 512
#define CHUNK 512

typedef int (*protect_t)(void *session, void *packet, int *length);

struct limit_result {
    double cpu;        /* seconds of this process, user and system */
    double wall;       /* seconds */
    double longest;    /* seconds: the longest tick */
    uint64_t sent;     /* packets the kernel took */
    uint64_t refused;  /* packets it did not, and protect's failures */
};

static double seconds_of(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec + now.tv_nsec * 1e-9;
}

static void sleep_until(struct timespec start, uint64_t nanoseconds) {
    struct timespec until = start;
    until.tv_sec += nanoseconds / 1000000000u;
    until.tv_nsec += nanoseconds % 1000000000u;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
    }
}

/* Send `ticks` packets to each of `many` addresses, one every `ptime_ns`. Returns 0, or -1 without memory. */
int limit_run(protect_t protect, void **sessions, const struct sockaddr_in *to, int many, int sock,
              const unsigned char *packet, int length, uint64_t ptime_ns, int ticks,
              struct limit_result *result) {
    unsigned char *rows = malloc((size_t)many * ROOM_FOR_A_PACKET);
    struct iovec *parts = calloc(many, sizeof *parts);
    struct mmsghdr *messages = calloc(many, sizeof *messages);
    if (!rows || !parts || !messages) return -1;
    for (int i = 0; i < many; i++) {
        parts[i].iov_base = rows + (size_t)i * ROOM_FOR_A_PACKET;
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
        messages[i].msg_hdr.msg_name = (void *)&to[i];
        messages[i].msg_hdr.msg_namelen = sizeof to[i];
    }
    memset(result, 0, sizeof *result);
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    double cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID), wall = seconds_of(CLOCK_MONOTONIC);
    for (int tick = 0; tick < ticks; tick++) {
        sleep_until(start, (uint64_t)tick * ptime_ns);
        double began = seconds_of(CLOCK_MONOTONIC);
        uint16_t sequence = htons((uint16_t)(tick + 1));
        uint32_t stamp = htonl((uint32_t)(tick * (ptime_ns / 1000000u) * 48u));
        for (int from = 0; from < many; from += CHUNK) {
            int until = from + CHUNK < many ? from + CHUNK : many;
            for (int i = from; i < until; i++) {
                unsigned char *row = parts[i].iov_base;
                memcpy(row, packet, length);
                memcpy(row + 2, &sequence, 2);
                memcpy(row + 4, &stamp, 4);
            }
            for (int i = from; i < until; i++) {
                int long_now = length;
                if (protect(sessions[i], parts[i].iov_base, &long_now)) result->refused++;
                parts[i].iov_len = long_now;
            }
            for (int at = from; at < until;) {
                int taken = sendmmsg(sock, messages + at, until - at, MSG_DONTWAIT);
                if (taken > 0) {
                    result->sent += taken;
                    at += taken;
                } else {
                    result->refused++;
                    at++;
                }
            }
        }
        double took = seconds_of(CLOCK_MONOTONIC) - began;
        if (took > result->longest) result->longest = took;
    }
    sleep_until(start, (uint64_t)ticks * ptime_ns);
    result->cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    result->wall = seconds_of(CLOCK_MONOTONIC) - wall;
    free(rows);
    free(parts);
    free(messages);
    return 0;
}
