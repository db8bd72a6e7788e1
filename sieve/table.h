/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The words of the language: capabilities, commands and tests, tagged arguments; each is a row of a table. */
#ifndef SIEVE_TABLE_H
#define SIEVE_TABLE_H

#include "common/span.h"

/* --- capabilities --- */

enum sieve_capability {
#define CAPABILITY(name, string, implied) CAPABILITY_##name,
#include "sieve/sieve_capabilities.def"
#undef CAPABILITY
	CAPABILITY_COUNT,
};
#define CAP(name) (UINT64_C(1) << CAPABILITY_##name)
#define ANY UINT64_C(0)

/* What a string of require stands for, with those that it brings along; 0: it is unknown. */
uint64_t sieve_capability(struct span string);
/* The string of one of them. */
const char *sieve_capability_name(enum sieve_capability capability);

/* --- tagged arguments --- */

enum sieve_tag {
#define TAG(name, word, value, group, capability) TAG_##name,
#include "sieve/sieve_tags.def"
#undef TAG
	TAG_COUNT_ALL,
};
_Static_assert(TAG_COUNT_ALL <= 64, "tags are bits of one word");
#define T(name) (UINT64_C(1) << TAG_##name)
#define T_MATCH (T(IS) | T(CONTAINS) | T(MATCHES) | T(VALUE) | T(COUNT) | T(COMPARATOR))
#define T_PART (T(ALL) | T(LOCALPART) | T(DOMAIN) | T(USER) | T(DETAIL))

enum sieve_value { VALUE_FLAG, VALUE_STRING, VALUE_LIST, VALUE_NUMBER };
enum sieve_group {
	GROUP_ALONE, GROUP_MATCH, GROUP_PART, GROUP_SIZE, GROUP_TRANSFORM, GROUP_ZONE, GROUP_CASE, GROUP_FIRST, GROUP_PERIOD, GROUP_UNIQUE,
	GROUP_LOCATION,
};

struct sieve_tag_row {
	const char *word;
	enum sieve_value value;
	enum sieve_group group;
	uint64_t capability;
};
extern const struct sieve_tag_row sieve_tags[TAG_COUNT_ALL];

/* The tag of that word (without its colon, in any case), or TAG_COUNT_ALL. */
enum sieve_tag sieve_tag(struct span word);
/* The tags of the same group, itself included. */
uint64_t sieve_tag_group(enum sieve_tag tag);

/* --- commands and tests --- */

enum sieve_command {
#define COMMAND(name, word, kind, follows, positional, tags, capability) COMMAND_##name,
#include "sieve/sieve_commands.def"
#undef COMMAND
	COMMAND_COUNT,
};

enum sieve_kind { KIND_CONTROL, KIND_ACTION, KIND_TEST };
enum sieve_follows { FOLLOWS_NOTHING, FOLLOWS_ONE_TEST, FOLLOWS_TESTS, FOLLOWS_TEST_AND_BLOCK, FOLLOWS_BLOCK };

#define SIEVE_POSITIONAL_MAX 3
struct sieve_command_row {
	const char *word;
	enum sieve_kind kind;
	enum sieve_follows follows;
	const char *positional;
	uint64_t tags;
	uint64_t capability;
};
extern const struct sieve_command_row sieve_commands[COMMAND_COUNT];

/* What a command's tagged argument needs beside what the command does. */
uint64_t sieve_tag_capability(enum sieve_command command, enum sieve_tag tag);
/* The command or test of that word (any case), or COMMAND_COUNT. */
enum sieve_command sieve_command(struct span word);

#endif
