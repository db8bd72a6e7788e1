/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* pop3d: gives the accounts' mail to POP3 clients. */
#include "pop3d/pop3d.h"

int
main(int argc, char **argv)
{
	return daemon_main(&pop3d, argc, argv);
}
