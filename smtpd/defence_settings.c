/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The configuration's word on the defence. */
#include "smtpd/defence_settings.h"

#include <stdlib.h>

#include "common/xalloc.h"

static char **
copy_list(const struct conf_list *list)
{
	char **copy = xcalloc(list->count + 1, sizeof(*copy));

	for (size_t i = 0; i < list->count; i++)
		copy[i] = xstrdup(list->item[i]);
	return copy;
}

static char **
free_list(char **list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(list[i]);
	free(list);
	return NULL;
}

static bool
parse_whom(const char *text, enum greylist_whom *ret_whom)
{
	static const char *const words[] = {
		[GREYLIST_NONE] = "none", [GREYLIST_SUSPECTS] = "suspects", [GREYLIST_UNPROVEN] = "unproven", [GREYLIST_ALL] = "all",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(text, words[i]) == 0) {
			*ret_whom = (enum greylist_whom)i;
			return true;
		}
	return false;
}

struct defence_settings *
defence_settings_new(const struct smtpd_conf *conf)
{
	struct defence_settings *settings = xcalloc(1, sizeof(*settings));
	enum defence_test test;
	const char *fault;
	int weight;

	settings->holders = 1;
	settings->hostname = xstrdup(conf->common.hostname);
	settings->domains = copy_list(&conf->common.domains);
	settings->domain_count = conf->common.domains.count;
	settings->list_texts = copy_list(&conf->dns_lists);
	settings->list_count = conf->dns_lists.count;
	settings->lists = xcalloc(settings->list_count + 1, sizeof(*settings->lists));
	for (size_t i = 0; i < settings->list_count; i++)
		(void)dns_list_parse(span_of(settings->list_texts[i]), &settings->lists[i], &fault);
	for (unsigned i = 0; i < TEST_COUNT; i++)
		settings->weights[i] = defence_tests[i].weight;
	for (size_t i = 0; i < conf->score_weights.count; i++)
		if (test_weight_parse(span_of(conf->score_weights.item[i]), &test, &weight, &fault) == 0)
			settings->weights[test] = weight;
	settings->names = settings->weights[TEST_NO_REVERSE] != 0 || settings->weights[TEST_REVERSE_UNCONFIRMED] != 0 || conf->milters.count != 0;
	settings->junk = (int)conf->score_junk;
	settings->tarpit = (int)conf->score_tarpit;
	settings->refuse = (int)conf->score_refuse;
	settings->tarpit_seconds = conf->tarpit;
	if (conf->greylist != NULL)
		(void)parse_whom(conf->greylist, &settings->greylist);
	settings->greylist_score = (int)conf->score_greylist;
	settings->limit_count = conf->limits.count;
	settings->limits = xcalloc(settings->limit_count + 1, sizeof(*settings->limits));
	for (size_t i = 0; i < settings->limit_count; i++)
		(void)limit_parse(span_of(conf->limits.item[i]), &settings->limits[i], &fault);
	return settings;
}

struct defence_settings *
defence_settings_hold(struct defence_settings *settings)
{
	settings->holders++;
	return settings;
}

struct defence_settings *
defence_settings_drop(struct defence_settings *settings)
{
	if (settings == NULL || --settings->holders != 0)
		return NULL;
	free(settings->hostname);
	settings->domains = free_list(settings->domains, settings->domain_count);
	settings->list_texts = free_list(settings->list_texts, settings->list_count);
	free(settings->lists);
	free(settings->limits);
	free(settings);
	return NULL;
}

void
defence_conf_check(const struct smtpd_conf *conf, struct buf *errors)
{
	enum defence_test test;
	struct dns_list list;
	struct limit limit;
	enum greylist_whom whom;
	const char *fault = NULL;
	int weight;

	if (!parse_whom(conf->greylist, &whom))
		(void)buf_fmt(errors, "greylist: %s is not none, suspects, unproven or all\n", conf->greylist);
	if (conf->greylist_delay >= conf->greylist_window)
		(void)buf_str(errors, "greylist_delay is not shorter than greylist_window\n");
	for (size_t i = 0; i < conf->dns_lists.count; i++)
		if (dns_list_parse(span_of(conf->dns_lists.item[i]), &list, &fault) < 0)
			(void)buf_fmt(errors, "dns_lists: \"%s\": %s\n", conf->dns_lists.item[i], fault);
	for (size_t i = 0; i < conf->score_weights.count; i++)
		if (test_weight_parse(span_of(conf->score_weights.item[i]), &test, &weight, &fault) < 0)
			(void)buf_fmt(errors, "score_weights: \"%s\": %s\n", conf->score_weights.item[i], fault);
	for (size_t i = 0; i < conf->limits.count; i++)
		if (limit_parse(span_of(conf->limits.item[i]), &limit, &fault) < 0)
			(void)buf_fmt(errors, "limits: \"%s\": %s\n", conf->limits.item[i], fault);
}
