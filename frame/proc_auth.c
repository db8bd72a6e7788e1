/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The auth role: the only one that reads the accounts database. It says whether a password is
 * right, which addresses are accounts here, and for which account a worker is started: a front asks
 * with a grant, a number that says "somebody logged in as this account here", so a front that is
 * owned can have the accounts that log in to it and no other. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "frame/account_name.h"
#include "frame/frame_msg.h"
#include "frame/grants.h"
#include "frame/read_file.h"
#include "frame/recipient.h"
#include "frame/srs_file.h"
#include "frame/role.h"
#include "frame/verifier.h"
#include "libmailstore/mailstore.h"

struct auth {
	struct proc *proc;
	struct ms_accounts *accounts;
	struct verifier *verifier;
	struct verifier_limits limits;
	struct grants *grants;
	struct aliases *aliases; /* NULL: there are none, or none yet */
	struct srs *srs;         /* the same */
	uint64_t seed;           /* of the marks of passwords */
	uint64_t edition;        /* of what beside the accounts says whose an address is: another one each time, and for each process */
};

/* --- the accounts database --- */

/* The account of that name, for ms_account_clear. 0, 1 when there is none, -errno: also while there is no database, for it may have been moved
 * away for a moment, and mail for everybody would be sent back. */
static int
find(struct auth *auth, struct span name, struct ms_account *ret_account)
{
	int r = ms_accounts_get(auth->accounts, name.ptr, name.len, ret_account);

	if (r == MS_E_NOTFOUND && !ms_accounts_is_there(auth->accounts)) {
		log_warning("accounts-missing", log_str("file", auth->proc->common->accounts_db),
		    log_str("hint", "nobody has an account before it is put back, or mailuser(8) adds the first"));
		return -ENOENT;
	}
	if (r == 0 || r == MS_E_NOTFOUND)
		return r == 0 ? 0 : 1;
	log_error("accounts-unreadable", log_str("file", auth->proc->common->accounts_db),
	    log_str("error", ms_strerror(r)));
	return r < 0 ? r : -EBADMSG;
}

static int
exists(struct auth *auth, struct span name)
{
	struct ms_account account;
	int r = find(auth, name, &account);

	if (r == 0)
		ms_account_clear(&account);
	return r;
}

static bool
account_of(void *context, struct span user, struct buf *account)
{
	const struct auth *auth = context;

	return account_name_of_login(user, &auth->proc->common->domains, account) ==
	    ACCOUNT_NAME_OURS;
}

static int
find_hash(void *context, struct span name, struct buf *hash)
{
	struct ms_account account;
	int r = find(context, name, &account);

	if (r != 0)
		return r;
	if (!account.enabled || buf_str(hash, account.password) < 0)
		r = 1;
	explicit_bzero(account.password, strlen(account.password));
	ms_account_clear(&account);
	return r;
}

/* --- passwords --- */

static void
send_result(struct auth *auth, uint8_t role, uint32_t id, enum auth_result result, uint64_t grant,
    struct span account)
{
	struct msg_writer reply;

	msg_writer_init(&reply);
	msg_put_u8(&reply, (uint8_t)result);
	msg_put_u64(&reply, grant);
	msg_put_span(&reply, account);
	/* When the front is gone, peer_gone drops its grants. */
	(void)proc_send(auth->proc, role, MSG_AUTH_RESULT, id, &reply, -1);
}

/* Another password has another salt, and so another hash. */
static uint64_t
mark_of(const struct auth *auth, struct span hash)
{
	return span_hash(auth->seed, hash);
}

/* The account of a grant, for ms_account_clear. 0; 1 when there is no such grant; 2 when it is over, because the account was removed or shut since (mail still
 * comes in then, but nobody reads it), or has another password; -errno. */
static int
find_granted(struct auth *auth, uint64_t grant, struct ms_account *ret_account)
{
	uint64_t mark;
	struct span name = grants_find(auth->grants, grant, &mark);
	int r = name.len != 0 ? find(auth, name, ret_account) : 1;

	if (r != 0)
		return r > 0 && name.len != 0 ? 2 : r;
	if (ret_account->enabled && mark_of(auth, span_of(ret_account->password)) == mark)
		return 0;
	ms_account_clear(ret_account);
	return 2;
}

static void
verified(void *context, uint8_t role, uint32_t id, enum auth_result result, struct span account, struct span hash)
{
	struct auth *auth = context;
	uint64_t grant = 0;
	int r = -EEXIST;

	while (result == AUTH_OK && r == -EEXIST) {
		if (getrandom(&grant, sizeof(grant), 0) != (ssize_t)sizeof(grant))
			abort(); /* cannot fail for so few bytes */
		r = grants_add(auth->grants, grant, account, mark_of(auth, hash));
		if (r == -ENOBUFS) {
			log_error("too-many-grants", log_u64("count", grants_count(auth->grants)));
			result = AUTH_TEMPFAIL;
			grant = 0;
		}
	}
	send_result(auth, role, id, result, grant, result == AUTH_OK ? account : SPAN_NULL);
}

static int
on_auth(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	struct auth *auth = proc->state;
	struct msg_reader body = msg_read(msg);
	struct span user = msg_get_span(&body), password = msg_get_span(&body),
		    address = msg_get_span(&body);

	if (!msg_done(&body))
		return -EBADMSG;
	verifier_add(auth->verifier, msg_channel_peer(channel), msg->id, user, password, address);
	return 0;
}

static int
on_grant_drop(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	struct auth *auth = proc->state;
	struct msg_reader body = msg_read(msg);
	uint64_t grant = msg_get_u64(&body);

	(void)channel;
	if (!msg_done(&body))
		return -EBADMSG;
	grants_drop(auth->grants, grant);
	return 0;
}

static int
on_grant_check(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	struct auth *auth = proc->state;
	struct msg_reader body = msg_read(msg);
	uint64_t grant = msg_get_u64(&body);
	struct msg_writer reply;
	struct ms_account account;
	int r;

	if (!msg_done(&body))
		return -EBADMSG;
	r = find_granted(auth, grant, &account);
	if (r == 0)
		ms_account_clear(&account);
	msg_writer_init(&reply);
	msg_put_u8(&reply, r == 2);
	(void)msg_send(channel, MSG_GRANT_CHECKED, msg->id, &reply, -1);
	return 0;
}

/* --- addresses --- */

static int
host_exists(void *context, struct span name)
{
	return exists(context, name);
}

/* What the configuration names has not come, or could not be read: nobody may be told then that an address is nobody's. */
static bool
lacks_a_table(const struct auth *auth)
{
	const struct fourpost_conf *conf = auth->proc->common;

	return auth->proc->daemon->takes_mail && ((conf->aliases[0] != '\0' && auth->aliases == NULL) || (conf->srs_secret[0] != '\0' && auth->srs == NULL));
}

static struct recipient_host
host_of(struct auth *auth)
{
	return (struct recipient_host){
		.domains = &auth->proc->common->domains,
		.aliases = auth->aliases,
		.incomplete = lacks_a_table(auth),
		.delimiter = auth->proc->common->recipient_delimiter[0],
		.srs = auth->srs,
		.now = (int64_t)time(NULL),
		.exists = host_exists,
		.context = auth,
	};
}

static void
tell_fault(struct span address, const struct recipients *recipients)
{
	if (recipients->fault != NULL)
		log_error("alias-unusable", log_span("address", address), log_str("reason", recipients->fault));
}

/* As many messages as it takes. */
static void
send_members(struct msg_channel *channel, uint32_t id, const struct recipients *recipients)
{
	struct span rest = buf_get(&recipients->members), member;
	struct msg_writer body;

	msg_writer_init(&body);
	while (span_split(&rest, '\n', &member)) {
		if (body.len + 2 + member.len > sizeof(body.bytes)) {
			(void)msg_send(channel, MSG_LOOKUP_MEMBERS, id, &body, -1);
			msg_writer_init(&body);
		}
		msg_put_span(&body, member);
	}
	if (body.len != 0)
		(void)msg_send(channel, MSG_LOOKUP_MEMBERS, id, &body, -1);
}

static void
send_looked_up(const struct auth *auth, struct msg_channel *channel, uint32_t id, enum lookup_result result, struct span account, struct span owner)
{
	struct msg_writer reply;

	msg_writer_init(&reply);
	msg_put_u8(&reply, (uint8_t)result);
	msg_put_span(&reply, account);
	msg_put_span(&reply, owner);
	msg_put_u64(&reply, ms_accounts_edition(auth->accounts) + auth->edition);
	(void)msg_send(channel, MSG_LOOKUP_RESULT, id, &reply, -1);
}

/* With aliases. Whoever asks, and gets mail for an alias, may send from it; not so from a list. Where nobody asks, the name is the one
 * that mail to the alias is counted by. */
static void
look_up(struct auth *auth, struct msg_channel *channel, uint32_t id, struct span address, struct span asker, bool expand)
{
	struct recipient_host host = host_of(auth);
	const struct daemon *daemon = auth->proc->daemon;
	struct buf name = BUF_INIT(ACCOUNT_NAME_MAX);
	struct recipients recipients;
	enum lookup_result result;

	host.postmaster = daemon->postmaster != NULL ? daemon->postmaster(auth->proc->conf) : NULL;
	result = recipient_expand(&host, address, expand || asker.len != 0, &recipients);
	tell_fault(address, &recipients);
	if (expand && result == LOOKUP_ALIAS)
		send_members(channel, id, &recipients);
	if (result == LOOKUP_LOCAL)
		(void)recipient_account(&host, address, &name);
	if (result == LOOKUP_ALIAS && asker.len == 0 && !expand)
		recipients_put_name(&host, &recipients, &name);
	if (result == LOOKUP_ALIAS && asker.len != 0 && recipients.owner.len == 0 && recipients_have(&host, &recipients, asker))
		(void)buf_span(&name, asker);
	send_looked_up(auth, channel, id, result, buf_get(&name), buf_get(&recipients.owner));
	recipients_free(&recipients);
	buf_free(&name);
}

/* A program of this host says whose mail it drops. Where all roles share an ordinary user's uid, so do the accounts, and no uid tells. */
static enum lookup_result
is_owner(struct auth *auth, struct span name, struct span digits)
{
	struct ms_account account;
	uint64_t uid;
	int r = find(auth, name, &account);
	bool owner;

	if (r != 0)
		return r > 0 ? LOOKUP_UNKNOWN : LOOKUP_TEMPFAIL;
	owner = span_to_u64(digits, UINT32_MAX, &uid) == 0 && (account.uid == uid || geteuid() == uid);
	ms_account_clear(&account);
	return owner ? LOOKUP_LOCAL : LOOKUP_UNKNOWN;
}

static int
on_lookup(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	struct auth *auth = proc->state;
	struct recipient_host host = host_of(auth);
	struct msg_reader body = msg_read(msg);
	uint8_t kind = msg_get_u8(&body);
	struct span address = msg_get_span(&body), asker = msg_get_span(&body);
	struct buf name = BUF_INIT(ACCOUNT_NAME_MAX);
	enum lookup_result result;

	if (!msg_done(&body) || kind > LOOKUP_OWNER)
		return -EBADMSG;
	if (kind == LOOKUP_OWNER) {
		result = is_owner(auth, address, asker);
		send_looked_up(auth, channel, msg->id, result, result == LOOKUP_LOCAL ? address : SPAN_NULL, SPAN_NULL);
		return 0;
	}
	if (kind != LOOKUP_ACCOUNT && (auth->aliases != NULL || auth->srs != NULL || host.incomplete)) {
		look_up(auth, channel, msg->id, address, asker, kind == LOOKUP_EXPAND);
		return 0;
	}
	result = recipient_account(&host, address, &name);
	send_looked_up(auth, channel, msg->id, result, result == LOOKUP_LOCAL ? buf_get(&name) : SPAN_NULL, SPAN_NULL);
	buf_free(&name);
	return 0;
}

/* --- aliases --- */

/* Takes the aliases in this text, or what kept it from being read; the former stay then. */
static void
use_aliases(struct auth *auth, int r, const struct buf *text)
{
	const char *path = auth->proc->common->aliases;
	struct buf errors = BUF_INIT(65536);
	struct span rest, line;

	if (r < 0) {
		log_error("aliases-unreadable", log_str("file", path), log_errno("error", r));
		return;
	}
	(void)aliases_free(auth->aliases);
	auth->aliases = aliases_new(buf_get(text), "", &errors);
	auth->edition++;
	rest = buf_get(&errors);
	while (span_split(&rest, '\n', &line))
		log_error("alias-left-out", log_str("file", path), log_span("line", line));
	log_info("aliases", log_str("file", path), log_u64("count", aliases_count(auth->aliases)));
	buf_free(&errors);
}

static void
load_aliases(struct auth *auth)
{
	struct buf text = BUF_INIT(ALIASES_FILE_MAX);

	if (auth->proc->daemon->takes_mail && auth->proc->common->aliases[0] != '\0')
		use_aliases(auth, proc_read_file(auth->proc, MSG_ALIASES_FILE, &text), &text);
	buf_free(&text);
}

static int
on_aliases_file(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	struct buf text = BUF_INIT(ALIASES_FILE_MAX);

	(void)channel;
	use_aliases(proc->state, read_open_file(msg->fd, &text), &text);
	buf_free(&text);
	return 0;
}

static int
on_secret_file(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	struct auth *auth = proc->state;

	(void)channel;
	srs_renew(proc, msg->fd, &auth->srs);
	return 0;
}

/* --- workers --- */

static void
refuse_worker(struct msg_channel *channel, uint32_t id, enum lookup_result result)
{
	struct msg_writer reply;

	msg_writer_init(&reply);
	msg_put_u8(&reply, (uint8_t)result);
	(void)msg_send(channel, MSG_WORKER_REFUSED, id, &reply, -1);
}

/* Asks the parent for a worker of this account, whose channel goes to who asked here; or, when r is not 0, refuses. Clears the account. */
static void
spawn(struct auth *auth, struct msg_channel *channel, uint32_t id, int r, struct ms_account *account)
{
	struct msg_writer body;

	if (r != 0) {
		refuse_worker(channel, id, r < 0 ? LOOKUP_TEMPFAIL : LOOKUP_UNKNOWN);
		return;
	}
	msg_writer_init(&body);
	msg_put_u8(&body, msg_channel_peer(channel));
	msg_put_u32(&body, account->uid);
	msg_put_u64(&body, account->quota.bytes);
	msg_put_u64(&body, account->quota.messages);
	msg_put_span(&body, span_of(account->address));
	msg_put_span(&body, span_of(account->path));
	ms_account_clear(account);
	if (msg_send(auth->proc->parent, MSG_SPAWN, id, &body, -1) < 0)
		refuse_worker(channel, id, LOOKUP_TEMPFAIL);
}

static int
on_worker_by_grant(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	struct auth *auth = proc->state;
	struct msg_reader body = msg_read(msg);
	uint64_t grant = msg_get_u64(&body);
	struct ms_account account = { 0 };
	int r;

	if (!msg_done(&body))
		return -EBADMSG;
	r = find_granted(auth, grant, &account);
	spawn(auth, channel, msg->id, r, &account);
	return 0;
}

static int
on_worker_by_address(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct proc *proc = context;
	struct msg_reader body = msg_read(msg);
	struct span name = msg_get_span(&body);
	struct ms_account account = { 0 };
	int r;

	if (!msg_done(&body))
		return -EBADMSG;
	r = name.len != 0 ? find(proc->state, name, &account) : 1;
	spawn(proc->state, channel, msg->id, r, &account);
	return 0;
}

/* --- the role --- */

static void
peer_gone(struct proc *proc, uint8_t role)
{
	struct auth *auth = proc->state;

	verifier_forget(auth->verifier, role);
	if (role == ROLE_FRONT)
		grants_clear(auth->grants); /* its connections ended with it */
}

static void
set_limits(struct auth *auth)
{
	const struct fourpost_conf *conf = auth->proc->common;

	auth->limits = (struct verifier_limits){
		.failures_max = (unsigned)conf->auth_failures_max,
		.failure_window = conf->auth_failure_window,
		.failure_delay = conf->auth_failure_delay,
	};
}

static void
reload(struct proc *proc)
{
	struct auth *auth = proc->state;

	set_limits(auth);
	auth->edition++;
	if (proc->common->aliases[0] == '\0')
		auth->aliases = aliases_free(auth->aliases);
	if (proc->common->srs_secret[0] == '\0')
		auth->srs = srs_free(auth->srs);
}

int
proc_auth(struct proc *proc)
{
	static const struct proc_handler handlers[] = {
		{ MSG_AUTH, on_auth },
		{ MSG_GRANT_DROP, on_grant_drop },
		{ MSG_GRANT_CHECK, on_grant_check },
		{ MSG_LOOKUP, on_lookup },
		{ MSG_ALIASES_FILE, on_aliases_file },
		{ MSG_SECRET_FILE, on_secret_file },
		{ MSG_WORKER_BY_GRANT, on_worker_by_grant },
		{ MSG_WORKER_BY_ADDRESS, on_worker_by_address },
	};
	static const struct verifier_ops ops = { account_of, find_hash, verified };
	struct auth *auth = xcalloc(1, sizeof(*auth));
	struct jail jail = { .allow = JAIL_READ_FILES };
	char *folder;
	int r;

	auth->proc = proc;
	if (getrandom(&auth->edition, sizeof(auth->edition), 0) != (ssize_t)sizeof(auth->edition) ||
	    getrandom(&auth->seed, sizeof(auth->seed), 0) != (ssize_t)sizeof(auth->seed))
		abort(); /* cannot fail for so few bytes */
	proc->state = auth;
	proc->handlers = handlers;
	proc->handler_count = sizeof(handlers) / sizeof(*handlers);
	proc->peer_gone = peer_gone;
	proc->reload = reload;
	set_limits(auth);
	auth->grants = grants_new();
	auth->verifier = verifier_new(proc->base, &auth->limits, &ops, auth);
	if (auth->verifier == NULL) {
		log_error("no-yescrypt",
		    log_str("hint", "this libcrypt cannot make yescrypt hashes"));
		return EX_OSERR;
	}
	r = ms_accounts_open(proc->common->accounts_db, &auth->accounts);
	if (r != 0) {
		log_error("accounts-unreadable", log_str("file", proc->common->accounts_db),
		    log_str("error", ms_strerror(r)));
		return EX_NOINPUT;
	}
	load_aliases(auth);
	auth->srs = srs_load(proc);
	/* The database is replaced as a whole (rename), so its folder stays readable, and nothing
	 * else. */
	folder = xstrdup(proc->common->accounts_db);
	if (strrchr(folder, '/') != NULL)
		*strrchr(folder, '/') = '\0';
	jail.paths[0] = (struct jail_path){ folder, JAIL_PATH_READ };
	/* --- jail --- */
	proc_jail(proc, &jail);
	free(folder);
	return proc_loop(proc);
}
