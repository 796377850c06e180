/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PSI text, the judgement of growth, and one source: kernel, stream, plain. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "shrinker/psi_set.h"
#include "tests/unit/tap.h"

#define MSEC 1000000ull
#define SEC (1000 * MSEC)

#define SOME "some avg10=1.50 avg60=0.05 avg300=100.00 total=123456\n"
#define FULL "full avg10=0.00 avg60=0.00 avg300=0.00 total=99\n"

static char dir[] = "/tmp/test_psi.XXXXXX";

static const char *in_dir(const char *name)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static int parse(const char *text, struct psi_reading *out)
{
	return psi_parse(text, strlen(text), out);
}

static void test_parse_good(void)
{
	struct psi_reading r;

	ok(!parse(SOME FULL, &r) && r.line[PSI_SOME].present &&
		   r.line[PSI_FULL].present,
	   "both lines");
	ok(r.line[PSI_SOME].avg10 == 150 && r.line[PSI_SOME].avg60 == 5 &&
		   r.line[PSI_SOME].avg300 == 10000 &&
		   r.line[PSI_SOME].total == 123456 &&
		   r.line[PSI_FULL].total == 99,
	   "figures");
	ok(!parse(SOME, &r) && !r.line[PSI_FULL].present, "full is missing");
	ok(!parse(FULL, &r) && !r.line[PSI_SOME].present, "some is missing");
	ok(!parse(FULL SOME, &r), "the other order");
	ok(!parse("some avg10=0.00 avg60=0.00 avg300=0.00 total=7\r\n", &r) &&
		   r.line[PSI_SOME].total == 7,
	   "CRLF");
	ok(!parse("most avg10=1\n" SOME, &r), "a line of a later kernel");
	ok(!parse("some avg10=1 avg60=2.5 avg300=3.999 total=4 new=x\n", &r) &&
		   r.line[PSI_SOME].avg10 == 100 &&
		   r.line[PSI_SOME].avg60 == 250 &&
		   r.line[PSI_SOME].avg300 == 399,
	   "a field of a later kernel, other decimals");
	ok(!parse("some avg10=0 avg60=0 avg300=0 total=18446744073709551615\n",
		  &r) &&
		   r.line[PSI_SOME].total == UINT64_MAX,
	   "the largest total");
}

static void test_parse_bad(void)
{
	static const struct {
		const char *text;
		int err;
		const char *what;
	} bad[] = {
		{ "", -EINVAL, "nothing" },
		{ "\n\n", -EINVAL, "empty lines" },
		{ "garbage\n", -EINVAL, "garbage" },
		{ "\xff\xfe\x01\n", -EINVAL, "binary" },
		{ "some\n", -EINVAL, "no fields" },
		{ "some avg10=0.00 avg60=0.00 avg300=0.00\n", -EINVAL,
		  "no total" },
		{ "some avg10=0.00 avg60=0.00 avg300=0.00 total=\n", -EINVAL,
		  "an empty total" },
		{ "some avg10=0.00 avg60=0.00 avg300=0.00 total=12", -EINVAL,
		  "cut inside a number" },
		{ "some avg10=0.00 avg60=0.00 avg300=0.00 total=-1\n", -EINVAL,
		  "negative" },
		{ "some avg10=0.00 avg60=0.00 avg300=0.00 total=0x1\n", -EINVAL,
		  "hexadecimal" },
		{ "some avg10=.5 avg60=0.00 avg300=0.00 total=1\n", -EINVAL,
		  "no digit before the point" },
		{ "some avg10=1.x avg60=0.00 avg300=0.00 total=1\n", -EINVAL,
		  "a letter for a decimal" },
		{ "some avg10=0 avg10=0 avg60=0 avg300=0 total=1\n", -EINVAL,
		  "a field twice" },
		{ "some avg10=0 avg60=0 avg300=0 total=1 word\n", -EINVAL,
		  "a word that is no field" },
		{ SOME SOME, -EINVAL, "a line twice" },
		{ SOME "full avg10=", -EINVAL, "a second line cut off" },
		{ "some avg10=0 avg60=0 avg300=0 "
		  "total=18446744073709551616\n",
		  -ERANGE, "total overflows" },
		{ "some avg10=99999999999 avg60=0 avg300=0 total=0\n", -ERANGE,
		  "avg10 overflows" },
		{ "some avg10=18446744073709551616 avg60=0 avg300=0 total=0\n",
		  -ERANGE, "avg10 overflows 64 bits" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct psi_reading r, before;

		memset(&r, 0x5a, sizeof(r));
		before = r;
		ok(parse(bad[i].text, &r) == bad[i].err &&
			   !memcmp(&r, &before, sizeof(r)),
		   "refused, result untouched: %s", bad[i].what);
	}
}

/* Every prefix, and every byte of the text replaced by every value. */
static void test_parse_mangled(void)
{
	static const char good[] = SOME FULL;
	size_t len = sizeof(good) - 1, first = sizeof(SOME) - 1;
	struct psi_reading r;
	int tried = 0;

	for (size_t cut = 0; cut < len; cut++) {
		char *copy = malloc(cut + 1); /* the exact size, for ASan */

		memcpy(copy, good, cut);
		must((psi_parse(copy, cut, &r) == 0) == (cut == first),
		     "prefix of %zu", cut);
		free(copy);
		tried++;
	}
	for (size_t at = 0; at < len; at++) {
		for (int c = 0; c < 256; c++) {
			char copy[sizeof(good)];

			memcpy(copy, good, len);
			copy[at] = c;
			psi_parse(copy, len, &r);
			tried++;
		}
	}
	ok(tried == 257 * (int)len, "%d mangled texts", tried);
}

static void test_parse_overlong(void)
{
	size_t len = 1 << 20;
	char *text = malloc(len);
	struct psi_reading r;

	memset(text, '1', len);
	memcpy(text, "some avg10=", 11);
	text[len - 1] = '\n';
	ok(psi_parse(text, len, &r) == -ERANGE, "a number of a million digits");
	memset(text, 'x', len);
	text[len - 1] = '\n';
	ok(psi_parse(text, len, &r) == -EINVAL, "a word of a million letters");
	free(text);
}

static void test_trigger_text(void)
{
	struct psi_threshold t = { PSI_SOME, 150000, 1000000 }, back;
	char buf[PSI_TRIGGER_MAX];

	ok(psi_trigger_format(&t, buf, sizeof(buf)) == 20 &&
		   !memcmp(buf, "some 150000 1000000", 20),
	   "trigger text, its NUL counted");
	ok(!psi_trigger_parse(buf, 20, &back) && back.kind == PSI_SOME &&
		   back.stall_us == 150000 && back.window_us == 1000000,
	   "and read back");
	ok(psi_trigger_format(&t, buf, 19) == -ENOSPC, "no room for the NUL");
	t = (struct psi_threshold){ PSI_FULL, 10000000, 10000000 };
	ok(psi_trigger_format(&t, buf, sizeof(buf)) == 23, "the longest");
	t.window_us++;
	ok(psi_trigger_format(&t, buf, sizeof(buf)) == -EINVAL,
	   "a window over 10 s");
	t = (struct psi_threshold){ PSI_FULL, 2, 1 };
	ok(psi_trigger_format(&t, buf, sizeof(buf)) == -EINVAL,
	   "stall longer than the window");
	t.stall_us = 0;
	ok(psi_trigger_format(&t, buf, sizeof(buf)) == -EINVAL, "no stall");
	ok(!psi_trigger_parse("full 1 2\n", 9, &back), "a newline at the end");
	ok(psi_trigger_parse("full 1", 6, &back) == -EINVAL &&
		   psi_trigger_parse("full 1 2 3", 10, &back) == -EINVAL &&
		   psi_trigger_parse("none 1 2", 8, &back) == -EINVAL &&
		   psi_trigger_parse("", 0, &back) == -EINVAL,
	   "trigger texts that are none");
}

static void test_trigger_round(void)
{
	struct psi_threshold t = { PSI_SOME, 150000, 1000000 };

	ok(!psi_trigger_round(&t) && t.stall_us == 300000 &&
		   t.window_us == 2000000,
	   "1 s becomes 2 s, the ratio stays");
	ok(psi_trigger_round(&t) == -EINVAL && t.window_us == 2000000,
	   "2 s stays");
	t = (struct psi_threshold){ PSI_FULL, 9999999, 9999999 };
	ok(!psi_trigger_round(&t) && t.window_us == 10000000 &&
		   t.stall_us == 10000000,
	   "just under 10 s becomes 10 s");
	for (uint64_t w = 1; w <= PSI_WINDOW_MAX_US; w += 4999) {
		t = (struct psi_threshold){ PSI_SOME, (w + 9) / 10, w };
		if (w % PSI_WINDOW_STEP_US == 0)
			continue;
		must(!psi_trigger_round(&t) && t.stall_us > 0 &&
			     t.stall_us <= t.window_us &&
			     t.window_us <= PSI_WINDOW_MAX_US &&
			     t.window_us >= w,
		     "window %lu", (unsigned long)w);
	}
	ok(true, "every window");
}

static void test_base64(void)
{
	char buf[64];

	ok(psi_base64_decode("c29tZSAyMDAwMDAgMjAwMDAwMAA=", buf, 64) == 20 &&
		   !memcmp(buf, "some 200000 2000000", 20),
	   "base64 of a trigger");
	ok(psi_base64_decode("", buf, 64) == 0 &&
		   psi_base64_decode("QQ==", buf, 64) == 1 &&
		   psi_base64_decode("QUI=", buf, 64) == 2,
	   "base64 padding");
	ok(psi_base64_decode("QQ", buf, 64) == -EINVAL &&
		   psi_base64_decode("Q=Q=", buf, 64) == -EINVAL &&
		   psi_base64_decode("QQ==QQ==", buf, 64) == -EINVAL &&
		   psi_base64_decode("Q*==", buf, 64) == -EINVAL &&
		   psi_base64_decode("QUJD", buf, 2) == -ENOSPC,
	   "base64 that is none");
}

static void test_track(void)
{
	struct psi_track t = { .stall_us = 100000, .window_us = 1000000 };

	psi_track_reset(&t, 5000000, 0);
	ok(psi_track_event(&t, 5027000, 2 * SEC) == PSI_CALM &&
		   t.false_events == 1 && !t.under,
	   "27 ms of stall do not fire 100 ms");
	ok(psi_track_event(&t, 5150000, 3 * SEC) == PSI_PRESSURE && t.under &&
		   t.hot,
	   "150 ms do");
	psi_track_look(&t, 5160000, 3 * SEC + 100 * MSEC);
	ok(t.under && t.hot, "10 ms more in 100 ms: hot");
	psi_track_look(&t, 5161000, 3 * SEC + 200 * MSEC);
	ok(t.under && !t.hot, "1 ms more in 100 ms: held");
	psi_track_look(&t, 5161000, 4 * SEC);
	ok(t.under, "still held within a window");
	psi_track_look(&t, 5161000, 4 * SEC + 100 * MSEC);
	ok(!t.under, "calm after it");
	ok(psi_track_event(&t, 5161000, 5 * SEC) == PSI_CALM,
	   "stall that was acted upon is not counted again");
	ok(psi_track_look(&t, 5311000, 5 * SEC + 500 * MSEC) == PSI_PRESSURE,
	   "a look finds pressure that nobody told of");
	psi_track_look(&t, 5311000, 7 * SEC);
	psi_track_look(&t, 5311000, 60 * SEC);
	ok(psi_track_look(&t, 5450000, 120 * SEC) == PSI_CALM,
	   "139 ms over a minute are none");
	ok(psi_track_event(&t, 12, 121 * SEC) == PSI_CALM &&
		   psi_track_event(&t, 200012, 122 * SEC) == PSI_PRESSURE,
	   "a total that went back starts over");
	psi_track_look(&t, 206012, 122 * SEC + 100 * MSEC);
	ok(t.hot, "6 ms in 100 ms, more than half of the threshold: hot");
	psi_track_look(&t, 206012, 122 * SEC + 100 * MSEC + 500);
	ok(!t.hot, "no growth is no pressure, however short the time");
	psi_track_look(&t, 210012, 122 * SEC + 200 * MSEC);
	ok(t.under && !t.hot, "4 ms in 100 ms: held");

	t.under = false;
	psi_track_reset(&t, 0, 0);
	psi_track_look(&t, 30000, 500 * MSEC);
	ok(psi_track_event(&t, 60000, 900 * MSEC) == PSI_PRESSURE,
	   "an event is about a window, whoever has looked meanwhile");
}

static const struct psi_limits limits = { { 150000, 50000 }, 1000000 };

static void test_kernel_source(void)
{
	struct psi_source *s = psi_source_new("/proc/pressure/memory", NULL,
					      false);
	struct psi_source_status st;
	struct pollfd fds[PSI_NR_KINDS];
	int err = psi_source_arm(s, &limits, SEC);
	uint64_t window;

	psi_source_status(s, &st);
	if (err || st.state != PSI_SOURCE_ARMED) {
		ok(st.err && *psi_source_strerror(st.err),
		   "# SKIP no trigger here: %s", psi_source_strerror(st.err));
		psi_source_free(s);
		return;
	}
	window = st.kind[PSI_SOME].window_us;
	ok(window == 1000000 || window == 2000000, "armed, window %lu us",
	   (unsigned long)window);
	ok(st.kind[PSI_SOME].stall_us == 150000 * window / 1000000 &&
		   st.kind[PSI_FULL].stall_us == 50000 * window / 1000000,
	   "the ratio of stall to window stays");
	ok(st.kind[PSI_SOME].last.present && st.kind[PSI_FULL].last.present,
	   "a first reading");
	ok(psi_source_pollfds(s, fds) == 2 && fds[0].events == POLLPRI,
	   "two descriptors, POLLPRI");
	ok(psi_source_look(s, 2 * SEC) != PSI_GONE, "a look");
	ok(!psi_source_arm(s, &limits, 3 * SEC), "armed again");
	psi_source_pollfds(s, fds);
	ok(psi_source_event(s, fds[0].fd, POLLERR | POLLPRI, 4 * SEC) ==
		   PSI_GONE,
	   "POLLERR beside POLLPRI: gone");
	ok(psi_source_event(s, fds[1].fd, POLLERR, 4 * SEC) == PSI_CALM,
	   "and only once");
	psi_source_status(s, &st);
	ok(st.state == PSI_SOURCE_LOST && st.err == ENODEV, "lost, ENODEV");
	ok(!psi_source_retry(s, &limits, 5 * SEC), "not tried at once");
	ok(psi_source_retry(s, &limits, 35 * SEC), "but later, with success");
	psi_source_free(s);
}

static void test_explicit_trigger(void)
{
	static const struct psi_threshold wish = { PSI_SOME, 777777, 4000000 };
	struct psi_source *s = psi_source_new("/proc/pressure/memory", &wish,
					      true);
	struct psi_source_status st;

	if (!psi_source_arm(s, &limits, SEC)) {
		psi_source_status(s, &st);
		ok(st.kind[PSI_SOME].stall_us == 777777 &&
			   st.kind[PSI_SOME].window_us == 4000000,
		   "a trigger that was asked for is taken as it is");
	}
	psi_source_free(s);
}

static int arm_path(const char *path)
{
	struct psi_source *s = psi_source_new(path, NULL, false);
	struct psi_source_status st;
	int err = psi_source_arm(s, &limits, SEC);

	psi_source_status(s, &st);
	if (err)
		must(st.state == PSI_SOURCE_UNREADABLE && st.err == -err &&
			     *psi_source_strerror(st.err),
		     "%s", path);
	psi_source_free(s);
	return err;
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	must(fd >= 0 && write(fd, text, strlen(text)) == strlen(text), "put");
	close(fd);
}

static void test_unusable(void)
{
	ok(arm_path(in_dir("nothing")) == -ENOENT, "missing: ENOENT");
	ok(arm_path(dir) == -EINVAL, "a directory: EINVAL");
	ok(arm_path("/dev/null") == -EINVAL, "a device: EINVAL");
	ok(arm_path("/proc/meminfo") == -EINVAL, "another file: EINVAL");
	put(in_dir("secret"), SOME);
	chmod(in_dir("secret"), 0);
	chmod(dir, 0755);
	/* Root may read anything; be somebody else for a moment. */
	must(geteuid() || !seteuid(65534), "seteuid");
	ok(arm_path(in_dir("secret")) == -EACCES, "no access: EACCES");
	must(getuid() || !seteuid(0), "seteuid");
}

static void test_plain_file(void)
{
	struct psi_source *s;
	struct psi_source_status st;
	struct pollfd fds[PSI_NR_KINDS];
	bool hot;

	put(in_dir("plain"), SOME FULL);
	s = psi_source_new(in_dir("plain"), NULL, false);
	ok(!psi_source_arm(s, &limits, SEC), "a plain file is taken");
	psi_source_status(s, &st);
	ok(st.state == PSI_SOURCE_READ && !psi_source_pollfds(s, fds),
	   "it is read, not polled");
	ok(psi_source_look(s, 2 * SEC) == PSI_CALM, "no growth");
	put(in_dir("plain"),
	    "some avg10=9.00 avg60=0.00 avg300=0.00 total=523456\n");
	ok(psi_source_look(s, 3 * SEC) == PSI_PRESSURE &&
		   psi_source_pressure(s, PSI_SOME, &hot) && hot,
	   "growth is pressure");
	put(in_dir("plain"), "garbage\n");
	ok(psi_source_look(s, 4 * SEC) == PSI_CALM, "garbage is ignored");
	psi_source_status(s, &st);
	ok(st.malformed == 1 && st.kind[PSI_SOME].last.total == 523456,
	   "and counted");
	unlink(in_dir("plain"));
	ok(psi_source_look(s, 5 * SEC) == PSI_GONE, "removed: gone");
	ok(!psi_source_pressure(s, PSI_SOME, &hot) && !hot,
	   "its pressure goes with it");
	psi_source_free(s);
}

/* What poll() and then psi_source_event() say now. */
static enum psi_verdict poll_source(struct psi_source *s, uint64_t now)
{
	struct pollfd fds[PSI_NR_KINDS];

	must(psi_source_pollfds(s, fds) == 1, "one descriptor");
	if (poll(fds, 1, 0) <= 0)
		return PSI_CALM;
	return psi_source_event(s, fds[0].fd, fds[0].revents, now);
}

static void test_fifo(void)
{
	struct psi_source *s;
	struct psi_source_status st;
	char flood[4096];
	bool hot;

	mkfifo(in_dir("fifo"), 0600);
	s = psi_source_new(in_dir("fifo"), NULL, false);
	ok(!psi_source_arm(s, &limits, SEC), "a FIFO is taken");
	put(in_dir("fifo"), "some avg10=1 avg60=1 avg300=1 total=200000\n");
	ok(poll_source(s, 2 * SEC) == PSI_PRESSURE &&
		   psi_source_pressure(s, PSI_SOME, &hot) &&
		   !psi_source_pressure(s, PSI_FULL, &hot),
	   "a line is an event of its kind");
	ok(poll_source(s, 2 * SEC) == PSI_CALM,
	   "the end of its writer is not the end of the FIFO");
	put(in_dir("fifo"), "full avg10=1 avg60=1 ");
	ok(poll_source(s, 3 * SEC) == PSI_CALM, "half a line waits");
	put(in_dir("fifo"), "avg300=1 total=100000\n");
	ok(poll_source(s, 3 * SEC) == PSI_PRESSURE &&
		   psi_source_pressure(s, PSI_FULL, &hot),
	   "for the other half");
	for (int i = 0; i < 20; i++)
		psi_source_look(s, 4 * SEC + i * SEC);
	ok(!psi_source_pressure(s, PSI_SOME, &hot) &&
		   !psi_source_pressure(s, PSI_FULL, &hot),
	   "silence ends it");
	put(in_dir("fifo"), "some avg10=1 avg60=1 avg300=1 total=200001\n");
	ok(poll_source(s, 40 * SEC) == PSI_CALM, "no growth: a false event");
	memset(flood, 'x', sizeof(flood));
	flood[sizeof(flood) - 1] = '\0';
	put(in_dir("fifo"), flood);
	put(in_dir("fifo"), "\nnonsense\n");
	ok(poll_source(s, 41 * SEC) == PSI_CALM, "an overlong line");
	psi_source_status(s, &st);
	ok(st.malformed == 2 && st.kind[PSI_SOME].events == 1 &&
		   st.kind[PSI_SOME].false_events == 1 &&
		   st.kind[PSI_FULL].events == 1,
	   "counted: malformed, believed and false");
	unlink(in_dir("fifo"));
	ok(psi_source_look(s, 42 * SEC) == PSI_GONE, "removed: gone");
	psi_source_free(s);
}

static void test_socket(void)
{
	static const struct psi_threshold wish = { PSI_FULL, 1, 2000000 };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), peer;
	struct psi_source *s;
	struct psi_source_status st;
	char buf[64];

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", in_dir("socket"));
	must(!bind(listener, (struct sockaddr *)&addr, sizeof(addr)), "bind");
	must(!listen(listener, 1), "listen");
	s = psi_source_new(addr.sun_path, &wish, true);
	ok(!psi_source_arm(s, &limits, SEC), "a socket is taken");
	peer = accept(listener, NULL, NULL);
	ok(read(peer, buf, sizeof(buf)) == 15 &&
		   !memcmp(buf, "full 1 2000000", 15),
	   "it is told what we wait for");
	must(write(peer, "hello\n", 6) == 6, "write");
	ok(poll_source(s, 2 * SEC) == PSI_PRESSURE,
	   "where bare events are allowed, any line is one");
	must(write(peer, "x", 1) == 1, "write");
	ok(poll_source(s, 20 * SEC) == PSI_PRESSURE,
	   "and any byte, without a newline");
	must(write(peer, "", 1) == 1, "write");
	ok(poll_source(s, 40 * SEC) == PSI_PRESSURE, "a zero, too");
	close(peer);
	ok(poll_source(s, 41 * SEC) == PSI_GONE, "closed: gone");
	psi_source_status(s, &st);
	ok(st.state == PSI_SOURCE_LOST && st.err == EPIPE, "lost, EPIPE");
	close(listener);
	ok(!psi_source_retry(s, &limits, 80 * SEC), "nobody listens");
	psi_source_free(s);
	unlink(addr.sun_path);
}

static void test_set(void)
{
	const char *twice[] = { "/a", "/b", "/a" };
	const char *many[PSI_SET_MAX + 1];
	char names[PSI_SET_MAX + 1][8];
	struct psi_source_status st;
	struct psi_set set;

	ok(!psi_set_init(&set, twice, 3, NULL) && set.nr == 2,
	   "a path comes in once");
	psi_set_release(&set);
	for (int i = 0; i <= PSI_SET_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "/%d", i);
		many[i] = names[i];
	}
	ok(psi_set_init(&set, many, PSI_SET_MAX + 1, NULL) == -E2BIG,
	   "too many paths: E2BIG");
	psi_set_release(&set);
	unsetenv("MEMORY_PRESSURE_WATCH");
	ok(!psi_set_init(&set, NULL, 0, NULL) && set.nr == 1,
	   "by default the machine's");
	psi_set_release(&set);
	setenv("MEMORY_PRESSURE_WATCH", "/dev/null", 1);
	ok(!psi_set_init(&set, NULL, 0, NULL) && set.nr == 1,
	   "/dev/null stands for no watch");
	psi_set_release(&set);
	setenv("MEMORY_PRESSURE_WATCH", "/proc/pressure/memory", 1);
	setenv("MEMORY_PRESSURE_WRITE", "c29tZSAzMDAwMDAgMjAwMDAwMAA=", 1);
	ok(!psi_set_init(&set, NULL, 0, NULL) && set.nr == 1,
	   "the service manager's may be the same");
	psi_set_arm(&set, &limits, SEC);
	psi_source_status(set.source[0], &st);
	ok(st.state != PSI_SOURCE_ARMED || st.kind[PSI_SOME].stall_us == 300000,
	   "its own trigger wins");
	psi_set_release(&set);
	unsetenv("MEMORY_PRESSURE_WATCH");
	unsetenv("MEMORY_PRESSURE_WRITE");
}

int main(void)
{
	must(mkdtemp(dir), "a directory");
	test_parse_good();
	test_parse_bad();
	test_parse_mangled();
	test_parse_overlong();
	test_trigger_text();
	test_trigger_round();
	test_base64();
	test_track();
	test_kernel_source();
	test_explicit_trigger();
	test_unusable();
	test_plain_file();
	test_fifo();
	test_socket();
	test_set();
	unlink(in_dir("secret"));
	rmdir(dir);
	return done();
}
