/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The texts that pressure and memory are read from.  The first byte chooses:
 * /proc/pressure, a trigger, base64, /proc/meminfo, or the files of a cgroup,
 * one after another, with NULs between them.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shrinker/cgroup.h"
#include "shrinker/meminfo.h"
#include "shrinker/psi.h"
#include "shrinker/psi_set.h"
#include "tests/fuzz/input.h"
#include "tests/unit/scratch.h"

static void try_psi(const char *text, size_t size)
{
	struct psi_reading reading;

	psi_parse(text, size, &reading);
}

/* What is understood can be said. */
static void try_trigger(const char *text, size_t size)
{
	struct psi_threshold t, again;
	char buf[PSI_TRIGGER_MAX];
	ssize_t len;

	if (psi_trigger_parse(text, size, &t))
		return;
	len = psi_trigger_format(&t, buf, sizeof(buf));
	must_hold(len > 0 && !psi_trigger_parse(buf, len, &again),
		  "parsed, but not formatted: %zd", len);
	must_hold(t.kind == again.kind && t.stall_us == again.stall_us &&
			  t.window_us == again.window_us,
		  "another trigger: %s", buf);
	for (int i = 0; !psi_trigger_round(&t); i++)
		must_hold(i < 100, "rounded for ever");
}

static void try_base64(const char *text, size_t size)
{
	size_t room = size % 64;
	char *buf = malloc(room + 1);
	ssize_t len;

	if (!buf)
		abort();
	len = psi_base64_decode(text, buf, room);
	must_hold(len <= (ssize_t)room, "%zd bytes in %zu", len, room);
	free(buf);
}

static void try_meminfo(const char *text, size_t size)
{
	struct meminfo mi = { 0 };

	if (meminfo_parse(text, size, &mi))
		return;
	meminfo_interval_ms(&mi, 1 << 20, 1000);
	meminfo_default_min_free(mi.total);
}

static void write_file(const char *name, const char *text, size_t size)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", scratch, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must_hold(fd >= 0 && write(fd, text, size) == (ssize_t)size, "%s: %s",
		  path, strerror(errno));
	close(fd);
}

static void try_cgroup(const char *text, size_t size)
{
	static const char *const names[] = { "proc/self/mountinfo",
					     "proc/self/cgroup",
					     "cg/memory.max",
					     "cg/memory.current",
					     "cg/memory.stat",
					     "cg/memory.limit_in_bytes",
					     "cg/memory.usage_in_bytes",
					     NULL };
	const char *end = text + size, *to;
	struct cgroup_memory mem;
	char path[256];
	struct cgroup *cg;

	for (int i = 0; names[i]; i++) {
		to = memchr(text, 0, end - text);
		to = to ? to : end;
		write_file(names[i], text, to - text);
		text = to < end ? to + 1 : end;
	}
	cg = cgroup_new(scratch);
	if (!cg)
		return;
	if (!cgroup_memory(cg, &mem))
		must_hold(mem.available <= mem.limit, "more than there is");
	cgroup_pressure_path(cg, path, sizeof(path));
	cgroup_free(cg);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	free(scratch_dir((scratch_new(), "proc")));
	free(scratch_dir("proc/self"));
	free(scratch_dir("cg"));
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(const char *, size_t) = {
		try_psi, try_trigger, try_base64, try_meminfo, try_cgroup,
	};
	char *text;

	if (!size)
		return 0;
	text = input_string(data + 1, size - 1);
	tries[data[0] % 5](text, size - 1);
	free(text);
	return 0;
}
