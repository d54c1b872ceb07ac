// SPDX-License-Identifier: GPL-2.0
/*
 * Allocates pages for a test, in the context of the caller: with chosen GFP
 * flags, of a chosen order, and so many of them.  Holds them, tells how long
 * each took, frees them.  Or frees each at once, for a test that wants to know
 * what an allocation costs.
 *
 *   exec 3<>/sys/kernel/debug/test_oom/alloc
 *   echo "kernel+nofail 0 1000" >&3	# allocate, hold
 *   cat <&3				# how it went
 *   echo free >&3			# as does closing the file
 *   echo slow 20 >&3			# from now on
 *   echo "loop kernel 0 1000" >&3	# allocate and free, so many times
 *
 * What is read starts with a line of totals and goes on with a line for each
 * allocation: nanoseconds, and "ok" or "failed".
 *
 * With "slow" direct reclaim for this file sleeps for so many milliseconds at
 * each priority, 13 times in a pass: what else happens meanwhile can be chosen.
 *
 * The file "map" beside it can be mapped.  Its fault handler sets the entries
 * itself, as those of DAX do: a PFN for even pages, a page for odd ones.  All of
 * them read as the letter D.
 *
 * As long as the file "borrow" is open a kthread uses the mm of whoever opened
 * it.  As long as "notifier" is, that mm has an mmu notifier: as many times as
 * the number in the file "refuse" says, counted down, it refuses whoever must not
 * wait for it.
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

/* How many allocations can be asked for at a time */
#define MAX_COUNT	(1024 * 1024)

/* So few need no memory but the pages themselves, when there is none left */
#define FEW		1024

/* Longest sleep at each priority of reclaim */
#define MAX_SLOW_MS	1000

/* Longest request */
#define MAX_TEXT	128

/* Allocations above that order warn if they must not fail */
#define MAX_NOFAIL_ORDER	1

/**
 * struct test_alloc - one allocation
 * @page: what came of it, NULL if it failed or has been freed
 * @ns: how long it took
 * @failed: it failed
 */
struct test_alloc {
	struct page *page;
	u64 ns;
	bool failed;
};

/**
 * struct test_oom - an open file
 * @lock: serialises requests, and reading with them
 * @order: of all allocations
 * @count: how many have been made
 * @allocs: one by one
 * @few: room for them if there are few
 * @task: allocates at the moment
 * @shrinker: makes direct reclaim slow
 * @slow_ms: by so much
 */
struct test_oom {
	struct mutex lock;	/* see above */
	unsigned int order;
	unsigned int count;
	struct test_alloc *allocs;
	struct test_alloc few[FEW];
	struct task_struct *task;
	struct shrinker *shrinker;
	unsigned int slow_ms;
};

/* Flags that make a request complete on their own, and those added to them */
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
		/* Failures are to be reported only if asked for */
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
	/* What the allocator warns of */
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

/* Stops when the caller has been killed: it is to give back what it has */
static int alloc_all(struct test_oom *test, gfp_t gfp, unsigned int count)
{
	while (test->count < count) {
		struct test_alloc *alloc = &test->allocs[test->count];
		u64 start_ns = ktime_get_ns();

		if (fatal_signal_pending(current))
			return -EINTR;
		alloc->page = alloc_pages(gfp, test->order);
		alloc->ns = ktime_get_ns() - start_ns;
		alloc->failed = !alloc->page;
		test->count++;
		cond_resched();
	}
	return 0;
}

/* Keeps no record: the caller takes the time of all of it */
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

static int do_request(struct test_oom *test, char *text)
{
	unsigned int count;
	gfp_t gfp;
	int err;

	if (!strcmp(text, "free")) {
		free_all(test);
		return 0;
	}
	if (!strncmp(text, "slow ", 5))
		return make_slow(test, text + 5);
	if (str_has_prefix(text, "loop "))
		return loop(text + strlen("loop "));

	/* One at a time: there is one list of results */
	if (test->allocs)
		return -EBUSY;
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
	err = alloc_all(test, gfp, count);
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

static vm_fault_t test_map_fault(struct vm_fault *vmf)
{
	if (vmf->pgoff & 1)
		return vmf_insert_page(vmf->vma, vmf->address, map_page);
	return vmf_insert_mixed(vmf->vma, vmf->address,
				pfn_to_pfn_t(page_to_pfn(map_page)));
}

static const struct vm_operations_struct test_map_vm_ops = {
	.fault = test_map_fault,
};

static int test_map_mmap(struct file *file, struct vm_area_struct *vma)
{
	/* Whoever writes gets a copy */
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

/* Does nothing with it */
static int borrow(void *mm)
{
	kthread_use_mm(mm);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(HZ);
	kthread_unuse_mm(mm);
	mmput(mm);
	return 0;
}

static int test_borrow_open(struct inode *inode, struct file *file)
{
	struct task_struct *task = kthread_create(borrow, current->mm,
						  "test_oom");

	if (IS_ERR(task))
		return PTR_ERR(task);
	mmget(current->mm);
	get_task_struct(task);
	wake_up_process(task);
	file->private_data = task;
	return 0;
}

static int test_borrow_release(struct inode *inode, struct file *file)
{
	kthread_stop_put(file->private_data);
	return 0;
}

static const struct file_operations test_borrow_fops = {
	.owner = THIS_MODULE,
	.open = test_borrow_open,
	.release = test_borrow_release,
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
	/* The files that debugfs makes in place of ours have no mmap() */
	debugfs_create_file_unsafe("map", 0600, test_oom_dir, NULL,
				   &test_map_fops);
	debugfs_create_file("borrow", 0600, test_oom_dir, NULL,
			    &test_borrow_fops);
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
