/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* imapd: gives the accounts' mail to IMAP clients. */
#include "imapd/imapd.h"

int
main(int argc, char **argv)
{
	return daemon_main(&imapd, argc, argv);
}
