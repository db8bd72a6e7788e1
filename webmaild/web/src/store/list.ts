// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// The list of messages in view: a mailbox or a search, held as pages of ids that come as they are scrolled to.
import { batch, signal } from '@preact/signals';
import { MethodError } from '../jmap/batch.ts';
import { summaryProperties, type EmailSummary, type GetResponse, type QueryResponse } from '../jmap/types.ts';
import { parseSearch, type Filter } from '../lib/search.ts';
import { pagesOf, type Range } from '../lib/virtual.ts';
import { email, takeSummaries } from './emails.ts';
import { call, chunks, group, maxInGet, resultOf } from './jmap.ts';
import { byRole, findMailbox } from './mailboxes.ts';
import { reportError } from './notices.ts';

export type Quick = 'all' | 'unread' | 'flagged';

export interface View {
	mailboxId: string | null;
	/** As typed; empty: the mailbox itself. */
	search: string;
	quick: Quick;
}

export interface Snippet {
	subject: string | null;
	preview: string | null;
}

export const view = signal<View>({ mailboxId: null, search: '', quick: 'all' });
/** null: not known yet. */
export const total = signal<number | null>(null);
/** Grows with each change of the ids. */
export const version = signal(0);
export const failed = signal(false);
export const searchProblems = signal<string[]>([]);
export const snippets = signal<ReadonlyMap<string, Snippet>>(new Map());
/** Rows that came (or went) above what is shown: the list scrolls by as many. */
export const shift = signal({ by: 0, serial: 0 });

const pageSize = 50;
const sort = [{ property: 'receivedAt', isAscending: false }];
let slots: (string | undefined)[] = [];
let loading = new Set<number>();
let generation = 0;
/** Grows when the whole list was looked at again: what was asked for before that is out of date. */
let epoch = 0;
/** Something changed while the list was coming for the first time: it may have been asked for before. */
let stale = false;
let shown: Range = { from: 0, to: pageSize };
let filter: Filter | null = null;
let hasText = false;

export function idAt(index: number): string | undefined {
	return slots[index];
}

export function indexOf(id: string): number {
	return slots.indexOf(id);
}

export function loadedIds(): string[] {
	return slots.filter((id): id is string => id !== undefined);
}

function changed(): void {
	version.value++;
}

function filterOf({ mailboxId, search, quick }: View): Filter | null {
	const conditions: Filter[] = [];
	searchProblems.value = [];
	hasText = false;
	if (search) {
		const excluded = ['trash', 'junk'].map((role) => byRole.value.get(role)?.id).filter((id): id is string => id !== undefined);
		const parsed = parseSearch(search, { mailbox: (name) => findMailbox(name)?.id ?? null, excluded });
		searchProblems.value = parsed.problems;
		hasText = parsed.hasText;
		if (parsed.filter) conditions.push(parsed.filter);
	} else if (mailboxId) {
		conditions.push({ inMailbox: mailboxId });
	}
	if (quick === 'unread') conditions.push({ notKeyword: '$seen' });
	if (quick === 'flagged') conditions.push({ hasKeyword: '$flagged' });
	return conditions.length > 1 ? { operator: 'AND', conditions } : conditions[0] ?? null;
}

export function showView(next: View): void {
	batch(() => {
		generation++;
		stale = false;
		view.value = next;
		filter = filterOf(next);
		slots = [];
		loading = new Set();
		shown = { from: 0, to: pageSize };
		total.value = null;
		failed.value = false;
		snippets.value = new Map();
		changed();
	});
	need(shown);
}

/** The rows that are, or are about to be, seen. */
export function need(range: Range): void {
	shown = range;
	// Before the mailboxes are known there is nothing to ask for: a query without a filter would show the mail of all, and drop it again.
	if (view.peek().mailboxId === null && view.peek().search === '') return;
	const known = total.peek();
	const wanted = known === null ? { from: 0, to: 1 } : { from: range.from, to: Math.min(range.to, known) };
	for (const page of pagesOf(wanted, pageSize)) {
		const first = page * pageSize;
		const last = Math.min(first + pageSize, known ?? 1);
		let whole = known !== null;
		for (let i = first; i < last && whole; i++) whole = slots[i] !== undefined;
		if (!whole && !loading.has(page)) void loadPage(page);
	}
}

/** False when the answer was out of date already. */
async function loadPage(page: number): Promise<boolean> {
	const mine = generation;
	const asked = epoch;
	const pages = loading;
	pages.add(page);
	try {
		const [query, summaries] = await group([
			['Email/query', { filter, sort, position: page * pageSize, limit: pageSize, calculateTotal: true }],
			['Email/get', { '#ids': resultOf(0, '/ids'), properties: summaryProperties }],
		]) as unknown as [QueryResponse, GetResponse<EmailSummary>];
		if (mine !== generation) return true;
		takeSummaries(summaries);
		if (asked !== epoch) {
			// The list of now has other places for these: what of it is still wanted is asked for again.
			need(shown);
			return false;
		}
		batch(() => {
			take(query);
			failed.value = false;
			changed();
		});
		if (hasText) void loadSnippets(query.ids);
		if (stale) {
			stale = false;
			void refreshList().catch(() => undefined); // the next change looks again
		}
	} catch (error) {
		if (mine !== generation) return true;
		failed.value = true;
		reportError(error, 'error.list');
	} finally {
		pages.delete(page);
	}
	return true;
}

/** The id of a row that may not have been loaded yet; undefined when it cannot be had. */
export async function loadAt(index: number): Promise<string | undefined> {
	const mine = generation;
	const page = Math.floor(index / pageSize);
	await loadPage(page) || await loadPage(page);
	return mine === generation ? slots[index] : undefined;
}

function take(query: QueryResponse): void {
	query.ids.forEach((id, i) => {
		slots[query.position + i] = id;
	});
	total.value = Math.max(query.total ?? 0, query.position + query.ids.length);
	slots.length = total.value;
}

async function loadSnippets(emailIds: string[]): Promise<void> {
	const mine = generation;
	if (emailIds.length === 0) return;
	try {
		const response = await call<{ list: ({ emailId: string } & Snippet)[] }>('SearchSnippet/get', { filter, emailIds });
		if (mine !== generation) return;
		const next = new Map(snippets.value);
		for (const { emailId, subject, preview } of response.list) next.set(emailId, { subject, preview });
		snippets.value = next;
	} catch {
		// The rows then show their subject and preview unmarked.
	}
}

let refreshing = false;
let again = false;

/** Looks again after something changed at the server; what is shown stays in its place. */
export async function refreshList(): Promise<void> {
	if (refreshing) {
		again = true;
		return;
	}
	refreshing = true;
	try {
		do {
			again = false;
			await refreshOnce();
		} while (again);
	} finally {
		refreshing = false;
	}
}

async function refreshOnce(): Promise<void> {
	if (total.peek() === null) {
		stale = true;
		return;
	}
	const mine = generation;
	const changes = version.peek();
	const from = Math.max(0, Math.floor(shown.from / pageSize) * pageSize);
	const limit = Math.max(pageSize, shown.to - from);
	const anchor = from > 0 ? slots.slice(shown.from, shown.to).find((id) => id !== undefined) : undefined;
	const oldIndex = anchor === undefined ? 0 : slots.indexOf(anchor);
	const common = { filter, sort, limit, calculateTotal: true };
	let query: QueryResponse;
	try {
		query = await call<QueryResponse>('Email/query', anchor === undefined ? { ...common, position: from } : { ...common, anchor, anchorOffset: from - oldIndex });
	} catch (error) {
		if (!(error instanceof MethodError) || error.type !== 'anchorNotFound') throw error;
		query = await call<QueryResponse>('Email/query', { ...common, position: from });
	}
	await fetchUnknown(query.ids);
	if (mine !== generation) return;
	if (version.peek() !== changes) {
		again = true;
		return;
	}
	batch(() => {
		epoch++;
		slots = [];
		loading = new Set();
		take(query);
		const newIndex = anchor === undefined ? 0 : slots.indexOf(anchor);
		if (anchor !== undefined && newIndex >= 0 && newIndex !== oldIndex)
			shift.value = { by: newIndex - oldIndex, serial: shift.value.serial + 1 };
		changed();
	});
}

export async function fetchUnknown(ids: string[]): Promise<void> {
	for (const part of chunks(ids.filter((id) => !email(id)), maxInGet()))
		takeSummaries(await call<GetResponse<EmailSummary>>('Email/get', { ids: part, properties: summaryProperties }));
}

/** Takes messages out at once; the server's answer follows. */
export function removeFromList(ids: readonly string[]): void {
	const gone = new Set(ids);
	const kept = slots.filter((id) => id === undefined || !gone.has(id));
	const removed = slots.length - kept.length;
	if (removed === 0) return;
	slots = kept;
	total.value = Math.max(0, (total.value ?? 0) - removed);
	changed();
	need(shown);
}

/** Every id of the view, however long it is: of the one that was shown when this was called. */
export async function allIds(): Promise<string[]> {
	const ids: string[] = [];
	const asked = filter;
	for (;;) {
		const query = await call<QueryResponse>('Email/query', { filter: asked, sort, position: ids.length, limit: 5000, calculateTotal: true });
		ids.push(...query.ids);
		if (query.ids.length === 0 || ids.length >= (query.total ?? 0)) return ids;
	}
}
