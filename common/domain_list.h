/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Mail domains of the configuration. One beyond ASCII is written in two forms, as people read it and as the DNS has it (U-labels and A-labels,
 * RFC 5890 section 2.3.2.1), and the former in several spellings: lists are in the one form of address_domain_canonical, and what is looked
 * for in them is put into it here. Pure. */
#ifndef COMMON_DOMAIN_LIST_H
#define COMMON_DOMAIN_LIST_H

#include "common/conf.h"
#include "common/span.h"

/* May the text stand in such a list: is it a domain, and no address literal? */
bool domain_list_may_have(struct span text);
/* Puts each item into the one form, and drops those that stand before it already. What is no domain stays as it is. */
void domain_list_canonicalise(struct conf_list *list);
/* The item that is this domain, in whichever form it comes; NULL: none is. Borrowed from the list. */
const char *domain_list_find(const struct conf_list *list, struct span domain);
/* The same of the domain behind the last "@" of the address. */
const char *domain_list_find_address(const struct conf_list *list, struct span address);

#endif
