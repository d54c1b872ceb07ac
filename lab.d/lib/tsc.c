// SPDX-License-Identifier: GPL-2.0
/*
 * Prints how many kHz this machine's time stamp counter runs at. QEMU's
 * translated guests see the counter of the host, and measure its rate against a
 * timer whose interrupts come late when the host is busy: then a second of the
 * guest's is anything from a thirtieth of one to thirty. So they are told.
 */
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

struct moment {
	long long ns;
	unsigned long long ticks;
};

static long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* Clock and counter at one time: the closest of many pairs */
static struct moment moment(void)
{
	struct moment best = { 0, 0 };
	long long least = -1;

	for (int i = 0; i < 1000; i++) {
		long long before = now_ns();
		unsigned long long ticks = __rdtsc();
		long long after = now_ns();

		if (least < 0 || after - before < least) {
			least = after - before;
			best.ns = before + (after - before) / 2;
			best.ticks = ticks;
		}
	}
	return best;
}

int main(void)
{
	struct timespec pause = { .tv_nsec = 200000000 };
	struct moment start = moment(), end;

	nanosleep(&pause, NULL);
	end = moment();
	printf("%.0f\n", (end.ticks - start.ticks) * 1e6 / (end.ns - start.ns));
	return 0;
}
