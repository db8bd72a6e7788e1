/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Mail exchangers in order: RFC 5321 section 5.1, RFC 7505. */
#include "smtpd/resolve_mx.h"

void
resolve_mx_add(struct resolve_mx *mx, const struct dns_record *record)
{
	struct resolve_exchanger *next = &mx->records[mx->count];

	for (size_t i = 0; i < mx->count; i++)
		if (span_eq(span_of(mx->records[i].name), record->data)) {
			if (record->preference < mx->records[i].preference)
				mx->records[i].preference = record->preference;
			return;
		}
	if (mx->count == DNS_RECORDS_MAX || record->data.len > RESOLVE_NAME_MAX)
		return;
	*next = (struct resolve_exchanger){ .preference = record->preference };
	if (record->data.len != 0)
		memcpy(next->name, record->data.ptr, record->data.len);
	mx->count++;
}

/* Steps of a generator that is good enough for spreading load (splitmix64). */
static uint64_t
next_random(uint64_t *random)
{
	uint64_t z = *random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static void
swap(struct resolve_exchanger *a, struct resolve_exchanger *b)
{
	struct resolve_exchanger c = *a;

	*a = *b;
	*b = c;
}

/* Shuffled first, then sorted in a way that keeps what is equal as it stands. */
static void
sort(struct resolve_mx *mx, uint64_t random)
{
	for (size_t i = mx->count; i > 1; i--)
		swap(&mx->records[i - 1], &mx->records[next_random(&random) % i]);
	for (size_t i = 1; i < mx->count; i++)
		for (size_t j = i; j > 0 && mx->records[j].preference < mx->records[j - 1].preference; j--)
			swap(&mx->records[j], &mx->records[j - 1]);
}

static void
remove_null(struct resolve_mx *mx)
{
	size_t kept = 0;

	for (size_t i = 0; i < mx->count; i++)
		if (mx->records[i].name[0] != '\0')
			mx->records[kept++] = mx->records[i];
	mx->count = kept;
}

static void
put_host(struct resolve_answer *answer, struct span name, uint16_t preference)
{
	struct resolve_host *host = &answer->hosts[answer->count];

	if (answer->count == RESOLVE_HOSTS_MAX || name.len > RESOLVE_NAME_MAX)
		return;
	*host = (struct resolve_host){ .preference = preference };
	if (name.len != 0)
		memcpy(host->name, name.ptr, name.len);
	answer->count++;
}

void
resolve_mx_order(struct resolve_mx *mx, struct span domain, struct span own_name, uint64_t random, struct resolve_answer *answer)
{
	uint32_t limit = UINT32_MAX; /* only better ones than this */

	answer->count = 0;
	answer->result = RESOLVE_OK;
	if (mx->count == 1 && mx->records[0].name[0] == '\0') {
		answer->result = RESOLVE_NULL_MX;
		return;
	}
	/* RFC 7505 section 3 has a null MX stand alone; beside others it means nothing. */
	remove_null(mx);
	if (mx->count == 0) {
		if (span_ieq(domain, own_name))
			answer->result = RESOLVE_LOOP;
		else
			put_host(answer, domain, 0);
		return;
	}
	sort(mx, random);
	for (size_t i = 0; i < mx->count; i++)
		if (span_ieq(span_of(mx->records[i].name), own_name))
			limit = mx->records[i].preference;
	for (size_t i = 0; i < mx->count; i++)
		if (mx->records[i].preference < limit)
			put_host(answer, span_of(mx->records[i].name), mx->records[i].preference);
	if (answer->count == 0)
		answer->result = RESOLVE_LOOP;
}

void
resolve_mx_finish(struct resolve_answer *answer, bool failed)
{
	uint8_t kept = 0;

	for (size_t i = 0; i < answer->count; i++)
		if (answer->hosts[i].count != 0) {
			if (kept != i)
				answer->hosts[kept] = answer->hosts[i];
			kept++;
		}
	answer->count = kept;
	answer->result = kept != 0 ? RESOLVE_OK : failed ? RESOLVE_FAILED : RESOLVE_NO_ADDRESS;
}

/* To connect to no host's address reaches this host itself, or many (RFC 1122 section 3.2.1.3, RFC 4291 section 2). */
static bool
is_of_a_host(struct span bytes)
{
	static const uint8_t loopback[16] = { [15] = 1 };
	const uint8_t first = bytes.len != 0 ? (uint8_t)bytes.ptr[0] : 0;

	if (bytes.len == 4)
		return first != 0 && first < 224;
	/* With ten zeros begin :: and IPv4 in another form, too. */
	return bytes.len == sizeof(loopback) && first != 0xff && (memcmp(bytes.ptr, loopback, sizeof(loopback)) == 0 || memcmp(bytes.ptr, loopback, 10) != 0);
}

void
resolve_add_address(struct resolve_host *host, const struct dns_record *record)
{
	struct resolve_address *address = &host->addresses[host->count];

	if (host->count == RESOLVE_ADDRESSES_MAX || !is_of_a_host(record->data))
		return;
	address->len = (uint8_t)record->data.len;
	memcpy(address->bytes, record->data.ptr, record->data.len);
	host->count++;
}
