// SPDX-License-Identifier: GPL-2.0
/*
 * Where a guest's instructions go: a plugin for QEMU's translator. It costs the
 * guest nothing, not an instruction.
 *
 *   symbols=FILE   System.map of the guest's kernel
 *   from=NAME      begin when this function is called
 *   skip=N         not the first N times
 *   length=N       and end after so many instructions
 *   mark=NAME:...  functions whose calls are worth a line, and begin a section
 *   out=FILE
 *
 * Prints the calls with their time in instructions, then each section's functions
 * with what they took, without what they called. What user programs do is "user",
 * and the time in which the guest sleeps does not count.
 *
 * QEMU's header is in no package: declared here is what is used of it.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

#define MAX_SECTIONS	64
#define SHOWN		40

struct qemu_plugin_tb;

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
					   void (*cb)(uint64_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
					  void (*cb)(unsigned int cpu, void *data), int flags,
					  void *data);
void qemu_plugin_register_atexit_cb(uint64_t id, void (*cb)(uint64_t id, void *data), void *data);

EXPORT int qemu_plugin_version = PLUGIN_API;

struct symbol {
	uint64_t addr;
	char *name;
};

/* A translated block of instructions */
struct block {
	size_t length;
	int symbol;
	bool from, mark;
};

static struct symbol *symbols;
static int nr_symbols;

static uint64_t now, begin, length = 10000000;
static long skip;
static enum { BEFORE, DURING, AFTER } stage;
static const char *from = "", *mark = "";
static FILE *out;

/* Instructions by section and symbol; a section is known by its mark's symbol */
static uint64_t *count;
static int section_of[MAX_SECTIONS], nr_sections, section;

static uint64_t *counter(int in_section, int symbol)
{
	return &count[(size_t)in_section * nr_symbols + symbol];
}

static void print_section(int which)
{
	uint64_t total = 0;
	int i, best, shown;

	for (i = 0; i < nr_symbols; i++)
		total += *counter(which, i);
	fprintf(out, "\nfrom %s: %lu\n", symbols[section_of[which]].name, total);
	for (shown = 0; shown < SHOWN; shown++) {
		for (best = 0, i = 1; i < nr_symbols; i++)
			if (*counter(which, i) > *counter(which, best))
				best = i;
		if (*counter(which, best) * 1000 <= total)
			break;
		fprintf(out, "%12lu %5.1f %%  %s\n", *counter(which, best),
			100.0 * *counter(which, best) / total, symbols[best].name);
		*counter(which, best) = 0;
	}
}

static void finish(void)
{
	int i;

	stage = AFTER;
	for (i = 0; i < nr_sections; i++)
		print_section(i);
	fflush(out);
}

static void enter_section(int symbol)
{
	fprintf(out, "%12lu  %s\n", now - begin, symbols[symbol].name);
	for (section = 0; section < nr_sections; section++)
		if (section_of[section] == symbol)
			return;
	if (nr_sections == MAX_SECTIONS)
		section--;
	else
		section_of[nr_sections++] = symbol;
}

static void executed(unsigned int cpu, void *data)
{
	const struct block *block = data;

	(void)cpu;
	now += block->length;
	if (stage == AFTER)
		return;
	if (stage == BEFORE) {
		if (!block->from || skip-- > 0)
			return;
		stage = DURING;
		begin = now;
	}
	if (block->from || block->mark)
		enter_section(block->symbol);
	*counter(section, block->symbol) += block->length;
	if (now - begin > length)
		finish();
}

static int symbol_at(uint64_t addr)
{
	int low = 0, high = nr_symbols - 1;

	while (low < high) {
		int middle = (low + high + 1) / 2;

		if (symbols[middle].addr <= addr)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

/* Is @name one of @list, which has colons in between? */
static bool listed(const char *list, const char *name)
{
	size_t len = strlen(name);
	const char *at = list;

	for (; (at = strstr(at, name)); at += len)
		if ((at == list || at[-1] == ':') && (!at[len] || at[len] == ':'))
			return true;
	return false;
}

static void translated(uint64_t id, struct qemu_plugin_tb *tb)
{
	struct block *block = calloc(1, sizeof(*block));
	const struct symbol *symbol;

	(void)id;
	block->length = qemu_plugin_tb_n_insns(tb);
	block->symbol = symbol_at(qemu_plugin_tb_vaddr(tb));
	symbol = &symbols[block->symbol];
	if (symbol->addr == qemu_plugin_tb_vaddr(tb)) {
		block->from = listed(from, symbol->name);
		block->mark = listed(mark, symbol->name);
	}
	qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, 0, block);
}

static void ends(uint64_t id, void *data)
{
	(void)id;
	(void)data;
	if (stage == DURING)
		finish();
	else if (stage == BEFORE)
		fprintf(out, "%s was not called as often\n", from);
	fclose(out);
}

static int by_addr(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static int read_symbols(const char *path)
{
	char line[512], name[512], type;
	FILE *file = fopen(path, "r");
	uint64_t addr;

	if (!file)
		return -1;
	symbols = malloc(sizeof(*symbols));
	symbols[nr_symbols++] = (struct symbol){ 0, "user" };
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx %c %s", &addr, &type, name) != 3 || !strchr("tTwW", type))
			continue;
		symbols = realloc(symbols, (nr_symbols + 1) * sizeof(*symbols));
		symbols[nr_symbols++] = (struct symbol){ addr, strdup(name) };
	}
	fclose(file);
	qsort(symbols, nr_symbols, sizeof(*symbols), by_addr);
	count = calloc((size_t)MAX_SECTIONS * nr_symbols, sizeof(*count));
	return 0;
}

EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	const char *map = "";
	int i;

	(void)info;
	out = stderr;
	for (i = 0; i < argc; i++) {
		char *value = strchr(argv[i], '=');

		if (!value)
			return -1;
		*value++ = '\0';
		if (!strcmp(argv[i], "symbols"))
			map = value;
		else if (!strcmp(argv[i], "from"))
			from = strdup(value);
		else if (!strcmp(argv[i], "mark"))
			mark = strdup(value);
		else if (!strcmp(argv[i], "skip"))
			skip = strtol(value, NULL, 10);
		else if (!strcmp(argv[i], "length"))
			length = strtoull(value, NULL, 10);
		else if (!strcmp(argv[i], "out"))
			out = fopen(value, "w");
	}
	if (!out || read_symbols(map))
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, ends, NULL);
	return 0;
}
