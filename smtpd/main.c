/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The mail server. */
#include "smtpd/smtpd.h"

int
main(int argc, char **argv)
{
	return daemon_main(&smtpd, argc, argv);
}
