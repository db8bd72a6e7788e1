/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What a command's row of the table cannot say of its arguments. */
#include <stdio.h>

#include "common/header.h"
#include "sieve/compile_internal.h"
#include "sieve/run_parts.h"
#include "sieve/text.h"

static bool
has_references(const struct compiler *compiler, struct span text)
{
	struct sieve_reference reference;

	return (compiler->capabilities & CAP(VARIABLES)) != 0 && sieve_reference_next(&text, &reference);
}

/* Calls check for each string that is constant; it returns what is wrong with it, or NULL. */
static void
check_strings(struct compiler *compiler, const struct sieve_argument *argument, const char *(*check)(struct span))
{
	for (uint32_t i = 0; argument != NULL && i < argument->count; i++) {
		struct span text = compile_string(compiler, argument, i);
		const char *wrong = has_references(compiler, text) ? NULL : check(text);

		if (wrong != NULL)
			compile_fault(compiler, argument->line, "\"%.*s\" %s", COMPILE_WORD(text), wrong);
	}
}

static const char *
check_relation(struct span text)
{
	enum match_relation relation;

	return match_relation_parse(text, &relation) ? NULL : "is no relation: gt, ge, lt, le, eq and ne are";
}

static const char *
check_address_field(struct span text)
{
	return run_is_address_field(text) ? NULL : "is no header field that holds addresses";
}

static const char *
check_envelope_part(struct span text)
{
	return span_ieq(text, SPAN("from")) || span_ieq(text, SPAN("to")) ? NULL : "is no part of the envelope: from and to are";
}

static const char *
check_date_part(struct span text)
{
	return run_is_date_part(text) ? NULL : "is no part of a date";
}

static const char *
check_zone(struct span text)
{
	int zone;

	return run_parse_zone(text, &zone) ? NULL : "is no time zone such as \"+0100\"";
}

static const char *
check_address(struct span text)
{
	return run_is_address(text) ? NULL : "is no address";
}

static const char *
check_addresses(struct span text)
{
	return text.len == 0 || run_is_address_list(text) ? NULL : "is no list of addresses";
}

static const char *
check_author(struct span text)
{
	return text.len == 0 ? NULL : check_address(text);
}

static const char *
check_field_name(struct span text)
{
	return header_name_is_valid(text) ? NULL : "is no name of a header field";
}

static const char *
check_identifier(struct span text)
{
	return !sieve_is_identifier(text) ? "is no name of a variable" : text.len > SIEVE_VARIABLE_NAME_MAX ? "is too long for the name of a variable" : NULL;
}

static const char *
check_variable(struct span text)
{
	return check_identifier(span_istarts(text, SPAN("global.")) ? span_skip(text, 7) : text);
}

/* RFC 6609 section 3.4.2: the namespace is one of include. */
static void
check_variables(struct compiler *compiler, const struct sieve_argument *argument)
{
	check_strings(compiler, argument, check_variable);
	for (uint32_t i = 0; (compiler->capabilities & CAP(INCLUDE)) == 0 && i < argument->count; i++) {
		struct span text = compile_string(compiler, argument, i);

		if (span_istarts(text, SPAN("global.")) && check_variable(text) == NULL)
			compile_fault(compiler, argument->line, "the namespace \"global\" wants require \"include\"");
	}
}

static const char *
check_script_name(struct span text)
{
	return sieve_name_is_valid(text) ? NULL : "is no name of a script";
}

static const char *
check_importance(struct span text)
{
	return text.len == 1 && text.ptr[0] >= '1' && text.ptr[0] <= '3' ? NULL : "is no importance: 1, 2 and 3 are";
}

void
compile_check_constant(struct compiler *compiler, const struct sieve_argument *argument, const char *what)
{
	for (uint32_t i = 0; argument != NULL && i < argument->count; i++)
		if (has_references(compiler, compile_string(compiler, argument, i)))
			compile_fault(compiler, argument->line, "%s may not contain variables", what);
}

static void
check_match(struct compiler *compiler, const struct arguments *arguments)
{
	const struct sieve_argument *named = arguments->tagged[TAG_COMPARATOR];
	enum match_comparator comparator = MATCH_ASCII_CASEMAP;
	char capability[80];

	check_strings(compiler, arguments->tagged[TAG_VALUE], check_relation);
	check_strings(compiler, arguments->tagged[TAG_COUNT], check_relation);
	if (named != NULL && (arguments->tags & T(COMPARATOR)) != 0) {
		struct span name = compile_string(compiler, named, 0);

		if (has_references(compiler, name)) {
			compile_fault(compiler, named->line, "the name of a comparator may not contain variables");
			return;
		}
		if (!match_comparator_parse(name, &comparator)) {
			compile_fault(compiler, named->line, "there is no comparator \"%.*s\"", COMPILE_WORD(name));
			return;
		}
		(void)snprintf(capability, sizeof(capability), "comparator-%.*s", COMPILE_WORD(name));
		if (comparator != MATCH_OCTET && comparator != MATCH_ASCII_CASEMAP)
			(void)compile_missing(compiler, named->line, "that comparator", sieve_capability(span_of(capability)));
	}
	if (comparator == MATCH_ASCII_NUMERIC && (arguments->tags & (T(CONTAINS) | T(MATCHES))) != 0)
		compile_fault(compiler, arguments->line, "i;ascii-numeric does not compare parts: it goes with :is, :value and :count");
}

void
compile_check(struct compiler *compiler, const struct arguments *arguments)
{
	const struct sieve_argument *const *positional = arguments->positional;

	if ((sieve_commands[arguments->command].tags & T_MATCH) != 0)
		check_match(compiler, arguments);
	if ((arguments->tags & T(LAST)) != 0 && (sieve_commands[arguments->command].tags & T(INDEX)) != 0 && (arguments->tags & T(INDEX)) == 0)
		compile_fault(compiler, arguments->line, ":last wants :index beside it");
	if ((arguments->tags & T(INDEX)) != 0 && arguments->tagged[TAG_INDEX]->number == 0)
		compile_fault(compiler, arguments->line, ":index counts from 1");
	if ((arguments->tags & T(ZONE)) != 0)
		check_strings(compiler, arguments->tagged[TAG_ZONE], check_zone);
	switch (arguments->command) {
	case COMMAND_ADDRESS: check_strings(compiler, positional[0], check_address_field); break;
	case COMMAND_ENVELOPE: check_strings(compiler, positional[0], check_envelope_part); break;
	case COMMAND_DATE: check_strings(compiler, positional[1], check_date_part); break;
	case COMMAND_CURRENTDATE: check_strings(compiler, positional[0], check_date_part); break;
	case COMMAND_REDIRECT: check_strings(compiler, positional[0], check_address); break;
	case COMMAND_ADDHEADER:
	case COMMAND_DELETEHEADER: check_strings(compiler, positional[0], check_field_name); break;
	case COMMAND_SIZE:
		if ((arguments->tags & (T(OVER) | T(UNDER))) == 0)
			compile_fault(compiler, arguments->line, "size wants :over or :under");
		break;
	case COMMAND_SET:
		compile_check_constant(compiler, positional[0], "the name of a variable");
		check_variables(compiler, positional[0]);
		break;
	case COMMAND_GLOBAL:
		compile_check_constant(compiler, positional[0], "the name of a variable");
		check_strings(compiler, positional[0], check_identifier);
		break;
	case COMMAND_INCLUDE:
		compile_check_constant(compiler, positional[0], "the name of a script");
		check_strings(compiler, positional[0], check_script_name);
		break;
	case COMMAND_SETFLAG:
	case COMMAND_ADDFLAG:
	case COMMAND_REMOVEFLAG:
	case COMMAND_HASFLAG:
		if (arguments->given == 2) {
			(void)compile_missing(compiler, arguments->line, "a variable of flags", CAP(VARIABLES));
			check_variables(compiler, positional[0]);
		}
		break;
	case COMMAND_VACATION:
		check_strings(compiler, arguments->tagged[TAG_FROM], check_addresses);
		if ((arguments->tags & T(SECONDS)) != 0)
			(void)compile_missing(compiler, arguments->line, ":seconds", CAP(VACATION_SECONDS));
		break;
	case COMMAND_NOTIFY:
		/* What the method is only a run tells: a script may try whether it is there (RFC 5435 section 3.2). */
		check_strings(compiler, arguments->tagged[TAG_FROM], check_author);
		if ((arguments->tags & T(IMPORTANCE)) != 0)
			check_strings(compiler, arguments->tagged[TAG_IMPORTANCE], check_importance);
		break;
	default: break;
	}
}
