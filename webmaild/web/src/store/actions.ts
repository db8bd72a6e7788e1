// SPDX-License-Identifier: ISC
// SPDX-FileCopyrightText: The Fourpost authors
// What is done to messages. The screen changes at once; when the server refuses, it changes back and says why.
import { batch } from '@preact/signals';
import { t, tn } from '../i18n.ts';
import type { EmailSummary, SetResponse } from '../jmap/types.ts';
import { email, forgetEmail, updateEmail } from './emails.ts';
import { call, checkSet, chunks, maxInSet } from './jmap.ts';
import { allIds, fetchUnknown, loadedIds, refreshList, removeFromList, total, view } from './list.ts';
import { adjustCounts, byRole, ensureRole, mailboxes, mailboxName, refreshMailboxes } from './mailboxes.ts';
import { announce, confirmed, reportError, showToast } from './notices.ts';
import { clearSelection, closeEmail, cursorId, focusList, layout, neighbourOf, openEmail, openId, selected, targets } from './view.ts';

type Patch = Record<string, unknown>;

async function update(patches: Map<string, Patch>): Promise<void> {
	for (const part of chunks([...patches], maxInSet()))
		checkSet(await call<SetResponse>('Email/set', { update: Object.fromEntries(part) }));
}

function knownOf(ids: readonly string[]): EmailSummary[] {
	return ids.map(email).filter((summary): summary is EmailSummary => summary !== null);
}

function count(summary: EmailSummary, sign: 1 | -1): void {
	const unread = summary.keywords.$seen ? 0 : sign;
	for (const id of Object.keys(summary.mailboxIds)) adjustCounts(id, unread, sign);
}

/** Applies a change to what is known of the messages, keeping the counts right. */
function apply(ids: readonly string[], change: (summary: EmailSummary) => EmailSummary): void {
	batch(() => {
		for (const before of knownOf(ids)) {
			count(before, -1);
			updateEmail(before.id, change);
			count(email(before.id)!, 1);
		}
	});
}

function restore(before: EmailSummary[]): void {
	const old = new Map(before.map((summary) => [summary.id, summary]));
	apply([...old.keys()], (now) => ({ ...now, keywords: old.get(now.id)!.keywords, mailboxIds: old.get(now.id)!.mailboxIds }));
}

function lookAgain(): void {
	void Promise.all([refreshList(), refreshMailboxes()]).catch(() => undefined);
}

export async function setKeyword(ids: readonly string[], keyword: string, on: boolean): Promise<void> {
	const before = knownOf(ids);
	apply(ids, (summary) => {
		const keywords = { ...summary.keywords };
		if (on) keywords[keyword] = true;
		else delete keywords[keyword];
		return { ...summary, keywords };
	});
	try {
		await update(new Map(ids.map((id) => [id, { [`keywords/${keyword}`]: on ? true : null }])));
	} catch (error) {
		restore(before);
		reportError(error, 'error.change');
	}
}

/** Sets the keyword unless all have it already. */
export function toggleKeyword(ids: readonly string[], keyword: string): void {
	const all = knownOf(ids);
	if (all.length > 0) void setKeyword(ids, keyword, !all.every((summary) => summary.keywords[keyword]));
}

/** Takes messages off the screen and goes on with the next one. */
function leaveList(ids: readonly string[]): void {
	const next = neighbourOf(ids);
	batch(() => {
		const wasOpen = openId.value !== null && ids.includes(openId.value);
		removeFromList(ids);
		clearSelection();
		if (cursorId.value && ids.includes(cursorId.value)) cursorId.value = next;
		if (!wasOpen) return;
		if (next && layout.value !== 'one') openEmail(next);
		else closeEmail();
	});
	focusList.value++;
}

async function moveBack(before: EmailSummary[]): Promise<void> {
	try {
		restore(before);
		await update(new Map(before.map(({ id, mailboxIds }) => [id, { mailboxIds }])));
	} catch (error) {
		reportError(error, 'error.change');
	}
	lookAgain();
}

export async function moveTo(ids: readonly string[], mailboxId: string, keywords: Record<string, boolean | null> = {}): Promise<void> {
	if (ids.length === 0) return;
	try {
		await fetchUnknown([...ids]);
	} catch (error) {
		reportError(error, 'error.move');
		return;
	}
	const before = knownOf(ids).filter((summary) => !summary.mailboxIds[mailboxId]);
	const moved = before.map(({ id }) => id);
	if (moved.length === 0) {
		clearSelection();
		return;
	}
	const patches = new Map(moved.map((id): [string, Patch] => [id, {
		mailboxIds: { [mailboxId]: true },
		...Object.fromEntries(Object.entries(keywords).map(([keyword, on]) => [`keywords/${keyword}`, on])),
	}]));
	apply(moved, (summary) => ({ ...summary, mailboxIds: { [mailboxId]: true } }));
	if (!view.value.search) leaveList(moved);
	else clearSelection();
	try {
		await update(patches);
	} catch (error) {
		restore(before);
		lookAgain();
		reportError(error, 'error.move');
		return;
	}
	const name = mailboxName(mailboxes.value.get(mailboxId)!);
	const text = tn('toast.moved', moved.length, { mailbox: name });
	announce(text);
	showToast(text, { actions: [{ label: t('undo'), run: () => void moveBack(before) }] });
}

async function moveToRole(ids: readonly string[], role: string, keywords: Record<string, boolean | null> = {}): Promise<void> {
	try {
		await moveTo(ids, await ensureRole(role), keywords);
	} catch (error) {
		reportError(error, 'error.move');
	}
}

export function archive(ids: readonly string[]): Promise<void> {
	return moveToRole(ids, 'archive');
}

export function markJunk(ids: readonly string[]): Promise<void> {
	return moveToRole(ids, 'junk', { $junk: true, $notjunk: null });
}

export function markNotJunk(ids: readonly string[]): Promise<void> {
	return moveToRole(ids, 'inbox', { $junk: null, $notjunk: true });
}

/** To the trash; what is there already is destroyed, after asking. */
export async function remove(ids: readonly string[]): Promise<void> {
	if (ids.length === 0) return;
	const trash = byRole.value.get('trash')?.id;
	const inTrash = trash !== undefined && (view.value.search ? knownOf(ids).every((summary) => summary.mailboxIds[trash]) : view.value.mailboxId === trash);
	if (!inTrash) {
		await moveToRole(ids, 'trash');
		return;
	}
	const sure = await confirmed({ title: tn('destroy.title', ids.length), text: t('destroy.text'), confirm: t('destroy.confirm'), danger: true });
	if (sure) await destroy(ids);
}

async function destroy(ids: readonly string[]): Promise<void> {
	const before = knownOf(ids);
	batch(() => {
		for (const summary of before) count(summary, -1);
		leaveList(ids);
	});
	try {
		for (const part of chunks(ids, maxInSet())) checkSet(await call<SetResponse>('Email/set', { destroy: part }));
		for (const id of ids) forgetEmail(id);
		announce(tn('toast.destroyed', ids.length));
	} catch (error) {
		reportError(error, 'error.destroy');
		lookAgain();
	}
}

/** Empties the mailbox in view. */
export async function emptyMailbox(): Promise<void> {
	const n = total.value ?? 0;
	if (n === 0) return;
	if (!await confirmed({ title: tn('destroy.title', n), text: t('destroy.text'), confirm: t('empty.confirm'), danger: true })) return;
	try {
		await destroy(await allIds());
	} catch (error) {
		reportError(error, 'error.destroy');
	}
}

/** Every message of the view, also those never loaded. */
export async function selectAll(): Promise<void> {
	const of = view.value;
	selected.value = new Set(loadedIds());
	if (selected.value.size === total.value) return;
	try {
		const ids = await allIds();
		if (view.value === of) selected.value = new Set(ids);
	} catch (error) {
		reportError(error, 'error.list');
	}
}

export function removeTargets(): void {
	void remove(targets());
}
