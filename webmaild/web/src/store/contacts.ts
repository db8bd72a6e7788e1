// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// Addresses to suggest: of the messages sent lately and those seen in this session. Nothing is stored.
import { summaryProperties, type EmailSummary, type GetResponse } from '../jmap/types.ts';
import type { Address } from '../lib/addresses.ts';
import { group, resultOf } from './jmap.ts';
import { byRole } from './mailboxes.ts';

interface Contact extends Address {
	weight: number;
}

const contacts = new Map<string, Contact>();
let loaded: Promise<void> | null = null;

export function learn(addresses: Address[] | null | undefined, weight: number): void {
	for (const { name, email } of addresses ?? []) {
		const key = email.toLowerCase();
		const known = contacts.get(key);
		if (known) {
			known.weight += weight;
			known.name ||= name;
		} else if (email.includes('@') && !/^(no-?reply|do-?not-?reply|mailer-daemon)\b/i.test(email)) {
			contacts.set(key, { name, email, weight });
		}
	}
}

async function load(): Promise<void> {
	const sources = [[byRole.value.get('sent')?.id, 4], [byRole.value.get('inbox')?.id, 1]] as const;
	await Promise.all(sources.map(async ([inMailbox, weight]) => {
		if (!inMailbox) return;
		const [, emails] = await group([
			['Email/query', { filter: { inMailbox }, sort: [{ property: 'receivedAt', isAscending: false }], limit: 100 }],
			['Email/get', { '#ids': resultOf(0, '/ids'), properties: summaryProperties.filter((p) => ['id', 'from', 'to'].includes(p)) }],
		]) as unknown as [unknown, GetResponse<Pick<EmailSummary, 'id' | 'from' | 'to'>>];
		for (const { from, to } of emails.list) learn(weight > 1 ? to : from, weight);
	}));
}

export function loadContacts(): Promise<void> {
	loaded ??= load().catch(() => {
		loaded = null;
	});
	return loaded;
}

/** Those whose name or address has a word that begins so, the most used first. */
export function suggest(text: string, without: Address[], limit = 6): Address[] {
	const wanted = text.trim().toLowerCase();
	if (!wanted) return [];
	const taken = new Set(without.map(({ email }) => email.toLowerCase()));
	const fits = (contact: Contact): boolean => contact.email.toLowerCase().startsWith(wanted) ||
		contact.email.toLowerCase().includes(`@${wanted}`) ||
		(contact.name ?? '').toLowerCase().split(/[\s,.]+/).some((word) => word.startsWith(wanted)) ||
		(contact.name ?? '').toLowerCase().includes(wanted);
	return [...contacts.values()].filter((c) => !taken.has(c.email.toLowerCase()) && fits(c)).sort((a, b) => b.weight - a.weight).slice(0, limit);
}
