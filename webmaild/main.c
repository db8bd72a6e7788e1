/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* webmaild: the web client and JMAP over HTTPS. */
#include "webmaild/webmaild.h"

int
main(int argc, char **argv)
{
	return daemon_main(&webmaild, argc, argv);
}
