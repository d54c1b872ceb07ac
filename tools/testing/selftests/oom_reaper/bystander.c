// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bystander.h"
#include "pattern.h"

enum { ASK, ANSWER };	/* flags: question number, and its number if intact */

static int live(struct victim *process)
{
	struct bystander *bystander = process->arg;
	struct victim_shared *shared = process->shared;
	size_t size = process->mb * PROBE_MB;
	size_t shared_size = bystander->shared_mb * PROBE_MB;
	int asked;

	pattern_fill(process->mem, size, getpid());
	pattern_fill(bystander->shared, shared_size, getpid() + 1);
	shared->stage = VICTIM_READY;

	for (;;) {
		probe_sleep_ms(5);
		asked = shared->flag[ASK];
		if (asked == shared->flag[ANSWER])
			continue;
		if (pattern_differing(process->mem, size, getpid()) ||
		    pattern_differing(bystander->shared, shared_size,
				      getpid() + 1))
			return -EILSEQ;
		shared->flag[ANSWER] = asked;
	}
}

int bystander_start(struct bystander *bystander, size_t mb, size_t shared_mb,
		    int oom_score_adj)
{
	memset(bystander, 0, sizeof(*bystander));
	if (shared_mb) {
		bystander->shared = mmap(NULL, shared_mb * PROBE_MB,
					 PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (bystander->shared == MAP_FAILED)
			return -errno;
	}
	bystander->shared_mb = shared_mb;
	bystander->process.mb = mb;
	bystander->process.oom_score_adj = oom_score_adj;
	bystander->process.body = live;
	bystander->process.arg = bystander;
	return victim_start(&bystander->process);
}

bool bystander_alive(struct bystander *bystander)
{
	return bystander->process.pid && !victim_gone(&bystander->process, 0);
}

bool bystander_intact(struct bystander *bystander)
{
	struct victim_shared *shared = bystander->process.shared;
	int ask;

	if (!bystander_alive(bystander))
		return false;
	ask = shared->flag[ASK] + 1;
	shared->flag[ASK] = ask;
	return probe_wait(shared->flag[ANSWER] == ask ||
			  !bystander_alive(bystander), 10000) &&
	       shared->flag[ANSWER] == ask;
}

void bystander_stop(struct bystander *bystander)
{
	victim_stop(&bystander->process);
	if (bystander->shared_mb)
		munmap(bystander->shared, bystander->shared_mb * PROBE_MB);
	bystander->shared_mb = 0;
}
