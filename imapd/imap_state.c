/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* From bytes to a command that may run now. */
#include "imapd/imap_state.h"

static void
drop_line_end(struct imap_parser *parser)
{
	if (parser->end > parser->at && parser->end[-1] == '\n')
		parser->end--;
	if (parser->end > parser->at && parser->end[-1] == '\r')
		parser->end--;
}

enum imap_understood
imap_understand(struct imap_parser *parser, const struct imap_place *place, struct imap_command *command)
{
	const struct imap_cmd *cmd;
	struct span name, tag;

	*command = (struct imap_command){ .tag = SPAN("*") };
	drop_line_end(parser);
	if (imap_at_end(parser))
		return IMAP_EMPTY;
	if (!imap_parse_tag(parser, &tag) || !imap_parse_space(parser))
		return IMAP_MALFORMED;
	command->tag = tag;
	if (!imap_parse_atom(parser, &name))
		return IMAP_MALFORMED;
	if (span_ieq(name, SPAN("UID"))) {
		command->by_uid = true;
		if (!imap_parse_space(parser) || !imap_parse_atom(parser, &name))
			return IMAP_MALFORMED;
	}
	cmd = imap_cmd_find(name, command->by_uid);
	if (cmd == NULL) {
		(void)imap_fail(parser, "Unknown command");
		return IMAP_MALFORMED;
	}
	command->cmd = cmd;
	if ((cmd->legal & (place->selected ? IMAP_SELECTED : IMAP_AUTHENTICATED)) == 0)
		return IMAP_NOT_NOW;
	if (!cmd->parse(parser, command)) {
		(void)imap_fail(parser, "The arguments make no sense");
		return IMAP_MALFORMED;
	}
	if ((cmd->flags & IMAP_CMD_WRITES) != 0 && place->read_only)
		return IMAP_READ_ONLY;
	return IMAP_UNDERSTOOD;
}
