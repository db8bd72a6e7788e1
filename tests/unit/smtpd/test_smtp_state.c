/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The SMTP machine against dialogues, each fed whole and byte by byte, by an owner that knows
 * alice, bob and a password. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/smtpd/smtp_owner.h"

/* Dialogues: what is sent, and how each reply line begins. */
static const struct dialogue {
	const char *name;
	enum smtp_kind kind;
	const char *tls; /* TLS from the start, when not NULL */
	const char *sent;
	const char *replies; /* prefixes, one a line; EHLO: the reply to it */
	const char *stored;  /* what must stand in the committed text; NULL: nothing is committed */
	bool closed;
} dialogues[] = {
	{ "simple", SMTP_MX, NULL,
	    "EHLO client\r\nMAIL FROM:<a@b.example> SIZE=100 BODY=8BITMIME\r\nRCPT TO:<alice@example.test>\r\nDATA\r\nSubject: x\r\n\r\n..dot\r\nend\r\n.\r\nQUIT\r\n",
	    "EHLO\n250 2.1.0\n250 2.1.5\n354 End\n250 2.0.0 Ok: queued as 00000000000000A1\n221 2.0.0\n",
	    "Received: from client ([192.0.2.1])\r\n\tby mail.example.test (Fourpost) with ESMTP id 00000000000000A1\r\n\tfor <alice@example.test>;\r\n"
	    "\tThu, 1 Jan 1970 00:00:00 +0000\r\nSubject: x\r\n\r\n.dot\r\nend\r\n",
	    true },
	{ "helo, two messages", SMTP_MX, NULL,
	    "HELO [127.0.0.1]\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n\r\n1\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n\r\n2\r\n.\r\n",
	    "250 mail.example.test\n250 2.1.0\n250 2.1.5\n354\n250 2.0.0\n250 2.1.0\n250 2.1.5\n354\n250 2.0.0\n",
	    "with SMTP id", false },
	{ "no header: an empty line is put before the text", SMTP_MX, NULL,
	    "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\nhello\r\n.\r\n",
	    "EHLO\n250\n250\n354\n250\n",
	    "+0000\r\n\r\nhello\r\n", false },
	{ "order", SMTP_MX, NULL,
	    "MAIL FROM:<a@b.c>\r\nHELO x\r\nRCPT TO:<bob@example.test>\r\nDATA\r\nMAIL FROM:<a@b.c>\r\nMAIL FROM:<a@b.c>\r\nDATA\r\n",
	    "503 5.5.1\n250\n503 5.5.1\n503 5.5.1\n250\n503 5.5.1\n554 5.5.1\n", NULL, false },
	{ "recipients", SMTP_MX, NULL,
	    "HELO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<nobody@example.test>\r\nRCPT TO:<x@elsewhere.example>\r\nRCPT TO:<later@example.test>\r\n"
	    "RCPT TO:<postmaster>\r\nRCPT TO:<Postmaster@example.test>\r\nRCPT TO:<alice>\r\nRCPT TO:<alice@example.test>\r\n",
	    "250\n250\n550 5.1.1\n550 5.7.1\n451 4.3.0\n250 2.1.5\n250 2.1.5\n501 5.1.3\n250 2.1.5\n",
	    NULL, false },
	{ "too many recipients", SMTP_MX, NULL,
	    "HELO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<alice@example.test>\r\nRCPT TO:<alice+x@example.test>\r\nRCPT TO:<bob@example.test>\r\n"
	    "RCPT TO:<bob@example.test>\r\nDATA\r\n\r\n.\r\n",
	    "250\n250\n250\n250\n250\n452 4.5.3\n354\n250\n", "Received", false },
	{ "parameters", SMTP_MX, NULL,
	    "EHLO x\r\nMAIL FROM:<a@b.c> SIZE=100001\r\nMAIL FROM:<a@b.c> FOO=1\r\nMAIL FROM:<a@b.c> SIZE=x\r\nMAIL FROM:<a@b.c> RET=FULL RET=FULL\r\n"
	    "MAIL FROM:<a@b.c> RET=HDRS ENVID=QQ\r\nRCPT TO:<bob@example.test> NOTIFY=SUCCESS ORCPT=rfc822;bob\r\nRCPT TO:<bob@example.test> NOTIFY=X\r\n",
	    "EHLO\n552 5.3.4\n555 5.5.4\n501 5.5.4\n501 5.5.4\n250\n250\n501 5.5.4\n",
	    NULL, false },
	{ "utf8", SMTP_MX, NULL,
	    "HELO x\r\nMAIL FROM:<\xc3\xa9@b.c> SMTPUTF8\r\nEHLO x\r\nMAIL FROM:<\xc3\xa9@b.c>\r\nMAIL FROM:<\xc3\xa9@b.c> SMTPUTF8\r\nRSET\r\n"
	    "MAIL FROM:<\xff@b.c> SMTPUTF8\r\nMAIL FROM:<a>\r\n",
	    "250\n555 5.5.4\nEHLO\n553 5.6.7\n250\n250\n501 5.1.7\n501 5.1.7\n", NULL, false },
	{ "bare LF in a command", SMTP_MX, NULL, "NOOP\nQUIT\r\n", "500 5.5.2\n221\n", NULL, true },
	{ "bare CR in a command", SMTP_MX, NULL, "NOOP\rQUIT\r\nNOOP\r\n", "500 5.5.2\n250\n", NULL,
	    false },
	{ "http", SMTP_MX, NULL, "POST / HTTP/1.1\r\nHost: x\r\nMAIL FROM:<>\r\n", "421 4.7.0\n",
	    NULL, true },
	{ "unknown", SMTP_MX, NULL,
	    "XYZ\r\nAUTH PLAIN\r\nLHLO x\r\nVRFY bob\r\nEXPN x\r\nHELP\r\nNOOP x\r\nRSET x\r\n",
	    "500 5.5.1\n500 5.5.1\n500 5.5.1\n252 2.5.0\n252 2.5.0\n214 2.0.0\n250 2.0.0\n501 5.5.4\n",
	    NULL, false },
	{ "errors end it", SMTP_MX, NULL, "A\r\nA\r\nA\r\nA\r\nA\r\nA\r\nQUIT\r\n",
	    "500\n500\n500\n500\n500\n500\n421 4.7.0\n", NULL, true },
	{ "starttls forgets", SMTP_MX, NULL,
	    "EHLO x\r\nSTARTTLS\r\nMAIL FROM:<>\r\nEHLO x\r\nSTARTTLS\r\n",
	    "EHLO\n220 2.0.0\n503 5.5.1 Say\nEHLO\n503 5.5.1 TLS\n",
	    NULL, false },
	{ "submission in the clear", SMTP_SUBMISSION, NULL,
	    "EHLO x\r\nMAIL FROM:<alice@example.test>\r\nAUTH PLAIN AGFsaWNl\r\n",
	    "EHLO\n530 5.7.0 Use STARTTLS\n538 5.7.11\n",
	    NULL, false },
	{ "submission", SMTP_SUBMISSION, "TLSv1.3 X",
	    "EHLO x\r\nMAIL FROM:<alice@example.test>\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v\r\nAUTH PLAIN\r\nMAIL FROM:<bob@example.test>\r\n"
	    "MAIL FROM:<alice+x@example.test>\r\nRCPT TO:<x@elsewhere.example>\r\nRCPT TO:<nobody@example.test>\r\nDATA\r\n"
	    "From: alice@example.test\r\nbCC : secret@example.test,\r\n more\r\nRESENT-BCC:\r\n\ta@b\r\nReturn-Path: <a@b>\r\nTo: b\r\n\r\nx\r\n.\r\n",
	    "EHLO\n530 5.7.0 Use AUTH\n235 2.7.0\n503 5.5.1\n553 5.7.1\n250\n250\n550 5.1.1\n354\n250\n",
	    "From: alice@example.test\r\nTo: b\r\nDate: Thu, 1 Jan 1970 00:00:00 +0000\r\nMessage-ID: <00000000000000A1@mail.example.test>\r\n\r\nx\r\n",
	    false },
	{ "login and its failures", SMTP_SUBMISSION, "TLSv1.3 X",
	    "EHLO x\r\nAUTH LOGIN\r\nYWxpY2VAZXhhbXBsZS50ZXN0\r\nd3Jvbmc=\r\nAUTH LOGIN\r\n*\r\nAUTH FOO\r\nAUTH PLAIN ====\r\nAUTH LOGIN\r\nYWxpY2VAZXhhbXBsZS50ZXN0\r\nZGVtbw==\r\n",
	    "EHLO\n334 VXNlcm5hbWU6\n334 UGFzc3dvcmQ6\n535 5.7.8\n334\n501 5.7.0\n504 5.5.4\n501 5.5.2\n334\n334\n235 2.7.0\n",
	    NULL, false },
	{ "lmtp", SMTP_LMTP, NULL,
	    "EHLO x\r\nLHLO x\r\nMAIL FROM:<a@b.c>\r\nDATA\r\nRCPT TO:<alice@example.test>\r\nRCPT TO:<nobody@example.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n\r\nx\r\n.\r\n",
	    "500\nEHLO\n250\n503 5.5.1\n250\n550 5.1.1\n250\n354\n250 2.0.0 <alice@example.test> queued\n250 2.0.0 <bob@example.test> queued\n",
	    "with LMTP id", false },
	{ "priorities of strangers", SMTP_MX, NULL,
	    "EHLO x\r\nMAIL FROM:<> MT-PRIORITY=10\r\nMAIL FROM:<> MT-PRIORITY=-0\r\nMAIL FROM:<> MT-PRIORITY=4\r\nRSET\r\n"
	    "MAIL FROM:<> MT-PRIORITY=-4\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n\r\n.\r\n",
	    "EHLO\n501 5.5.4\n501 5.5.4\n250 2.3.6 0 is\n250\n250 2.1.0\n250\n354\n250\n",
	    "for <bob@example.test>\r\n\tPRIORITY -4;", false },
	{ "release in future", SMTP_SUBMISSION, "TLSv1.3 X",
	    "EHLO x\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v\r\nMAIL FROM:<> HOLDFOR=31536001\r\nMAIL FROM:<> HOLDFOR=-1\r\n"
	    "MAIL FROM:<> HOLDFOR=5 HOLDUNTIL=2023-11-15T00:00:00Z\r\nMAIL FROM:<> HOLDUNTIL=tomorrow\r\nMAIL FROM:<> HOLDUNTIL=2033-11-15T00:00:00Z\r\n"
	    "MAIL FROM:<> HOLDUNTIL=2023-11-15T00:00:00+01:00\r\nRSET\r\nMAIL FROM:<> HOLDFOR=60 MT-PRIORITY=9\r\n",
	    "EHLO\n235\n501 5.5.4\n501 5.5.4\n501 5.5.4\n501 5.5.4\n501 5.5.4\n250\n250\n250 2.1.0\n", NULL, false },
	{ "none of it but on submission", SMTP_MX, NULL, "EHLO x\r\nMAIL FROM:<> HOLDFOR=5\r\n",
	    "EHLO\n555 5.5.4\n", NULL, false },
	{ "REQUIRETLS is for TLS", SMTP_MX, NULL, "EHLO x\r\nMAIL FROM:<> REQUIRETLS\r\n", "EHLO\n555 5.5.4\n", NULL, false },
	{ "REQUIRETLS", SMTP_MX, "TLSv1.3 X", "EHLO x\r\nMAIL FROM:<> REQUIRETLS=1\r\nMAIL FROM:<> REQUIRETLS\r\n",
	    "EHLO\n501 5.5.4\n250\n", NULL, false },
	{ "submission: no From", SMTP_SUBMISSION, "TLSv1.3 X",
	    "EHLO x\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v\r\nMAIL FROM:<alice@example.test>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\nNOOP\r\n",
	    "EHLO\n235\n250\n250\n354\n550 5.6.0 The header must\n250 2.0.0 Ok\n", NULL, false },
	{ "submission: no header at all", SMTP_SUBMISSION, "TLSv1.3 X",
	    "EHLO x\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v\r\nMAIL FROM:<alice@example.test>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\nhello\r\n.\r\nNOOP\r\n",
	    "EHLO\n235\n250\n250\n354\n550 5.6.0 The header must\n250 2.0.0 Ok\n", NULL, false },
	{ "submission: two From", SMTP_SUBMISSION, "TLSv1.3 X", "EHLO x\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v\r\nMAIL FROM:<alice@example.test>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\nFrom: <alice@example.test>\r\nFrom: <alice@example.test>\r\n\r\n.\r\nNOOP\r\n",
	    "EHLO\n235\n250\n250\n354\n550 5.6.0\n250 2.0.0 Ok\n", NULL, false },
	{ "submission: a From without an address", SMTP_SUBMISSION, "TLSv1.3 X",
	    "EHLO x\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v\r\nMAIL FROM:<alice@example.test>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\nFrom: undisclosed:;\r\n\r\n.\r\nNOOP\r\n",
	    "EHLO\n235\n250\n250\n354\n550 5.6.0\n250 2.0.0 Ok\n", NULL, false },
	{ "submission: another's name", SMTP_SUBMISSION, "TLSv1.3 X", "EHLO x\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v\r\nMAIL FROM:<alice@example.test>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\nFrom: Bob <bob@example.test>\r\n\r\n.\r\nNOOP\r\n",
	    "EHLO\n235\n250\n250\n354\n550 5.7.1\n250 2.0.0 Ok\n", NULL, false },
	{ "submission: another's name, folded, among several", SMTP_SUBMISSION, "TLSv1.3 X",
	    "EHLO x\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v\r\nMAIL FROM:<alice@example.test>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\nfrom: \"a, b\" <Alice+x@example.test>,\r\n\tB (bob@x)\r\n <bob@example.test>\r\n\r\n.\r\nNOOP\r\n",
	    "EHLO\n235\n250\n250\n354\n550 5.7.1\n250 2.0.0 Ok\n", NULL, false },
	{ "submission: another's Sender", SMTP_SUBMISSION, "TLSv1.3 X", "EHLO x\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v\r\nMAIL FROM:<alice@example.test>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\nFrom: <alice@example.test>\r\nSender: <x@elsewhere.example>\r\n\r\n.\r\nNOOP\r\n",
	    "EHLO\n235\n250\n250\n354\n550 5.7.1\n250 2.0.0 Ok\n", NULL, false },
	{ "submission: another's name in what two fields make a comment", SMTP_SUBMISSION, "TLSv1.3 X",
	    "EHLO x\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v\r\nMAIL FROM:<alice@example.test>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\nSender: alice@example.test (\r\nFrom: <bob@example.test>\r\nResent-Sender: )\r\n\r\n.\r\n",
	    "EHLO\n235\n250\n250\n354\n550 5.6.0\n", NULL, false },
	{ "submission: or quotes", SMTP_SUBMISSION, "TLSv1.3 X",
	    "EHLO x\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v\r\nMAIL FROM:<alice@example.test>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\nSender: \"\r\nFrom: <bob@example.test>\r\nResent-Sender: \" <alice@example.test>\r\n\r\n.\r\n",
	    "EHLO\n235\n250\n250\n354\n550 5.6.0\n", NULL, false },
	{ "submission: sent again in another's name", SMTP_SUBMISSION, "TLSv1.3 X", "EHLO x\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v\r\nMAIL FROM:<alice@example.test>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\nFrom: <alice@example.test>\r\nResent-from:\r\n bob@example.test\r\n\r\n.\r\n", "EHLO\n235\n250\n250\n354\n550 5.7.1\n", NULL, false },
	{ "submission: an author that others may read there", SMTP_SUBMISSION, "TLSv1.3 X", "EHLO x\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v\r\nMAIL FROM:<alice@example.test>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\nFrom: <alice@example.test>\r\n <bob@example.test>\r\n\r\n.\r\n", "EHLO\n235\n250\n250\n354\n550 5.6.0\n", NULL, false },
	{ "submission: an author who cannot be looked up", SMTP_SUBMISSION, "TLSv1.3 X",
	    "EHLO x\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v\r\nMAIL FROM:<alice@example.test>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\nFrom: <later@example.test>\r\n\r\n.\r\nNOOP\r\n",
	    "EHLO\n235\n250\n250\n354\n451 4.3.0\n250 2.0.0 Ok\n", NULL, false },
	{ "submission: its own names", SMTP_SUBMISSION, "TLSv1.3 X",
	    "EHLO x\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v\r\nMAIL FROM:<alice@example.test>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\nFrom: A <alice@example.test>\r\nSender: alice+x@example.test\r\n\r\n.\r\nNOOP\r\n",
	    "EHLO\n235\n250\n250\n354\n250 2.0.0\n250 2.0.0 Ok\n", "Sender: alice+x@example.test\r\nDate: ", false },
	{ "submission: Date and Message-ID that are none", SMTP_SUBMISSION, "TLSv1.3 X",
	    "EHLO x\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v\r\nMAIL FROM:<alice@example.test>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\nFrom: <alice@example.test>\r\nDate:\r\n \r\nMessage-ID: none\r\nTo: x\r\n\r\n.\r\nNOOP\r\n",
	    "EHLO\n235\n250\n250\n354\n250 2.0.0\n250 2.0.0 Ok\n",
	    "From: <alice@example.test>\r\nTo: x\r\nDate: Thu, 1 Jan 1970 00:00:00 +0000\r\nMessage-ID: <00000000000000A1@mail.example.test>\r\n\r\n", false },
	{ "submission: those that are", SMTP_SUBMISSION, "TLSv1.3 X",
	    "EHLO x\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v\r\nMAIL FROM:<alice@example.test>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\nFrom: <alice@example.test>\r\nDate: once\r\nmessage-id :\r\n <a@b>\r\nTo: x\r\n\r\n.\r\nNOOP\r\n",
	    "EHLO\n235\n250\n250\n354\n250 2.0.0\n250 2.0.0 Ok\n",
	    "From: <alice@example.test>\r\nDate: once\r\nmessage-id :\r\n <a@b>\r\nTo: x\r\n\r\n", false },
	{ "submission: 8-bit text in the header", SMTP_SUBMISSION, "TLSv1.3 X",
	    "EHLO x\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v\r\nMAIL FROM:<alice@example.test>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\nFrom: \xc3\xa4 <alice@example.test>\r\n\r\n.\r\nNOOP\r\n",
	    "EHLO\n235\n250\n250\n354\n550 5.6.9\n250 2.0.0 Ok\n", NULL, false },
	{ "submission: the same with SMTPUTF8", SMTP_SUBMISSION, "TLSv1.3 X",
	    "EHLO x\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v\r\nMAIL FROM:<alice@example.test> SMTPUTF8\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\nFrom: \xc3\xa4 <alice@example.test>\r\n\r\n\xc3\xa4\r\n.\r\nNOOP\r\n",
	    "EHLO\n235\n250\n250\n354\n250 2.0.0\n250 2.0.0 Ok\n", "with UTF8SMTPSA id", false },
	{ "submission: 8-bit text in the header of a part", SMTP_SUBMISSION, "TLSv1.3 X",
	    "EHLO x\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v\r\nMAIL FROM:<alice@example.test>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\nFrom: <alice@example.test>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Disposition: attachment;\r\n filename=\xc3\xa4.txt\r\n\r\n..\xc3\xa4\r\n--b--\r\n.\r\nNOOP\r\n",
	    "EHLO\n235\n250\n250\n354\n550 5.6.9\n250 2.0.0 Ok\n", NULL, false },
	{ "submission: and in none", SMTP_SUBMISSION, "TLSv1.3 X",
	    "EHLO x\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v\r\nMAIL FROM:<alice@example.test>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\nFrom: <alice@example.test>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Disposition: attachment;\r\n filename=a.txt\r\n\r\n..\xc3\xa4\r\n--b--\r\n.\r\nNOOP\r\n",
	    "EHLO\n235\n250\n250\n354\n250 2.0.0\n250 2.0.0 Ok\n", " filename=a.txt\r\n\r\n.\xc3\xa4\r\n", false },
	{ "submission: in one with SMTPUTF8", SMTP_SUBMISSION, "TLSv1.3 X",
	    "EHLO x\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v\r\nMAIL FROM:<alice@example.test> SMTPUTF8\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\nFrom: <alice@example.test>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Disposition: attachment;\r\n filename=\xc3\xa4.txt\r\n\r\n..\xc3\xa4\r\n--b--\r\n.\r\nNOOP\r\n",
	    "EHLO\n235\n250\n250\n354\n250 2.0.0\n250 2.0.0 Ok\n", " filename=\xc3\xa4.txt\r\n\r\n.\xc3\xa4\r\n", false },
	{ "submission: in that of a part by BDAT", SMTP_SUBMISSION, "TLSv1.3 X",
	    "EHLO x\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v\r\nMAIL FROM:<alice@example.test>\r\nRCPT TO:<x@elsewhere.example>\r\nBDAT 145 LAST\r\nFrom: <alice@example.test>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Disposition: attachment;\r\n filename=\xc3\xa4.txt\r\n\r\n..\xc3\xa4\r\n--b--\r\nNOOP\r\n",
	    "EHLO\n235\n250\n250\n550 5.6.9\n250 2.0.0 Ok\n", NULL, false },
	{ "submission: 8-bit text in the body", SMTP_SUBMISSION, "TLSv1.3 X",
	    "EHLO x\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v\r\nMAIL FROM:<alice@example.test>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\nFrom: <alice@example.test>\r\n\r\n\xc3\xa4\r\n.\r\nNOOP\r\n",
	    "EHLO\n235\n250\n250\n354\n250 2.0.0\n250 2.0.0 Ok\n", "with ESMTPSA id", false },
	{ "delivery in time", SMTP_MX, NULL,
	    "EHLO x\r\nMAIL FROM:<> BY=0;R\r\nMAIL FROM:<> BY=1234567890;N\r\nMAIL FROM:<> BY=5;X\r\n"
	    "MAIL FROM:<> BY=5;NX\r\nMAIL FROM:<> BY=;N\r\nMAIL FROM:<> BY=-5;nt\r\nRSET\r\nMAIL FROM:<> BY=+60;R\r\n",
	    "EHLO\n501\n501\n501\n501\n501\n250\n250\n250 2.1.0\n", NULL, false },
	{ "delivery before it is sent", SMTP_SUBMISSION, "TLSv1.3 X",
	    "EHLO x\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v\r\nMAIL FROM:<> BY=60;R HOLDFOR=61\r\nMAIL FROM:<> HOLDFOR=60 BY=60;R\r\n",
	    "EHLO\n235\n501 5.5.4\n250 2.1.0\n", NULL, false },
	/* --- chunks --- */
	{ "one chunk", SMTP_MX, NULL,
	    "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nBDAT 16 LAST\r\nA: b\r\n\r\n..x\r\n.\r\nNOOP\r\n",
	    "EHLO\n250\n250\n250 2.0.0 Ok: queued\n250 2.0.0 Ok\n", "A: b\r\n\r\n..x\r\n.\r\n", false },
	{ "chunks cut lines anywhere", SMTP_MX, NULL,
	    "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nBDAT 3\r\nA: BDAT 6\r\nb\r\n\r\nxBDAT 2\r\ny\rBDAT 1\r\n\nBDAT 0 last\r\nNOOP\r\n",
	    "EHLO\n250\n250\n250 2.0.0 3 octets\n250 2.0.0 6 octets\n250 2.0.0 2 octets\n250 2.0.0 1 octets\n250 2.0.0 Ok: queued\n250 2.0.0 Ok\n",
	    "A: b\r\n\r\nxy\r\n", false },
	{ "a last line without its end gets one", SMTP_MX, NULL, "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nBDAT 5 LAST\r\n\r\nabcNOOP\r\n",
	    "EHLO\n250\n250\n250 2.0.0 Ok: queued\n250 2.0.0 Ok\n", "+0000\r\n\r\nabc\r\n", false },
	{ "a chunk that is not due is no command", SMTP_MX, NULL,
	    "BDAT 11 LAST\r\nMAIL FROM\r\nEHLO x\r\nBDAT 6\r\nQUIT\r\nMAIL FROM:<>\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n",
	    "503 5.5.1 Say EHLO\nEHLO\n503 5.5.1 Use MAIL\n250\n554 5.5.1\n250 2.0.0 Ok\n", NULL, false },
	{ "behind a chunk", SMTP_MX, NULL,
	    "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nBDAT 2\r\n\r\nRCPT TO:<alice@example.test>\r\nDATA\r\nMAIL FROM:<>\r\nRSET\r\nBDAT 6 LAST\r\nQUIT\r\nMAIL FROM:<>\r\n",
	    "EHLO\n250\n250\n250 2.0.0 2\n503 5.5.1 Not behind\n503 5.5.1 Not behind\n503 5.5.1\n250 2.0.0 Ok\n503 5.5.1 Use MAIL\n250 2.1.0\n",
	    NULL, false },
	{ "a bare LF in a chunk ends the message and not the connection", SMTP_MX, NULL,
	    "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nBDAT 7\r\n\r\nx\n.\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n",
	    "EHLO\n250\n250\n550 5.6.0\n503 5.5.1 Use MAIL\n250 2.0.0 Ok\n", NULL, false },
	{ "a CR at the end of the last chunk", SMTP_MX, NULL, "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nBDAT 4 LAST\r\n\r\nx\rNOOP\r\n",
	    "EHLO\n250\n250\n550 5.6.0\n250 2.0.0 Ok\n", NULL, false },
	{ "a length that is none", SMTP_MX, NULL, "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nBDAT x\r\nQUIT\r\n",
	    "EHLO\n250\n250\n501 5.5.4\n", NULL, true },
	{ "a length beyond all bounds", SMTP_MX, NULL, "BDAT 18446744073709551615\r\nQUIT\r\n",
	    "503 5.5.1\n", NULL, true },
	{ "binary", SMTP_MX, NULL,
	    "EHLO x\r\nMAIL FROM:<> BODY=BINARYMIME\r\nRCPT TO:<bob@example.test>\r\nDATA\r\nBDAT 10\r\nContent-TrBDAT 30 LAST\r\nansfer-Encoding:binary\r\n\r\n\n\rx\nNOOP\r\n",
	    "EHLO\n250\n250\n503 5.5.1\n250 2.0.0 10\n250 2.0.0 Ok: queued\n250 2.0.0 Ok\n",
	    "Content-Transfer-Encoding: base64\r\n\r\nCg14Cg==\r\n", false },
	{ "binary that does not say so", SMTP_MX, NULL,
	    "EHLO x\r\nMAIL FROM:<> BODY=BINARYMIME\r\nRCPT TO:<bob@example.test>\r\nBDAT 4 LAST\r\n\r\n\nxNOOP\r\n",
	    "EHLO\n250\n250\n550 5.6.0\n250 2.0.0 Ok\n", NULL, false },
	{ "chunks by LMTP", SMTP_LMTP, NULL,
	    "LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice@example.test>\r\nRCPT TO:<bob@example.test>\r\nBDAT 2\r\n\r\nBDAT 3 LAST\r\nx\r\n",
	    "EHLO\n250\n250\n250\n250 2.0.0 2 octets\n250 2.0.0 <alice@example.test>\n250 2.0.0 <bob@example.test>\n",
	    "with LMTP", false },
	{ "LMTP: a last chunk for nobody has no reply (RFC 2033 section 4.3)", SMTP_LMTP, NULL,
	    "LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<nobody@example.test>\r\nBDAT 2\r\n\r\nBDAT 3 LAST\r\nx\r\nMAIL FROM:<>\r\nBDAT 0 LAST\r\nNOOP\r\nBDAT 3 LAST\r\nx\r\n",
	    "EHLO\n250\n550 5.1.1\n503 5.5.1\n250 2.1.0\n250 2.0.0 Ok\n503 5.5.1 Use MAIL\n", NULL, false },
	{ "LMTP: the last chunk behind one that was refused has one for each recipient", SMTP_LMTP, NULL,
	    "LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice@example.test>\r\nRCPT TO:<nobody@example.test>\r\nRCPT TO:<bob@example.test>\r\n"
	    "BDAT 3\r\n\r\n\nBDAT 2\r\nxyBDAT 3 LAST\r\nx\r\nBDAT 0 LAST\r\nMAIL FROM:<>\r\n",
	    "EHLO\n250\n250\n550 5.1.1\n250\n550 5.6.0\n503 5.5.1\n503 5.5.1 A chunk\n503 5.5.1 A chunk\n503 5.5.1 Use MAIL\n250 2.1.0\n", NULL, false },
	{ "LMTP: unless another command came between", SMTP_LMTP, NULL,
	    "LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice@example.test>\r\nRCPT TO:<bob@example.test>\r\nBDAT 3\r\n\r\n\nRSET\r\nBDAT 3 LAST\r\nx\r\nNOOP\r\n",
	    "EHLO\n250\n250\n250\n550 5.6.0\n250\n503 5.5.1 Use MAIL\n250\n", NULL, false },
	/* --- smuggling: none of these may end the text or let a second message in --- */
	{ "LF.LF", SMTP_MX, NULL,
	    "HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n\r\nx\n.\nMAIL FROM:<evil@b.c>\r\n.\r\n",
	    "250\n250\n250\n354\n550 5.6.0\n", NULL, true },
	{ "LF.CRLF", SMTP_MX, NULL,
	    "HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n\r\nx\n.\r\nMAIL FROM:<evil@b.c>\r\n.\r\n",
	    "250\n250\n250\n354\n550 5.6.0\n", NULL, true },
	{ "CR.CR", SMTP_MX, NULL,
	    "HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n\r\nx\r.\rMAIL FROM:<evil@b.c>\r\n.\r\n",
	    "250\n250\n250\n354\n550 5.6.0\n", NULL, true },
	{ "CR.CRLF", SMTP_MX, NULL,
	    "HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n\r\nx\r.\r\nMAIL FROM:<evil@b.c>\r\n.\r\n",
	    "250\n250\n250\n354\n550 5.6.0\n", NULL, true },
	{ "CRLF.LF", SMTP_MX, NULL,
	    "HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n\r\nx\r\n.\nMAIL FROM:<evil@b.c>\r\n.\r\n",
	    "250\n250\n250\n354\n550 5.6.0\n", NULL, true },
	{ "CRLF.CR", SMTP_MX, NULL,
	    "HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n\r\nx\r\n.\rMAIL FROM:<evil@b.c>\r\n.\r\n",
	    "250\n250\n250\n354\n550 5.6.0\n", NULL, true },
	{ "CRCRLF", SMTP_MX, NULL,
	    "HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n\r\nx\r\r\n.\r\n",
	    "250\n250\n250\n354\n550 5.6.0\n", NULL, true },
	{ "CRLF.CRCRLF", SMTP_MX, NULL,
	    "HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n\r\nx\r\n.\r\r\nNOOP\r\n",
	    "250\n250\n250\n354\n550 5.6.0\n", NULL, true },
	{ "hops", SMTP_MX, NULL,
	    "HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\nReceived: 1\r\nReceived: 2\r\nReceived: 3\r\nReceived: 4\r\nReceived: 5\r\nReceived: 6\r\n"
	    "received: 7\r\nReceived: 8\r\nReceived: 9\r\nReceived: 10\r\nReceived: 11\r\n\r\nx\r\n.\r\nNOOP\r\n",
	    "250\n250\n250\n354\n554 5.4.6\n250\n", NULL, false },
};

static void
assert_replies(const struct dialogue *dialogue, struct span got, size_t step)
{
	struct span wanted = span_of(dialogue->replies), prefix, line;

	while (span_split(&wanted, '\n', &prefix)) {
		if (span_eq(prefix, SPAN("EHLO"))) {
			/* The whole reply: what it lists is offers_by_place's. */
			do
				ck_assert(span_split(&got, '\n', &line));
			while (span_starts(line, SPAN("250-")));
			ck_assert_msg(span_starts(line, SPAN("250 ")), "%s: %.*s", dialogue->name,
			    (int)line.len, line.ptr);
			continue;
		}
		ck_assert_msg(span_split(&got, '\n', &line),
		    "%s (%zu): no reply where \"%.*s\" is due", dialogue->name, step,
		    (int)prefix.len, prefix.ptr);
		ck_assert_msg(span_starts(line, prefix), "%s (%zu): \"%.*s\" where \"%.*s\" is due",
		    dialogue->name, step, (int)line.len, line.ptr, (int)prefix.len, prefix.ptr);
		ck_assert_msg(
		    span_ends(line, SPAN("\r")), "%s: a reply ends without CRLF", dialogue->name);
	}
	ck_assert_msg(got.len == 0, "%s (%zu): more than was due: %.*s", dialogue->name, step,
	    (int)got.len, got.ptr);
}

START_TEST(dialogues_go_as_they_should)
{
	static const size_t steps[] = { 1, 2, 7, 1 << 20 };
	const struct dialogue *dialogue = &dialogues[_i];

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		struct owner owner;

		init(&owner, dialogue->kind);
		if (dialogue->tls != NULL)
			smtp_secured(&owner.smtp, dialogue->tls);
		feed(&owner, span_of(dialogue->sent), steps[i]);
		assert_replies(dialogue, buf_get(&owner.out), steps[i]);
		if (dialogue->stored == NULL)
			ck_assert_msg(owner.stored.len == 0, "%s: stored %s", dialogue->name,
			    buf_cstr(&owner.stored));
		else
			ck_assert_msg(
			    span_find(buf_get(&owner.stored), span_of(dialogue->stored)) >= 0,
			    "%s: stored %s", dialogue->name, buf_cstr(&owner.stored));
		ck_assert_int_eq(owner.closed, dialogue->closed);
		finish(&owner);
	}
}
END_TEST

/* What EHLO lists, where. */
static const struct {
	enum smtp_kind kind;
	const char *tls;
	const char *keywords;
} places[] = {
	{ SMTP_MX, NULL, "PIPELINING SIZE STARTTLS 8BITMIME SMTPUTF8 CHUNKING BINARYMIME DSN ENHANCEDSTATUSCODES MT-PRIORITY DELIVERBY LIMITS" },
	{ SMTP_MX, "TLSv1.3 X", "PIPELINING SIZE 8BITMIME SMTPUTF8 CHUNKING BINARYMIME DSN ENHANCEDSTATUSCODES REQUIRETLS MT-PRIORITY DELIVERBY LIMITS" },
	{ SMTP_SUBMISSION, NULL,
	    "PIPELINING SIZE STARTTLS 8BITMIME SMTPUTF8 CHUNKING BINARYMIME DSN ENHANCEDSTATUSCODES MT-PRIORITY FUTURERELEASE DELIVERBY LIMITS" },
	{ SMTP_SUBMISSION, "TLSv1.3 X",
	    "PIPELINING SIZE AUTH 8BITMIME SMTPUTF8 CHUNKING BINARYMIME DSN ENHANCEDSTATUSCODES REQUIRETLS MT-PRIORITY FUTURERELEASE DELIVERBY LIMITS" },
	{ SMTP_LMTP, NULL, "PIPELINING SIZE STARTTLS 8BITMIME SMTPUTF8 CHUNKING BINARYMIME DSN ENHANCEDSTATUSCODES MT-PRIORITY DELIVERBY LIMITS" },
	{ SMTP_LMTP, "TLSv1.3 X", "PIPELINING SIZE 8BITMIME SMTPUTF8 CHUNKING BINARYMIME DSN ENHANCEDSTATUSCODES REQUIRETLS MT-PRIORITY DELIVERBY LIMITS" },
};

START_TEST(offers_by_place)
{
	struct buf listed = BUF_INIT(1000);
	struct owner owner;
	struct span got, line, word;

	init(&owner, places[_i].kind);
	if (places[_i].tls != NULL)
		smtp_secured(&owner.smtp, places[_i].tls);
	feed(&owner, places[_i].kind == SMTP_LMTP ? SPAN("LHLO x\r\n") : SPAN("EHLO x\r\n"), 100);
	got = buf_get(&owner.out);
	ck_assert(span_split(&got, '\n', &line));
	ck_assert(span_eq(line, SPAN("250-mail.example.test\r")));
	while (span_split(&got, '\n', &line)) {
		ck_assert(span_starts(line, got.len != 0 ? SPAN("250-") : SPAN("250 ")));
		line = span_trim(span_skip(line, 4));
		ck_assert(span_split(&line, ' ', &word));
		if (listed.len != 0)
			(void)buf_char(&listed, ' ');
		(void)buf_span(&listed, word);
	}
	ck_assert_str_eq(buf_cstr(&listed), places[_i].keywords);
	buf_free(&listed);
	finish(&owner);
}
END_TEST

START_TEST(what_is_verified)
{
	static const struct {
		enum smtp_fault verdict;
		const char *reply;
	} rows[] = {
		{ SMTP_FAULT_NONE, "250 2.0.0 " }, { SMTP_FAULT_DMARC, "550 5.7.1 " }, { SMTP_FAULT_NO_DNS, "451 4.7.0 " }
	};
	struct owner owner;

	init(&owner, SMTP_MX);
	owner.smtp.checks = true;
	owner.verdict = rows[_i].verdict;
	feed(&owner,
	    SPAN("EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n"
		 "Authentication-Results: a.example; spf=pass\r\nAuthentication-Results:\r\n"
		 " mail.example.test; spf=pass\r\n\tx.y=forged\r\naUTHENTICATION-rESULTS : (x\\)y(z)) MAIL.example.TEST/1 ; spf=pass x.y=forged\r\nAuthentication-Results: \"mail.example\\.test\"; spf=pass x.y=forged\r\nAuthentication-Results: \"mail.example.test\" 1; spf=pass x.y=forged\r\nAuthentication-Results: (open; spf=pass x.y=forged\r\n"
		 "Authentication-Results: mail.example.test..; spf=pass x.y=forged\r\nAuthentication-Results: m\xef\xbd\x81il.example.test; spf=pass x.y=forged\r\nFrom: a@b.example\r\n\r\nx\r\n"),
	    3);
	buf_clear(&owner.out);
	feed(&owner, SPAN(".\r\n"), 3);
	ck_assert_msg(span_starts(buf_get(&owner.out), span_of(rows[_i].reply)), "%s", buf_cstr(&owner.out));
	if (rows[_i].verdict == SMTP_FAULT_NONE) {
		/* A field that claims to be ours is gone, that of another stays. */
		ck_assert_int_ge(span_find(buf_get(&owner.stored),
				     SPAN("Authentication-Results: a.example; spf=pass\r\nFrom: a@b.example\r\n\r\nx\r\n")), 0);
		ck_assert_int_lt(span_find(buf_get(&owner.stored), SPAN("forged")), 0);
	} else {
		ck_assert_uint_eq(owner.stored.len, 0);
		ck_assert_uint_eq(owner.aborted, 1);
	}
	finish(&owner);
}
END_TEST

START_TEST(a_proxy_speaks_for_others)
{
	struct owner owner;

	/* Not everybody is one. */
	init(&owner, SMTP_MX);
	feed(&owner, SPAN("XCLIENT ADDR=192.0.2.9\r\n"), 100);
	ck_assert(span_starts(buf_get(&owner.out), SPAN("550 5.7.0")));
	ck_assert_str_eq(owner.smtp.client, "192.0.2.1");
	finish(&owner);
	init(&owner, SMTP_SUBMISSION);
	owner.smtp.is_proxy = true;
	smtp_secured(&owner.smtp, "TLSv1.3 X");
	feed(&owner,
	    SPAN("EHLO proxy\r\nXCLIENT ADDR=IPV6:2001:db8::9 HELO=far.example LOGIN=alice@example.test\r\n"
		 "MAIL FROM:<>\r\nEHLO proxy\r\nMAIL FROM:<alice@example.test>\r\nXCLIENT ADDR=192.0.2.9\r\n"
		 "RCPT TO:<bob@example.test>\r\nDATA\r\nFrom: alice@example.test\r\n\r\n.\r\n"),
	    100);
	ck_assert_int_ge(span_find(buf_get(&owner.out), SPAN("XCLIENT ADDR HELO LOGIN")), 0);
	ck_assert_int_ge(span_find(buf_get(&owner.out),
			     SPAN("\r\n220 mail.example.test ESMTP Fourpost\r\n503 5.5.1 Say EHLO")), 0);
	ck_assert_int_ge(span_find(buf_get(&owner.out),
			     SPAN("250 2.1.0 Ok\r\n503 5.5.1 Not within a mail transaction\r\n250 2.1.5")), 0);
	ck_assert_msg(span_starts(buf_get(&owner.stored),
			  SPAN("Received: from far.example ([IPv6:2001:db8::9])")),
	    "%s", buf_cstr(&owner.stored));
	finish(&owner);
}
END_TEST

/* What nobody looks at behind so many fields may be another From. */
START_TEST(fields_are_bounded)
{
	struct owner owner;

	for (size_t count = SMTP_HEADER_FIELDS_MAX - 1; count <= SMTP_HEADER_FIELDS_MAX; count++) {
		init(&owner, SMTP_MX);
		feed(&owner, SPAN("EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n"), 100);
		for (size_t i = 0; i < count; i++)
			feed(&owner, SPAN("a:\r\n"), 100);
		feed(&owner, SPAN("From: a@b.example\r\n\r\n.\r\n"), 100);
		ck_assert_int_eq(span_find(buf_get(&owner.out), SPAN("552 5.3.4")) >= 0, count == SMTP_HEADER_FIELDS_MAX);
		ck_assert_int_eq(owner.stored.len == 0, count == SMTP_HEADER_FIELDS_MAX);
		finish(&owner);
	}
}
END_TEST

/* What this site's filters say of a message nobody outside says for them. */
START_TEST(verdicts_of_strangers)
{
	struct owner owner;

	init(&owner, SMTP_MX);
	owner.smtp.verifies = _i == 0;
	feed(&owner,
	    SPAN("EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\nX-Virus-Status: Clean\r\nx-spam-status: No,\r\n score=-1\r\nX-Spam-Flag: YES\r\n"
		 "X-Fourpost-Score: 0/5\r\nFrom: a@b.example\r\n\r\n.\r\n"),
	    100);
	ck_assert_int_ge(span_find(buf_get(&owner.stored), _i == 0 ? SPAN("+0000\r\nX-Spam-Flag: YES\r\nFrom: a@b") : SPAN("+0000\r\nX-Virus-Status: Clean\r\nx-spam-status: No,\r\n score=-1\r\nX-Spam-Flag: YES\r\nFrom:")), 0);
	finish(&owner);
}
END_TEST

/* Signatures are of what came: base64 is put into what is stored. */
/* Signatures are of what came, however it came. */
START_TEST(removed_fields_are_verified)
{
	static const char text[] = "DKIM-Signature: x\r\nX-Spam-Status: No,\r\n score=-1\r\nAuthentication-Results: mail.example.test;\r\n dkim=pass\r\nFrom: a@b\r\n"
	    "X-Spam-Flag: YES\r\nX-Fourpost-Score: 1/5;\r\n x=1\r\nX-Virus-Status: Clean\r\n\r\nX-Virus-Status: Clean\r\n.dot\r\nbody\r\n";
	static const char kept[] = "+0000\r\nDKIM-Signature: x\r\nFrom: a@b\r\nX-Spam-Flag: YES\r\n\r\nX-Virus-Status: Clean\r\n.dot\r\nbody\r\n";
	struct buf input = BUF_INIT(4096);
	struct owner owner;

	for (size_t step = 1; step < 600; step += step < 20 ? 1 : 97) {
		for (unsigned chunks = 0; chunks < 2; chunks++) {
			init(&owner, SMTP_MX);
			owner.smtp.verifies = owner.smtp.checks = true;
			buf_clear(&input);
			(void)buf_fmt(&input, "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\n");
			if (chunks != 0)
				(void)buf_fmt(&input, "BDAT %zu LAST\r\n%s", sizeof(text) - 1, text);
			else
				(void)buf_fmt(&input, "DATA\r\n%.*s.%s.\r\n", (int)(strstr(text, ".dot") - text), text, strstr(text, ".dot"));
			feed(&owner, buf_get(&input), step);
			ck_assert_msg(span_eq(buf_get(&owner.original), span_of(text)), "%zu %s", step, buf_cstr(&owner.original));
			ck_assert_msg(span_ends(buf_get(&owner.stored), span_of(kept)), "%zu %s", step, buf_cstr(&owner.stored));
			finish(&owner);
		}
	}
	buf_free(&input);
}
END_TEST

START_TEST(binary_messages_are_verified_as_they_came)
{
	static const size_t steps[] = { 1, 7, 1 << 20 };
	struct owner owner;

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		init(&owner, SMTP_MX);
		owner.smtp.checks = true;
		feed(&owner,
		    SPAN("EHLO x\r\nMAIL FROM:<> BODY=BINARYMIME\r\nRCPT TO:<bob@example.test>\r\nBDAT 10\r\nContent-TrBDAT 30 LAST\r\nansfer-Encoding:binary\r\n\r\n\n\rx\nNOOP\r\n"),
		    steps[i]);
		ck_assert(span_eq(buf_get(&owner.original), SPAN("Content-Transfer-Encoding:binary\r\n\r\n\n\rx\n")));
		ck_assert_int_ge(span_find(buf_get(&owner.stored), SPAN("base64")), 0);
		finish(&owner);
	}
}
END_TEST

/* RFC 5321 section 2.4: what a local-part means is for its own host to say. */
START_TEST(recipients_without_case)
{
	static const struct {
		const char *recipients;
		size_t count;
		uint8_t notify; /* of the first */
	} rows[] = {
		{ "RCPT TO:<Bob@elsewhere.example>\r\nRCPT TO:<bob@elsewhere.example>\r\n", 2, 0 },
		{ "RCPT TO:<bob@Elsewhere.example>\r\nRCPT TO:<bob@elsewhere.example>\r\n", 1, 0 },
		{ "RCPT TO:<bob@example.test>\r\nRCPT TO:<BOB@example.test>\r\n", 1, 0 },
		{ "RCPT TO:<bob@example.test> NOTIFY=NEVER\r\nRCPT TO:<bob@example.test> NOTIFY=SUCCESS\r\n", 1, ENVELOPE_SUCCESS },
		{ "RCPT TO:<bob@example.test> NOTIFY=FAILURE\r\nRCPT TO:<bob@example.test> NOTIFY=NEVER\r\n", 1, ENVELOPE_FAILURE },
		{ "RCPT TO:<bob@example.test>\r\nRCPT TO:<bob@example.test> NOTIFY=SUCCESS\r\n", 1, ENVELOPE_SUCCESS | ENVELOPE_FAILURE | ENVELOPE_DELAY },
	};
	struct owner owner;

	init(&owner, SMTP_SUBMISSION);
	smtp_secured(&owner.smtp, "TLSv1.3 X");
	feed(&owner, SPAN("EHLO x\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v\r\nMAIL FROM:<alice@example.test>\r\n"), 100);
	feed(&owner, span_of(rows[_i].recipients), 100);
	ck_assert_uint_eq(owner.smtp.envelope.count, rows[_i].count);
	ck_assert_uint_eq(owner.smtp.envelope.recipients[0].notify, rows[_i].notify);
	finish(&owner);
}
END_TEST

/* What the file of an envelope cannot hold is refused before it is too late, and what was taken before stays. */
START_TEST(long_recipients)
{
	struct smtp_settings many = settings;
	struct buf orcpt = BUF_INIT(1000), text = BUF_INIT(ENVELOPE_MAX);
	size_t sent = 0, count, answered = 0;
	struct span rest, line;
	struct owner owner;

	many.recipients_max = 20000;
	for (unsigned i = 0; i < 580; i++)
		(void)buf_char(&orcpt, 'x');
	init(&owner, SMTP_SUBMISSION);
	owner.smtp.settings = &many;
	smtp_secured(&owner.smtp, "TLSv1.3 X");
	feed(&owner, SPAN("EHLO x\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v\r\nMAIL FROM:<alice@example.test>\r\n"), 1 << 20);
	do {
		struct buf command = BUF_INIT(2000);

		count = owner.smtp.envelope.count;
		(void)buf_fmt(&command, "RCPT TO:<%zu.%.50s@%.60s.%.60s.%.60s.example> ORCPT=rfc822;%s\r\n", sent++, buf_cstr(&orcpt), buf_cstr(&orcpt),
		    buf_cstr(&orcpt), buf_cstr(&orcpt), buf_cstr(&orcpt));
		buf_clear(&owner.out);
		feed(&owner, buf_get(&command), 1 << 20);
		buf_free(&command);
	} while (owner.smtp.envelope.count == count + 1);
	ck_assert_str_eq(buf_cstr(&owner.out), "452 4.5.3 Too many recipients\r\n");
	ck_assert_uint_gt(count, 9500);
	ck_assert_uint_eq(sent, count + 1);
	ck_assert_int_eq(envelope_encode(&owner.smtp.envelope, &text), 0);
	ck_assert_uint_le(text.len, ENVELOPE_MAX - (200u << 10));
	ck_assert_uint_gt(text.len, ENVELOPE_MAX - (300u << 10));
	buf_clear(&owner.out);
	feed(&owner, SPAN("RCPT TO:<bob@example.test>\r\nDATA\r\nFrom: <alice@example.test>\r\n\r\nx\r\n.\r\n"), 1 << 20);
	rest = buf_get(&owner.out);
	while (span_split(&rest, '\n', &line))
		ck_assert_msg(span_starts(line, answered++ == 0 ? SPAN("250 2.1.5") : answered == 2 ? SPAN("354 ") : SPAN("250 2.0.0")), "%.*s", (int)line.len, line.ptr);
	ck_assert_uint_eq(answered, 3);
	buf_free(&orcpt);
	buf_free(&text);
	finish(&owner);
}
END_TEST

START_TEST(domains_beyond_ascii)
{
	struct owner owner;

	init(&owner, SMTP_MX);
	feed(&owner,
	    SPAN("EHLO x\r\nMAIL FROM:<s@b\xc3\274cher.example> SMTPUTF8\r\nRCPT TO:<Shop@b\xc3\274cher.example>\r\nRCPT TO:<shop@XN--bcher-kva.example>\r\n"
		 "RCPT TO:<shop@b\xc3\274cher.example>\r\n"), 100);
	ck_assert_uint_eq(owner.smtp.envelope.count, 1);
	ck_assert_str_eq(owner.smtp.envelope.recipients[0].address, "Shop@xn--bcher-kva.example");
	/* What is another host's stays as it is. */
	ck_assert_str_eq(owner.smtp.envelope.sender, "s@b\xc3\274cher.example");
	finish(&owner);
}
END_TEST

/* RFC 4954 section 4: it ends the command. However the network cuts it. */
START_TEST(a_long_line_ends_auth)
{
	static const size_t pieces[] = { 1, 100, 12288, 65536 };
	char line[13000];
	struct buf input = BUF_INIT(65536);
	struct owner owner;

	init(&owner, SMTP_SUBMISSION);
	smtp_secured(&owner.smtp, "TLSv1.3 X");
	feed(&owner, SPAN("EHLO x\r\nAUTH PLAIN\r\n"), 100);
	memset(line, 'A', sizeof(line));
	ck_assert_int_eq(buf_put(&input, line, sizeof(line)), 0);
	ck_assert_int_eq(buf_span(&input, SPAN("\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v\r\n")), 0);
	feed(&owner, buf_get(&input), pieces[_i]);
	buf_free(&input);
	ck_assert_int_ge(span_find(buf_get(&owner.out), SPAN("334 \r\n500 5.5.6 The line is too long\r\n235 ")), 0);
	finish(&owner);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("smtp_state");
	TCase *tests = tcase_create("smtp_state");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 30);
	tcase_add_loop_test(
	    tests, dialogues_go_as_they_should, 0, sizeof(dialogues) / sizeof(*dialogues));
	tcase_add_loop_test(tests, offers_by_place, 0, (int)(sizeof(places) / sizeof(*places)));
	tcase_add_test(tests, a_proxy_speaks_for_others);
	tcase_add_test(tests, fields_are_bounded);
	tcase_add_test(tests, binary_messages_are_verified_as_they_came);
	tcase_add_test(tests, removed_fields_are_verified);
	tcase_add_loop_test(tests, verdicts_of_strangers, 0, 2);
	tcase_add_loop_test(tests, recipients_without_case, 0, 6);
	tcase_add_test(tests, domains_beyond_ascii);
	tcase_add_test(tests, long_recipients);
	tcase_add_loop_test(tests, a_long_line_ends_auth, 0, 4);
	tcase_add_loop_test(tests, what_is_verified, 0, 3);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
