/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What smtpd is made of: its roles and who talks with whom, its listeners, its messages. */
#include "smtpd/smtpd.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "frame/conf_check.h"
#include "frame/read_file.h"
#include "smtpd/explain_message.h"
#include "smtpd/key_dkim.h"
#include "smtpd/queue_folders.h"
#include "smtpd/relay_secrets.h"
#include "smtpd/relay_recipients.h"
#include "smtpd/resolve_unbound.h"
#include "smtpd/rules.h"
#include "smtpd/smtp_state.h"
#include "smtpd/smtpd_conf.h"
#include "smtpd/smtpd_msg.h"
#include "smtpd/spool_lock.h"

static const struct msg_row messages[] = {
#define MSG(name, from, to, min, max, fd) { MSG_##name, #name, from, to, min, max, fd },
#include "smtpd/smtpd_msg.def"
#undef MSG
};

static const struct role roles[] = {
	{ .id = ROLE_FRONT,
	    .name = "smtp",
	    .run = proc_smtp,
	    .peers = ROLE_BIT(ROLE_KEY) | ROLE_BIT(ROLE_AUTH) | ROLE_BIT(ROLE_QUEUE) | ROLE_BIT(ROLE_RESOLVE) |
		ROLE_BIT(ROLE_FILTER) | ROLE_BIT(ROLE_REPORT) },
	{ .id = ROLE_KEY, .name = "key", .run = proc_key },
	{ .id = ROLE_AUTH, .name = "auth", .run = proc_auth },
	{ .id = ROLE_QUEUE,
	    .name = "queue",
	    .run = proc_queue,
	    .peers = ROLE_BIT(ROLE_AUTH) | ROLE_BIT(ROLE_RELAY) },
	{ .id = ROLE_RESOLVE, .name = "resolve", .run = proc_resolve },
	{ .id = ROLE_RELAY, .name = "relay", .run = proc_relay, .peers = ROLE_BIT(ROLE_RESOLVE) | ROLE_BIT(ROLE_KEY) | ROLE_BIT(ROLE_POLICY) },
	{ .id = ROLE_POLICY, .name = "policy", .run = proc_policy, .peers = ROLE_BIT(ROLE_RESOLVE) | ROLE_BIT(ROLE_QUEUE) },
	{ .id = ROLE_FILTER, .name = "filter", .run = proc_filter },
	{ .id = ROLE_REPORT, .name = "report", .run = proc_report, .peers = ROLE_BIT(ROLE_RELAY) | ROLE_BIT(ROLE_RESOLVE) | ROLE_BIT(ROLE_POLICY) },
	{ .id = ROLE_WORKER,
	    .name = "deliver",
	    .run = proc_deliver,
	    .spawned_by = ROLE_BIT(ROLE_QUEUE) },
};

static const struct role_listener listeners[] = {
	{ offsetof(struct smtpd_conf, listen_smtp), SMTP_MX, "smtp", false, false },
	{ offsetof(struct smtpd_conf, listen_submission), SMTP_SUBMISSION, "submission", false, false },
	{ offsetof(struct smtpd_conf, listen_submissions), SMTP_SUBMISSION, "submissions", true, false },
	{ offsetof(struct smtpd_conf, listen_lmtp), SMTP_LMTP, "lmtp", false, true },
};

static const struct role_file files[] = {
	{ offsetof(struct smtpd_conf, common.aliases), ROLE_AUTH, MSG_ALIASES_FILE, false },
	{ offsetof(struct smtpd_conf, common.srs_secret), ROLE_AUTH, MSG_SECRET_FILE, false },
	{ offsetof(struct smtpd_conf, common.srs_secret), ROLE_QUEUE, MSG_SECRET_FILE, false },
	{ offsetof(struct smtpd_conf, relay_secrets), ROLE_RELAY, MSG_RELAY_SECRETS, false },
	{ offsetof(struct smtpd_conf, dkim_keys), ROLE_KEY, MSG_SIGN_KEYS_FILE, false },
	{ offsetof(struct smtpd_conf, rules), ROLE_FRONT, MSG_RULES_FILE, false },
	{ offsetof(struct smtpd_conf, relay_recipients), ROLE_FRONT, MSG_RELAY_RECIPIENTS_FILE, false },
	{ offsetof(struct smtpd_conf, dnssec_anchor), ROLE_RESOLVE, MSG_DNSSEC_ANCHOR, true },
	{ offsetof(struct smtpd_conf, roots), ROLE_RELAY, MSG_ROOTS, true },
	{ offsetof(struct smtpd_conf, roots), ROLE_POLICY, MSG_ROOTS, true },
};

static const struct role_connection connections[] = {
	{ offsetof(struct smtpd_conf, milters), ROLE_FILTER },
};

static void
check_rules(struct span text, const char *prefix, struct buf *errors)
{
	(void)rules_free(rules_new(text, prefix, errors));
}

static void
check_recipients(struct span text, const char *prefix, struct buf *errors)
{
	(void)relay_recipients_free(relay_recipients_new(text, prefix, errors));
}

/* A file of lines, which `check` reads. */
static void
check_file(const char *option, const char *path, size_t max, void (*check)(struct span text, const char *prefix, struct buf *errors),
    struct buf *errors)
{
	struct buf text = BUF_INIT(max);
	char *prefix;
	int r;

	if (path[0] == '\0')
		return;
	r = read_file(path, &text);
	if (r < 0) {
		(void)buf_fmt(errors, "%s: %s: %s\n", option, path, strerrordesc_np(-r));
	} else {
		prefix = xasprintf("%s:", path);
		check(buf_get(&text), prefix, errors);
		free(prefix);
	}
	buf_wipe(&text);
}

static void
check_files(const void *values, struct buf *errors)
{
	const struct smtpd_conf *conf = values;

	check_file("relay_secrets", conf->relay_secrets, SECRETS_FILE_MAX, relay_secrets_check, errors);
	check_file("relay_recipients", conf->relay_recipients, RELAY_RECIPIENTS_FILE_MAX, check_recipients, errors);
	check_file("rules", conf->rules, RULES_FILE_MAX, check_rules, errors);
	conf_warn_of_secret("relay_secrets", conf->relay_secrets);
	if (conf->dkim_keys[0] != '\0')
		key_dkim_check(conf->dkim_keys, errors);
	conf_warn_of_secret("dkim_keys", conf->dkim_keys);
	resolve_check_anchor(conf->dnssec_anchor, errors);
}

static int
prepare(const void *conf, const struct daemon *daemon)
{
	int r = spool_lock_take(conf, daemon);

	return r < 0 ? r : queue_prepare_folders(conf, daemon);
}

static const char *
postmaster(const void *conf)
{
	return smtpd_postmaster(conf);
}

const struct daemon smtpd = {
	.name = "smtpd", .number = 1,
	.roles = roles, .role_count = sizeof(roles) / sizeof(*roles),
	.listeners = listeners, .listener_count = sizeof(listeners) / sizeof(*listeners),
	.messages = messages, .message_count = sizeof(messages) / sizeof(*messages),
	.conf_table = &smtpd_conf_table, .conf_size = sizeof(struct smtpd_conf),
	.conf_fill = smtpd_conf_fill, .conf_check = smtpd_conf_check, .keys = &key_dkim, .prepare = prepare, .settled = spool_lock_sign,
	.takes_mail = true, .postmaster = postmaster, .files = files, .file_count = sizeof(files) / sizeof(*files), .file_check = check_files,
	.connections = connections, .connection_count = sizeof(connections) / sizeof(*connections),
	.explain = explain_message,
};
