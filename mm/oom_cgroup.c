// SPDX-License-Identifier: GPL-2.0
/*
 * Hands processes that cgroup.kill has killed to the OOM reaper, if they are
 * still there after a moment.
 *
 * Container runtimes and systemd-oomd kill a whole cgroup to free its memory.  A
 * member that is stuck, for example on dead storage, keeps its memory.  The
 * writer of cgroup.kill does not wait for that, so a work item checks the cgroup
 * later.  If all processes have exited, there is nothing to do.
 */
#include <linux/cgroup.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/oom.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/sysfs.h>
#include <linux/workqueue.h>

#include "oom_access.h"
#include "oom_params.h"

/* The parameter belongs to the reaper, like those in other files */
#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "oom_reaper."

static struct oom_reaper_param cgroup_kill_ms = {
	.value = 1000, .min = 0, .max = 60 * MSEC_PER_SEC,
};

/**
 * struct killed_cgroup - a cgroup to check later
 * @list: entry of killed_cgroups
 * @work: the check
 * @cgroup: the cgroup, with a reference
 */
struct killed_cgroup {
	struct list_head list;
	struct delayed_work work;
	struct cgroup *cgroup;
};

/* Protects the list; each cgroup is on it at most once */
static DEFINE_SPINLOCK(killed_lock);
static LIST_HEAD(killed_cgroups);

/*
 * Under RCU, because cgroup_mutex may be held by a task that waits for memory.
 * A cgroup that is removed meanwhile has no processes.
 */
static void reap_members(struct cgroup *cgroup)
{
	struct cgroup_subsys_state *css;
	struct css_task_iter it;
	struct task_struct *task;

	rcu_read_lock();
	css_for_each_descendant_pre(css, &cgroup->self) {
		css_task_iter_start(css, CSS_TASK_ITER_PROCS, &it);
		while ((task = css_task_iter_next(&it))) {
			if (task->signal->flags & SIGNAL_GROUP_EXIT)
				oom_reap_killed(task);
		}
		css_task_iter_end(&it);
	}
	rcu_read_unlock();
}

static void queue_check(struct killed_cgroup *killed, unsigned int ms)
{
	queue_delayed_work(oom_reap_wq ?: system_wq, &killed->work,
			   msecs_to_jiffies(ms));
}

static void check_cgroup(struct work_struct *work)
{
	struct killed_cgroup *killed =
		container_of(to_delayed_work(work), struct killed_cgroup, work);

	/* The reaper waits for other work of this queue: do not block it */
	if (!mutex_trylock(&oom_lock)) {
		queue_check(killed, 10);
		return;
	}
	/* If the cgroup is killed again from now on, that is another check */
	spin_lock(&killed_lock);
	list_del(&killed->list);
	spin_unlock(&killed_lock);

	/* Otherwise the OOM killer would wait for victims that nobody reaps */
	if (READ_ONCE(oom_reaper_enabled))
		reap_members(killed->cgroup);
	mutex_unlock(&oom_lock);

	cgroup_put(killed->cgroup);
	kfree(killed);
}

static bool on_list(struct cgroup *cgroup)
{
	struct killed_cgroup *killed;

	list_for_each_entry(killed, &killed_cgroups, list) {
		if (killed->cgroup == cgroup)
			return true;
	}
	return false;
}

/**
 * oom_cgroup_killed - all members of a cgroup have been sent SIGKILL
 * @cgroup: the cgroup; its descendants have been killed, too
 *
 * Context: Process context; does not wait for memory.
 */
void oom_cgroup_killed(struct cgroup *cgroup)
{
	unsigned int ms = READ_ONCE(cgroup_kill_ms.value);
	struct killed_cgroup *killed;
	bool twice;

	if (!ms)
		return;
	/* This may use reserves, because it helps to free memory */
	killed = kmalloc(sizeof(*killed), GFP_ATOMIC | __GFP_NOWARN);
	if (!killed)
		return;
	INIT_DELAYED_WORK(&killed->work, check_cgroup);
	killed->cgroup = cgroup;

	spin_lock(&killed_lock);
	twice = on_list(cgroup);
	if (!twice) {
		cgroup_get(cgroup);
		list_add(&killed->list, &killed_cgroups);
	}
	spin_unlock(&killed_lock);

	if (twice)
		kfree(killed);
	else
		queue_check(killed, ms);
}

static int param_get(char *buffer, const struct kernel_param *kp)
{
	const struct oom_reaper_param *param = kp->arg;

	return sysfs_emit(buffer, "%u\n", param->value);
}

static const struct kernel_param_ops param_ops = {
	.set = oom_reaper_param_set,
	.get = param_get,
};

module_param_cb(cgroup_kill_ms, &param_ops, &cgroup_kill_ms, 0644);
