/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A key's record as verifiers will see it. */
#include "cli/mailkey_dns.h"

#include <stdlib.h>
#include <unbound.h>

#include "cli/tool_dns.h"
#include "common/xalloc.h"

static bool
has_same_key(const struct dkim_key_record *theirs, const struct dkim_private *key)
{
	struct buf text = BUF_INIT(8192), ours_bytes = BUF_INIT(DKIM_KEY_MAX), their_bytes = BUF_INIT(DKIM_KEY_MAX);
	struct dkim_key_record ours;
	bool same = dkim_private_record(key, &text) == 0 && dkim_key_record_parse(buf_get(&text), &ours) == 0 && ours.type == theirs->type &&
	    dkim_base64(ours.key, &ours_bytes) == 0 && dkim_base64(theirs->key, &their_bytes) == 0 && span_eq(buf_get(&ours_bytes), buf_get(&their_bytes));

	buf_free(&text);
	buf_free(&ours_bytes);
	buf_free(&their_bytes);
	return same;
}

static enum key_record
judge(const struct dns_answer *answer, const struct dkim_private *key, const char **ret_text)
{
	struct dkim_key_record record;

	*ret_text = "the DNS does not answer now";
	if (answer->status == DNS_FAILED || answer->status == DNS_BOGUS)
		return KEY_RECORD_UNKNOWN;
	*ret_text = "the DNS has no such record";
	if (answer->status != DNS_FOUND)
		return KEY_RECORD_MISSING;
	*ret_text = "the DNS has several TXT records there";
	if (answer->count != 1)
		return KEY_RECORD_DIFFERS;
	*ret_text = "what the DNS has there is no record of a key";
	if (dkim_key_record_parse(answer->records[0].data, &record) < 0)
		return KEY_RECORD_DIFFERS;
	*ret_text = "the record in the DNS says that the key is revoked";
	if (record.revoked)
		return KEY_RECORD_DIFFERS;
	*ret_text = "the record in the DNS is of another key";
	if (!has_same_key(&record, key))
		return KEY_RECORD_DIFFERS;
	*ret_text = record.testing ? "the record in the DNS fits, but marks the key as one under test (t=y)" :
	    !record.email || !record.sha256 ? "the record in the DNS does not allow the key for mail signed with SHA-256" : "the record in the DNS fits";
	return record.email && record.sha256 ? KEY_RECORD_FITS : KEY_RECORD_DIFFERS;
}

enum key_record
key_record_look(const struct smtpd_conf *conf, const struct dkim_key_row *row, const struct dkim_private *key, const char **ret_text)
{
	struct dns_answer *answer = xcalloc(1, sizeof(*answer));
	struct buf name = BUF_INIT(DKIM_NAME_MAX);
	struct ub_result *result = NULL;
	enum key_record found = KEY_RECORD_MISSING;

	*ret_text = "the name of its record would be too long";
	if (dkim_key_name(row->selector, row->domain, &name) == 0) {
		tool_dns_ask(conf, buf_cstr(&name), DNS_TXT, &result, answer);
		found = judge(answer, key, ret_text);
	}
	ub_resolve_free(result);
	buf_free(&name);
	free(answer);
	return found;
}
