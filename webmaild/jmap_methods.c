/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The table of methods, the API entry, and the Session object. */
#include "webmaild/jmap_methods.h"

#include <stdlib.h>

#include "common/log.h"
#include "webmaild/jmap_submission.h"

static void
core_echo(struct jmap_call *call)
{
	jmap_respond(call, json_incref(call->args));
}

const struct jmap_method jmap_methods[] = {
	{ "Core/echo", JMAP_USES_CORE, false, core_echo },
	{ "Mailbox/get", JMAP_USES_MAIL, true, jmap_mailbox_get },
	{ "Mailbox/changes", JMAP_USES_MAIL, true, jmap_mailbox_changes },
	{ "Mailbox/query", JMAP_USES_MAIL, true, jmap_mailbox_query },
	{ "Mailbox/queryChanges", JMAP_USES_MAIL, true, jmap_no_query_changes },
	{ "Mailbox/set", JMAP_USES_MAIL, true, jmap_mailbox_set },
	{ "Thread/get", JMAP_USES_MAIL, true, jmap_thread_get },
	{ "Thread/changes", JMAP_USES_MAIL, true, jmap_thread_changes },
	{ "Email/get", JMAP_USES_MAIL, true, jmap_email_get },
	{ "Email/changes", JMAP_USES_MAIL, true, jmap_email_changes },
	{ "Email/query", JMAP_USES_MAIL, true, jmap_email_query },
	{ "Email/queryChanges", JMAP_USES_MAIL, true, jmap_no_query_changes },
	{ "Email/set", JMAP_USES_MAIL, true, jmap_email_set },
	{ "Email/import", JMAP_USES_MAIL, true, jmap_email_import },
	{ "Email/parse", JMAP_USES_MAIL, true, jmap_email_parse },
	{ "SearchSnippet/get", JMAP_USES_MAIL, true, jmap_snippet_get },
	{ "Identity/get", JMAP_USES_SUBMISSION, true, jmap_identity_get },
	{ "Identity/changes", JMAP_USES_SUBMISSION, true, jmap_identity_changes },
	{ "Identity/set", JMAP_USES_SUBMISSION, true, jmap_identity_set },
	{ "EmailSubmission/get", JMAP_USES_SUBMISSION, true, jmap_submission_get },
	{ "EmailSubmission/changes", JMAP_USES_SUBMISSION, true, jmap_submission_changes },
	{ "EmailSubmission/query", JMAP_USES_SUBMISSION, true, jmap_submission_query },
	{ "EmailSubmission/queryChanges", JMAP_USES_SUBMISSION, true, jmap_no_query_changes },
	{ "EmailSubmission/set", JMAP_USES_SUBMISSION, true, jmap_submission_set },
};
const size_t jmap_method_count = sizeof(jmap_methods) / sizeof(jmap_methods[0]);

unsigned
jmap_api(struct jmap *jmap, struct span body, struct buf *out)
{
	int r = jmap_sync(jmap);

	/* What could be read is answered from; the log says what could not. */
	if (r != 0)
		log_warning("sync-failed", log_str("account", jmap->session->proc->account), log_str("error", ms_strerror(r)));
	return jmap_run(jmap, jmap->account_id, jmap_methods, jmap_method_count, body, out);
}

/* --- RFC 8620 section 2 --- */

static json_t *
mail_capability(const struct webmaild_conf *conf)
{
	return json_pack("{s:n, s:n, s:i, s:I, s:[s, s, s, s, s, s, s, s, s], s:b}", "maxMailboxesPerEmail", "maxMailboxDepth", "maxSizeMailboxName", 200,
	    "maxSizeAttachmentsPerEmail", (json_int_t)conf->message_size_max, "emailQuerySortOptions", "receivedAt", "size", "sentAt", "from", "to", "subject",
	    "hasKeyword", "allInThreadHaveKeyword", "someInThreadHaveKeyword", "mayCreateTopLevelMailbox", 1);
}

static json_t *
submission_capability(void)
{
	return json_pack("{s:i, s:{s:[]}}", "maxDelayedSend", JMAP_DELAY_MAX, "submissionExtensions", "FUTURERELEASE");
}

static json_t *
core_capability(const struct webmaild_conf *conf)
{
	return json_pack("{s:I, s:i, s:i, s:i, s:i, s:i, s:i, s:[]}", "maxSizeUpload", (json_int_t)conf->upload_size_max, "maxConcurrentUpload",
	    JMAP_CONCURRENT_UPLOADS, "maxSizeRequest", JMAP_REQUEST_MAX, "maxConcurrentRequests", JMAP_CONCURRENT_REQUESTS, "maxCallsInRequest",
	    JMAP_CALLS_MAX, "maxObjectsInGet", JMAP_GET_MAX, "maxObjectsInSet", JMAP_SET_MAX, "collationAlgorithms");
}

void
jmap_session_object(struct jmap *jmap, struct buf *out)
{
	const struct session *session = jmap->session;
	const char *name = session->proc->account, *id = jmap->account_id;
	json_t *account = json_pack("{s:s, s:b, s:b, s:{s:{}, s:o, s:o}}", "name", name, "isPersonal", 1, "isReadOnly", 0, "accountCapabilities", JMAP_CORE,
	    JMAP_MAIL, mail_capability(session->conf), JMAP_SUBMISSION, submission_capability());
	json_t *object = json_pack("{s:{s:o, s:{}, s:{}}, s:{s:o}, s:{s:s, s:s, s:s}, s:s, s:s, s:s, s:s, s:s, s:s}", "capabilities", JMAP_CORE,
	    core_capability(session->conf), JMAP_MAIL, JMAP_SUBMISSION, "accounts", id, account, "primaryAccounts", JMAP_CORE, id, JMAP_MAIL, id, JMAP_SUBMISSION,
	    id, "username", name, "apiUrl", "/jmap/api", "downloadUrl", "/jmap/download/{accountId}/{blobId}/{name}?type={type}", "uploadUrl",
	    "/jmap/upload/{accountId}/", "eventSourceUrl", "/jmap/eventsource?types={types}&closeafter={closeafter}&ping={ping}", "state", "0");
	char *text = json_dumps(object, JSON_COMPACT);

	(void)buf_str(out, text);
	free(text);
	json_decref(object);
}
