# Sources of libsmtpd.a: the mail server's roles, its protocol and its queue.
# The machine of the protocol, which is pure; cli/module.mk has it too.
smtp_machine_SRC := \
	smtpd/auth_results.c \
	smtpd/filter_word_parse.c \
	smtpd/spam_percent.c \
	smtpd/smtp_author.c \
	smtpd/smtp_binary.c \
	smtpd/smtp_cmds.c \
	smtpd/smtp_data.c \
	smtpd/smtp_filter.c \
	smtpd/smtp_hello.c \
	smtpd/smtp_judge.c \
	smtpd/smtp_mail.c \
	smtpd/smtp_parse.c \
	smtpd/smtp_reply.c \
	smtpd/smtp_state.c \
	smtpd/smtp_text.c \
	smtpd/xclient_parse.c
smtpd_SRC := $(smtp_machine_SRC) \
	smtpd/deliver_filter.c \
	smtpd/deliver_forward.c \
	smtpd/deliver_memory.c \
	smtpd/deliver_own.c \
	smtpd/deliver_scripts.c \
	smtpd/deliver_seen.c \
	smtpd/deliver_send.c \
	smtpd/deliver_store.c \
	smtpd/deliver_stored.c \
	smtpd/delivered_to.c \
	smtpd/envelope_msg.c \
	smtpd/heap.c \
	smtpd/proc_deliver.c \
	smtpd/proc_queue.c \
	smtpd/proc_smtp.c \
	smtpd/proxy_parse.c \
	smtpd/queue_age.c \
	smtpd/queue_attempt.c \
	smtpd/queue_bounce.c \
	smtpd/queue_conclude.c \
	smtpd/queue_control.c smtpd/queue_wish.c \
	smtpd/queue_copy.c \
	smtpd/queue_deliver.c \
	smtpd/queue_direct.c \
	smtpd/queue_drop.c smtpd/queue_drop_asked.c smtpd/queue_drop_look.c \
	smtpd/queue_drop_message.c \
	smtpd/queue_drop_remove.c \
	smtpd/queue_drop_request.c \
	smtpd/queue_expand.c \
	smtpd/queue_facts.c \
	smtpd/queue_files.c \
	smtpd/queue_memory.c \
	smtpd/queue_own.c \
	smtpd/queue_folders.c \
	smtpd/queue_intake.c \
	smtpd/queue_recipients.c \
	smtpd/queue_relay.c \
	smtpd/queue_submit.c \
	smtpd/queue_schedule.c \
	smtpd/queue_start.c \
	smtpd/queue_table.c \
	smtpd/queue_tell.c \
	smtpd/route_parse.c \
	smtpd/smtp_client.c \
	smtpd/smtp_client_crowd.c \
	smtpd/smtp_client_door.c \
	smtpd/smtp_client_filter.c \
	smtpd/smtp_handin.c \
	smtpd/smtpd.c \
	smtpd/smtpd_conf.c \
	smtpd/spool_lock.c \
	smtpd/verdict.c
# What goes out: other hosts, accounts here, notifications.
smtpd_SRC += \
	smtpd/dsn.c \
	smtpd/proc_relay.c \
	smtpd/relay_conn.c \
	smtpd/relay_conn_open.c \
	smtpd/relay_message.c \
	smtpd/relay_data.c \
	smtpd/relay_fit.c \
	smtpd/relay_habits.c \
	smtpd/roots.c \
	smtpd/relay_job.c \
	smtpd/relay_auth.c \
	smtpd/relay_mail.c \
	smtpd/relay_parse.c \
	smtpd/relay_result.c \
	smtpd/relay_secrets.c \
	smtpd/relay_demand.c \
	smtpd/relay_report.c \
	smtpd/relay_sign.c \
	smtpd/relay_state.c \
	smtpd/relay_order.c \
	smtpd/relay_sts.c \
	smtpd/relay_text.c \
	smtpd/relay_tls.c \
	smtpd/relay_transaction.c \
	smtpd/utf8_address.c
# Signatures of what goes out.
smtpd_SRC += \
	smtpd/dkim_keys_parse.c \
	smtpd/key_dkim.c \
	smtpd/sign_state.c
# What other domains demand of TLS (MTA-STS).
smtpd_SRC += \
	smtpd/https_client.c \
	smtpd/https_reply.c \
	smtpd/https_uri_parse.c \
	smtpd/policy_domain.c \
	smtpd/policy_fetch.c \
	smtpd/policy_post.c \
	smtpd/proc_policy.c \
	smtpd/queue_sts.c \
	smtpd/sts_parse.c \
	smtpd/sts_parts.c \
	smtpd/tcp_connect.c \
	smtpd/tls_policy.c \
	smtpd/tlsrpt.c
# The DNS: the role that asks it, and how others ask that role.
smtpd_SRC += \
	smtpd/dane.c \
	smtpd/dns.c \
	smtpd/dns_asking.c \
	smtpd/dns_client.c \
	smtpd/dns_parse.c \
	smtpd/proc_resolve.c \
	smtpd/resolve_lookup.c \
	smtpd/resolve_mail.c \
	smtpd/resolve_msg.c \
	smtpd/resolve_mx.c \
	smtpd/resolve_question.c \
	smtpd/resolve_room.c \
	smtpd/resolve_unbound.c
# Whether the client may send for the domain it names.
smtpd_SRC += \
	smtpd/spf_field.c \
	smtpd/spf_parse.c \
	smtpd/spf_state.c
# What others say of a message while its client waits.
smtpd_SRC += \
	smtpd/filter_conn.c \
	smtpd/filter_edit.c \
	smtpd/filter_job.c \
	smtpd/header_edit.c \
	smtpd/milter_parse.c \
	smtpd/milter_state.c \
	smtpd/milter_write.c \
	smtpd/proc_filter.c \
	smtpd/smtp_filter_client.c
# Who brings mail, and what speaks against it.
smtpd_SRC += \
	smtpd/defence_explain.c \
	smtpd/defence_parse.c \
	smtpd/defence_score.c \
	smtpd/defence_settings.c \
	smtpd/defence_state.c \
	smtpd/explain_message.c \
	smtpd/greylist.c \
	smtpd/greylist_client.c \
	smtpd/ledger.c \
	smtpd/ledger_file.c \
	smtpd/queue_alert.c \
	smtpd/queue_ledger.c \
	smtpd/rules.c \
	smtpd/rules_parse.c \
	smtpd/relay_recipients.c \
	smtpd/sender_check.c \
	smtpd/smtp_guard.c \
	smtpd/smtp_rules.c \
	smtpd/smtp_score.c
# Authentication of mail: signatures, chains, policies.
smtpd_SRC += \
	smtpd/arc_chain.c \
	smtpd/auth_results_put.c \
	smtpd/dkim_canon.c \
	smtpd/dkim_check.c \
	smtpd/dkim_hash.c \
	smtpd/dkim_key.c \
	smtpd/dkim_parse.c \
	smtpd/dkim_sign.c \
	smtpd/dkim_verify.c \
	smtpd/dmarc_parse.c \
	smtpd/dmarc_state.c \
	smtpd/public_suffix.c \
	smtpd/smtp_check.c \
	smtpd/verify_state.c
# Reports to other domains.
smtpd_SRC += \
	smtpd/dmarc_report.c \
	smtpd/proc_report.c \
	smtpd/report_address_parse.c \
	smtpd/report_consent.c \
	smtpd/report_day.c \
	smtpd/report_files.c \
	smtpd/report_hosts.c \
	smtpd/report_mail.c \
	smtpd/report_post.c \
	smtpd/report_send.c
# Reports of others, for the tool that shows them.
received_report_SRC := smtpd/dmarc_report_parse.c smtpd/received_report.c smtpd/report_unpack.c smtpd/tls_report_parse.c
smtpd_SRC += $(received_report_SRC)
