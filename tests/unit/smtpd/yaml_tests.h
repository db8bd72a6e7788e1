/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Test suites that others publish as YAML: a file of documents with mappings of texts. */
#ifndef TESTS_YAML_TESTS_H
#define TESTS_YAML_TESTS_H

#include <check.h>
#include <stdio.h>
#include <yaml.h>

#include "common/buf.h"

static inline struct span
yaml_text(const yaml_node_t *node)
{
	return node != NULL && node->type == YAML_SCALAR_NODE ?
	    span_make(node->data.scalar.value, node->data.scalar.length) :
	    SPAN_NULL;
}

/* The value of a key in a mapping, or NULL. */
static inline yaml_node_t *
yaml_get(yaml_document_t *document, yaml_node_t *mapping, const char *key)
{
	if (mapping == NULL || mapping->type != YAML_MAPPING_NODE)
		return NULL;
	for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start; pair < mapping->data.mapping.pairs.top; pair++)
		if (span_eq(yaml_text(yaml_document_get_node(document, pair->key)), span_of(key)))
			return yaml_document_get_node(document, pair->value);
	return NULL;
}

static inline struct span
yaml_get_text(yaml_document_t *document, yaml_node_t *mapping, const char *key)
{
	return yaml_text(yaml_get(document, mapping, key));
}

/* Calls once for each document of a file. */
static inline void
yaml_each_document(const char *path, void (*call)(yaml_document_t *document, yaml_node_t *root))
{
	FILE *file = fopen(path, "r");
	yaml_parser_t parser;
	yaml_document_t document;
	bool more = true;

	ck_assert_msg(file != NULL, "%s: run from the source folder", path);
	ck_assert(yaml_parser_initialize(&parser));
	yaml_parser_set_input_file(&parser, file);
	while (more) {
		yaml_node_t *root;

		ck_assert_msg(yaml_parser_load(&parser, &document), "%s: %s", path, parser.problem);
		root = yaml_document_get_root_node(&document);
		more = root != NULL;
		if (more)
			call(&document, root);
		yaml_document_delete(&document);
	}
	yaml_parser_delete(&parser);
	(void)fclose(file);
}

#endif
