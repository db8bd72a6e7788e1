// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// What is open, and the address that says so: #/m/MAILBOX[/MESSAGE] and #/s/SEARCH[/MESSAGE].
import { batch, computed, signal } from '@preact/signals';
import { fetchUnknown, idAt, indexOf, loadAt, showView, total, view, type Quick } from './list.ts';
import { byRole, mailboxes } from './mailboxes.ts';
import { step } from '../lib/virtual.ts';

export type Layout = 'one' | 'two' | 'three';

export const openId = signal<string | null>(null);
/** The row that keys move from. */
export const cursorId = signal<string | null>(null);
export const selected = signal<ReadonlySet<string>>(new Set());
export const foldersShown = signal(false);
export const layout = signal<Layout>('three');
/** Counts requests that the list take the keyboard focus. */
export const focusList = signal(0);

const wide = window.matchMedia('(min-width: 1100px)');
const middle = window.matchMedia('(min-width: 700px)');

function measure(): void {
	layout.value = wide.matches ? 'three' : middle.matches ? 'two' : 'one';
}
wide.addEventListener('change', measure);
middle.addEventListener('change', measure);
measure();

export const currentMailbox = computed(() => (view.value.search ? null : mailboxes.value.get(view.value.mailboxId ?? '') ?? null));

/** What an action works on: the selected messages, else the open one, else the row of the cursor. */
export function targets(): string[] {
	if (selected.value.size > 0) return [...selected.value];
	const one = openId.value ?? cursorId.value;
	return one ? [one] : [];
}

function address(): string {
	const { mailboxId, search } = view.value;
	const base = search ? `#/s/${encodeURIComponent(search)}` : `#/m/${encodeURIComponent(mailboxId ?? '')}`;
	return openId.value ? `${base}/${encodeURIComponent(openId.value)}` : base;
}

function record(push: boolean): void {
	if (location.hash === address()) return;
	if (push) history.pushState(null, '', address());
	else history.replaceState(null, '', address());
}

function change(run: () => void, push: boolean): void {
	batch(run);
	record(push);
}

export function openMailbox(mailboxId: string, quick: Quick = 'all'): void {
	change(() => {
		openId.value = cursorId.value = null;
		selected.value = new Set();
		foldersShown.value = false;
		showView({ mailboxId, search: '', quick });
	}, true);
}

export function openSearch(search: string): void {
	const text = search.trim();
	if (!text) {
		const back = view.value.mailboxId ?? byRole.value.get('inbox')?.id;
		if (view.value.search && back) openMailbox(back);
		return;
	}
	change(() => {
		openId.value = cursorId.value = null;
		selected.value = new Set();
		showView({ mailboxId: view.value.mailboxId, search: text, quick: 'all' });
	}, true);
}

export function setQuick(quick: Quick): void {
	selected.value = new Set();
	showView({ ...view.value, quick });
}

/** Where a range that Shift selects begins. */
let anchor: string | null = null;

export function openEmail(id: string): void {
	anchor = id;
	change(() => {
		openId.value = cursorId.value = id;
	}, openId.value === null);
}

export function closeEmail(): void {
	if (openId.value === null) return;
	change(() => {
		openId.value = null;
	}, false);
	focusList.value++;
}

let moves = 0;
/** The row that is being loaded, for the cursor to go to: keys that come meanwhile go on from there. */
let heading = -1;

/** Moves the cursor; beside an open message, the next one is opened. A row that was not loaded yet is waited for. */
export async function moveCursor(by: number): Promise<void> {
	const mine = ++moves;
	const at = heading >= 0 ? heading : cursorId.value ? indexOf(cursorId.value) : -1;
	const index = step(at, by, total.value ?? 0);
	if (index < 0) return;
	heading = index;
	const id = idAt(index) ?? await loadAt(index);
	if (mine !== moves) return;
	heading = -1;
	if (!id) return;
	if (openId.value) openEmail(id);
	else cursorId.value = id;
	anchor = id;
	focusList.value++;
}

export function toggleSelected(id: string): void {
	const next = new Set(selected.value);
	if (!next.delete(id)) next.add(id);
	anchor = id;
	batch(() => {
		selected.value = next;
		cursorId.value = id;
	});
}

export function selectRange(id: string): void {
	const from = anchor ? indexOf(anchor) : -1;
	const to = indexOf(id);
	if (from < 0 || to < 0) {
		toggleSelected(id);
		return;
	}
	const next = new Set(selected.value);
	for (let i = Math.min(from, to); i <= Math.max(from, to); i++) {
		const between = idAt(i);
		if (between) next.add(between);
	}
	selected.value = next;
}

export function clearSelection(): void {
	selected.value = new Set();
}

/** The message after those that go away, else the one before: it is opened next when the open one goes. */
export function neighbourOf(ids: readonly string[]): string | null {
	const gone = new Set(ids);
	const first = Math.min(...ids.map(indexOf).filter((index) => index >= 0));
	if (!Number.isFinite(first)) return null;
	for (let i = first; i < (total.value ?? 0); i++) {
		const id = idAt(i);
		if (id && !gone.has(id)) return id;
	}
	for (let i = first - 1; i >= 0; i--) {
		const id = idAt(i);
		if (id && !gone.has(id)) return id;
	}
	return null;
}

interface Place {
	mailboxId: string | null;
	search: string;
	emailId: string | null;
}

function placeOf(hash: string): Place {
	const parts = hash.replace(/^#\//, '').split('/').map((part) => {
		try {
			return decodeURIComponent(part);
		} catch {
			return '';
		}
	});
	const emailId = parts[2] || null;
	if (parts[0] === 's' && parts[1]) return { mailboxId: null, search: parts[1], emailId };
	return { mailboxId: parts[0] === 'm' && parts[1] ? parts[1] : null, search: '', emailId };
}

/** Shows what the address names; the inbox when it names nothing there is. */
export function followAddress(): void {
	const place = placeOf(location.hash);
	const inbox = byRole.value.get('inbox')?.id ?? mailboxes.value.keys().next().value ?? null;
	const mailboxId = place.mailboxId && mailboxes.value.has(place.mailboxId) ? place.mailboxId : view.value.mailboxId ?? inbox;
	batch(() => {
		foldersShown.value = false;
		if (view.value.search !== place.search || (!place.search && view.value.mailboxId !== mailboxId) || total.value === null) {
			selected.value = new Set();
			showView({ mailboxId: place.search ? view.value.mailboxId ?? inbox : mailboxId, search: place.search, quick: 'all' });
		}
		openId.value = place.emailId;
		cursorId.value = place.emailId ?? cursorId.value;
	});
	if (place.emailId) void fetchUnknown([place.emailId]).catch(() => undefined);
	record(false);
}

window.addEventListener('popstate', () => {
	if (mailboxes.value.size > 0) followAddress();
});
