/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /proc/meminfo, the interval between looks, the limits of cgroups. */
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shrinker/headroom.h"
#include "shrinker/memwatch.h"
#include "tests/unit/tap.h"

#define MIB (1024ull * 1024)
#define GIB (1024 * MIB)

static char root[] = "/tmp/test_meminfo.XXXXXX";

static int parse(const char *text, struct meminfo *out)
{
	return meminfo_parse(text, strlen(text), out);
}

static void test_parse(void)
{
	static const char good[] = "MemTotal:       1000 kB\n"
				   "MemFree:          10 kB\n"
				   "MemAvailable:    400 kB\n"
				   "Buffers:           1 kB\n";
	static const struct {
		const char *text;
		int err;
		const char *what;
	} bad[] = {
		{ "", -EINVAL, "nothing" },
		{ "MemTotal: 1000 kB\n", -EINVAL, "no MemAvailable" },
		{ "MemAvailable: 1000 kB\n", -EINVAL, "no MemTotal" },
		{ "MemTotal: 10 kB\nMemAvailable: 4", -EINVAL, "cut off" },
		{ "MemTotal: 10 kB\nMemAvailable: 4 MB\n", -EINVAL, "MB" },
		{ "MemTotal: 10 kB\nMemAvailable: -4 kB\n", -EINVAL,
		  "negative" },
		{ "MemTotal: 10 kB\nMemAvailable: kB\n", -EINVAL, "no figure" },
		{ "MemTotal: 0 kB\nMemAvailable: 0 kB\n", -EINVAL,
		  "no memory" },
		{ "MemTotal: 99999999999999999999 kB\nMemAvailable: 1 kB\n",
		  -ERANGE, "overflow" },
		{ "MemTotal: 18014398509481984 kB\nMemAvailable: 1 kB\n",
		  -ERANGE, "overflow of the bytes" },
	};
	struct meminfo mi;

	ok(!parse(good, &mi) && mi.total == 1000 * 1024 &&
		   mi.available == 400 * 1024,
	   "figures in bytes");
	ok(!parse("MemTotal: 10 kB\r\nMemAvailable: 4 kB\r\n", &mi), "CRLF");
	ok(!parse("MemTotal: 10 kB\nMemAvailable: 40 kB\n", &mi) &&
		   mi.available == mi.total,
	   "never more than all");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		mi = (struct meminfo){ 7, 8 };
		ok(parse(bad[i].text, &mi) == bad[i].err && mi.total == 7 &&
			   mi.available == 8,
		   "refused, result untouched: %s", bad[i].what);
	}
	for (size_t cut = 0; cut < strlen(good); cut++) {
		char *copy = malloc(cut + 1); /* the exact size, for ASan */

		memcpy(copy, good, cut);
		meminfo_parse(copy, cut, &mi);
		free(copy);
	}
	ok(!meminfo_read("/proc/meminfo", &mi) && mi.total > mi.available &&
		   mi.available,
	   "the real one");
	ok(meminfo_read("/nonexistent", &mi) == -ENOENT, "a missing one");
	ok(meminfo_read("/proc/self/status", &mi) == -EINVAL, "a wrong one");
}

/* Never less for more memory, at every size of machine. */
static void test_interval(void)
{
	static const uint64_t totals[] = { 1,	    4096,	   64 * MIB,
					   GIB,	    24 * GIB,	   1024 * GIB,
					   1 << 20, UINT64_MAX / 2 };
	struct meminfo mi;

	for (size_t t = 0; t < sizeof(totals) / sizeof(totals[0]); t++) {
		uint64_t least = meminfo_default_min_free(totals[t]);
		unsigned int last = MEMINFO_MIN_MS;

		must(least < totals[t], "total %zu", t);
		mi.total = totals[t];
		for (int part = 0; part <= 1000; part++) {
			unsigned int ms;

			mi.available = totals[t] / 1000 * part;
			ms = meminfo_interval_ms(&mi, least, MEMINFO_MAX_MS);
			must(ms >= last && ms <= MEMINFO_MAX_MS,
			     "%u ms after %u", ms, last);
			must(mi.available > least || ms == MEMINFO_MIN_MS,
			     "%u ms at the edge", ms);
			last = ms;
		}
	}
	ok(true, "monotone, from 50 ms at the edge");
	mi = (struct meminfo){ 24 * GIB, 23 * GIB };
	ok(meminfo_interval_ms(&mi, GIB, 5000) == 5000, "5 s with plenty");
	ok(meminfo_interval_ms(&mi, GIB, 2000) == 2000, "or less if wished");
	mi.available = GIB + 512 * MIB;
	ok(meminfo_interval_ms(&mi, GIB, 5000) < 100,
	   "under 100 ms with 512 MiB left of 24 GiB");
	mi = (struct meminfo){ 2 * GIB, 3 * GIB / 2 };
	ok(meminfo_interval_ms(&mi, meminfo_default_min_free(2 * GIB), 2000) >
		   1000,
	   "over 1 s on a small machine that is mostly free");
	mi.available = 0;
	ok(meminfo_interval_ms(&mi, 0, 5000) == MEMINFO_MIN_MS,
	   "nothing left and nothing wanted");
	ok(meminfo_default_min_free(24 * GIB) == 384 * MIB &&
		   meminfo_default_min_free(512 * MIB) == 32 * MIB &&
		   meminfo_default_min_free(64 * MIB) == 8 * MIB,
	   "the default edge");
}

/* Files below the directory that stands for "/". */
static void put(const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	for (char *at = path + strlen(root) + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		mkdir(path, 0755);
		*at = '/';
	}
	f = fopen(path, "w");
	must(f && fputs(text, f) >= 0 && !fclose(f), "%s", path);
}

static int remove_entry(const char *path, const struct stat *st, int type,
			struct FTW *ftw)
{
	return remove(path);
}

static void clear(void)
{
	nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	must(!mkdir(root, 0755), "mkdir");
}

static void test_cgroup_v2(void)
{
	struct cgroup_memory mem;
	char path[PATH_MAX], want[PATH_MAX];
	struct cgroup *cg;

	clear();
	put("proc/self/mountinfo",
	    "20 1 0:1 / /proc rw - proc proc rw\n"
	    "31 20 0:28 / /sys/fs/cgroup rw - cgroup2 none rw,nsdelegate\n");
	put("proc/self/cgroup", "0::/a/b\n");
	put("sys/fs/cgroup/a/b/memory.max", "max\n");
	put("sys/fs/cgroup/a/b/memory.current", "1000\n");
	put("sys/fs/cgroup/a/b/cgroup.type", "domain\n");
	put("sys/fs/cgroup/a/memory.max", "max\n");
	cg = cgroup_new(root);
	ok(cg && cgroup_memory(cg, &mem) == -ENODATA, "v2: no limit");
	put("sys/fs/cgroup/a/b/memory.max", "10000\n");
	put("sys/fs/cgroup/a/b/memory.stat",
	    "anon 5\ninactive_anon 77\ninactive_file 300\nactive_file 9\n");
	ok(!cgroup_memory(cg, &mem) && mem.limit == 10000 &&
		   mem.available == 9300,
	   "v2: limit - usage + inactive file");
	put("sys/fs/cgroup/a/memory.max", "8000\n");
	put("sys/fs/cgroup/a/memory.current", "7000\n");
	ok(!cgroup_memory(cg, &mem) && mem.limit == 8000 &&
		   mem.available == 1000,
	   "v2: the group above is tighter");
	put("sys/fs/cgroup/a/memory.current", "9000\n");
	ok(!cgroup_memory(cg, &mem) && mem.available == 0, "v2: over it");
	put("sys/fs/cgroup/a/b/memory.high", "500\n");
	ok(!cgroup_memory(cg, &mem) && mem.limit == 500, "v2: memory.high");
	snprintf(want, sizeof(want), "%.64s/sys/fs/cgroup/a/b/memory.pressure",
		 root);
	ok(!cgroup_pressure_path(cg, path, sizeof(path)) && !strcmp(path, want),
	   "v2: memory.pressure");
	ok(cgroup_pressure_path(cg, path, 20) == -ENAMETOOLONG, "v2: no room");
	put("sys/fs/cgroup/a/b/memory.max", "rubbish\n");
	put("sys/fs/cgroup/a/b/memory.high", "-5\n");
	ok(!cgroup_memory(cg, &mem) && mem.limit == 8000,
	   "v2: a rubbish limit is none");
	put("proc/self/cgroup", "0::/\n");
	ok(cgroup_memory(cg, &mem) == -ENODATA &&
		   cgroup_pressure_path(cg, path, sizeof(path)) == -ENOENT,
	   "v2: moved to the root group");
	put("proc/self/cgroup", "0::/../outside\n");
	ok(cgroup_memory(cg, &mem) == -ENODATA, "v2: out of the namespace");
	put("proc/self/cgroup", "rubbish\n");
	ok(cgroup_memory(cg, &mem) == -ENOENT, "v2: rubbish");
	cgroup_free(cg);
}

static void test_cgroup_v1(void)
{
	struct cgroup_memory mem;
	char path[PATH_MAX];
	struct cgroup *cg;

	clear();
	put("proc/self/mountinfo",
	    "32 31 0:29 / /cg/cpu rw - cgroup cgroup rw,cpu\n"
	    "35 31 0:32 /docker/x /cg/my\\040memory rw - cgroup cgroup "
	    "rw,memory\n"
	    "41 31 0:38 / /cg/unified rw - cgroup2 cgroup2 rw\n");
	put("proc/self/cgroup", "9:name=systemd:/\n"
				"4:cpu,memory:/docker/x/sub\n"
				"0::/\n");
	put("cg/my memory/memory.limit_in_bytes", "9223372036854771712\n");
	put("cg/my memory/sub/memory.limit_in_bytes", "4096\n");
	put("cg/my memory/sub/memory.usage_in_bytes", "4000\n");
	put("cg/my memory/sub/memory.stat",
	    "inactive_file 1\ntotal_inactive_file 2000\n");
	cg = cgroup_new(root);
	ok(cg && !cgroup_memory(cg, &mem) && mem.limit == 4096 &&
		   mem.available == 2096,
	   "v1: in a container, a mount point with a blank");
	ok(cgroup_pressure_path(cg, path, sizeof(path)) == -ENOENT,
	   "v1: no pressure file");
	put("cg/my memory/sub/memory.limit_in_bytes", "9223372036854771712\n");
	ok(cgroup_memory(cg, &mem) == -ENODATA, "v1: no limit");
	cgroup_free(cg);
}

static void test_memwatch(void)
{
	char path[PATH_MAX];
	struct memwatch w;

	clear();
	put("proc/self/mountinfo", "1 1 0:1 / /cg rw - cgroup2 none rw\n");
	put("proc/self/cgroup", "0::/a\n");
	put("meminfo", "MemTotal: 1000 kB\nMemAvailable: 500 kB\n");
	snprintf(path, sizeof(path), "%s/meminfo", root);
	must(!memwatch_init(&w, path, root), "init");
	memwatch_look(&w);
	ok(!w.err && !w.limited && w.mem.available == 500 * 1024,
	   "the machine's");
	put("cg/a/memory.max", "204800\n");
	put("cg/a/memory.current", "102400\n");
	memwatch_look(&w);
	ok(w.limited && w.mem.total == 204800 && w.mem.available == 102400,
	   "the cgroup's, when it is less");
	put("meminfo", "MemTotal: 1000 kB\nMemAvailable: 50 kB\n");
	memwatch_look(&w);
	ok(w.limited && w.mem.available == 50 * 1024,
	   "the machine's, when it has less than the cgroup may take");
	put("cg/a/memory.max", "1024000\n");
	memwatch_look(&w);
	ok(!w.limited, "a limit as large as the machine is none");
	put("cg/a/memory.max", "204800\n");
	unlink(path);
	memwatch_look(&w);
	ok(!w.err && w.mem.available == 102400, "the cgroup's alone");
	put("cg/a/memory.max", "max\n");
	memwatch_look(&w);
	ok(w.err == ENOENT && w.mem.available == 102400,
	   "neither: the error, and what was known");
	memwatch_release(&w);
	clear();
	ok(!cgroup_new(root) && errno == ENOENT, "no mountinfo");
	put("proc/self/mountinfo", "a\nb - c\n\n");
	ok(!cgroup_new(root) && errno == ENOENT, "no cgroups, odd lines");
	must(!memwatch_init(&w, NULL, NULL), "init");
	memwatch_look(&w);
	ok(!w.err && w.mem.total, "the real ones");
	memwatch_release(&w);
}

/* No swap, whatever this machine has. */
static void put_no_swap(const char *dir)
{
	static const char *const names[] = { "memory.swap.max",
					     "memory.swap.current" };
	char name[PATH_MAX];

	for (int i = 0; i < 2; i++) {
		snprintf(name, sizeof(name), "%s/%s", dir, names[i]);
		put(name, "0\n");
	}
}

static void test_headroom(void)
{
	struct headroom h;
	struct cgroup *cg;

	clear();
	put("proc/self/mountinfo", "1 1 0:1 / /cg rw - cgroup2 none rw\n");
	put("proc/self/cgroup", "0::/a/b\n");
	put_no_swap("cg/a");
	put_no_swap("cg/a/b");
	headroom_init(&h, NULL);
	ok(headroom_has(&h, GIB, GIB) && headroom_left(&h) == HEADROOM_NONE,
	   "headroom: no cgroups");
	headroom_release(&h);
	cg = cgroup_new(root);
	must(cg, "cgroup_new");
	headroom_init(&h, cg);
	ok(headroom_has(&h, GIB, GIB) && headroom_left(&h) == HEADROOM_NONE &&
		   h.limit == HEADROOM_NONE,
	   "headroom: no limit");
	put("cg/a/b/memory.max", "67108864\n");
	put("cg/a/b/memory.current", "10000000\n");
	ok(headroom_has(&h, GIB, 0), "headroom: a new limit is not seen yet");
	h.next_ns = 0;
	ok(!headroom_has(&h, GIB, 0) && h.limit == 64 * MIB &&
		   headroom_margin(&h) == 8 * MIB,
	   "headroom: but before long");
	ok(headroom_left(&h) == 64 * MIB - 10000000 &&
		   headroom_has(&h, 64 * MIB - 10000000 - 4096, 4096) &&
		   !headroom_has(&h, 64 * MIB - 10000000 - 4096, 4097),
	   "headroom: to the byte");
	put("cg/a/b/memory.current", "67108864\n");
	ok(!headroom_has(&h, 1, 0), "headroom: usage is read each time");
	put("cg/a/b/memory.stat", "inactive_file 8192\n");
	h.level[0].spare_ns = 0;
	ok(headroom_has(&h, 4096, 0) && headroom_has(&h, 4096, 0) &&
		   headroom_left(&h) == 8192,
	   "headroom: what the kernel would drop counts");
	put("cg/a/memory.high", "33554432\n");
	put("cg/a/memory.current", "33550336\n");
	h.next_ns = 0;
	ok(headroom_left(&h) == 4096 && h.nr == 2 && h.limit == 32 * MIB,
	   "headroom: a group above");
	put("proc/self/cgroup", "0::/\n");
	h.next_ns = 0;
	ok(headroom_left(&h) == HEADROOM_NONE && !h.nr, "headroom: moved away");
	headroom_release(&h);
	cgroup_free(cg);
}

int main(void)
{
	must(mkdtemp(root), "a directory");
	test_parse();
	test_interval();
	test_cgroup_v2();
	test_cgroup_v1();
	test_memwatch();
	test_headroom();
	clear();
	rmdir(root);
	return done();
}
