// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// The account's mailboxes: a tree with those of special use first, and changes to it.
import { computed, signal } from '@preact/signals';
import { has, language, t, type Key } from '../i18n.ts';
import type { GetResponse, Mailbox, SetResponse } from '../jmap/types.ts';
import { call, checkSet } from './jmap.ts';

export const mailboxes = signal<ReadonlyMap<string, Mailbox>>(new Map());
let state = '';

export interface MailboxNode {
	mailbox: Mailbox;
	depth: number;
	hasChildren: boolean;
}

const roleOrder = ['inbox', 'drafts', 'sent', 'archive', 'junk', 'trash'];

function rank(mailbox: Mailbox): number {
	const index = mailbox.parentId === null && mailbox.role ? roleOrder.indexOf(mailbox.role) : -1;
	return index < 0 ? roleOrder.length : index;
}

export const byRole = computed(() => {
	const roles = new Map<string, Mailbox>();
	for (const mailbox of mailboxes.value.values()) if (mailbox.role) roles.set(mailbox.role, mailbox);
	return roles;
});

/** Depth first, in the order shown. */
export const tree = computed<MailboxNode[]>(() => {
	const children = new Map<string | null, Mailbox[]>();
	for (const mailbox of mailboxes.value.values()) {
		const parent = mailbox.parentId !== null && mailboxes.value.has(mailbox.parentId) ? mailbox.parentId : null;
		children.set(parent, [...children.get(parent) ?? [], mailbox]);
	}
	const collator = new Intl.Collator(language.value, { numeric: true });
	const nodes: MailboxNode[] = [];
	const add = (parent: string | null, depth: number): void => {
		const list = children.get(parent) ?? [];
		list.sort((a, b) => rank(a) - rank(b) || a.sortOrder - b.sortOrder || collator.compare(a.name, b.name));
		for (const mailbox of list) {
			nodes.push({ mailbox, depth, hasChildren: children.has(mailbox.id) });
			if (depth < 20) add(mailbox.id, depth + 1);
		}
	};
	add(null, 0);
	return nodes;
});

/** The name shown: those of special use are named in the reader's language. */
export function mailboxName(mailbox: Mailbox): string {
	const key = `role.${mailbox.role ?? ''}`;
	return mailbox.role && has(key) ? t(key as Key) : mailbox.name;
}

export function mailboxPath(mailbox: Mailbox): string {
	const names = [mailboxName(mailbox)];
	let at = mailbox;
	for (let depth = 0; at.parentId !== null && depth < 20; depth++) {
		const parent = mailboxes.value.get(at.parentId);
		if (!parent) break;
		names.unshift(mailboxName(parent));
		at = parent;
	}
	return names.join(' / ');
}

/** By id, role, name in any language, or path; upper and lower case are the same. */
export function findMailbox(name: string): Mailbox | null {
	const wanted = name.trim().toLowerCase();
	const all = [...mailboxes.value.values()];
	return all.find((m) => m.role === wanted || (wanted === 'spam' && m.role === 'junk')) ??
		all.find((m) => m.name.toLowerCase() === wanted || mailboxName(m).toLowerCase() === wanted) ??
		all.find((m) => mailboxPath(m).toLowerCase().replace(/ \/ /g, '/') === wanted.replace(/ ?\/ ?/g, '/')) ??
		null;
}

export function applyMailboxes(response: GetResponse<Mailbox>): void {
	state = response.state;
	mailboxes.value = new Map(response.list.map((mailbox) => [mailbox.id, mailbox]));
}

export async function refreshMailboxes(newState?: string): Promise<void> {
	if (newState !== undefined && newState === state) return;
	applyMailboxes(await call<GetResponse<Mailbox>>('Mailbox/get', { ids: null }));
}

/** Counts change at once with what the user does; the server's own follow. */
export function adjustCounts(id: string, unread: number, total: number): void {
	const mailbox = mailboxes.value.get(id);
	if (!mailbox || (unread === 0 && total === 0)) return;
	const next = new Map(mailboxes.value);
	next.set(id, { ...mailbox, unreadEmails: Math.max(0, mailbox.unreadEmails + unread), totalEmails: Math.max(0, mailbox.totalEmails + total) });
	mailboxes.value = next;
}

async function change(args: Record<string, unknown>): Promise<SetResponse> {
	const response = await call<SetResponse>('Mailbox/set', args);
	checkSet(response);
	await refreshMailboxes();
	return response;
}

export async function createMailbox(name: string, parentId: string | null): Promise<string> {
	const response = await change({ create: { new: { name, parentId } } });
	return response.created?.new?.id ?? '';
}

export async function renameMailbox(id: string, name: string): Promise<void> {
	await change({ update: { [id]: { name } } });
}

export async function deleteMailbox(id: string): Promise<void> {
	await change({ destroy: [id], onDestroyRemoveEmails: true });
}

/** The mailbox of a role, made when the account has none yet. */
export async function ensureRole(role: string): Promise<string> {
	const known = byRole.value.get(role);
	if (known) return known.id;
	const name = role[0]!.toUpperCase() + role.slice(1);
	const response = await change({ create: { new: { name, parentId: null, role } } });
	return response.created!.new!.id;
}
