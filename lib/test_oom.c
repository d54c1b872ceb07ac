// SPDX-License-Identifier: GPL-2.0
/*
 * Allocates pages for a test, in the context of the caller, with given GFP
 * flags and of a given order.  Holds them, reports how long each took, and
 * frees them.  Or frees each one at once, to measure what an allocation costs.
 *
 *   exec 3<>/sys/kernel/debug/test_oom/alloc
 *   echo "kernel+nofail 0 1000" >&3	# make 1000 allocations and hold them
 *   cat <&3				# show the results
 *   echo free >&3			# closing the file does this, too
 *   echo slow 20 >&3			# slow down reclaim from now on
 *   echo "loop kernel 0 1000" >&3	# allocate and free, 1000 times
 *   echo borrow >&3			# until "free" or the file is closed
 *   echo deaf 300 >&3			# no interrupt for 300 ms, then sleep 300 ms
 *   echo "dying kernel 0 1000" >&3	# wait for SIGKILL, then allocate
 *
 * The output is a line of totals, and then a line for each allocation: the time
 * in nanoseconds, and "ok" or "failed".
 *
 * With "slow", direct reclaim on behalf of this file sleeps for the given
 * number of milliseconds at each priority, 13 times in a pass, so that a test
 * can make other things happen meanwhile.
 *
 * With "borrow" a kthread uses the address space of the caller.
 *
 * A second file, "map", can be mapped.  Its fault handler inserts the entries
 * itself, like that of DAX: a PFN for even pages, a page for odd ones.  All of
 * them read as the letter D.  Unmapping it takes as many milliseconds as the file
 * "close_ms" says: exit_mmap() holds mmap_lock for write for as long.
 *
 * As long as a third file, "notifier", is open, the address space of the task
 * that opened it has an mmu notifier.  It refuses callers that must not sleep, as
 * many times as the file "refuse" says, which is counted down.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/mmu_context.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pfn_t.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

/* The maximum number of allocations in a request */
#define MAX_COUNT	(1024 * 1024)

/* Up to this many need no memory for the results, for use when it is short */
#define FEW		1024

/* Longest sleep at each priority of reclaim */
#define MAX_SLOW_MS	1000

/* Longest time without interrupts, and longest time to unmap "map" */
#define MAX_DEAF_MS	1000
#define MAX_CLOSE_MS	10000

/* Longest request */
#define MAX_TEXT	128

/* The allocator warns about __GFP_NOFAIL above this order */
#define MAX_NOFAIL_ORDER	1

/**
 * struct test_alloc - one allocation
 * @page: the page, NULL if it failed or has been freed
 * @ns: how long it took, in nanoseconds
 * @failed: it failed
 */
struct test_alloc {
	struct page *page;
	u64 ns;
	bool failed;
};

/**
 * struct test_oom - an open file
 * @lock: serialises requests, and readers with them
 * @order: the order of all allocations
 * @count: number of allocations made
 * @allocs: the allocations
 * @few: used for @allocs if there are few
 * @task: the task that allocates at the moment
 * @shrinker: slows down direct reclaim
 * @slow_ms: sleep at each priority, in milliseconds
 * @borrower: the kthread that uses @borrowed
 * @borrowed: an address space, with a reference to its mm_users
 */
struct test_oom {
	struct mutex lock;	/* serialises requests and readers */
	unsigned int order;
	unsigned int count;
	struct test_alloc *allocs;
	struct test_alloc few[FEW];
	struct task_struct *task;
	struct shrinker *shrinker;
	unsigned int slow_ms;
	struct task_struct *borrower;
	struct mm_struct *borrowed;
};

/* Names of complete GFP masks, and of flags to add to them */
static const struct {
	const char *name;
	gfp_t gfp;
} gfp_names[] = {
	{ "kernel",	GFP_KERNEL },
	{ "user",	GFP_USER },
	{ "movable",	GFP_HIGHUSER_MOVABLE },
	{ "nofs",	GFP_NOFS },
	{ "noio",	GFP_NOIO },
	{ "nowait",	GFP_NOWAIT },
	{ "atomic",	GFP_ATOMIC },
	{ "high",	__GFP_HIGH },
	{ "nofail",	__GFP_NOFAIL },
	{ "noretry",	__GFP_NORETRY },
	{ "mayfail",	__GFP_RETRY_MAYFAIL },
	{ "nomemalloc",	__GFP_NOMEMALLOC },
	{ "account",	__GFP_ACCOUNT },
	{ "zero",	__GFP_ZERO },
	{ "comp",	__GFP_COMP },
	{ "warn",	__GFP_NOWARN },
};

static bool add_gfp(gfp_t *gfp, const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(gfp_names); i++) {
		if (strcmp(name, gfp_names[i].name))
			continue;
		/* Report failures in the log only if "warn" was given */
		if (gfp_names[i].gfp == __GFP_NOWARN)
			*gfp &= ~__GFP_NOWARN;
		else
			*gfp |= gfp_names[i].gfp;
		return true;
	}
	return false;
}

/* "NAME+NAME+..." */
static int parse_gfp(char *text, gfp_t *gfp)
{
	char *name;

	*gfp = __GFP_NOWARN;
	while ((name = strsep(&text, "+"))) {
		if (!add_gfp(gfp, name))
			return -EINVAL;
	}
	return 0;
}

/* "GFP ORDER COUNT" */
static int parse(char *text, gfp_t *gfp, unsigned int *order,
		 unsigned int *count)
{
	char *flags = strsep(&text, " ");
	char *order_text = strsep(&text, " ");

	if (!order_text || !text || parse_gfp(flags, gfp) ||
	    kstrtouint(order_text, 10, order) || kstrtouint(text, 10, count))
		return -EINVAL;
	if (*order > MAX_PAGE_ORDER || !*count || *count > MAX_COUNT)
		return -EINVAL;
	/* Refuse what the allocator warns about */
	if (*gfp & __GFP_NOFAIL &&
	    (*order > MAX_NOFAIL_ORDER || !(*gfp & __GFP_DIRECT_RECLAIM) ||
	     *gfp & (__GFP_NORETRY | __GFP_RETRY_MAYFAIL)))
		return -EINVAL;
	return 0;
}

static void free_all(struct test_oom *test)
{
	unsigned int i;

	for (i = 0; i < test->count; i++) {
		if (test->allocs[i].page)
			__free_pages(test->allocs[i].page, test->order);
		cond_resched();
	}
	if (test->allocs != test->few)
		kvfree(test->allocs);
	test->allocs = NULL;
	test->count = 0;
}

static unsigned long count_objects(struct shrinker *shrinker,
				   struct shrink_control *sc)
{
	struct test_oom *test = shrinker->private_data;

	if (READ_ONCE(test->task) == current)
		msleep(test->slow_ms);
	return 0;
}

static unsigned long scan_objects(struct shrinker *shrinker,
				  struct shrink_control *sc)
{
	return SHRINK_STOP;
}

static int make_slow(struct test_oom *test, const char *ms)
{
	unsigned int slow_ms;

	if (kstrtouint(ms, 10, &slow_ms) || !slow_ms || slow_ms > MAX_SLOW_MS)
		return -EINVAL;
	test->slow_ms = slow_ms;
	if (test->shrinker)
		return 0;
	test->shrinker = shrinker_alloc(0, KBUILD_MODNAME);
	if (!test->shrinker)
		return -ENOMEM;
	test->shrinker->count_objects = count_objects;
	test->shrinker->scan_objects = scan_objects;
	test->shrinker->private_data = test;
	shrinker_register(test->shrinker);
	return 0;
}

/*
 * Stop if the caller has been killed, so that it frees what it has.  If it is
 * @dying, which is what it waits for first, stop when an allocation fails.
 */
static int alloc_all(struct test_oom *test, gfp_t gfp, unsigned int count,
		     bool dying)
{
	while (dying && !fatal_signal_pending(current))
		schedule_timeout_killable(MAX_SCHEDULE_TIMEOUT);

	while (test->count < count) {
		struct test_alloc *alloc = &test->allocs[test->count];
		u64 start_ns = ktime_get_ns();

		if (!dying && fatal_signal_pending(current))
			return -EINTR;
		alloc->page = alloc_pages(gfp, test->order);
		alloc->ns = ktime_get_ns() - start_ns;
		alloc->failed = !alloc->page;
		test->count++;
		if (dying && alloc->failed)
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static int borrow(void *data)
{
	struct mm_struct *mm = data;

	kthread_use_mm(mm);
	while (true) {
		set_current_state(TASK_IDLE);
		if (kthread_should_stop())
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	kthread_unuse_mm(mm);
	return 0;
}

static int start_borrower(struct test_oom *test)
{
	struct task_struct *task;

	if (test->borrower)
		return -EBUSY;
	mmget(current->mm);
	task = kthread_run(borrow, current->mm, "test_oom");
	if (IS_ERR(task)) {
		mmput(current->mm);
		return PTR_ERR(task);
	}
	test->borrower = task;
	test->borrowed = current->mm;
	return 0;
}

static void stop_borrower(struct test_oom *test)
{
	if (!test->borrower)
		return;
	kthread_stop(test->borrower);
	mmput(test->borrowed);
	test->borrower = NULL;
}

/* Keep no results: the caller measures the time of the whole loop */
static int loop(char *text)
{
	unsigned int order, count;
	struct page *page;
	gfp_t gfp;
	int err;

	err = parse(text, &gfp, &order, &count);
	if (err)
		return err;
	while (count--) {
		if (fatal_signal_pending(current))
			return -EINTR;
		page = alloc_pages(gfp, order);
		if (!page)
			return -ENOMEM;
		__free_pages(page, order);
		cond_resched();
	}
	return 0;
}

/*
 * Like a CPU that the host of a virtual machine has stopped.  A task that waited
 * for it then has some time before the caller notices a signal.
 */
static int be_deaf(const char *text)
{
	unsigned int ms;

	if (kstrtouint(text, 10, &ms) || !ms || ms > MAX_DEAF_MS)
		return -EINVAL;
	local_irq_disable();
	mdelay(ms);
	local_irq_enable();
	msleep(ms);
	return 0;
}

static int do_request(struct test_oom *test, char *text)
{
	unsigned int count;
	bool dying;
	gfp_t gfp;
	int err;

	if (!strcmp(text, "free")) {
		stop_borrower(test);
		free_all(test);
		return 0;
	}
	if (!strcmp(text, "borrow"))
		return start_borrower(test);
	if (!strncmp(text, "slow ", 5))
		return make_slow(test, text + 5);
	if (str_has_prefix(text, "loop "))
		return loop(text + strlen("loop "));
	if (str_has_prefix(text, "deaf "))
		return be_deaf(text + strlen("deaf "));

	/* There is only one list of results: the caller must free it first */
	if (test->allocs)
		return -EBUSY;
	dying = str_has_prefix(text, "dying ");
	if (dying)
		text += strlen("dying ");
	err = parse(text, &gfp, &test->order, &count);
	if (err)
		return err;
	if (count <= FEW)
		test->allocs = memset(test->few, 0, sizeof(test->few));
	else
		test->allocs = kvcalloc(count, sizeof(*test->allocs),
					GFP_KERNEL | __GFP_NOWARN);
	if (!test->allocs)
		return -ENOMEM;
	WRITE_ONCE(test->task, current);
	err = alloc_all(test, gfp, count, dying);
	WRITE_ONCE(test->task, NULL);
	return err;
}

static ssize_t test_oom_write(struct file *file, const char __user *buf,
			      size_t size, loff_t *pos)
{
	struct seq_file *seq = file->private_data;
	struct test_oom *test = seq->private;
	char text[MAX_TEXT];
	int err;

	if (size >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buf, size))
		return -EFAULT;
	text[size] = '\0';
	if (strlen(text) != size)
		return -EINVAL;

	if (mutex_lock_killable(&test->lock))
		return -EINTR;
	err = do_request(test, strim(text));
	mutex_unlock(&test->lock);

	return err ?: size;
}

/* Position 0 is the line of totals, 1 the first allocation */
static void *test_oom_seq_at(struct test_oom *test, loff_t pos)
{
	if (!pos)
		return SEQ_START_TOKEN;
	return pos <= test->count ? &test->allocs[pos - 1] : NULL;
}

static void *test_oom_seq_start(struct seq_file *seq, loff_t *pos)
{
	struct test_oom *test = seq->private;

	mutex_lock(&test->lock);
	return test_oom_seq_at(test, *pos);
}

static void *test_oom_seq_next(struct seq_file *seq, void *v, loff_t *pos)
{
	return test_oom_seq_at(seq->private, ++*pos);
}

static void test_oom_seq_stop(struct seq_file *seq, void *v)
{
	struct test_oom *test = seq->private;

	mutex_unlock(&test->lock);
}

static void show_totals(struct seq_file *seq, const struct test_oom *test)
{
	u64 total_ns = 0, worst_ns = 0;
	unsigned int i, failed = 0;

	for (i = 0; i < test->count; i++) {
		failed += test->allocs[i].failed;
		total_ns += test->allocs[i].ns;
		worst_ns = max(worst_ns, test->allocs[i].ns);
	}
	seq_printf(seq, "order=%u count=%u failed=%u total_ns=%llu worst_ns=%llu\n",
		   test->order, test->count, failed, total_ns, worst_ns);
}

static int test_oom_seq_show(struct seq_file *seq, void *v)
{
	const struct test_alloc *alloc = v;

	if (v == SEQ_START_TOKEN)
		show_totals(seq, seq->private);
	else
		seq_printf(seq, "%llu %s\n", alloc->ns,
			   alloc->failed ? "failed" : "ok");
	return 0;
}

static const struct seq_operations test_oom_seq_ops = {
	.start = test_oom_seq_start,
	.next = test_oom_seq_next,
	.stop = test_oom_seq_stop,
	.show = test_oom_seq_show,
};

static int test_oom_open(struct inode *inode, struct file *file)
{
	struct test_oom *test = __seq_open_private(file, &test_oom_seq_ops,
						   sizeof(*test));

	if (!test)
		return -ENOMEM;
	mutex_init(&test->lock);
	return 0;
}

static int test_oom_release(struct inode *inode, struct file *file)
{
	struct seq_file *seq = file->private_data;
	struct test_oom *test = seq->private;

	if (test->shrinker)
		shrinker_free(test->shrinker);
	stop_borrower(test);
	free_all(test);
	return seq_release_private(inode, file);
}

static const struct file_operations test_oom_fops = {
	.owner = THIS_MODULE,
	.open = test_oom_open,
	.read = seq_read,
	.write = test_oom_write,
	.llseek = seq_lseek,
	.release = test_oom_release,
};

static struct page *map_page;
static u32 close_ms;

static vm_fault_t test_map_fault(struct vm_fault *vmf)
{
	if (vmf->pgoff & 1)
		return vmf_insert_page(vmf->vma, vmf->address, map_page);
	return vmf_insert_mixed(vmf->vma, vmf->address,
				pfn_to_pfn_t(page_to_pfn(map_page)));
}

static void test_map_close(struct vm_area_struct *vma)
{
	u32 ms = READ_ONCE(close_ms);

	if (ms)
		msleep(min_t(u32, ms, MAX_CLOSE_MS));
}

static const struct vm_operations_struct test_map_vm_ops = {
	.fault = test_map_fault,
	.close = test_map_close,
};

static int test_map_mmap(struct file *file, struct vm_area_struct *vma)
{
	/* Only private mappings, so that a write makes a copy */
	if (vma->vm_flags & VM_SHARED)
		return -EINVAL;
	vm_flags_set(vma, VM_MIXEDMAP);
	vma->vm_ops = &test_map_vm_ops;
	return 0;
}

static const struct file_operations test_map_fops = {
	.owner = THIS_MODULE,
	.mmap = test_map_mmap,
};

#ifdef CONFIG_MMU_NOTIFIER
static atomic_t refuse = ATOMIC_INIT(0);

static int invalidate_range_start(struct mmu_notifier *notifier,
				  const struct mmu_notifier_range *range)
{
	if (mmu_notifier_range_blockable(range))
		return 0;
	return atomic_dec_if_positive(&refuse) < 0 ? 0 : -EAGAIN;
}

static struct mmu_notifier *alloc_notifier(struct mm_struct *mm)
{
	struct mmu_notifier *notifier = kzalloc(sizeof(*notifier), GFP_KERNEL);

	return notifier ?: ERR_PTR(-ENOMEM);
}

static void free_notifier(struct mmu_notifier *notifier)
{
	kfree(notifier);
}

static const struct mmu_notifier_ops notifier_ops = {
	.invalidate_range_start = invalidate_range_start,
	.alloc_notifier = alloc_notifier,
	.free_notifier = free_notifier,
};

static int test_notifier_open(struct inode *inode, struct file *file)
{
	struct mmu_notifier *notifier = mmu_notifier_get(&notifier_ops,
							 current->mm);

	if (IS_ERR(notifier))
		return PTR_ERR(notifier);
	file->private_data = notifier;
	return 0;
}

static int test_notifier_release(struct inode *inode, struct file *file)
{
	mmu_notifier_put(file->private_data);
	return 0;
}

static const struct file_operations test_notifier_fops = {
	.owner = THIS_MODULE,
	.open = test_notifier_open,
	.release = test_notifier_release,
};

static void create_notifier(struct dentry *dir)
{
	debugfs_create_file("notifier", 0600, dir, NULL, &test_notifier_fops);
	debugfs_create_atomic_t("refuse", 0600, dir, &refuse);
}
#else
static void create_notifier(struct dentry *dir)
{
}
#endif

static struct dentry *test_oom_dir;

static int __init test_oom_init(void)
{
	map_page = alloc_page(GFP_KERNEL);
	if (!map_page)
		return -ENOMEM;
	memset(page_address(map_page), 'D', PAGE_SIZE);

	test_oom_dir = debugfs_create_dir("test_oom", NULL);
	debugfs_create_file("alloc", 0600, test_oom_dir, NULL, &test_oom_fops);
	/* The file operations of debugfs's proxy files have no mmap() */
	debugfs_create_file_unsafe("map", 0600, test_oom_dir, NULL,
				   &test_map_fops);
	debugfs_create_u32("close_ms", 0600, test_oom_dir, &close_ms);
	create_notifier(test_oom_dir);
	return 0;
}

static void __exit test_oom_exit(void)
{
	debugfs_remove(test_oom_dir);
#ifdef CONFIG_MMU_NOTIFIER
	mmu_notifier_synchronize();
#endif
	__free_page(map_page);
}

module_init(test_oom_init);
module_exit(test_oom_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Allocates pages with chosen GFP flags and order");
