/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See kernel.h. */
#include "tests/fuzz/kernel_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define INTERRUPT_BIT 1 /* of the unique number of what it interrupts */

struct kernel k;

/* --- the request that is being built --- */

static union {
	struct fuse_in_header h;
	char bytes[KERNEL_REQUEST_MAX];
} req;
static size_t req_len;
static uint32_t req_answer; /* most bytes of its reply's body */
static uint64_t req_fh;

void request_begin(uint32_t op, uint64_t id)
{
	memset(&req.h, 0, sizeof(req.h));
	req.h.opcode = op;
	req.h.pid = k.pid;
	req.h.uid = req.h.gid = k.uid;
	req.h.nodeid = id;
	req_len = sizeof(req.h);
	req_answer = 4096;
	req_fh = 0;
}

void request_add(const void *body, size_t len)
{
	must_hold(req_len + len <= sizeof(req), "the request is too long");
	memcpy(req.bytes + req_len, body, len);
	req_len += len;
}

void request_add_string(const char *s)
{
	request_add(s, strlen(s) + 1);
}

static bool is_unanswered(uint32_t op)
{
	return op == FUSE_FORGET || op == FUSE_BATCH_FORGET ||
	       op == FUSE_INTERRUPT;
}

void request_expect(uint32_t size)
{
	req_answer = size;
}

void request_holds(uint64_t fh)
{
	req_fh = fh;
}

bool open_is_busy(const struct open_file *o)
{
	for (unsigned int i = 0; i < k.nr_pendings; i++)
		if (k.pendings[i].id == o->id && k.pendings[i].fh == o->fh)
			return true;
	return false;
}

void request_send(void)
{
	struct fuse_in_header *h = &req.h;

	if (!h->unique)
		h->unique = k.last_unique += 2;
	h->len = req_len;
	if (!is_unanswered(h->opcode)) {
		must_hold(k.nr_pendings < PENDINGS_MAX, "too many wait");
		k.pendings[k.nr_pendings++] =
			(struct pending){ .unique = h->unique,
					  .id = h->nodeid,
					  .fh = req_fh,
					  .op = h->opcode,
					  .size = req_answer };
	}
	k.send(&req, req_len);
}

/* --- what it was told --- */

static struct inode *inode_find(uint64_t id)
{
	for (unsigned int i = 0; i < k.nr_inodes; i++)
		if (k.inodes[i].id == id)
			return &k.inodes[i];
	return NULL;
}

static void inode_learn(const struct fuse_entry_out *e)
{
	struct inode *i = inode_find(e->nodeid);

	must_hold(e->attr.mode & S_IFMT, "an inode without a type");
	if (i && i->id == FUSE_ROOT_ID)
		must_hold(false, "the root is no child");
	if (!i) {
		must_hold(k.nr_inodes < INODES_MAX, "too many k.inodes");
		i = &k.inodes[k.nr_inodes++];
		*i = (struct inode){ .id = e->nodeid };
	}
	i->mode = e->attr.mode;
	i->lookups++;
}

static void open_learn(uint64_t id, const struct fuse_open_out *o, bool dir)
{
	must_hold(k.nr_opens < OPENS_MAX, "too many open files");
	k.opens[k.nr_opens++] =
		(struct open_file){ .id = id, .fh = o->fh, .dir = dir };
}

/* --- replies --- */

static void take_entry(const struct pending *p, const char *body, size_t len)
{
	struct fuse_entry_out e;
	struct fuse_open_out o;

	must_hold(len >= sizeof(e), "an entry of %zu bytes", len);
	memcpy(&e, body, sizeof(e));
	if (!e.nodeid) {
		must_hold(p->op == FUSE_LOOKUP, "no inode for op %u", p->op);
		return;
	}
	inode_learn(&e);
	if (p->op != FUSE_CREATE && p->op != OP_TMPFILE)
		return;
	must_hold(len == sizeof(e) + sizeof(o), "CREATE: %zu bytes", len);
	memcpy(&o, body + sizeof(e), sizeof(o));
	open_learn(e.nodeid, &o, false);
}

static void take_listing(bool plus, const char *body, size_t len)
{
	size_t head = plus ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET;

	while (len) {
		struct fuse_direntplus d;
		struct fuse_dirent *e = &d.dirent;
		size_t size;

		must_hold(len >= head, "a cut entry");
		if (plus)
			memcpy(&d, body, head);
		else
			memcpy(e, body, head);
		size = FUSE_DIRENT_ALIGN(head + e->namelen);
		must_hold(e->namelen && e->namelen <= 1024 && size <= len,
			  "a name of %u bytes", e->namelen);
		must_hold(!memchr(body + head, '/', e->namelen) &&
				  !memchr(body + head, 0, e->namelen),
			  "a bad name in a listing");
		/* Not for "." and "..", which the kernel does not count. */
		if (plus && d.entry_out.nodeid &&
		    strncmp(body + head, "..", e->namelen))
			inode_learn(&d.entry_out);
		body += size;
		len -= size;
	}
}

static void take_reply(const struct pending *p, const char *body, size_t len)
{
	struct fuse_open_out o;

	switch (p->op) {
	case FUSE_LOOKUP:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_SYMLINK:
	case FUSE_LINK:
	case FUSE_CREATE:
	case OP_TMPFILE:
		take_entry(p, body, len);
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		must_hold(len == sizeof(o), "OPEN: %zu bytes", len);
		memcpy(&o, body, sizeof(o));
		open_learn(p->id, &o, p->op == FUSE_OPENDIR);
		break;
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		take_listing(p->op == FUSE_READDIRPLUS, body, len);
		break;
	}
}

void kernel_reply(const struct iovec *iov, int count)
{
	static char buf[2u << 20];
	struct fuse_out_header h;
	struct pending p;
	size_t len = 0;

	for (int i = 0; i < count; i++) {
		must_hold(len + iov[i].iov_len <= sizeof(buf), "too long");
		memcpy(buf + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	memcpy(&h, buf, sizeof(h));
	must_hold(len >= sizeof(h) && h.len == len, "%u bytes, not %zu", h.len,
		  len);
	must_hold(h.unique, "a notification is no reply");
	must_hold(h.error <= 0 && h.error > -512, "error %d", h.error);
	must_hold(!h.error || len == sizeof(h), "an error with %zu bytes", len);
	for (unsigned int i = 0; i < k.nr_pendings; i++) {
		if (k.pendings[i].unique != h.unique)
			continue;
		p = k.pendings[i];
		k.pendings[i] = k.pendings[--k.nr_pendings];
		must_hold(len - sizeof(h) <= p.size, "op %u: %zu bytes", p.op,
			  len - sizeof(h));
		if (!h.error)
			take_reply(&p, buf + sizeof(h), len - sizeof(h));
		return;
	}
	/* To an INTERRUPT: it should come again.  It does. */
	if (h.unique & INTERRUPT_BIT && h.error == -EAGAIN)
		return;
	must_hold(false, "request %llu is answered, but nobody asked",
		  (unsigned long long)h.unique);
}

/* --- requests that the kernel makes by itself --- */

void send_release(struct open_file *o)
{
	struct fuse_release_in arg = { .fh = o->fh };

	request_begin(o->dir ? FUSE_RELEASEDIR : FUSE_RELEASE, o->id);
	request_add(&arg, sizeof(arg));
	*o = k.opens[--k.nr_opens];
	request_send();
}

void send_forget(struct inode *i, uint64_t n)
{
	struct fuse_forget_in arg = { .nlookup = n };

	request_begin(FUSE_FORGET, i->id);
	request_add(&arg, sizeof(arg));
	i->lookups -= n;
	if (!i->lookups)
		*i = k.inodes[--k.nr_inodes];
	request_send();
}

void send_interrupt(uint64_t unique)
{
	struct fuse_interrupt_in arg = { .unique = unique };

	request_begin(FUSE_INTERRUPT, 0);
	req.h.unique = unique | INTERRUPT_BIT;
	request_add(&arg, sizeof(arg));
	request_send();
}

/* --- for the fuzzer --- */

void kernel_start(void (*send)(const void *, size_t))
{
	k.send = send;
	k.pid = getpid();
	k.inodes[0] = (struct inode){ FUSE_ROOT_ID, 1, S_IFDIR };
	k.nr_inodes = 1;
}

size_t kernel_init_request(void *buf)
{
	struct {
		struct fuse_in_header h;
		struct fuse_init_in init;
	} init = {
		.h = { .len = sizeof(init), .opcode = FUSE_INIT, .unique = 2 },
		.init = { .major = 7,
			  .minor = 40,
			  .max_readahead = 1 << 17,
			  .flags = ~0u,
			  .flags2 = 0x1ff },
	};

	memcpy(buf, &init, sizeof(init));
	k.last_unique = 2;
	return sizeof(init);
}

void kernel_print(FILE *f, const void *request, size_t len)
{
	const struct fuse_in_header *h = request;
	const uint8_t *body = (const void *)(h + 1);
	size_t nr = len - sizeof(*h) < 64 ? len - sizeof(*h) : 64;

	fprintf(f, "%d: op %u, inode %llx, uid %u:", (int)h->unique, h->opcode,
		(unsigned long long)h->nodeid, h->uid);
	for (size_t i = 0; i < nr; i++)
		fprintf(f, body[i] > ' ' && body[i] < 127 ? " %c" : " %02x",
			body[i]);
	fprintf(f, " (%zu bytes)\n", len);
}

/* Return: the inode, which was not known. */
static uint64_t lookup(uint64_t dir, const char *name)
{
	unsigned int before = k.nr_inodes;

	request_begin(FUSE_LOOKUP, dir);
	request_add_string(name);
	request_send();
	must_hold(k.nr_inodes > before, "there is no %s", name);
	return k.inodes[before].id;
}

static void open_as(uint64_t id, uint32_t flags)
{
	struct fuse_open_in arg = { .flags = flags };

	request_begin(FUSE_OPEN, id);
	request_add(&arg, sizeof(arg));
	request_send();
}

static void prelude_box(uint64_t boxes)
{
	struct fuse_mkdir_in mkdir = { .mode = 0777 };
	uint64_t box, recv;

	request_begin(FUSE_MKDIR, boxes);
	request_add(&mkdir, sizeof(mkdir));
	request_add_string("a");
	request_send();
	box = k.inodes[k.nr_inodes - 1].id;
	open_as(lookup(box, "data"), O_RDONLY);
	open_as(lookup(box, "send"), O_WRONLY);
	open_as(lookup(box, "send"), O_WRONLY | O_NONBLOCK);
	recv = lookup(box, "recv");
	open_as(recv, O_RDONLY);
	open_as(recv, O_RDONLY | O_NONBLOCK);
	lookup(box, "tx");
	lookup(box, "stat");
}

static void prelude_control(uint64_t control)
{
	static const char *const names[] = { "stats", "metrics", "pressure",
					     NULL };
	static const char *const scan[] = { "box-pages-0", "volatile-files-1",
					    "volatile-ranges-2", NULL };
	uint64_t shrinkers = lookup(control, "shrinker");

	for (int i = 0; names[i]; i++)
		lookup(control, names[i]);
	open_as(lookup(control, "config"), O_RDWR);
	open_as(lookup(control, "events"), O_RDONLY);
	for (int i = 0; scan[i]; i++) {
		uint64_t dir = lookup(shrinkers, scan[i]);

		open_as(lookup(dir, "scan"), O_WRONLY);
		open_as(lookup(dir, "count"), O_RDONLY);
	}
}

void kernel_prelude(void)
{
	struct fuse_create_in create = { .flags = O_RDWR | O_CREAT,
					 .mode = S_IFREG | 0644 };

	k.pid = getpid();
	k.uid = 0;
	prelude_control(lookup(FUSE_ROOT_ID, ".pool"));
	prelude_box(lookup(FUSE_ROOT_ID, "box"));
	request_begin(FUSE_CREATE, FUSE_ROOT_ID);
	request_add(&create, sizeof(create));
	request_add_string("a");
	request_send();
}

void kernel_interrupt_all(void)
{
	static struct pending all[PENDINGS_MAX];
	unsigned int nr = k.nr_pendings;

	memcpy(all, k.pendings, nr * sizeof(*all));
	for (unsigned int i = 0; i < nr; i++)
		send_interrupt(all[i].unique);
}

unsigned int kernel_waiting(void)
{
	return k.nr_pendings;
}

void kernel_end(void)
{
	while (k.nr_opens)
		send_release(&k.opens[0]);
	while (k.nr_inodes > 1)
		send_forget(&k.inodes[1], k.inodes[1].lookups);
}
