/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The tables of the language, and looking up in them. */
#include "sieve/table.h"

static const struct {
	const char *string;
	uint64_t bits;
} capabilities[CAPABILITY_COUNT] = {
#define CAPABILITY(name, string, implied) { string, CAP(name) | (implied) },
#include "sieve/sieve_capabilities.def"
#undef CAPABILITY
};

const struct sieve_tag_row sieve_tags[TAG_COUNT_ALL] = {
#define TAG(name, word, value, group, capability) { word, VALUE_##value, GROUP_##group, capability },
#include "sieve/sieve_tags.def"
#undef TAG
};

const struct sieve_command_row sieve_commands[COMMAND_COUNT] = {
#define COMMAND(name, word, kind, follows, positional, tags, capability) { word, KIND_##kind, FOLLOWS_##follows, positional, tags, capability },
#include "sieve/sieve_commands.def"
#undef COMMAND
};

uint64_t
sieve_capability(struct span string)
{
	for (size_t i = 0; i < CAPABILITY_COUNT; i++)
		if (span_eq(string, span_of(capabilities[i].string)))
			return capabilities[i].bits;
	return 0;
}

const char *
sieve_capability_name(enum sieve_capability capability)
{
	return capabilities[capability].string;
}

enum sieve_tag
sieve_tag(struct span word)
{
	size_t i = 0;

	while (i < TAG_COUNT_ALL && !span_ieq(word, span_of(sieve_tags[i].word)))
		i++;
	return (enum sieve_tag)i;
}

uint64_t
sieve_tag_group(enum sieve_tag tag)
{
	uint64_t bits = UINT64_C(1) << tag;

	if (sieve_tags[tag].group == GROUP_ALONE)
		return bits;
	for (size_t i = 0; i < TAG_COUNT_ALL; i++)
		if (sieve_tags[i].group == sieve_tags[tag].group)
			bits |= UINT64_C(1) << i;
	return bits;
}

uint64_t
sieve_tag_capability(enum sieve_command command, enum sieve_tag tag)
{
	/* :index came with editheader before it was an extension (RFC 5293 section 5). */
	return command == COMMAND_DELETEHEADER && tag == TAG_INDEX ? ANY : sieve_tags[tag].capability;
}

enum sieve_command
sieve_command(struct span word)
{
	size_t i = 0;

	while (i < COMMAND_COUNT && !span_ieq(word, span_of(sieve_commands[i].word)))
		i++;
	return (enum sieve_command)i;
}
